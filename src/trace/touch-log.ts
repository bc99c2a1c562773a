/** Touched ranges of very many files, kept in flat arrays: a start may hold millions of reads. */
import type { Touch, TouchKind } from './types';

/** How bytes were touched. Pages of an executable mapping count apart: the kernel reads ahead differently there. */
const WAYS = ['open', 'exec', 'read', 'page of a program', 'page', 'copy-up'] as const;
export type Way = (typeof WAYS)[number];

/** A touch that may still grow. */
export type NewTouch = { -readonly [Key in keyof Touch]: Touch[Key] };

const KINDS: Record<Way, TouchKind> = {
  open: 'open',
  read: 'read',
  page: 'page',
  'page of a program': 'page',
  exec: 'exec',
  'copy-up': 'copy-up',
};

const SLOTS: Readonly<Record<Way, number>> = {
  open: 0,
  exec: 1,
  read: 2,
  'page of a program': 3,
  page: 4,
  'copy-up': 5,
};

/** A file's place in the log. */
export type LogFile = number;

export class TouchLog {
  readonly #start: number[] = [];
  readonly #end: number[] = [];
  readonly #at: number[] = [];
  readonly #pid: number[] = [];
  /** The range of the same file and way before this one. */
  readonly #before: number[] = [];
  /** By file, then by way: where the newest range stands; −1 for none. */
  #newest = new Int32Array(1024 * WAYS.length).fill(-1);
  #files = 0;

  newFile(): LogFile {
    const file = this.#files++;
    const needed = this.#files * WAYS.length;
    if (needed > this.#newest.length) {
      const before = this.#newest;
      this.#newest = new Int32Array(before.length * 2).fill(-1, before.length);
      this.#newest.set(before);
    }
    return file;
  }

  /** Adds `[start, end)` bytes; a range that continues the newest one of its kind makes that one longer. */
  add(file: LogFile, way: Way, start: number, end: number, at: number, pid: number): void {
    const head = file * WAYS.length + SLOTS[way];
    const newest = this.#newest[head] ?? -1;
    if (newest >= 0) {
      const reached = this.#end[newest] ?? 0;
      if (start >= (this.#start[newest] ?? 0) && start <= reached) {
        if (end > reached) this.#end[newest] = end;
        return;
      }
    }
    this.#newest[head] = this.#start.length;
    this.#start.push(start);
    this.#end.push(end);
    this.#at.push(at);
    this.#pid.push(pid);
    this.#before.push(newest);
  }

  /** Adds the ranges of one file to `touches`, those of a way that meet made one with the time of the first. */
  giveTouches(touches: NewTouch[], file: LogFile, layer: number, entry: number): void {
    const order: number[] = [];
    for (let slot = 0; slot < WAYS.length; slot++) {
      let newest = this.#newest[file * WAYS.length + slot] ?? -1;
      if (newest < 0) continue;
      const way = WAYS[slot] ?? 'open';
      const kind = KINDS[way];
      const executable = way === 'page of a program';
      order.length = 0;
      for (; newest >= 0; newest = this.#before[newest] ?? -1) order.push(newest);
      if (order.length > 1) order.sort((a, b) => (this.#start[a] ?? 0) - (this.#start[b] ?? 0));
      const first = touches.length;
      for (const index of order) {
        const start = this.#start[index] ?? 0;
        const end = this.#end[index] ?? 0;
        const at = this.#at[index] ?? 0;
        const pid = this.#pid[index] ?? 0;
        const last = touches.length > first ? touches.at(-1) : undefined;
        if (last && start <= last.end) {
          if (end > last.end) last.end = end;
          if (at < last.at) Object.assign(last, { at, pid });
        } else {
          touches.push({ layer, entry, start, end, at, pid, kind, executable });
        }
      }
    }
  }
}
