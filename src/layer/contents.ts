import type { Bytes } from './bytes';
import { readTar } from './spans';
import type { LayerScan } from './types';

/** Stretches of the tar that nobody asked for are read through, up to this many bytes, rather than begun anew behind. */
const GAP = 8 << 20;

/** A piece of the content of one entry. */
export interface ContentPiece {
  readonly entry: number;
  readonly bytes: Uint8Array;
  /** True for the entry's last piece. */
  readonly last: boolean;
}

/** Where the content of a regular entry lies in the tar; of a sparse file, what is stored of it. */
export function contentRange({ entries }: LayerScan, entry: number): { start: number; end: number } {
  const start = entries.offset(entry);
  return { start, end: start + (entries.type(entry) === 'reg' ? entries.size(entry) : 0) };
}

/**
 * Streams the contents of regular entries in the order of the archive, whatever their order in `wanted`. Neighbours are
 * decoded in one run, and what lies far from all of them is not read. An empty file gives one empty piece.
 *
 * @throws LensError `layer/changed-blob` when the blob is not the one that was scanned
 */
export async function* readContents(
  scan: LayerScan,
  blob: Bytes,
  wanted: readonly number[],
  signal?: AbortSignal,
): AsyncGenerator<ContentPiece> {
  const sorted = [...wanted].sort((a, b) => a - b);
  for (let first = 0; first < sorted.length;) {
    const start = contentRange(scan, sorted[first] ?? 0).start;
    let end = start;
    let next = first;
    for (; next < sorted.length; next++) {
      const range = contentRange(scan, sorted[next] ?? 0);
      if (range.start > end + GAP) break;
      end = Math.max(end, range.end);
    }
    yield* readRun(scan, blob, sorted.slice(first, next), { start, end }, signal);
    first = next;
  }
}

async function* readRun(
  scan: LayerScan,
  blob: Bytes,
  run: readonly number[],
  range: { start: number; end: number },
  signal: AbortSignal | undefined,
): AsyncGenerator<ContentPiece> {
  let index = 0;
  let position = range.start;
  for await (const chunk of readTar(scan, blob, range, signal)) {
    const chunkEnd = position + chunk.length;
    while (index < run.length) {
      const entry = run[index] ?? 0;
      const { start, end } = contentRange(scan, entry);
      if (start >= chunkEnd && end > start) break;
      const bytes = chunk.subarray(Math.max(0, start - position), Math.max(0, end - position));
      const last = end <= chunkEnd;
      yield { entry, bytes, last };
      if (!last) break;
      index++;
    }
    position = chunkEnd;
  }
  // Empty files behind the last content.
  for (; index < run.length; index++) yield { entry: run[index] ?? 0, bytes: new Uint8Array(), last: true };
}
