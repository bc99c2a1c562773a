import { CHUNK } from './bytes';

/** Where the slots lie, and which are held: two threads may hold this together. */
export interface SlotTable {
  /** Byte where the first slot begins, and bytes from one to the next. */
  readonly first: number;
  readonly stride: number;
  /** For each slot, how many still hold it. */
  readonly held: Int32Array<SharedArrayBuffer>;
}

/** Places in shared memory. One thread takes them; they are free again when all that hold them have given them back. */
export class Slots {
  readonly table: SlotTable;

  constructor(table: SlotTable) {
    this.table = table;
  }

  /**
   * Byte where a free slot begins, if there is one: the first, so that those that are still in the processor's cache come again.
   *
   * @param holders that will give it back
   */
  take(holders: number): number | undefined {
    const { first, stride, held } = this.table;
    for (let slot = 0; slot < held.length; slot++) {
      if (Atomics.compareExchange(held, slot, 0, holders) === 0) return first + slot * stride;
    }
    return undefined;
  }

  /** One of its holders gives the slot back that begins at byte `at`. */
  give(at: number): void {
    const { first, stride, held } = this.table;
    Atomics.sub(held, (at - first) / stride, 1);
  }
}

/** What the threads that work on a layer look at together. */
export interface LayerMemory {
  readonly buffer: SharedArrayBuffer;
  /** Slots for chunks of the blob, of `CHUNK` bytes each. */
  readonly chunks: Slots;
  /** Areas for what it unpacks to. */
  readonly areas: Slots;
}

/**
 * Chunks that two threads hold together: one is read, one decoded, and one waits for the cuts that may be in it; the others let each
 * thread run ahead a little.
 */
export const SLOTS = 8;

export function slots(first: number, stride: number, count: number): Slots {
  return new Slots({ first, stride, held: new Int32Array(new SharedArrayBuffer(4 * count)) });
}

/** Memory for a blob that nobody decodes. */
export function plainMemory(): LayerMemory {
  return {
    buffer: new SharedArrayBuffer(SLOTS * CHUNK),
    chunks: slots(0, CHUNK, SLOTS),
    areas: slots(0, 0, 0),
  };
}
