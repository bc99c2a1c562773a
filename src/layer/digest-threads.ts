import { CHUNK } from './bytes';
import { Op, RingWriter, ringMemory } from './digest-ring';
import type { BlobStart } from './digest-thread';
import type { Cut, DigestOptions, Digester, Digests } from './digests';
import type { LayerMemory } from './memory';
import { once } from 'node:events';
import type { MessagePort } from 'node:worker_threads';

/**
 * Digests in threads of their own, so that a large layer takes little longer than its decoding. They serve any number of blobs, one
 * after the other. What they digest stands in memory that all threads share; only the places are told.
 */
export class DigestThreads {
  readonly #ports: MessagePort[] = [];
  #current: ThreadDigester | undefined;

  /** @param port leads to a thread that calls `serveDigests` */
  add(port: MessagePort): void {
    // Whoever scans waits for a message of its own.
    port.unref();
    this.#ports.push(port);
  }

  /**
   * Begins a blob; one that was not finished, since its scan failed, is given up.
   *
   * @param count how many of the threads share the work: one, or two
   */
  start(memory: LayerMemory, options: DigestOptions, count: number): Digester {
    this.#current?.stop();
    const ports = this.#ports.slice(0, count);
    const ring = ringMemory(ports.length);
    const { buffer, chunks, areas } = memory;
    const none = { blob: false, spans: false, diffId: false };
    const { blob, spans, diffId } = options;
    const shares =
      ports.length === 1
        ? [options]
        : [
            { ...none, blob, diffId },
            { ...none, spans },
          ];
    ports.forEach((port, reader) => {
      port.postMessage({
        ...{ buffer, chunks: chunks.table, areas: areas.table },
        ...{ ring, reader, options: shares[reader] ?? none },
      } satisfies BlobStart);
    });
    this.#current = new ThreadDigester(memory, options, new RingWriter(ring), ports.length, async () => {
      this.#current = undefined;
      return joined(await Promise.all(ports.map((port) => once(port, 'message') as Promise<[Digests]>)));
    });
    return this.#current;
  }
}

/** Of what each thread found, what it was asked for. */
function joined(parts: readonly [Digests][]): Digests {
  return {
    digest: parts.map(([{ digest }]) => digest).join(''),
    spans: new Uint8Array(Buffer.concat(parts.map(([{ spans }]) => spans))),
    diffId: parts.map(([{ diffId }]) => diffId).find((diffId) => diffId !== undefined),
  };
}

/** One blob of `DigestThreads`. */
class ThreadDigester implements Digester {
  readonly #memory: LayerMemory;
  readonly #withOutput: boolean;
  readonly #ring: RingWriter;
  readonly #readers: number;
  readonly #digests: () => Promise<Digests>;

  constructor(
    memory: LayerMemory,
    options: DigestOptions,
    ring: RingWriter,
    readers: number,
    digests: () => Promise<Digests>,
  ) {
    this.#memory = memory;
    this.#withOutput = options.diffId;
    this.#ring = ring;
    this.#readers = readers;
    this.#digests = digests;
  }

  allocate(length: number): Uint8Array {
    const { buffer, chunks } = this.#memory;
    const at = this.#ring.waitFor(() => chunks.take(this.#readers));
    return new Uint8Array(buffer, at, length);
  }

  add(chunk: Uint8Array, cuts: readonly Cut[]): void {
    this.#cut(cuts);
    if (chunk.buffer === this.#memory.buffer) this.#chunk(chunk);
    else {
      // Its source had it in memory of its own.
      for (let at = 0; at < chunk.length; at += CHUNK) {
        const part = chunk.subarray(at, at + CHUNK);
        const slot = this.allocate(part.length);
        slot.set(part);
        this.#chunk(slot);
      }
    }
    this.#ring.wake();
  }

  output(from: number, to: number): void {
    if (this.#withOutput) this.#ring.write(Op.Output, from, to);
  }

  nextArea(area?: number): number {
    // Where nobody else looks at it, the same one is in this core's cache.
    if (area !== undefined && !this.#withOutput) return area;
    if (area !== undefined) this.#ring.write(Op.Left, area);
    return this.#ring.waitFor(() => this.#memory.areas.take(this.#readers));
  }

  finish(cuts: readonly Cut[]): Promise<Digests> {
    this.#cut(cuts);
    this.#ring.write(Op.Finish);
    this.#ring.wake();
    return this.#digests();
  }

  stop(): void {
    this.#ring.write(Op.Stop);
    this.#ring.wake();
  }

  #cut(cuts: readonly Cut[]): void {
    for (const { at, shared } of cuts) this.#ring.write(Op.Cut, at, shared ? 1 : 0);
  }

  #chunk(chunk: Uint8Array): void {
    this.#ring.write(Op.Chunk, chunk.byteOffset, chunk.length);
  }
}
