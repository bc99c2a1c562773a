/** The lines of a text file or stream, plain or gzipped, without holding more than a piece of it. */
import { createReadStream } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { constants, createGunzip } from 'node:zlib';
import { LensError, messageOf } from '../errors';

/** No line of what we read is longer, in bytes: what is, is no such file. */
const MAX_LINE = 4 << 20;

/** How a reader of lines reports that its file is not what it should be. */
export type BadFile = (why: string, cause?: unknown) => LensError;

/**
 * Many at once, since a file may hold millions: the lines up to the end or the first NUL (a file that its writer did not get to cut); `whole` is false for the last one when no newline ended it.
 *
 * @throws LensError `trace/not-found`, and what `badFile` makes
 */
export async function* textLines(
  source: string | AsyncIterable<Uint8Array>,
  name: string,
  badFile: BadFile,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ lines: readonly string[]; whole: boolean }> {
  let rest = Buffer.alloc(0);
  for await (const chunk of plain(source, name, badFile, signal)) {
    const nul = chunk.indexOf(0);
    const part = nul < 0 ? chunk : chunk.subarray(0, nul);
    const end = part.lastIndexOf(10);
    if (end >= 0) {
      // Cut at a newline, so that no character is torn.
      const block = Buffer.concat([rest, part.subarray(0, end)]).toString('utf8');
      rest = Buffer.from(part.subarray(end + 1));
      yield { lines: block.split('\n'), whole: true };
    } else {
      rest = Buffer.concat([rest, part]);
      if (rest.length > MAX_LINE) throw badFile(`a line is longer than ${MAX_LINE} bytes`);
    }
    if (nul >= 0) break;
  }
  if (rest.length > 0) yield { lines: [rest.toString('utf8')], whole: false };
}

/** The bytes themselves, unpacked where they are gzip. */
async function* plain(
  source: string | AsyncIterable<Uint8Array>,
  name: string,
  badFile: BadFile,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const raw = typeof source === 'string' ? createReadStream(source, { highWaterMark: 1 << 18 }) : source;
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
    throw badFile(messageOf(error), error);
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
