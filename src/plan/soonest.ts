/** Things that each have their next time: which one's turn is first. Of equal times the one with the lower number. */
export class Soonest {
  /** A binary heap of numbers, the soonest at 0. */
  readonly #heap: Uint32Array;
  readonly #times: Float64Array;

  /** @param times when each has its first turn; `Infinity` for never */
  constructor(times: Float64Array) {
    this.#times = times;
    this.#heap = Uint32Array.from(times.keys());
    for (let at = (times.length >> 1) - 1; at >= 0; at--) this.#sink(at);
  }

  /** Whose turn it is; −1 where nobody has one any more. */
  get first(): number {
    return this.time === Infinity ? -1 : (this.#heap[0] ?? -1);
  }

  /** When that is. */
  get time(): number {
    return this.#times[this.#heap[0] ?? 0] ?? Infinity;
  }

  /** Gives the first its next turn, not sooner than this one; `Infinity` for never again. */
  delay(time: number): void {
    this.#times[this.#heap[0] ?? 0] = time;
    this.#sink(0);
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const { length } = heap;
    const moved = heap[from] ?? 0;
    let at = from;
    for (let child = 2 * at + 1; child < length; child = 2 * at + 1) {
      if (child + 1 < length && this.#isBefore(heap[child + 1] ?? 0, heap[child] ?? 0)) child++;
      const next = heap[child] ?? 0;
      if (!this.#isBefore(next, moved)) break;
      heap[at] = next;
      at = child;
    }
    heap[at] = moved;
  }

  #isBefore(a: number, b: number): boolean {
    const mine = this.#times[a] ?? 0;
    const theirs = this.#times[b] ?? 0;
    return mine < theirs || (mine === theirs && a < b);
  }
}
