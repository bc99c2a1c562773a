/** The processes of a start, each with its life and what it read: a timeline for people. */
import type { StartupTrace } from './types';

export interface TracedProcess {
  readonly pid: number;
  /** `undefined` for the first. */
  readonly parent: number | undefined;
  /** What it ran last, by the path that was asked for; `undefined` where it only forked. */
  readonly program: string | undefined;
  /** Microseconds since t0. */
  readonly start: number;
  /** `undefined` where it was still there at the end. */
  readonly end: number | undefined;
  /** Its exit code, or the negative number of the signal that ended it. */
  readonly code: number | undefined;
  /** Distinct files that it opened, ran or read. */
  readonly files: number;
  /** Bytes that its read calls asked for. */
  readonly bytes: number;
}

const OF_FILES: ReadonlySet<string> = new Set(['open', 'exec', 'interp', 'read', 'mmap', 'pages']);

/** In order of their start; nothing of what came after the last look at the pages. */
export function timelineOf({ events }: Pick<StartupTrace, 'events'>): TracedProcess[] {
  const all: Life[] = [];
  const running = new Map<number, Life>();
  const begin = (pid: number, start: number, parent?: number): Life => {
    const life = new Life(pid, start, parent);
    running.set(pid, life);
    all.push(life);
    return life;
  };
  for (const event of events) {
    if (event.op === 'mark') {
      if (event.what === 'snapshot-done') break;
      continue;
    }
    if (event.op === 'fork') {
      // A child may be seen before its parent's call returns.
      const child = running.get(event.child);
      if (child?.parent === undefined && child !== undefined) child.parent = event.pid;
      else begin(event.child, event.t, event.pid);
      continue;
    }
    const life = running.get(event.pid) ?? begin(event.pid, event.t);
    if (event.op === 'exit') {
      life.end = event.t;
      life.code = event.code ?? (event.sig === undefined ? undefined : -event.sig);
      // Its number may be given to another.
      running.delete(event.pid);
    } else if ('path' in event && (event.ret ?? 0) >= 0) {
      if (event.op === 'exec') life.program = event.path;
      if (event.op === 'read') life.bytes += Math.max(0, event.len);
      if (OF_FILES.has(event.op)) life.files.add(event.real ?? event.path);
    }
  }
  return all.map(({ pid, parent, program, start, end, code, files, bytes }) => ({
    ...{ pid, parent, program, start, end, code, bytes },
    files: files.size,
  }));
}

class Life {
  program: string | undefined;
  end: number | undefined;
  code: number | undefined;
  bytes = 0;
  readonly files = new Set<string>();

  constructor(
    readonly pid: number,
    readonly start: number,
    public parent: number | undefined,
  ) {}
}
