/** Reading and writing trace files (docs/trace-format.md), as streams: a trace may hold millions of events. */
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { constants, createGunzip } from 'node:zlib';
import { LensError, messageOf } from '../errors';
import { checkEvent, checkFooter, checkHeader, Malformed } from './schema';
import type { StartupTrace, TraceEvent, TraceFooter, TraceHeader } from './types';

/** No line of a trace is longer, in bytes: what is, is no trace. */
const MAX_LINE = 4 << 20;

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
  for await (const { text, whole } of lines(source, name, signal)) {
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
        if (visit(event, header) === false) break;
        continue;
      }
      footer = checkFooter(value);
      if (footer) break;
    } catch (error) {
      if (!whole && error instanceof SyntaxError) break;
      if (error instanceof SyntaxError || error instanceof Malformed) {
        throw badFile(name, `line ${number}: ${error.message}`, error);
      }
      throw error;
    }
  }
  if (header === undefined) throw badFile(name, 'it is empty');
  return { header, footer };
}

/** The whole trace in memory: some 200 bytes for an event. See `scanTrace` for long ones, and for the errors. */
export async function readTrace(
  source: string | AsyncIterable<Uint8Array>,
  options: TraceReadOptions = {},
): Promise<StartupTrace> {
  const events: TraceEvent[] = [];
  const frame = await scanTrace(source, (event) => void events.push(event), options);
  return { ...frame, events };
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
        await handle.write(text);
        text = '';
      }
      if (trace.footer) text += JSON.stringify(trace.footer) + '\n';
      await handle.write(text);
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

/** The lines of a file; `whole` is false for the last one when no newline ended it. */
async function* lines(
  source: string | AsyncIterable<Uint8Array>,
  name: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ text: string; whole: boolean }> {
  let rest = Buffer.alloc(0);
  for await (const chunk of plain(source, name, signal)) {
    const nul = chunk.indexOf(0);
    const part = nul < 0 ? chunk : chunk.subarray(0, nul);
    const end = part.lastIndexOf(10);
    if (end >= 0) {
      // Cut at a newline, so that no character is torn.
      const block = Buffer.concat([rest, part.subarray(0, end)]).toString('utf8');
      rest = Buffer.from(part.subarray(end + 1));
      for (const text of block.split('\n')) yield { text, whole: true };
    } else {
      rest = Buffer.concat([rest, part]);
      if (rest.length > MAX_LINE) throw badFile(name, `a line is longer than ${MAX_LINE} bytes`);
    }
    if (nul >= 0) break;
  }
  if (rest.length > 0) yield { text: rest.toString('utf8'), whole: false };
}

/** The bytes themselves, unpacked where they are gzip. */
async function* plain(
  source: string | AsyncIterable<Uint8Array>,
  name: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const raw = typeof source === 'string' ? createReadStream(source, { highWaterMark: 1 << 20 }) : source;
  const iterator: AsyncIterator<Uint8Array> = raw[Symbol.asyncIterator]();
  try {
    const first = await iterator.next();
    if (first.done) return;
    const all = (async function* () {
      yield first.value;
      yield* { [Symbol.asyncIterator]: () => iterator };
    })();
    const packed = first.value[0] === 0x1f && first.value[1] === 0x8b;
    for await (const chunk of packed ? unpacked(all) : all) {
      signal?.throwIfAborted();
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof LensError) throw error;
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'EISDIR' || code === 'EACCES') {
      throw new LensError(
        'trace/not-found',
        `The trace ${name} cannot be opened: ${messageOf(error)}.`,
        'Name a file that "soci-lens trace" or "soci-lens import-trace" wrote.',
        { cause: error },
      );
    }
    throw badFile(name, messageOf(error), error);
  } finally {
    await iterator.return?.();
  }
}

/** A gzip stream that is cut is read as far as it goes, like a cut trace. */
function unpacked(packed: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const gunzip = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH });
  // Its errors come out of the iteration, since pipeline() ends the last stream with them.
  pipeline(Readable.from(packed, { objectMode: false }), gunzip, () => undefined);
  return gunzip;
}
