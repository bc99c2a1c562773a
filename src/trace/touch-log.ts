/** Touched ranges of very many files, kept in flat arrays: a start may hold millions of reads. */
import type { Touch, TouchKind } from './types';

/** How bytes were touched. Pages of an executable mapping count apart: the kernel reads ahead differently there. */
export const WAYS = ['open', 'exec', 'read', 'page of a program', 'page', 'copy-up'] as const;
export type Way = (typeof WAYS)[number];

const KINDS: Record<Way, TouchKind> = {
  open: 'open',
  read: 'read',
  page: 'page',
  'page of a program': 'page',
  exec: 'exec',
  'copy-up': 'copy-up',
};

/** Where the newest range of each way stands in the log; −1 for none. One for each file. */
export type LogHeads = number[];

export class TouchLog {
  #start = new Float64Array(1024);
  #end = new Float64Array(1024);
  #at = new Float64Array(1024);
  #pid = new Int32Array(1024);
  /** The range of the same file and way before this one. */
  #before = new Int32Array(1024);
  #length = 0;

  newHeads(): LogHeads {
    return new Array<number>(WAYS.length).fill(-1);
  }

  /** Adds `[start, end)` bytes; a range that continues the newest one of its kind makes that one longer. */
  add(heads: LogHeads, way: Way, start: number, end: number, at: number, pid: number): void {
    const slot = WAYS.indexOf(way);
    const newest = heads[slot] ?? -1;
    const reached = this.#end[newest];
    if (reached !== undefined && start >= (this.#start[newest] ?? 0) && start <= reached) {
      this.#end[newest] = Math.max(reached, end);
      return;
    }
    if (this.#length === this.#start.length) this.#grow();
    const index = this.#length++;
    this.#start[index] = start;
    this.#end[index] = end;
    this.#at[index] = at;
    this.#pid[index] = pid;
    this.#before[index] = newest;
    heads[slot] = index;
  }

  /** The ranges of one file, those of a way that meet made one with the time of the first. */
  touches(heads: LogHeads, layer: number, entry: number): Touch[] {
    const touches: { -readonly [Key in keyof Touch]: Touch[Key] }[] = [];
    WAYS.forEach((way, slot) => {
      if ((heads[slot] ?? -1) < 0) return;
      const order: number[] = [];
      for (let index = heads[slot] ?? -1; index >= 0; index = this.#before[index] ?? -1) order.push(index);
      if (order.length > 1) order.sort((a, b) => (this.#start[a] ?? 0) - (this.#start[b] ?? 0));
      const first = touches.length;
      for (const index of order) {
        const start = this.#start[index] ?? 0;
        const end = this.#end[index] ?? 0;
        const at = this.#at[index] ?? 0;
        const pid = this.#pid[index] ?? 0;
        const last = touches.length > first ? touches.at(-1) : undefined;
        if (last && start <= last.end) {
          last.end = Math.max(last.end, end);
          if (at < last.at) Object.assign(last, { at, pid });
        } else {
          const executable = way === 'page of a program';
          touches.push({ layer, entry, start, end, at, pid, kind: KINDS[way], executable });
        }
      }
    });
    return touches;
  }

  #grow(): void {
    const wider = <T extends Float64Array | Int32Array>(made: T, old: T): T => {
      made.set(old);
      return made;
    };
    const size = this.#length * 2;
    this.#start = wider(new Float64Array(size), this.#start);
    this.#end = wider(new Float64Array(size), this.#end);
    this.#at = wider(new Float64Array(size), this.#at);
    this.#pid = wider(new Int32Array(size), this.#pid);
    this.#before = wider(new Int32Array(size), this.#before);
  }
}
