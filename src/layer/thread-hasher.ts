import { InlineHasher, type BlobDigests, type BlobHasher, type Cut } from './hasher';
import { Worker, type MessagePort } from 'node:worker_threads';

/** From the scan to its hashing thread. */
type ToHasher =
  | { readonly kind: 'start' }
  | { readonly kind: 'add'; readonly chunk: Uint8Array; readonly cuts: readonly Cut[] }
  | { readonly kind: 'finish'; readonly cuts: readonly Cut[] };

/** And back: one `taken` for each chunk, then the digests. */
type FromHasher = { readonly kind: 'taken' } | { readonly kind: 'digests'; readonly digests: BlobDigests };

/** Chunks that may wait for the thread: it is faster than the decoder, except on stored data. */
const CHUNKS_AHEAD = 4;

/**
 * Hashes in a thread of its own, so that a large layer takes little longer than its decoding. One thread serves any number
 * of blobs, one after the other. Chunks move to the thread: whoever adds one must not look at it again.
 */
export class HashThread {
  readonly #worker: Worker;
  #waiting = 0;
  #wake: (() => void) | undefined;
  #digests: ((digests: BlobDigests) => void) | undefined;

  /** @param file the worker's bundle, which calls `serveHashing` for `role`. */
  constructor(file: string, role: string) {
    this.#worker = new Worker(file, { workerData: role });
    this.#worker.on('message', (message: FromHasher) => {
      if (message.kind === 'digests') {
        this.#digests?.(message.digests);
      } else {
        this.#waiting--;
        this.#wake?.();
      }
    });
    // A crash here is one of the scan that waits: it ends the scanning thread with the same error.
    this.#worker.on('error', (error) => {
      throw error;
    });
    this.#worker.unref();
  }

  /** Begins a blob; what a scan that failed has left is forgotten. */
  start(): BlobHasher {
    this.#send({ kind: 'start' });
    return {
      add: (chunk, cuts) => {
        this.#waiting++;
        this.#send({ kind: 'add', chunk, cuts }, [chunk.buffer as ArrayBuffer]);
        if (this.#waiting < CHUNKS_AHEAD) return undefined;
        return new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      },
      finish: (cuts) => {
        const digests = new Promise<BlobDigests>((resolve) => {
          this.#digests = resolve;
        });
        this.#send({ kind: 'finish', cuts });
        return digests;
      },
    };
  }

  #send(message: ToHasher, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
  }
}

/** The thread's side. */
export function serveHashing(port: MessagePort): void {
  let hasher = new InlineHasher();
  const send = (message: FromHasher): void => {
    port.postMessage(message);
  };
  port.on('message', (message: ToHasher) => {
    switch (message.kind) {
      case 'start':
        hasher = new InlineHasher();
        break;
      case 'add':
        hasher.add(message.chunk, message.cuts);
        send({ kind: 'taken' });
        break;
      case 'finish':
        send({ kind: 'digests', digests: hasher.finish(message.cuts) });
        break;
    }
  });
}
