/** The start of a container as recorded: `*.soci-trace.jsonl`, described in docs/trace-format.md. */

export interface TraceHeader {
  readonly v: 1;
  readonly op: 'start';
  /** Wall clock of t = 0, nanoseconds since the epoch; a string because it exceeds 2^53. */
  readonly t0_unix_ns: string;
  readonly clock: 'monotonic';
  readonly unit: 'us';
  /** How it was recorded: `seccomp-notify`, `ptrace-seccomp`, `ptrace`, `compat`, `import:strace` …; `guess` where it was not. */
  readonly mode: string;
  /** 1: opens and execs, 2: reads and mappings too, 3: metadata too. */
  readonly level: number;
  readonly image?: {
    readonly ref: string;
    readonly manifest?: string;
    readonly config?: string;
    readonly platform: string;
    readonly diff_ids: readonly string[];
  };
  /** Folders and files of the container that were not the image's. */
  readonly excluded_mounts?: readonly string[];
  /** The command that was run, where it was not only the image's own. */
  readonly command?: readonly string[];
  /** What was asked for when it was ready, `PORT/PATH`; what that made it read follows `t_ready`. */
  readonly warm_up?: readonly string[];
  /** Microseconds from the start to ready of another start, without a tracer, by the same rule. */
  readonly untraced_ready?: number;
}

/** `t`: microseconds since t0. `path`: as the program said it, absolute; `real`: the canonical path where it differs. */
interface EventBase {
  readonly t: number;
  readonly pid: number;
}
interface PathEvent extends EventBase {
  readonly path: string;
  /** Base64 of the path where it is not UTF-8; `path` then holds a lossy copy. */
  readonly path_b64?: string;
  readonly real?: string;
  readonly real_b64?: string;
  /** Negative errno when the call failed. */
  readonly ret?: number;
}
export type TraceEvent =
  | (PathEvent & { readonly op: 'open'; readonly fd?: number; readonly fl?: number })
  | (PathEvent & { readonly op: 'exec' | 'interp' })
  | (PathEvent & { readonly op: 'read'; readonly off: number; readonly len: number; readonly fd?: number })
  | (PathEvent & {
      readonly op: 'mmap';
      readonly off: number;
      readonly len: number;
      readonly fd?: number;
      /** `PROT_READ` 1, `PROT_WRITE` 2, `PROT_EXEC` 4. */
      readonly prot?: number;
    })
  | (PathEvent & {
      readonly op: 'pages';
      readonly why: string;
      readonly prot?: number;
      /** The file range of the whole mapping. */
      readonly map?: readonly [off: number, len: number];
      /** The runs of pages that were touched, and not reported before. */
      readonly r: readonly (readonly [off: number, len: number])[];
    })
  | (PathEvent & {
      readonly op: 'advise';
      readonly how: 'random';
      /** The descriptor, where reads through it are meant; none where a mapping is. */
      readonly fd?: number;
    })
  | (PathEvent & {
      readonly op: 'meta';
      /** 1: it was a symbolic link itself that was changed. */ readonly nofollow?: number;
    })
  | (PathEvent & { readonly op: 'stat' | 'list' | 'readlink' })
  | (EventBase & { readonly op: 'fork'; readonly child: number })
  | (EventBase & { readonly op: 'exit'; readonly code?: number; readonly sig?: number })
  | (EventBase & { readonly op: 'bind' | 'listen'; readonly port: number })
  | (EventBase & { readonly op: 'mark'; readonly what: string });

export interface TraceFooter {
  readonly op: 'end';
  readonly reason: EndReason;
  /** Microseconds since t0 at which the container counted as ready. */
  readonly t_ready?: number;
  readonly exit_code?: number;
  /** The container's last lines, where it did not become ready. */
  readonly log?: readonly string[];
}

/**
 * The rule that fired, or how the recording ended without one: after the longest time (`timeout`), by the container's own
 * end (`early-exit`; `oom` when the kernel ended it for want of memory), by the person (`stopped`), by the loss of the
 * engine (`engine-lost`). An imported trace ends as `imported`, a static guess as `guessed`.
 */
export type EndReason = (typeof END_REASONS)[number];
export const END_REASONS = [
  'ready:log',
  'ready:health',
  'ready:listen',
  'ready:http',
  'quiet',
  'exit',
  'timeout',
  'early-exit',
  'oom',
  'stopped',
  'engine-lost',
  'imported',
  'guessed',
] as const;

export interface StartupTrace {
  readonly header: TraceHeader;
  readonly events: readonly TraceEvent[];
  /** Missing when the recording was cut. */
  readonly footer: TraceFooter | undefined;
}

export type TouchKind = 'open' | 'read' | 'page' | 'exec' | 'copy-up';

/** Bytes of one layer entry that the start asked for. */
export interface Touch {
  /** Index of the layer in the image. */
  readonly layer: number;
  /** Index of the entry in the layer's archive (a hard link already resolved to the entry with the data). */
  readonly entry: number;
  /** Bytes of the file, `[start, end)`, clipped to its size; empty for an open that read nothing. */
  readonly start: number;
  readonly end: number;
  /** Microseconds since t0 of the first time. */
  readonly at: number;
  readonly pid: number;
  readonly kind: TouchKind;
  /** True when the pages belong to an executable mapping: the kernel reads ahead there (runtime.md §1). */
  readonly executable: boolean;
}

/** A path of the trace that came to nothing, and why. */
export interface Unmapped {
  readonly path: string;
  readonly reason: 'not-in-image' | 'symlink-loop' | 'not-a-file';
}

export interface Coverage {
  /** Distinct paths that led to an entry / were left out on purpose (mounts, /proc …) / led nowhere. */
  readonly mapped: number;
  readonly excluded: number;
  readonly unmapped: readonly Unmapped[];
}

/** One process of a start. Times are microseconds since t0. */
export interface TraceProcess {
  readonly pid: number;
  /** Undefined for the first one. */
  readonly parent: number | undefined;
  /** What it ran last, as it was asked for; its parent's program for one that ran none of its own. */
  readonly program: string | undefined;
  readonly start: number;
  /** Undefined when it outlived the recording. */
  readonly end: number | undefined;
}

/** A trace laid onto an image. */
export interface TraceMapping {
  /** Ascending by `at`; touches of one entry merged where they meet. */
  readonly touches: readonly Touch[];
  /**
   * What Linux would ask a file system of its own for, such as the snapshotter's: whole pages, each once, and what it reads
   * ahead (page-cache.ts). Ascending by `at`. Without it the touches stand for themselves.
   */
  readonly requests?: readonly Touch[] | undefined;
  /** Distinct entries opened, executed or mapped. */
  readonly files: number;
  readonly coverage: Coverage;
  /** Microseconds from t0 to ready, where the trace tells. */
  readonly readyAt: number | undefined;
  /** The same without a tracer, where the trace tells. */
  readonly untracedReadyAt?: number | undefined;
  /** The same without a tracer and from a warm page cache, as the trace's clock tells. */
  readonly ownReadyAt?: number | undefined;
  /** The trace names files and no ranges of them (an import of such a tool): each counts as read whole. */
  readonly wholeFiles?: boolean | undefined;
  /** In the order of their beginning, where the trace tells. */
  readonly processes?: readonly TraceProcess[] | undefined;
}
