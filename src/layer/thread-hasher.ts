import { CHUNK } from './bytes';
import type { ChunkMemory } from './chunk-memory';
import { InlineHasher, LAG, type BlobDigests, type BlobHasher, type Cut } from './hasher';
import { Worker, type MessagePort } from 'node:worker_threads';

/** From the scan to its hashing thread. */
type ToHasher =
  /** A blob begins, whose chunks will stand in `memory`. */
  | { readonly kind: 'start'; readonly memory: SharedArrayBuffer }
  | { readonly kind: 'add'; readonly at: number; readonly length: number; readonly cuts: readonly Cut[] }
  | { readonly kind: 'finish'; readonly cuts: readonly Cut[] };

/** And back, for the blob of number `blob`: each slot when it is hashed, then the digests. */
type FromHasher = { readonly blob: number } & (
  { readonly kind: 'free'; readonly at: number } | { readonly kind: 'digests'; readonly digests: BlobDigests }
);

/**
 * Hashes in a thread of its own, so that a large layer takes little longer than its decoding. One thread serves any number
 * of blobs, one after the other. The chunks stand in memory that both threads share; only their places are sent.
 */
export class HashThread {
  readonly #worker: Worker;
  #blobs = 0;
  #current: SharedHasher | undefined;

  /** @param file the worker's bundle, which calls `serveHashing` for `role`. */
  constructor(file: string, role: string) {
    this.#worker = new Worker(file, { workerData: role });
    this.#worker.on('message', (message: FromHasher) => {
      // Of a scan that failed, messages may still be on their way.
      if (message.blob === this.#blobs) this.#current?.receive(message);
    });
    // A crash here is one of the scan that waits: it ends the scanning thread with the same error.
    this.#worker.on('error', (error) => {
      throw error;
    });
    this.#worker.unref();
  }

  /** Begins a blob; what a scan that failed has left is forgotten. */
  start(memory: ChunkMemory): BlobHasher {
    this.#blobs++;
    this.#current = new SharedHasher(memory, (message) => {
      this.#worker.postMessage(message);
    });
    return this.#current;
  }
}

/** One blob of a `HashThread`. */
class SharedHasher implements BlobHasher {
  readonly #send: (message: ToHasher) => void;
  readonly #memory: ChunkMemory;
  /** Who waits for a slot, the first one first. */
  readonly #waiting: (() => void)[] = [];
  #digests: ((digests: BlobDigests) => void) | undefined;

  constructor(memory: ChunkMemory, send: (message: ToHasher) => void) {
    this.#memory = memory;
    this.#send = send;
    send({ kind: 'start', memory: memory.buffer });
  }

  async allocate(length: number): Promise<Uint8Array> {
    for (;;) {
      const chunk = this.#memory.take(length);
      if (chunk) return chunk;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  add(chunk: Uint8Array, cuts: readonly Cut[]): Promise<void> | undefined {
    if (chunk.buffer !== this.#memory.buffer) return this.#copy(chunk, cuts);
    this.#send({ kind: 'add', at: chunk.byteOffset, length: chunk.length, cuts });
    return undefined;
  }

  finish(cuts: readonly Cut[]): Promise<BlobDigests> {
    this.#send({ kind: 'finish', cuts });
    return new Promise((resolve) => {
      this.#digests = resolve;
    });
  }

  receive(message: FromHasher): void {
    if (message.kind === 'digests') {
      this.#digests?.(message.digests);
      return;
    }
    this.#memory.give(message.at);
    this.#waiting.shift()?.();
  }

  /** A chunk that its source had in memory of its own. */
  async #copy(chunk: Uint8Array, cuts: readonly Cut[]): Promise<void> {
    let rest = cuts;
    for (let at = 0; at < chunk.length; at += CHUNK) {
      const part = chunk.subarray(at, at + CHUNK);
      const slot = await this.allocate(part.length);
      slot.set(part);
      this.#send({ kind: 'add', at: slot.byteOffset, length: slot.length, cuts: rest });
      rest = [];
    }
  }
}

/** The thread's side. */
export function serveHashing(port: MessagePort): void {
  let blob = 0;
  let memory: SharedArrayBuffer;
  let hasher: InlineHasher;
  const send = (message: FromHasher): void => {
    port.postMessage(message);
  };
  port.on('message', (message: ToHasher) => {
    switch (message.kind) {
      case 'start': {
        const number = ++blob;
        ({ memory } = message);
        const give = (at: number): void => {
          send({ blob: number, kind: 'free', at });
        };
        // Slots are taken on the other side.
        hasher = new InlineHasher({ buffer: memory, take: () => undefined, give });
        break;
      }
      case 'add': {
        const { at, length, cuts } = message;
        const chunk = new Uint8Array(memory, at, length);
        // Chunks wait for the cuts in them until so many bytes have followed: short ones would come to hold every slot.
        const isShort = length < LAG;
        hasher.add(isShort ? chunk.slice() : chunk, cuts);
        if (isShort) send({ blob, kind: 'free', at });
        break;
      }
      case 'finish':
        send({ blob, kind: 'digests', digests: hasher.finish(message.cuts) });
        break;
    }
  });
}
