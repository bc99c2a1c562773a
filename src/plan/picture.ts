/**
 * The host's side of the span map: answers what the page asks for, a zoom range or a page of rows at a time, so that
 * 500 000 files and 10 000 spans stay here. A picture never changes; a new scan or trace makes a new one.
 */
import { LensError } from '../errors';
import type { LayerScan, SpanTable } from '../layer/types';
import { createBlame, type BlameModel, type BlameOptions, type Findings } from './blame/blame';
import type { Blame, FolderCosts, FolderQuery } from './blame/types';
import { createPlanner } from './plan';
import type { PlanInput, PlanOptions } from './plan';
import type { LayerTouches } from './touches';
import type {
  Cell,
  Cells,
  CellsQuery,
  EntriesPage,
  EntriesQuery,
  EntryRow,
  LayerSpans,
  Overview,
  Plan,
  Settings,
  SpanDetail,
  SpanFile,
} from './types';

/** Files shown for one span. */
const SPAN_FILES = 60;
/** Characters of a path or an instruction that are shown; longer ones end in an ellipsis. */
const PATH_LENGTH = 4096;
const INSTRUCTION_LENGTH = 400;

export interface Picture {
  /** The plan for what the person set; null for what the host was told at the start. */
  overview(settings: Settings | null): Overview;
  cells(query: CellsQuery): Cells;
  span(query: { layer: number; spanSize: number; span: number }): SpanDetail;
  entries(query: EntriesQuery): EntriesPage;
  /** The touched spans of each layer that an index with these settings covers. */
  prefetch(order: { spanSize: number; minLayerSize: number }): LayerSpans[];
  /** Who is to blame for what the start costs. */
  blame(options: BlameOptions): Blame;
  /** A part of the treemap of `blame` in more detail. */
  folder(query: FolderQuery): FolderCosts | undefined;
}

/**
 * @param options what the settings of the host say; the page may ask for others
 * @param pending layers that are still being scanned
 * @param findings what of the packages and duplicates is known by now
 * @throws LensError `plan/foreign-trace`
 */
export function createPicture(
  input: PlanInput,
  options: PlanOptions = {},
  pending = 0,
  findings: Findings = {},
): Picture {
  const planner = createPlanner({
    ...input,
    layers: input.layers.map((layer) => ({
      ...layer,
      instruction:
        layer.instruction === undefined ? undefined : clip(oneLine(layer.instruction), INSTRUCTION_LENGTH),
    })),
  });
  let model: BlameModel | undefined;
  const blame = (): BlameModel => (model ??= createBlame(input, planner, findings));
  let matches: { key: string; entries: readonly number[] } | undefined;

  function overview(settings: Settings | null): Overview {
    const wanted = settings?.spanSize ?? null;
    const first = planner.plan({
      ...options,
      ...(settings && { minLayerSize: settings.minLayerSize, network: settings.network }),
    });
    if (wanted === null || first.rows.some((row) => row.spanSize === wanted)) {
      return { plan: first, spanSize: wanted ?? first.choice.spanSize, pending };
    }
    const spanSizes = [...first.rows.map((row) => row.spanSize), wanted];
    const plan: Plan = planner.plan({
      ...options,
      minLayerSize: first.minLayerSize,
      network: first.network,
      spanSizes,
    });
    return { plan, spanSize: wanted, pending };
  }

  function layerOf(layer: number): { scan: LayerScan | undefined; touches: LayerTouches } {
    const touches = planner.touches[layer];
    if (touches === undefined) {
      throw new LensError(
        'plan/no-such-layer',
        `The image has no layer ${layer}.`,
        'Show the span map again.',
      );
    }
    return { scan: input.layers[layer]?.scan, touches };
  }

  function spansOf(layer: number, spanSize: number): { table: SpanTable; first: Float64Array } | undefined {
    layerOf(layer);
    const { tables, fetches } = planner.laid(spanSize);
    const table = tables[layer];
    const first = fetches.first[layer];
    return table && first && { table, first };
  }

  function cells({ layer, spanSize, start, end, limit }: CellsQuery): Cells {
    const spans = spansOf(layer, spanSize);
    if (spans === undefined) return { layer, spanSize, spans: 0, touched: 0, fetchedBytes: 0, cells: [] };
    const { table, first } = spans;
    const from = spanAtByte(table, start);
    const to = spanAtByte(table, end - 1);
    const width = Math.max(1, (end - start) / limit);
    const result: Cell[] = [];
    for (let span = from; span <= to && span < table.length;) {
      // As many spans as begin within one cell's width, at least this one.
      const cellEnd = start + (Math.floor((table.compressed(span).start - start) / width) + 1) * width;
      let last = span;
      if (to - from >= limit) while (last < to && table.compressed(last + 1).start < cellEnd) last++;
      result.push(cellOf(table, first, span, last));
      span = last + 1;
    }
    let [touched, fetchedBytes] = [0, 0];
    first.forEach((at, one) => {
      if (at === Infinity) return;
      touched++;
      fetchedBytes += table.compressed(one).end - table.compressed(one).start;
    });
    return { layer, spanSize, spans: table.length, touched, fetchedBytes, cells: result };
  }

  function span({ layer, spanSize, span }: { layer: number; spanSize: number; span: number }): SpanDetail {
    const spans = spansOf(layer, spanSize);
    const { scan, touches } = layerOf(layer);
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
      const data = scan.entries.offset(entry);
      const size = scan.entries.type(entry) === 'reg' ? scan.entries.size(entry) : 0;
      const inside = Math.min(end, data + size) - Math.max(start, data);
      if (inside <= 0) continue;
      const touched = touches.within(Math.max(start, data), Math.min(end, data + size));
      files.push({ entry, path: '', size, inside, touched });
    }
    const shown =
      files.length > SPAN_FILES
        ? [...files].sort((a, b) => b.touched - a.touched).slice(0, SPAN_FILES)
        : files;
    shown.sort((a, b) => Number(b.touched > 0) - Number(a.touched > 0) || a.entry - b.entry);
    return {
      layer,
      spanSize,
      span,
      compressed: [compressed.start, compressed.end],
      uncompressed: [start, end],
      touchedBytes: touches.within(start, end),
      fetched: first[span] !== Infinity,
      at: milliseconds(first[span]),
      files: shown.map((file) => ({ ...file, path: pathOf(scan, file.entry) })),
      fileCount: files.length,
    };
  }

  function entries(query: EntriesQuery): EntriesPage {
    const { scan, touches } = layerOf(query.layer);
    if (scan === undefined) return { total: 0, rows: [] };
    const rowsFrom = (list: readonly number[]): EntryRow[] =>
      list.slice(query.offset, query.offset + query.limit).map((entry) => entryRow(scan, touches, entry));
    if (query.filter === '') {
      if (query.touchedOnly) return { total: touches.entries.length, rows: rowsFrom(touches.entries) };
      const total = scan.entries.length;
      const count = Math.max(0, Math.min(query.limit, total - query.offset));
      return {
        total,
        rows: Array.from({ length: count }, (_, i) => entryRow(scan, touches, query.offset + i)),
      };
    }
    const key = JSON.stringify([query.layer, query.touchedOnly, query.filter]);
    if (matches?.key !== key) matches = { key, entries: matching(scan, touches, query) };
    return { total: matches.entries.length, rows: rowsFrom(matches.entries) };
  }

  return {
    overview,
    cells,
    span,
    entries,
    prefetch: ({ spanSize, minLayerSize }) => planner.prefetch(spanSize, minLayerSize),
    blame: (asked) => blame().blame(asked),
    folder: (query) => blame().folder(query),
  };
}

