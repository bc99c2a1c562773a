/** The processes of a start, as far as its trace tells: what the waterfall and "who read it" show. */
import type { TraceEvent, TraceProcess } from './types';

/** More processes than any start has; a fork bomb must not fill the memory. */
const MOST = 10_000;

interface Draft {
  readonly pid: number;
  readonly parent: number | undefined;
  program: string | undefined;
  readonly start: number;
  end: number | undefined;
}

/** Takes the events of a start in their order. A number that the kernel gives again is a new process. */
export class ProcessLog {
  readonly #all: Draft[] = [];
  readonly #running = new Map<number, Draft>();

  add(event: TraceEvent): void {
    if (event.op === 'fork') {
      this.#begin(event.child, event.pid, event.t);
    } else if (event.op === 'exec') {
      const process = this.#running.get(event.pid) ?? this.#begin(event.pid, undefined, event.t);
      if (process && (event.ret ?? 0) >= 0) process.program = event.path;
    } else if (event.op === 'exit') {
      const process = this.#running.get(event.pid);
      if (process) process.end = event.t;
      this.#running.delete(event.pid);
    }
  }

  /** In the order of their beginning. A process that ran no program of its own goes by its parent's. */
  finish(): TraceProcess[] {
    const programs = new Map<number, string | undefined>();
    return this.#all.map(({ pid, parent, program, start, end }) => {
      const name = program ?? (parent === undefined ? undefined : programs.get(parent));
      programs.set(pid, name);
      return { pid, parent, program: name, start, end };
    });
  }

  #begin(pid: number, parent: number | undefined, start: number): Draft | undefined {
    if (this.#all.length >= MOST) return undefined;
    const process = { pid, parent, program: undefined, start, end: undefined };
    this.#all.push(process);
    this.#running.set(pid, process);
    return process;
  }
}
