import type { LayerMemory } from './memory';
import { createHash, type Hash } from 'node:crypto';

/** A place in the blob where a span begins (soci-format §2.4). */
export interface Cut {
  /** Bytes of the blob before it. */
  readonly at: number;
  /** True when the byte before it belongs to both spans. */
  readonly shared: boolean;
}

/** Which digests are wanted. */
export interface DigestOptions {
  /** SHA-256 of the whole blob. */
  readonly blob: boolean;
  /** SHA-256 of each span. */
  readonly spans: boolean;
  /** SHA-256 of what it unpacks to. */
  readonly diffId: boolean;
}

export interface Digests {
  /** Of the whole blob, `sha256:…`; empty where nobody needs it. */
  readonly digest: string;
  /** SHA-256 of each span, 32 bytes each. */
  readonly spans: Uint8Array;
  /** Of the unpacked stream, `sha256:…`. */
  readonly diffId: string | undefined;
}

/**
 * Takes the digests of a blob, of its spans and of what it unpacks to, while it goes by in `LayerMemory`. Everything comes in the
 * order of the stream.
 */
export interface Digester {
  /** Memory for a chunk that will be added; once it is hashed, it serves another one. */
  allocate(length: number): Uint8Array;
  /** The next chunk of the blob, and the cuts that became known with it. The digester owns the chunk from here on. */
  add(chunk: Uint8Array, cuts: readonly Cut[]): void;
  /** The next unpacked bytes, which stand in the memory at `from` to `to`. */
  output(from: number, to: number): void;
  /** Where output can go, first of all or when all of that in `area` was told. */
  nextArea(area?: number): number;
  /** The blob has ended; `cuts` became known since the last chunk. */
  finish(cuts: readonly Cut[]): Digests | Promise<Digests>;
}

/** A decoder reads this far ahead at most, so a cut is known at the latest when so many bytes behind it have been added. */
export const LAG = 4096;

/** Bytes of a digest. */
const SHA256 = 32;

const sha256 = (): Hash => createHash('sha256');

/** Takes them in this thread. */
export class InlineDigester implements Digester {
  readonly #memory: LayerMemory;
  readonly #bytes: Uint8Array;
  readonly #release: (chunk: Uint8Array) => void;
  readonly #blob: Hash | undefined;
  readonly #diff: Hash | undefined;
  /** Those of the spans that are complete, 32 bytes each: a span may be as short as a byte. */
  #digests = new Uint8Array(1024);
  #spans = 0;
  #span: Hash | undefined;
  /** Chunks that still may be cut, the first of which begins at `#heldAt`, and the cuts in them. */
  #held: Uint8Array[] = [];
  /** How many of `#held` are hashed already: taking each out at once would move all the others, whatever its size. */
  #hashed = 0;
  #heldAt = 0;
  #size = 0;
  #cuts: Cut[] = [];
  readonly #withSpans: boolean;

  /** @param release gets each chunk when it is hashed */
  constructor(
    memory: LayerMemory,
    options: DigestOptions,
    release = ({ buffer, byteOffset }: Uint8Array): void => {
      if (buffer === memory.buffer) memory.chunks.give(byteOffset);
    },
  ) {
    this.#memory = memory;
    this.#release = release;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#blob = options.blob ? sha256() : undefined;
    this.#diff = options.diffId ? sha256() : undefined;
    this.#withSpans = options.spans;
  }

  allocate(length: number): Uint8Array {
    const { buffer, chunks } = this.#memory;
    const at = chunks.take(1);
    return at === undefined ? new Uint8Array(length) : new Uint8Array(buffer, at, length);
  }

  add(chunk: Uint8Array, cuts: readonly Cut[]): void {
    this.#blob?.update(chunk);
    if (!this.#withSpans) {
      this.#release(chunk);
      return;
    }
    this.#held.push(chunk);
    this.#await(cuts);
    this.#size += chunk.length;
    this.#hashUpTo(this.#size - LAG);
  }

  output(from: number, to: number): void {
    this.#diff?.update(this.#bytes.subarray(from, to));
  }

  nextArea(area?: number): number {
    // Nobody but this thread has it.
    return area ?? this.#memory.areas.take(1) ?? 0;
  }

  finish(cuts: readonly Cut[]): Digests {
    this.#await(cuts);
    this.#hashUpTo(this.#size);
    this.#endSpan();
    return {
      digest: this.#blob ? `sha256:${this.#blob.digest('hex')}` : '',
      spans: this.#digests.slice(0, SHA256 * this.#spans),
      diffId: this.#diff && `sha256:${this.#diff.digest('hex')}`,
    };
  }

  #await(cuts: readonly Cut[]): void {
    // One by one: a million, as short spans give them, are too many arguments.
    for (const cut of cuts) this.#cuts.push(cut);
  }

  #endSpan(): void {
    if (!this.#span) return;
    const at = SHA256 * this.#spans++;
    if (at === this.#digests.length) {
      const grown = new Uint8Array(2 * at);
      grown.set(this.#digests);
      this.#digests = grown;
    }
    this.#digests.set(this.#span.digest(), at);
  }

  /** Hashes the held chunks that end at or before `limit`. */
  #hashUpTo(limit: number): void {
    for (let chunk; (chunk = this.#held[this.#hashed]); this.#hashed++) {
      if (this.#heldAt + chunk.length > limit) break;
      this.#hashChunk(chunk);
      this.#release(chunk);
      this.#heldAt += chunk.length;
    }
    if (this.#hashed * 2 < this.#held.length) return;
    this.#held.splice(0, this.#hashed);
    this.#hashed = 0;
  }

  #hashChunk(chunk: Uint8Array): void {
    let from = 0;
    let used = 0;
    for (const { at, shared } of this.#cuts) {
      const to = at - this.#heldAt;
      if (to > chunk.length) break;
      this.#span?.update(chunk.subarray(from, to));
      this.#endSpan();
      this.#span = sha256();
      if (shared) this.#span.update(chunk.subarray(to - 1, to));
      from = to;
      used++;
    }
    this.#cuts.splice(0, used);
    // What comes before the first span, the header of the first gzip member, belongs to none.
    this.#span?.update(chunk.subarray(from));
  }
}