function matching(scan: LayerScan, touches: LayerTouches, { filter, touchedOnly }: EntriesQuery): number[] {
  const wanted = filter.toLowerCase();
  const candidates = touchedOnly ? touches.entries : scan.entries.length;
  const result: number[] = [];
  const consider = (entry: number): void => {
    if (scan.entries.name(entry).toLowerCase().includes(wanted)) result.push(entry);
  };
  if (typeof candidates === 'number') for (let entry = 0; entry < candidates; entry++) consider(entry);
  else candidates.forEach(consider);
  return result;
}

function entryRow({ entries }: LayerScan, touches: LayerTouches, entry: number): EntryRow {
  const data = entries.offset(entry);
  const type = entries.type(entry);
  const size = type === 'reg' ? entries.size(entry) : 0;
  return {
    entry,
    path: clip(entries.name(entry), PATH_LENGTH),
    type,
    size,
    touched: touches.within(data, data + size),
    at: milliseconds(touches.at(entry)),
  };
}

function cellOf(table: SpanTable, firstTouch: Float64Array, first: number, last: number): Cell {
  let touched = 0;
  let at = Infinity;
  for (let span = first; span <= last; span++) {
    const time = firstTouch[span] ?? Infinity;
    if (time === Infinity) continue;
    touched++;
    at = Math.min(at, time);
  }
  return {
    first,
    last,
    touched,
    start: table.compressed(first).start,
    end: table.compressed(last).end,
    at: milliseconds(at),
  };
}

/** The span that holds byte `offset` of the blob; the nearest one for bytes that no span holds. */
function spanAtByte(table: SpanTable, offset: number): number {
  let low = 0;
  let high = table.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (table.compressed(middle).start <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The last entry whose header begins at or before `offset`. */
function entryAt({ entries }: LayerScan, offset: number): number {
  let low = 0;
  let high = Math.max(0, entries.length - 1);
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (entries.headerOffset(middle) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

function pathOf(scan: LayerScan, entry: number): string {
  return clip(scan.entries.name(entry), PATH_LENGTH);
}

function milliseconds(at: number | undefined): number | null {
  return at === undefined || at === Infinity ? null : at / 1000;
}

function clip(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
