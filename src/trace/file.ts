/** Reading and writing trace files (docs/trace-format.md), as streams: a trace may hold millions of events. */
import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { LensError, messageOf } from '../errors';
import { writeAll } from '../image/disk';
import { textLines } from './lines';
import { checkEvent, checkFooter, checkHeader, Malformed } from './schema';
import type { StartupTrace, TraceEvent, TraceFooter, TraceHeader } from './types';

/** What a trace says around its events. */
export interface TraceFrame {
  readonly header: TraceHeader;
  /** Missing when the recording was cut. */
  readonly footer: TraceFooter | undefined;
}

export interface TraceReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** For messages, where the source is a stream. */
  readonly name?: string | undefined;
}

/**
 * Hands every event to `visit` in the order of the file, and keeps none. When `visit` returns `false`, it reads no further.
 * A file that ends in the middle of a line or in NULs (a tracer that was killed) is read up to there. Gzip is seen by its
 * first bytes. Operations that this version does not know are passed over.
 *
 * @throws LensError `trace/not-found`, `trace/bad-file`, `trace/unknown-version`
 */
export async function scanTrace(
  source: string | AsyncIterable<Uint8Array>,
  visit: (event: TraceEvent, header: TraceHeader) => unknown,
  { signal, name = typeof source === 'string' ? source : 'the trace' }: TraceReadOptions = {},
): Promise<TraceFrame> {
  let header: TraceHeader | undefined;
  let footer: TraceFooter | undefined;
  let number = 0;
  const bad = (why: string, cause?: unknown) => badFile(name, why, cause);
  for await (const { lines, whole } of textLines(source, name, bad, signal)) {
    for (const text of lines) {
      number++;
      if (text === '') continue;
      try {
        const value: unknown = JSON.parse(text);
        if (header === undefined) {
          header = checkHeader(value);
          continue;
        }
        const event = checkEvent(value);
        if (event !== undefined) {
          if (visit(event, header) === false) return { header, footer };
          continue;
        }
        footer = checkFooter(value);
        if (footer) return { header, footer };
      } catch (error) {
        // A line that the writer did not end.
        if (!whole && error instanceof SyntaxError) break;
        if (error instanceof SyntaxError || error instanceof Malformed) {
          throw bad(`line ${number}: ${error.message}`, error);
        }
        throw error;
      }
    }
  }
  if (header === undefined) throw bad('it is empty');
  return { header, footer };
}

/** The whole trace in memory: some 100 bytes for an event. See `scanTrace` for long ones, and for the errors. */
export async function readTrace(
  source: string | AsyncIterable<Uint8Array>,
  options: TraceReadOptions = {},
): Promise<StartupTrace> {
  const events: TraceEvent[] = [];
  const paths = new Map<string, string>();
  const share = (path: string): string => {
    const known = paths.get(path);
    if (known === undefined) paths.set(path, path);
    return known ?? path;
  };
  const keep = (event: TraceEvent): void => {
    if ('path' in event) sharePaths(event, share);
    events.push(event);
  };
  const frame = await scanTrace(source, keep, options);
  return { ...frame, events };
}

/**
 * Each path once in memory, however many events name it: they take half of the room, and who looks a path up need neither hash it again
 * nor compare its letters.
 */
function sharePaths(event: { path: string; real?: string }, share: (path: string) => string): void {
  event.path = share(event.path);
  if (event.real !== undefined) event.real = share(event.real);
}

/**
 * Writes beside `file` and renames at the end: a trace is there whole or not at all. Makes the folder.
 *
 * @throws LensError `trace/cannot-write`
 */
export async function writeTrace(
  file: string,
  trace: TraceFrame & { readonly events: Iterable<TraceEvent> | AsyncIterable<TraceEvent> },
  signal?: AbortSignal,
): Promise<void> {
  const temporary = `${file}.${process.pid}.part`;
  try {
    await mkdir(path.dirname(path.resolve(file)), { recursive: true });
    const handle = await open(temporary, 'w');
    try {
      let text = JSON.stringify(trace.header) + '\n';
      for await (const event of trace.events) {
        text += JSON.stringify(event) + '\n';
        if (text.length < 1 << 20) continue;
        signal?.throwIfAborted();
        await writeAll(handle, Buffer.from(text));
        text = '';
      }
      if (trace.footer) text += JSON.stringify(trace.footer) + '\n';
      await writeAll(handle, Buffer.from(text));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    signal?.throwIfAborted();
    throw new LensError(
      'trace/cannot-write',
      `The trace cannot be written to ${file}: ${messageOf(error)}.`,
      'Choose a folder that you may write to, with enough space.',
      { cause: error },
    );
  }
}

function badFile(name: string, why: string, cause?: unknown): LensError {
  if (cause instanceof Malformed && cause.version !== undefined) {
    return new LensError(
      'trace/unknown-version',
      `${name} is a trace of format version ${cause.version}, and this program reads version 1.`,
      'Record it again, or use the release that wrote it.',
    );
  }
  return new LensError(
    'trace/bad-file',
    `${name} is not a trace of ours: ${why}.`,
    'Record one with "soci-lens trace", or convert one with "soci-lens import-trace".',
    { cause },
  );
}
