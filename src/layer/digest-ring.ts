/** What the scanning thread tells the digesting ones, in the order of the stream; the numbers that go with it in brackets. */
export const Op = {
  /** A span begins (byte of the blob, 1 if it shares the byte before it). */
  Cut: 0,
  /** A chunk of the blob (byte of the memory, length). */
  Chunk: 1,
  /** Unpacked bytes (byte of the memory where they begin, and end). */
  Output: 2,
  /** An area is left (byte of the memory). */
  Left: 3,
  /** The blob has ended. */
  Finish: 4,
  /** The blob is given up. */
  Stop: 5,
} as const;

/** Ops that the writer may be ahead of a reader. */
const CAPACITY = 1024;
/** Numbers of an op: what it is, and two more at most. */
const WIDTH = 3;

/** Indexes of `turns`: how many ops were written; how often a reader told that something is free; how many ops each one has read. */
const WRITTEN = 0;
const FREED = 1;
const READ = 2;

/** The memory of a ring, which all its threads hold. */
export interface RingMemory {
  /** Counters, modulo 2³². */
  readonly turns: Int32Array<SharedArrayBuffer>;
  readonly ops: Float64Array<SharedArrayBuffer>;
}

export function ringMemory(readers: number): RingMemory {
  return {
    turns: new Int32Array(new SharedArrayBuffer(4 * (READ + readers))),
    ops: new Float64Array(new SharedArrayBuffer(8 * WIDTH * CAPACITY)),
  };
}

/**
 * Writes ops, from one thread. Each side blocks its thread when it has to wait, which a worker may; so they need not go
 * through their event loops thousands of times for each GB.
 */
export class RingWriter {
  readonly #memory: RingMemory;
  #written = 0;

  constructor(memory: RingMemory) {
    this.#memory = memory;
  }

  write(op: number, a = 0, b = 0): void {
    const { turns, ops } = this.#memory;
    this.waitFor(() => this.#hasRoom() || undefined);
    const at = (WIDTH * (this.#written >>> 0)) % ops.length;
    ops[at] = op;
    ops[at + 1] = a;
    ops[at + 2] = b;
    this.#written = (this.#written + 1) | 0;
    // What was written before is seen by who sees this.
    Atomics.store(turns, WRITTEN, this.#written);
  }

  /**
   * Wakes readers that sleep. Not at each op: one that is woken thousands of times a second runs on the core of the one that wakes
   * it, and in its place.
   */
  wake(): void {
    Atomics.notify(this.#memory.turns, WRITTEN);
  }

  /** What `find` finds, which is asked again whenever something is free. */
  waitFor<T>(find: () => T | undefined): T {
    const { turns } = this.#memory;
    for (;;) {
      const freed = Atomics.load(turns, FREED);
      const found = find();
      if (found !== undefined) return found;
      this.wake();
      Atomics.wait(turns, FREED, freed);
    }
  }

  #hasRoom(): boolean {
    const { turns } = this.#memory;
    for (let reader = READ; reader < turns.length; reader++) {
      if (((this.#written - Atomics.load(turns, reader)) | 0) >= CAPACITY) return false;
    }
    return true;
  }
}

/** Reads all ops in another thread. */
export class RingReader {
  readonly #memory: RingMemory;
  readonly #index: number;
  readonly numbers: [number, number] = [0, 0];
  #read = 0;

  /** @param reader which of the ring's readers it is, from 0 on */
  constructor(memory: RingMemory, reader: number) {
    this.#memory = memory;
    this.#index = READ + reader;
  }

  /** True when an op can be read at once. */
  get isReady(): boolean {
    return Atomics.load(this.#memory.turns, WRITTEN) !== this.#read;
  }

  /** The next op; waits for it. The numbers that go with it are in `numbers` until the one after it. */
  next(): number {
    const { turns, ops } = this.#memory;
    while (!this.isReady) Atomics.wait(turns, WRITTEN, this.#read);
    const at = (WIDTH * (this.#read >>> 0)) % ops.length;
    const op = ops[at] ?? Op.Stop;
    this.numbers[0] = ops[at + 1] ?? 0;
    this.numbers[1] = ops[at + 2] ?? 0;
    this.#read = (this.#read + 1) | 0;
    Atomics.store(turns, this.#index, this.#read);
    this.freed();
    return op;
  }

  /** Something is free that the writer may wait for. */
  freed(): void {
    const { turns } = this.#memory;
    Atomics.add(turns, FREED, 1);
    Atomics.notify(turns, FREED);
  }
}
