/** What each entry of a layer costs: its share of the blob, and of what a start fetches of it. */
import type { LayerScan, SpanTable } from '../../layer/types';
import { SLICE } from '../picture/prepared';
import type { LayerTouches } from '../touches';
import type { Costs } from './types';

/** Costs that are still being added up. */
export type Sum = { -readonly [K in keyof Costs]: number };

export function noCosts(): Sum {
  return {
    files: 0,
    bytes: 0,
    packedBytes: 0,
    touchedFiles: 0,
    touchedBytes: 0,
    fetchedBytes: 0,
    unusedBytes: 0,
    hiddenBytes: 0,
  };
}

export function addCosts(sum: Sum, more: Costs): void {
  sum.files += more.files;
  sum.bytes += more.bytes;
  sum.packedBytes += more.packedBytes;
  sum.touchedFiles += more.touchedFiles;
  sum.touchedBytes += more.touchedBytes;
  sum.fetchedBytes += more.fetchedBytes;
  sum.unusedBytes += more.unusedBytes;
  sum.hiddenBytes += more.hiddenBytes;
}

/** As whole bytes, for showing. */
export function rounded(costs: Costs): Costs {
  return {
    files: costs.files,
    bytes: costs.bytes,
    packedBytes: Math.round(costs.packedBytes),
    touchedFiles: costs.touchedFiles,
    touchedBytes: costs.touchedBytes,
    fetchedBytes: Math.round(costs.fetchedBytes),
    unusedBytes: Math.round(costs.unusedBytes),
    hiddenBytes: costs.hiddenBytes,
  };
}

/** The blob position behind the first `offset` bytes of the tar; between two ends of blocks, in proportion. */
export function packedPositions(scan: LayerScan): (offset: number) => number {
  if (scan.compression === 'tar') return (offset) => Math.min(offset, scan.compressedSize);
  const { boundaries } = scan;
  const end = Math.max(scan.streamSize, scan.tarSize);
  // Offsets come nearly in order: the search begins where the last one ended.
  let at = 0;
  return (offset) => {
    if (offset <= 0) return 0;
    if (offset >= end) return scan.compressedSize;
    while (at > 0 && (boundaries.out[at] ?? 0) > offset) at--;
    while (at + 1 < boundaries.length && (boundaries.out[at + 1] ?? end) <= offset) at++;
    const [out, input] = [boundaries.out[at] ?? 0, at === 0 ? 0 : (boundaries.in[at] ?? 0)];
    const [nextOut, nextInput] = [
      boundaries.out[at + 1] ?? end,
      boundaries.in[at + 1] ?? scan.compressedSize,
    ];
    return nextOut <= out ? input : input + ((offset - out) / (nextOut - out)) * (nextInput - input);
  };
}

/** The spans of an indexed layer that a start fetches. */
export interface FetchedSpans {
  readonly table: SpanTable;
  /** The time of each span's first touch; `Infinity` for those that stay away. */
  readonly first: Float64Array;
}

/**
 * Calls `each` with every entry of a layer and what it costs; together they cost the whole blob. The object is the same at
 * each call. Pauses after some thousand entries.
 *
 * @param fetched undefined for a layer outside the index, which travels whole
 */
export function* entryCosts(
  scan: LayerScan,
  touches: LayerTouches,
  fetched: FetchedSpans | undefined,
  hidden: ReadonlySet<number>,
  each: (entry: number, costs: Costs) => void,
): Generator<void> {
  const { entries } = scan;
  const packed = packedPositions(scan);
  const costs = noCosts();
  let end = 0;
  let packedEnd = 0;
  for (let entry = 0; entry < entries.length; entry++) {
    if (entry % SLICE === 0) yield;
    const start = end;
    const packedStart = packedEnd;
    end =
      entry + 1 < entries.length ? entries.headerOffset(entry + 1) : Math.max(scan.streamSize, scan.tarSize);
    packedEnd = packed(end);
    const isFile = entries.type(entry) === 'reg';
    const size = isFile ? entries.size(entry) : 0;
    const data = entries.offset(entry);
    costs.files = isFile ? 1 : 0;
    costs.bytes = size;
    costs.packedBytes = packedEnd - packedStart;
    costs.touchedFiles = isFile && touches.at(entry) !== undefined ? 1 : 0;
    costs.touchedBytes = isFile ? touches.within(data, data + size) : 0;
    costs.hiddenBytes = hidden.has(entry) ? size : 0;
    costs.fetchedBytes = costs.packedBytes;
    let travelled = end - start;
    if (fetched) {
      costs.fetchedBytes = travelled = 0;
      const { table, first } = fetched;
      for (let span = table.at(start); span < table.length; span++) {
        const { start: from, end: to } = table.uncompressed(span);
        if (from >= end) break;
        if (first[span] === Infinity) continue;
        const [low, high] = [Math.max(from, start), span === table.length - 1 ? end : Math.min(to, end)];
        if (high <= low) continue;
        travelled += high - low;
        costs.fetchedBytes += packed(high) - packed(low);
      }
    }
    const used = travelled === 0 ? 0 : Math.min(1, costs.touchedBytes / travelled);
    costs.unusedBytes = costs.fetchedBytes * (1 - used);
    each(entry, costs);
  }
}
