/** Writes the tar of a new layer from the layers of the image, in a stream. */
import { createHash, randomUUID } from 'node:crypto';
import { open, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { LensError, messageOf } from '../errors';
import { cutStream } from '../layer/contents';
import type { ByteRange } from '../layer/bytes';
import type { LayerScan } from '../layer/types';
import { ARCHIVE_END } from './hypothetical';
import { padded, rawRange } from './raw';
import type { EntryRef, NewLayer, SourceLayer } from './types';

const CHUNK = 1 << 20;

export interface ArchiveOptions {
  /** Where the entries that move are laid down meanwhile; what lies there is removed afterwards. */
  readonly folder: string;
  readonly signal?: AbortSignal | undefined;
  /** Bytes of layers that were read. */
  readonly onBytes?: ((count: number) => void) | undefined;
}

/**
 * The bytes of a new layer's tar. Each layer that entries come from is read once, its digest checked; entries that move lie
 * in a file until their turn comes. The layer that the rest comes from is read a second time. Memory stays bounded.
 *
 * @throws LensError `optimize/changed-layer`
 */
export async function* newArchive(
  { front, rest }: NewLayer,
  layers: readonly SourceLayer[],
  options: ArchiveOptions,
): AsyncGenerator<Uint8Array> {
  const file = path.join(options.folder, `.soci-lens-${randomUUID()}`);
  const spool = await open(file, 'wx+', 0o600);
  try {
    const length = await layDown(spool, front, layers, options);
    for (let at = 0; at < length; at += CHUNK) {
      options.signal?.throwIfAborted();
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK, length - at));
      for (let done = 0; done < chunk.length;)
        done += (await spool.read(chunk, done, chunk.length - done, at + done)).bytesRead;
      yield chunk;
    }
  } finally {
    await spool.close();
    await rm(file, { force: true });
  }
  if (rest === undefined) yield new Uint8Array(ARCHIVE_END);
  else yield* without(front, layers, rest, options);
}

/** Writes entries to `file` in their new order; returns the bytes that they take. */
async function layDown(
  file: FileHandle,
  front: readonly EntryRef[],
  layers: readonly SourceLayer[],
  options: ArchiveOptions,
): Promise<number> {
  const jobs = new Map<number, { range: ByteRange; at: number }[]>();
  let length = 0;
  for (const { layer, entry } of front) {
    const range = rangeOf(layers, { layer, entry });
    const job = { range, at: length };
    const known = jobs.get(layer);
    if (known) known.push(job);
    else jobs.set(layer, [job]);
    length += padded(range.end - range.start);
  }
  // What was cut short of its last block is filled up with zeros.
  await file.truncate(length);
  for (const [layer, list] of jobs) {
    const sorted = list.sort((a, b) => a.range.start - b.range.start);
    const ranges = sorted.map(({ range }) => range);
    let done = 0;
    for await (const { range, bytes, last } of cutStream(unpacked(layers, layer, options), 0, ranges)) {
      const at = (sorted[range]?.at ?? 0) + done;
      for (let written = 0; written < bytes.length;)
        written += (await file.write(bytes, written, bytes.length - written, at + written)).bytesWritten;
      done = last ? 0 : done + bytes.length;
    }
  }
  return length;
}

/** Everything of layer `rest` that is not in `front`, in its old order, to the end of the stream. */
async function* without(
  front: readonly EntryRef[],
  layers: readonly SourceLayer[],
  rest: number,
  options: ArchiveOptions,
): AsyncGenerator<Uint8Array> {
  const gone = front.map((ref) => rangeOf(layers, ref)).sort((a, b) => a.start - b.start);
  let next = 0;
  let position = 0;
  for await (const chunk of unpacked(layers, rest, options)) {
    const end = position + chunk.length;
    for (let at = position; at < end;) {
      const range = gone[next];
      if (!range || range.start >= end) {
        yield chunk.subarray(at - position);
        break;
      }
      if (range.start > at) yield chunk.subarray(at - position, range.start - position);
      at = Math.max(at, Math.min(range.end, end));
      if (range.end > end) break;
      next++;
    }
    position = end;
  }
}

function rangeOf(layers: readonly SourceLayer[], { layer, entry }: EntryRef): ByteRange {
  const range = rawRange(scanOf(layers, layer), entry);
  if (!range) throw new RangeError(`Entry ${entry} of layer ${layer} cannot be moved.`);
  return range;
}

function scanOf(layers: readonly SourceLayer[], layer: number): LayerScan {
  const scan = layers[layer]?.scan;
  if (!scan) throw new RangeError(`Layer ${layer} was not scanned.`);
  return scan;
}

/** A layer's uncompressed bytes to their end, its digest checked. */
export async function* unpacked(
  layers: readonly SourceLayer[],
  layer: number,
  { signal, onBytes }: Pick<ArchiveOptions, 'signal' | 'onBytes'>,
): AsyncGenerator<Uint8Array> {
  const source = layers[layer];
  if (!source) throw new RangeError(`There is no layer ${layer}.`);
  const hash = createHash('sha256');
  const blob = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of source.blob.read(undefined, signal)) {
      hash.update(chunk);
      onBytes?.(chunk.length);
      yield chunk;
    }
  };
  if (scanOf(layers, layer).compression === 'tar') {
    yield* blob();
  } else {
    // In threads of libuv's, so that the editor stays awake.
    const gunzip = createGunzip({ chunkSize: CHUNK });
    const fed = new Promise<void>((resolve, reject) => {
      pipeline(Readable.from(blob()), gunzip, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
    fed.catch(() => undefined);
    try {
      for await (const chunk of gunzip) yield chunk as Buffer;
      await fed;
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof LensError) throw error;
      throw changed(source, messageOf(error), error);
    }
  }
  if (`sha256:${hash.digest('hex')}` !== source.descriptor.digest)
    throw changed(source, 'its digest is another one');
}

function changed({ descriptor }: SourceLayer, why: string, cause?: unknown): LensError {
  return new LensError(
    'optimize/changed-layer',
    `The layer ${descriptor.digest} is not what it was when it was scanned: ${why}.`,
    'Open the image again; its copy on this machine is damaged.',
    { cause },
  );
}
