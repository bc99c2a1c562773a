/** One span: where it lies, when the start needs it and for whom, which files it holds. */
import { LensError } from '../../errors';
import type { LayerScan, SpanTable } from '../../layer/types';
import { dataOf, entryAt, layerOf, milliseconds, pathOf, spansOf } from './source';
import type { Source } from './source';
import type { SpanDetail, SpanFile } from './types';

/** Files and readers that are shown for one span. */
const FILES = 60;
const READERS = 6;

export interface SpanQuery {
  readonly layer: number;
  readonly spanSize: number;
  readonly span: number;
}

/** @throws LensError `plan/no-such-layer`, `plan/no-such-span` */
export function spanDetail(source: Source, { layer, spanSize, span }: SpanQuery): SpanDetail {
  const spans = spansOf(source, layer, spanSize);
  const { scan, touches } = layerOf(source, layer);
  if (scan === undefined || spans === undefined || span >= spans.table.length) {
    throw new LensError(
      'plan/no-such-span',
      `Layer ${layer} has no span ${span}.`,
      'Show the span map again.',
    );
  }
  const { table, first } = spans;
  const compressed = table.compressed(span);
  const { start, end } = table.uncompressed(span);
  const files: SpanFile[] = [];
  for (
    let entry = entryAt(scan, start);
    entry < scan.entries.length && scan.entries.offset(entry) < end;
    entry++
  ) {
    const data = dataOf(scan, entry);
    const [from, to] = [Math.max(start, data.start), Math.min(end, data.end)];
    if (to <= from) continue;
    files.push({ entry, path: '', size: data.size, inside: to - from, touched: touches.within(from, to) });
  }
  const shown =
    files.length > FILES ? [...files].sort((a, b) => b.touched - a.touched).slice(0, FILES) : files;
  shown.sort((a, b) => Number(b.touched > 0) - Number(a.touched > 0) || a.entry - b.entry);
  return {
    layer,
    spanSize,
    span,
    compressed: [compressed.start, compressed.end],
    bits: bitsOf(scan, table, span),
    uncompressed: [start, end],
    touchedBytes: touches.within(start, end),
    fetched: first[span] !== Infinity,
    at: milliseconds(first[span]),
    readers: readersOf(source, scan, layer, start, end),
    files: shown.map((file) => ({ ...file, path: pathOf(scan, file.entry) })),
    fileCount: files.length,
  };
}

/** The checkpoint's bits: those of the block end where the span's output begins. */
function bitsOf({ boundaries }: LayerScan, table: SpanTable, span: number): number {
  const wanted = table.uncompressed(span).start;
  let low = 0;
  let high = boundaries.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((boundaries.out[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return boundaries.out[low] === wanted ? (boundaries.bits[low] ?? 0) : 0;
}

/** The programs whose reads lie in the range, in the order in which they came. */
function readersOf(
  { input }: Source,
  scan: LayerScan,
  layer: number,
  start: number,
  end: number,
): readonly string[] {
  const found = new Set<number>();
  for (const touch of input.mapping?.touches ?? []) {
    if (touch.layer !== layer || touch.end <= touch.start) continue;
    const data = scan.entries.offset(touch.entry);
    if (data + touch.start < end && data + touch.end > start) found.add(touch.pid);
    if (found.size === READERS) break;
  }
  return [...found].map((pid) => {
    const program = input.mapping?.processes?.findLast((process) => process.pid === pid)?.program;
    return program === undefined ? `process ${pid}` : `${program} (process ${pid})`;
  });
}
