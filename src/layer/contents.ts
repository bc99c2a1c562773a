import type { ByteRange, Bytes } from './bytes';
import { readTar } from './spans';
import type { LayerScan } from './types';

/** Stretches of the tar that nobody asked for are read through, up to this many bytes, rather than begun anew behind. */
const GAP = 8 << 20;

/** A piece of one of several ranges. */
export interface RangePiece {
  /** Which of the ranges. */
  readonly range: number;
  readonly bytes: Uint8Array;
  /** True for the last piece of the range. */
  readonly last: boolean;
}

/** A piece of the content of one entry. */
export interface ContentPiece {
  readonly entry: number;
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

/**
 * Streams ranges of the tar, ascending and apart from one another. Neighbours are decoded in one run, and what lies far from
 * all of them is not read. An empty range gives one empty piece.
 *
 * @throws LensError `layer/changed-blob` when the blob is not the one that was scanned
 */
export async function* readRanges(
  scan: LayerScan,
  blob: Bytes,
  ranges: readonly ByteRange[],
  signal?: AbortSignal,
): AsyncGenerator<RangePiece> {
  for (let first = 0; first < ranges.length;) {
    const start = ranges[first]?.start ?? 0;
    let end = start;
    let next = first;
    for (let range = ranges[next]; range && range.start <= end + GAP; range = ranges[++next]) end = range.end;
    yield* cutStream(readTar(scan, blob, { start, end }, signal), start, ranges, first, next);
    first = next;
  }
}

/** The pieces of `ranges[first]` to `ranges[next − 1]` in a stream that begins at tar byte `start`. */
export async function* cutStream(
  stream: AsyncIterable<Uint8Array>,
  start: number,
  ranges: readonly ByteRange[],
  first = 0,
  next = ranges.length,
): AsyncGenerator<RangePiece> {
  let at = first;
  let position = start;
  for await (const chunk of stream) {
    const end = position + chunk.length;
    for (; at < next; at++) {
      const range = ranges[at];
      if (!range || (range.start >= end && range.end > range.start)) break;
      const from = Math.max(0, range.start - position);
      const last = range.end <= end;
      yield { range: at, bytes: chunk.subarray(from, Math.max(from, range.end - position)), last };
      if (!last) break;
    }
    position = end;
  }
  // Empty ranges at the very end.
  for (; at < next; at++) yield { range: at, bytes: new Uint8Array(), last: true };
}

/**
 * Streams the contents of regular entries in the order of the archive, whatever their order in `wanted`. An empty file gives
 * one empty piece; of a sparse file come the bytes that are stored.
 */
export async function* readContents(
  scan: LayerScan,
  blob: Bytes,
  wanted: readonly number[],
  signal?: AbortSignal,
): AsyncGenerator<ContentPiece> {
  const sorted = [...wanted].sort((a, b) => a - b);
  const ranges = sorted.map((entry) => contentRange(scan, entry));
  for await (const { range, bytes, last } of readRanges(scan, blob, ranges, signal)) {
    yield { entry: sorted[range] ?? 0, bytes, last };
  }
}

/** Where the content of an entry lies in the tar; only regular entries have some. */
function contentRange({ entries, tarSize }: LayerScan, entry: number): ByteRange {
  const start = entries.offset(entry);
  if (entries.type(entry) !== 'reg') return { start, end: start };
  // The size of a sparse file counts its holes, which are not there.
  const next = entry + 1 < entries.length ? entries.headerOffset(entry + 1) : tarSize;
  return { start, end: Math.min(start + entries.size(entry), next) };
}
