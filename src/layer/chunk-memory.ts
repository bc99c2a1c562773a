import { CHUNK } from './bytes';

/** Slots of one buffer, each for a chunk. */
export interface ChunkSlots {
  readonly buffer: ArrayBufferLike;
  /** A free slot's first `length` bytes, if there is one. */
  take(length: number): Uint8Array | undefined;
  /** Gives the slot back that begins at byte `at` of `buffer`. */
  give(at: number): void;
}

/**
 * Memory for the chunks of a blob that are read, decoded and hashed at the same time, maybe in several threads: slots of `CHUNK`
 * bytes each, of which the last one that came back is taken first, since it is likely in the processor's cache still.
 */
export class ChunkMemory implements ChunkSlots {
  readonly buffer: SharedArrayBuffer;
  readonly #free: number[];

  /**
   * @param first byte of `buffer` where the first slot begins
   * @param stride bytes from one slot to the next, at least `CHUNK`
   */
  constructor(buffer: SharedArrayBuffer, first: number, stride: number, count: number) {
    this.buffer = buffer;
    this.#free = Array.from({ length: count }, (_, slot) => first + slot * stride).reverse();
  }

  take(length: number): Uint8Array | undefined {
    const at = this.#free.pop();
    return at === undefined ? undefined : new Uint8Array(this.buffer, at, length);
  }

  give(at: number): void {
    this.#free.push(at);
  }
}

/**
 * Chunks that two threads hold together: one is read, one decoded, and one waits for the cuts that may be in it; the others let each
 * thread run ahead a little.
 */
export const SLOTS = 8;

/** Memory for a blob that nobody decodes. */
export function plainMemory(): ChunkMemory {
  return new ChunkMemory(new SharedArrayBuffer(SLOTS * CHUNK), 0, CHUNK, SLOTS);
}
