/** Traces that other tools recorded, read into ours (docs/trace-format.md, "Other tools"). */
import { LensError } from '../errors';
import { textLines } from './lines';
import {
  readFatrace,
  opensnoopReader,
  readBpftrace,
  readPaths,
  readSociLog,
  readStargz,
} from './import-lists';
import { straceReader } from './import-strace';
import type { StartupTrace, TraceEvent } from './types';

export const IMPORT_FORMATS = [
  'strace',
  'fatrace',
  'opensnoop',
  'bpftrace',
  'stargz',
  'nydus',
  'soci-log',
  'paths',
] as const;
export type ImportFormat = (typeof IMPORT_FORMATS)[number];

/** Why a line gave nothing: the call failed, it reads no content, its path is relative to a folder that is not known, or
 * it is of another form. */
export type DropReason = 'failed' | 'no-content' | 'relative' | 'not-understood';

/** An event without a time, or with microseconds since 1970. */
export type ImportedEvent = TraceEvent extends infer Event
  ? Event extends TraceEvent
    ? Omit<Event, 't'> & { readonly t?: number }
    : never
  : never;

/** A line that can be read in more ways than one, read in the likeliest. */
export interface Ambiguous<Event = ImportedEvent> {
  readonly likely: readonly Event[];
}

/** What one line is worth. */
export type Outcome = readonly ImportedEvent[] | Ambiguous | DropReason;
export type LineReader = (line: string) => Outcome;

export interface ImportResult {
  readonly trace: StartupTrace;
  /** Lines that gave events. */
  readonly used: number;
  /** Those of them that can be read in more ways than one: where a path begins, where in its file a read began. */
  readonly ambiguous: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
}

/**
 * Reads the output of another tool, line by line. All but strace know files only, so those count as read whole.
 *
 * @throws LensError `trace/not-found`, `trace/bad-import` when no line of it is of that tool's form
 */
export async function importTrace(
  source: string | AsyncIterable<Uint8Array>,
  format: ImportFormat,
  {
    signal,
    name = typeof source === 'string' ? source : 'the file',
  }: { signal?: AbortSignal; name?: string } = {},
): Promise<ImportResult> {
  const read = readerOf(format);
  const bad = (why: string, cause?: unknown) =>
    new LensError(
      'trace/bad-import',
      `${name} cannot be read as the output of ${format}: ${why}.`,
      `Name the tool that wrote it: ${IMPORT_FORMATS.join(', ')}.`,
      { cause },
    );
  const dropped: Record<DropReason, number> = {
    failed: 0,
    'no-content': 0,
    relative: 0,
    'not-understood': 0,
  };
  const events: TraceEvent[] = [];
  let used = 0;
  let ambiguous = 0;
  let started: number | undefined;
  const take = (line: string): void => {
    const outcome = read(line);
    if (typeof outcome === 'string') {
      dropped[outcome]++;
      return;
    }
    used++;
    if ('likely' in outcome) ambiguous++;
    for (const event of 'likely' in outcome ? outcome.likely : outcome) {
      // Without a clock the order of the lines is all there is.
      const t = event.t ?? events.length;
      if (event.t !== undefined) started ??= event.t;
      events.push({ ...event, t: Math.max(0, t - (event.t === undefined ? 0 : (started ?? 0))) });
    }
  };
  for await (const { lines } of textLines(source, name, bad, signal)) {
    for (const line of lines) if (line.trim() !== '') take(line.replace(/\r$/, ''));
  }
  if (used === 0)
    throw bad(
      events.length === 0 && dropped['not-understood'] === 0 ? 'it is empty' : 'no line gives a file',
    );
  return {
    used,
    ambiguous,
    dropped,
    trace: {
      header: {
        v: 1,
        op: 'start',
        t0_unix_ns: String(BigInt(started ?? 0) * 1000n),
        clock: 'monotonic',
        unit: 'us',
        mode: `import:${format}`,
        level: format === 'strace' ? 2 : 1,
      },
      events,
      footer: { op: 'end', reason: 'imported' },
    },
  };
}

function readerOf(format: ImportFormat): LineReader {
  switch (format) {
    case 'strace':
      return straceReader();
    case 'fatrace':
      return readFatrace;
    case 'opensnoop':
      return opensnoopReader();
    case 'bpftrace':
      return readBpftrace;
    case 'stargz':
      return readStargz;
    case 'nydus':
    case 'paths':
      return readPaths;
    case 'soci-log':
      return readSociLog;
  }
}
