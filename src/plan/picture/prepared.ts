import { setImmediate } from 'node:timers/promises';

/**
 * Something that takes long to make: in slices while nobody waits, or at once when it is needed. The work is a generator
 * that yields between slices of a few milliseconds.
 */
export class Prepared<T> {
  readonly #steps: Generator<void, T>;
  #value: { readonly made: T } | undefined;

  constructor(steps: Generator<void, T>) {
    this.#steps = steps;
  }

  /** Makes what is still missing, now. */
  get(): T {
    while (this.#value === undefined) this.#step();
    return this.#value.made;
  }

  /** Makes it slice by slice and lets everything else go first. */
  async inBackground(signal?: AbortSignal): Promise<void> {
    while (this.#value === undefined) {
      if (signal?.aborted === true) return;
      this.#step();
      await setImmediate();
    }
  }

  #step(): void {
    const step = this.#steps.next();
    if (step.done === true) this.#value = { made: step.value };
  }
}

/** Items that are worked off between two pauses: a few milliseconds. */
export const SLICE = 4000;
