/**
 * Which spans a start makes the snapshotter fetch, in which order and what waits for what. The rules were measured on
 * soci-snapshotter v0.15 and Linux 6.18 (docs/model.md, "Spans"): with them the predicted set of a recorded start was
 * exactly the fetched one at 4 MiB and 1 MiB spans.
 *
 * - A read makes the kernel ask FUSE for whole pages, in requests of at most 128 KiB that follow one another.
 * - The first request to a file first checks the file's tar header: those spans come before the data.
 * - The end of a range counts as a byte of it: a request that ends exactly where a span ends fetches the next one too.
 * - All spans of one request are fetched in parallel, one GET each; everything else waits for what came before.
 * - What the kernel reads ahead is among the requests already (trace/page-cache.ts); opening, listing and stat fetch nothing.
 */
import type { LayerScan, SpanTable } from '../layer/types';
import type { Touch } from '../trace/types';
import { Soonest } from './soonest';
import { spanColumns } from './span-columns';
import type { SpanRuns } from './types';

const PAGE = 4096;
/** The largest read that FUSE passes on (`max_read=131072`). */
const FUSE_READ = 128 * 1024;
/** The bytes of the start's reads as offsets into the layers' tars, ready to be laid on spans of any size. */
export interface StartReads {
  readonly length: number;
  /** Where the header check begins; the same as `start` when the file had its check before. */
  readonly header: Float64Array;
  /** Where the file's data begin; the header check ends there. */
  readonly data: Float64Array;
  /** The range that the kernel asks for, `[start, end)`. */
  readonly start: Float64Array;
  readonly end: Float64Array;
  /** Microseconds. */
  readonly at: Float64Array;
  /** The reads of each layer, ascending. */
  readonly byLayer: readonly (readonly number[])[];
}

/** Turns the touches of a start into tar ranges, in order of time. Those of layers without a scan are left out. */
export function startReads(touches: readonly Touch[], scans: readonly (LayerScan | undefined)[]): StartReads {
  const reads = {
    length: 0,
    header: new Float64Array(touches.length),
    data: new Float64Array(touches.length),
    start: new Float64Array(touches.length),
    end: new Float64Array(touches.length),
    at: new Float64Array(touches.length),
    byLayer: scans.map((): number[] => []),
  };
  /** By layer: 1 for each entry whose header was checked. */
  const checked = scans.map((scan) => new Uint8Array(scan?.entries.length ?? 0));
  for (const touch of touches) {
    const entries = scans[touch.layer]?.entries;
    const seen = checked[touch.layer];
    if (entries === undefined || seen === undefined || touch.end <= touch.start) continue;
    const size = entries.size(touch.entry);
    const data = entries.offset(touch.entry);
    const lastPage = Math.ceil(touch.end / PAGE) * PAGE;
    const start = data + Math.floor(touch.start / PAGE) * PAGE;
    const at = reads.length++;
    reads.byLayer[touch.layer]?.push(at);
    reads.data[at] = data;
    reads.start[at] = start;
    reads.end[at] = data + Math.min(size, lastPage);
    reads.at[at] = touch.at;
    reads.header[at] = start;
    if (seen[touch.entry] !== 1) {
      seen[touch.entry] = 1;
      reads.header[at] = entries.headerOffset(touch.entry);
    }
  }
  return reads;
}

/** What a start fetches of one layer with spans of one size, in order. */
export interface LayerFetches {
  readonly table: SpanTable;
  /** Per span: microseconds of its first touch, `Infinity` where there is none. */
  readonly first: Float64Array;
  /** Per fetch: the span, its bytes as they travel, and those that it holds. */
  readonly span: Uint32Array;
  readonly bytes: Float64Array;
  readonly inflated: Float64Array;
  /** Ascending over all layers of an image; fetches with an equal one belong to one request and run in parallel. */
  readonly order: Float64Array;
}

/** More requests than one read is ever cut into: 128 GiB. */
const REQUESTS_PER_READ = 2 ** 20;

/** Lays the reads of layer `layer` on its spans. */
export function layerFetches(reads: StartReads, layer: number, table: SpanTable): LayerFetches {
  const { end: ends, bytes, inflated, at: spanAt } = spanColumns(table);
  const { length } = table;
  const first = new Float64Array(length).fill(Infinity);
  const spans = new Uint32Array(length);
  const orders = new Float64Array(length);
  let count = 0;
  /** Fetches what is missing of the spans `from` … `to`, all at once. */
  function fetch(from: number, to: number, at: number, order: number): void {
    for (let span = from; span <= to; span++) {
      if (first[span] !== Infinity) continue;
      first[span] = at;
      spans[count] = span;
      orders[count++] = order;
    }
  }
  for (const i of reads.byLayer[layer] ?? []) {
    // Where all are there, nothing more is fetched.
    if (count === length) break;
    const header = reads.header[i] ?? 0;
    const start = reads.start[i] ?? 0;
    const end = reads.end[i] ?? 0;
    const at = reads.at[i] ?? 0;
    const begin = spanAt(header);
    // Most reads stay within a span that is there.
    if (first[begin] !== Infinity && end < (ends[begin] ?? 0)) continue;
    let order = i * REQUESTS_PER_READ;
    if (header < start) fetch(begin, spanAt(reads.data[i] ?? 0), at, order);
    for (let piece = start; piece < end;) {
      const next = Math.min(piece + FUSE_READ, end);
      const from = spanAt(piece);
      const to = spanAt(next);
      fetch(from, to, at, ++order);
      // Nothing new comes before the request that reaches the end of this span: leap to it.
      const skipped = to > from ? 0 : Math.floor(((ends[to] ?? 0) - next) / FUSE_READ);
      piece = next + Math.max(0, skipped) * FUSE_READ;
    }
  }
  const span = spans.slice(0, count);
  return {
    table,
    first,
    span,
    bytes: picked(bytes, span),
    inflated: picked(inflated, span),
    order: orders.slice(0, count),
  };
}

/** What a column says of each of these spans. */
function picked(column: Float64Array, spans: Uint32Array): Float64Array {
  const values = new Float64Array(spans.length);
  for (let i = 0; i < spans.length; i++) values[i] = column[spans[i] ?? 0] ?? 0;
  return values;
}

/**
 * Goes through the fetches of several layers in the order of the start, request by request: `visit` gets the layer and
 * its fetches from `from` up to `to`, which run in parallel. A layer that is undefined is not indexed: its reads fetch
 * nothing.
 */
export function inOrder(
  layers: readonly (LayerFetches | undefined)[],
  visit: (layer: number, fetches: LayerFetches, from: number, to: number) => void,
): void {
  const next = new Uint32Array(layers.length);
  const heads = new Soonest(Float64Array.from(layers, (fetches) => fetches?.order[0] ?? Infinity));
  for (let layer = heads.first; layer >= 0; layer = heads.first) {
    const fetches = layers[layer];
    if (fetches === undefined) return;
    const from = next[layer] ?? 0;
    let to = from + 1;
    while (fetches.order[to] === fetches.order[from]) to++;
    next[layer] = to;
    heads.delay(fetches.order[to] ?? Infinity);
    visit(layer, fetches, from, to);
  }
}

/** The touched spans of one layer as runs, merged where they follow one another (soci-format §3.6). */
export function spanRuns(first: Float64Array): SpanRuns {
  const runs: [number, number][] = [];
  for (let span = 0; span < first.length; span++) {
    if (first[span] === Infinity) continue;
    const last = runs.at(-1);
    if (last?.[1] === span - 1) last[1] = span;
    else runs.push([span, span]);
  }
  return runs;
}
