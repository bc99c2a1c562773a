/** The processors of the node in the simulator. */
export class Processors {
  readonly #free: Float64Array;

  constructor(count: number) {
    this.#free = new Float64Array(count);
  }

  /** Work of `milliseconds` that can begin at `at`, on the processor that is free first; returns when it is done. */
  work(at: number, milliseconds: number): number {
    let first = 0;
    for (let i = 1; i < this.#free.length; i++)
      if ((this.#free[i] ?? 0) < (this.#free[first] ?? 0)) first = i;
    const done = Math.max(at, this.#free[first] ?? 0) + milliseconds;
    this.#free[first] = done;
    return done;
  }
}
