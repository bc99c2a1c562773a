/** What lies where: the cells of the map, the files between them, and the way to a file. */
import type { SpanTable } from '../../layer/types';
import type { LayerTouches } from '../touches';
import { extentOf, fromTar, spanAt, toTar } from './axis';
import { dataOf, entryAt, labelOf, layerOf, milliseconds, spansOf } from './source';
import type { LaidLayer, Source } from './source';
import type { Axis, Cell, Cells, CellsQuery, Place, PlacedFile, PlacedFiles, PlaceQuery } from './types';

export function cells(source: Source, { layer, spanSize, axis, start, end, limit }: CellsQuery): Cells {
  const spans = spansOf(source, layer, spanSize);
  if (spans === undefined || spans.table.length === 0) {
    return { layer, spanSize, spans: 0, touched: 0, fetchedBytes: 0, cells: [] };
  }
  const { table } = spans;
  const { touches } = layerOf(source, layer);
  const from = spanAt(table, axis, start);
  const to = spanAt(table, axis, end - 1);
  const width = Math.max(1, (end - start) / limit);
  const result: Cell[] = [];
  for (let span = from; span <= to;) {
    // As many spans as begin within one cell's width, at least this one.
    const cellEnd = start + (Math.floor((extentOf(table, axis, span).start - start) / width) + 1) * width;
    let last = span;
    if (to - from >= limit) while (last < to && extentOf(table, axis, last + 1).start < cellEnd) last++;
    result.push(cellOf(spans, touches, axis, span, last));
    span = last + 1;
  }
  return { layer, spanSize, spans: table.length, ...fetchedOf(spans), cells: result };
}

/** Spans that the start fetches of a layer, and their bytes as they travel. */
export function fetchedOf({ table, first }: LaidLayer): { touched: number; fetchedBytes: number } {
  let [touched, fetchedBytes] = [0, 0];
  first.forEach((at, span) => {
    if (at === Infinity) return;
    touched++;
    fetchedBytes += table.compressed(span).end - table.compressed(span).start;
  });
  return { touched, fetchedBytes };
}

function cellOf(
  { table, first: times }: LaidLayer,
  touches: LayerTouches,
  axis: Axis,
  first: number,
  last: number,
): Cell {
  let [touched, at, inflated, read] = [0, Infinity, 0, 0];
  let firstTouched: number | null = null;
  for (let span = first; span <= last; span++) {
    const time = times[span] ?? Infinity;
    if (time === Infinity) continue;
    touched++;
    firstTouched ??= span;
    at = Math.min(at, time);
    const { start, end } = table.uncompressed(span);
    inflated += end - start;
    read += touches.within(start, end);
  }
  return {
    first,
    last,
    touched,
    firstTouched,
    used: inflated === 0 ? 0 : read / inflated,
    start: extentOf(table, axis, first).start,
    end: extentOf(table, axis, last).end,
    at: milliseconds(at),
  };
}

/** The files with data in view; none when they are more than `limit`. */
export function filesInView(
  source: Source,
  { layer, spanSize, axis, start, end, limit }: CellsQuery,
): PlacedFiles {
  const spans = spansOf(source, layer, spanSize);
  const { scan, touches } = layerOf(source, layer);
  if (spans === undefined || scan === undefined || spans.table.length === 0) return { total: 0, files: [] };
  const { table } = spans;
  const [from, to] = [toTar(table, axis, start), toTar(table, axis, end)];
  const first = entryAt(scan, from);
  const last = entryAt(scan, Math.max(from, to - 1));
  const files: PlacedFile[] = [];
  let total = 0;
  for (let entry = first; entry <= last && entry < scan.entries.length; entry++) {
    const data = dataOf(scan, entry);
    if (data.size === 0 || data.end <= from || data.start >= to) continue;
    total++;
    if (total > limit) return { total: last - first + 1, files: [] };
    files.push({
      entry,
      path: labelOf(scan, entry),
      start: fromTar(table, axis, data.start),
      end: fromTar(table, axis, data.end),
      touched: touches.at(entry) !== undefined,
    });
  }
  return { total, files };
}

/** Where an entry lies. */
export function place(source: Source, { layer, entry, spanSize, axis }: PlaceQuery): Place {
  const { scan } = layerOf(source, layer);
  const table = spansOf(source, layer, spanSize)?.table;
  if (scan === undefined || table === undefined || table.length === 0 || entry >= scan.entries.length) {
    return { start: 0, end: 0, span: null };
  }
  const data = dataOf(scan, entry);
  return {
    start: fromTar(table, axis, data.start),
    end: fromTar(table, axis, data.end),
    span: table.at(data.start),
  };
}

/** The spans that hold an entry: its header, which is checked first, and its data. */
export function spansOfEntry(
  source: Source,
  { layer, entry }: { layer: number; entry: number },
  table: SpanTable,
): readonly [number, number] | undefined {
  const { scan } = layerOf(source, layer);
  if (scan === undefined || entry >= scan.entries.length || table.length === 0) return undefined;
  const { start, end } = dataOf(scan, entry);
  return [table.at(scan.entries.headerOffset(entry)), table.at(Math.max(start, end - 1))];
}
