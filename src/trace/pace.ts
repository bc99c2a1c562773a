/** How much of a traced start's time is the application's own, told by the trace's clock. */
import type { TraceEvent } from './types';

/**
 * Microseconds that the tracer costs for each event, with the files in the page cache. Where a call stops its thread: 0.53 s against
 * 0.42 s for 3853 events (fx-py). Where it is announced, 0.40 against 0.36 s.
 */
const STOPPED = 30;
const ANNOUNCED = 10;
/**
 * From a cold page cache a start takes this many times as long as on files that were just unpacked: 1.33 s against 0.45 s
 * (fx-py). fx-node has the same factor: 4.29 s against 1.43 s.
 */
const COLD = 3;
/**
 * A loader reads the head of a library and maps it, with nothing to think about in between: 20 µs from the page cache,
 * 125 µs and more from a disk.
 */
const COLD_READ = 60;

/** What a process did last, where that was a read. */
interface Doing {
  read: (TraceEvent & { op: 'read' }) | undefined;
}

/** Takes the events of a start in their order. */
export class Pace {
  readonly #cost: number;
  #events = 0;
  #waits: number[] = [];
  readonly #processes = new Map<number, Doing>();

  /** @param mode how the start was recorded, as its header says */
  constructor(mode: string) {
    this.#cost = mode === 'seccomp-notify' ? ANNOUNCED : STOPPED;
  }

  add(event: TraceEvent): void {
    this.#events++;
    let doing = this.#processes.get(event.pid);
    if (!doing) this.#processes.set(event.pid, (doing = { read: undefined }));
    const { read } = doing;
    doing.read = event.op === 'read' ? event : undefined;
    if (read && event.op === 'mmap' && event.path === read.path) this.#waits.push(event.t - read.t);
  }

  /** Microseconds that the start takes without the tracer, from files that were just unpacked. */
  untraced(readyAt: number): number {
    const wait = this.#waits.sort((a, b) => a - b)[this.#waits.length >> 1] ?? 0;
    if (wait >= COLD_READ) return readyAt / COLD;
    // A tracer stops one thread while others go on: at least half of the time is the application's.
    return Math.max(readyAt / 2, readyAt - this.#events * this.#cost);
  }
}
