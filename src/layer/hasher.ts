import type { ChunkSlots } from './chunk-memory';
import { createHash, type Hash } from 'node:crypto';

/** A place in the blob where a span begins (soci-format §2.4). */
export interface Cut {
  /** Bytes of the blob before it. */
  readonly at: number;
  /** True when the byte before it belongs to both spans. */
  readonly shared: boolean;
}

export interface BlobDigests {
  /** Of the whole blob, `sha256:…`; empty where nobody needs it. */
  readonly digest: string;
  /** SHA-256 of each span, 32 bytes each. */
  readonly spans: Uint8Array;
}

/** Takes the digests of a blob and of its spans while it goes by. */
export interface BlobHasher {
  /** Memory for a chunk that will be added; once it is hashed, it serves another one. */
  allocate(length: number): Uint8Array | Promise<Uint8Array>;
  /**
   * The next chunk, and the cuts that became known with it. The hasher owns the chunk from here on. Wait for what it
   * returns, if anything, before the next one.
   */
  add(chunk: Uint8Array, cuts: readonly Cut[]): Promise<void> | undefined;
  /** The blob has ended; `cuts` became known since the last chunk. */
  finish(cuts: readonly Cut[]): BlobDigests | Promise<BlobDigests>;
}

/** A decoder reads this far ahead at most, so a cut is known at the latest when so many bytes behind it have been added. */
export const LAG = 4096;

/** Bytes of a digest. */
const SHA256 = 32;

/** Hashes in this thread. */
export class InlineHasher implements BlobHasher {
  readonly #memory: ChunkSlots;
  readonly #blob: Hash | undefined;
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

  /**
   * @param memory gets its slots back as soon as they are hashed
   * @param withBlob false leaves out the digest of the whole blob.
   */
  constructor(memory: ChunkSlots, withBlob = true) {
    this.#blob = withBlob ? createHash('sha256') : undefined;
    this.#memory = memory;
  }

  allocate(length: number): Uint8Array {
    return this.#memory.take(length) ?? new Uint8Array(length);
  }

  add(chunk: Uint8Array, cuts: readonly Cut[]): undefined {
    this.#blob?.update(chunk);
    this.#held.push(chunk);
    this.#await(cuts);
    this.#size += chunk.length;
    this.#hashUpTo(this.#size - LAG);
  }

  finish(cuts: readonly Cut[]): BlobDigests {
    this.#await(cuts);
    this.#hashUpTo(this.#size);
    this.#endSpan();
    return {
      digest: this.#blob ? `sha256:${this.#blob.digest('hex')}` : '',
      spans: this.#digests.slice(0, SHA256 * this.#spans),
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
      if (chunk.buffer === this.#memory.buffer) this.#memory.give(chunk.byteOffset);
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
      this.#span = createHash('sha256');
      if (shared) this.#span.update(chunk.subarray(to - 1, to));
      from = to;
      used++;
    }
    this.#cuts.splice(0, used);
    // What comes before the first span, the header of the first gzip member, belongs to none.
    this.#span?.update(chunk.subarray(from));
  }
}
