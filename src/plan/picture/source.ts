/** What all questions to a picture are answered from, and the small words they share. */
import { LensError } from '../../errors';
import type { LayerScan, SpanTable } from '../../layer/types';
import type { PlanInput, Planner } from '../plan';
import type { LayerTouches } from '../touches';

export interface Source {
  readonly input: PlanInput;
  readonly planner: Planner;
}

export interface LaidLayer {
  readonly table: SpanTable;
  /** Microseconds of each span's first touch, `Infinity` where there is none. */
  readonly first: Float64Array;
}

/** @throws LensError `plan/no-such-layer` */
export function layerOf(
  { input, planner }: Source,
  layer: number,
): { scan: LayerScan | undefined; touches: LayerTouches } {
  const touches = planner.touches[layer];
  if (touches === undefined) {
    throw new LensError('plan/no-such-layer', `The image has no layer ${layer}.`, 'Show the span map again.');
  }
  return { scan: input.layers[layer]?.scan, touches };
}

/** The spans of a layer; undefined when it was not scanned. */
export function spansOf(source: Source, layer: number, spanSize: number): LaidLayer | undefined {
  layerOf(source, layer);
  const { tables, fetches } = source.planner.laid(spanSize);
  const table = tables[layer];
  const first = fetches.first[layer];
  return table && first && { table, first };
}

/** Bytes of the entry's data in the tar: only regular files have any. */
export function dataOf({ entries }: LayerScan, entry: number): { start: number; end: number; size: number } {
  const size = entries.type(entry) === 'reg' ? entries.size(entry) : 0;
  const start = entries.offset(entry);
  return { start, end: start + size, size };
}

/** The last entry whose header begins at or before `offset`. */
export function entryAt({ entries }: LayerScan, offset: number): number {
  let low = 0;
  let high = Math.max(0, entries.length - 1);
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (entries.headerOffset(middle) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Characters of a path where it is shown whole, and where it only labels. */
const PATH_LENGTH = 4096;
const LABEL_LENGTH = 240;

export function pathOf({ entries }: LayerScan, entry: number): string {
  return clip(entries.name(entry), PATH_LENGTH);
}

/** The path's end, which tells files apart. */
export function labelOf({ entries }: LayerScan, entry: number): string {
  const path = entries.name(entry);
  return path.length > LABEL_LENGTH ? `…${path.slice(1 - LABEL_LENGTH)}` : path;
}

export function clip(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

/** Microseconds, or never, as the page is told it. */
export function milliseconds(at: number | undefined): number | null {
  return at === undefined || at === Infinity ? null : at / 1000;
}
