import { LensError } from '../errors';
import { open, stat } from 'node:fs/promises';

/** A half-open range of bytes, `[start, end)`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Gives memory for a chunk of `length` bytes, `CHUNK` at most. */
export type Allocate = (length: number) => Uint8Array;

/** The bytes of one blob, wherever they are: a file, a registry, memory. */
export interface Bytes {
  /** Bytes in all, or `undefined` where only reading to the end tells. */
  readonly size: number | undefined;
  /** True when reading a range costs about that range and not the whole blob. */
  readonly ranged: boolean;
  /** Set when the bytes are exactly a file of this machine, so that a worker can read them by itself. */
  readonly file?: string;
  /** True when reading to the end fails unless the digest of all the bytes is the right one, so that no reader has to take it again. */
  readonly isChecked?: boolean;
  /**
   * Streams the bytes, or `range` of them. The chunks belong to the reader. A source that has to copy its bytes anyway puts
   * them into memory from `allocate`, where the reader gives one.
   */
  read(range?: ByteRange, signal?: AbortSignal, allocate?: Allocate): AsyncIterable<Uint8Array>;
}

/** Bytes per chunk of a file: larger ones cost memory, smaller ones the time to hand them from thread to thread. */
export const CHUNK = 1 << 20;

/**
 * The bytes of a file. Its size is looked up now, unless given: a file that shrinks later gives a short read, which
 * `read` reports as `layer/short-read`; one that is removed, as `layer/gone`; one
 * that cannot be read for another reason, as `layer/cannot-read`.
 */
export async function fileBytes(path: string, size?: number): Promise<Bytes> {
  const length = size ?? (await stat(path)).size;
  return {
    size: length,
    ranged: true,
    file: path,
    read: (range, signal, allocate) => readFile(path, length, range, signal, allocate),
  };
}

async function* readFile(
  path: string,
  size: number,
  range?: ByteRange,
  signal?: AbortSignal,
  // Each chunk in a buffer of its own, which may move to another thread.
  allocate: Allocate = (length) => Buffer.allocUnsafeSlow(length),
): AsyncGenerator<Uint8Array> {
  const start = range?.start ?? 0;
  const end = Math.min(range?.end ?? size, size);
  signal?.throwIfAborted();
  const explain = (cause: unknown): never => {
    throw unreadable(path, cause);
  };
  const handle = await open(path).catch(explain);
  try {
    const chunkAt = async (at: number): Promise<Uint8Array> => {
      const buffer = allocate(Math.min(CHUNK, end - at));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, at).catch(explain);
      return buffer.subarray(0, bytesRead);
    };
    // One chunk is read ahead while the reader works on the one before it.
    let next = start < end ? chunkAt(start) : undefined;
    for (let at = start; next !== undefined;) {
      const chunk: Uint8Array = await next;
      signal?.throwIfAborted();
      if (chunk.length === 0) {
        throw new LensError(
          'layer/short-read',
          `${path} ends at byte ${at}, ${end - at} bytes before the end that was expected.`,
          'Check that nothing else is writing the file, then try again.',
        );
      }
      at += chunk.length;
      next = at < end ? chunkAt(at) : undefined;
      // A reader that stops here never asks for `next`; its failure must not count as unhandled.
      next?.catch(() => undefined);
      yield chunk;
    }
  } finally {
    await handle.close();
  }
}

/** What the operating system says of a file that cannot be read, as an error that a person can act on. */
function unreadable(path: string, cause: unknown): unknown {
  if (!(cause instanceof Error && 'code' in cause)) return cause;
  if (cause.code === 'ENOENT') {
    return new LensError('layer/gone', `${path} is no longer there.`, 'Inspect the image again.', { cause });
  }
  return new LensError(
    'layer/cannot-read',
    `${path} cannot be read: ${cause.message}.`,
    'Check that you may read the file and that its disk is sound.',
    { cause },
  );
}

/** Bytes that are in memory already. `read` gives views, not copies. */
export function memoryBytes(data: Uint8Array): Bytes {
  return {
    size: data.length,
    ranged: true,
    // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous, this source is not
    async *read(range, signal) {
      signal?.throwIfAborted();
      const part = range ? data.subarray(range.start, range.end) : data;
      if (part.length > 0) yield part;
    },
  };
}

/** All bytes at once, for documents. More than `limit` bytes are an error, not an allocation: `layer/too-large`. */
export async function readAll(bytes: Bytes, limit: number, signal?: AbortSignal): Promise<Uint8Array> {
  const tooLarge = (): LensError =>
    new LensError(
      'layer/too-large',
      `A document of ${bytes.size === undefined ? 'more than' : String(bytes.size)} bytes is longer than the ${limit} bytes that are read at most.`,
      'Check that the reference names an image and not some other artifact.',
    );
  if (bytes.size !== undefined && bytes.size > limit) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of bytes.read(undefined, signal)) {
    length += chunk.length;
    if (length > limit) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

/** Exactly the bytes of `range`; fewer are an error: `layer/short-read`. */
export async function readRange(bytes: Bytes, range: ByteRange, signal?: AbortSignal): Promise<Uint8Array> {
  const result = new Uint8Array(range.end - range.start);
  let length = 0;
  for await (const chunk of bytes.read(range, signal)) {
    result.set(chunk.subarray(0, result.length - length), length);
    length += chunk.length;
  }
  if (length !== result.length) {
    throw new LensError(
      'layer/short-read',
      `Bytes ${range.start} to ${range.end} of a blob were asked for, and ${length} came.`,
      'Check the source of the image, then try again.',
    );
  }
  return result;
}
