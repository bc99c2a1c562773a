/** The processes of a start, as far as its trace tells: what the waterfall, "who read it" and the report show. */
import type { StartupTrace, TraceEvent, TraceProcess } from './types';

/** More processes than any start has; a fork bomb must not fill the memory. */
const MOST = 10_000;

interface Life {
  readonly pid: number;
  readonly start: number;
  parent: number | undefined;
  program: string | undefined;
  end: number | undefined;
  /** Its exit code, or the negative number of the signal that ended it. */
  code: number | undefined;
}

/** Takes the events of a start in their order. A number that the kernel gives again is a new process. */
export class ProcessLog {
  readonly #all: Life[] = [];
  readonly #running = new Map<number, Life>();

  /** @returns the process that did it; `undefined` for what no process did, and for a fork bomb's last ones */
  add(event: TraceEvent): Life | undefined {
    if (event.op === 'mark') return undefined;
    const life = this.#running.get(event.pid) ?? this.#begin(event.pid, event.t, undefined);
    if (event.op === 'fork') {
      // A child may be seen before its parent's call returns.
      const child = this.#running.get(event.child);
      if (child && child.parent === undefined) child.parent = event.pid;
      else this.#begin(event.child, event.t, event.pid);
    } else if (event.op === 'exec') {
      if (life && (event.ret ?? 0) >= 0) life.program = event.path;
    } else if (event.op === 'exit') {
      this.#running.delete(event.pid);
      if (life) {
        life.end = event.t;
        life.code = event.code ?? (event.sig === undefined ? undefined : -event.sig);
      }
    }
    return life;
  }

  /** In the order of their beginning. A process that ran no program of its own goes by its parent's. */
  finish(): TraceProcess[] {
    return this.named().map(({ program, life: { pid, parent, start, end } }) => ({
      ...{ pid, parent, program, start, end },
    }));
  }

  /** Each process with its program, or its parent's. */
  named(): { readonly program: string | undefined; readonly life: Life }[] {
    const programs = new Map<number, string | undefined>();
    return this.#all.map((life) => {
      const program = life.program ?? (life.parent === undefined ? undefined : programs.get(life.parent));
      programs.set(life.pid, program);
      return { program, life };
    });
  }

  #begin(pid: number, start: number, parent: number | undefined): Life | undefined {
    if (this.#all.length >= MOST) return undefined;
    const life = { pid, start, parent, program: undefined, end: undefined, code: undefined };
    this.#all.push(life);
    this.#running.set(pid, life);
    return life;
  }
}

/** A process, how it ended, and what it read. */
export interface ReadingProcess extends TraceProcess {
  /** Its exit code, or the negative number of the signal that ended it. */
  readonly code: number | undefined;
  /** Distinct files that it opened, ran or read. */
  readonly files: number;
  /** Bytes that its read calls asked for. */
  readonly bytes: number;
}

const OF_FILES: ReadonlySet<string> = new Set(['open', 'exec', 'interp', 'read', 'mmap', 'pages']);

/** In order of their start; nothing of what came after the last look at the pages. */
export function timelineOf({ events }: Pick<StartupTrace, 'events'>): ReadingProcess[] {
  const log = new ProcessLog();
  const reading = new Map<Life, { readonly files: Set<string>; bytes: number }>();
  for (const event of events) {
    if (event.op === 'mark' && event.what === 'snapshot-done') break;
    const life = log.add(event);
    if (!life || !('path' in event) || (event.ret ?? 0) < 0 || !OF_FILES.has(event.op)) continue;
    let seen = reading.get(life);
    if (!seen) reading.set(life, (seen = { files: new Set(), bytes: 0 }));
    seen.files.add(event.real ?? event.path);
    if (event.op === 'read') seen.bytes += Math.max(0, event.len);
  }
  return log.named().map(({ program, life }) => {
    const { files, bytes } = reading.get(life) ?? { files: new Set(), bytes: 0 };
    return { ...life, program, files: files.size, bytes };
  });
}
