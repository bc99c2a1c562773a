/** What the start read of one layer, by tar bytes and by entry: the ground of every "touched" that is shown. */
import type { LayerScan } from '../layer/types';
import type { Touch } from '../trace/types';

export interface LayerTouches {
  /** Distinct bytes of files. */
  readonly bytes: number;
  /** Distinct files that bytes were read from. */
  readonly files: number;
  /** Microseconds of an entry's first touch, `undefined` when it was never opened. */
  at(entry: number): number | undefined;
  /** Entries that were touched in any way, ascending. */
  readonly entries: readonly number[];
  /** Touched bytes within `[start, end)` of the tar. */
  within(start: number, end: number): number;
}

/** One per layer, in the order of the layers; touches of a layer without a scan count as files only. */
export function layerTouches(
  touches: readonly Touch[],
  scans: readonly (LayerScan | undefined)[],
): readonly LayerTouches[] {
  const byLayer = scans.map((): Touch[] => []);
  for (const touch of touches) byLayer[touch.layer]?.push(touch);
  return byLayer.map((list, index) => oneLayer(list, scans[index]));
}

function oneLayer(touches: readonly Touch[], scan: LayerScan | undefined): LayerTouches {
  const firstTouch = new Map<number, number>();
  const read = new Set<number>();
  const ranges: [start: number, end: number][] = [];
  for (const { entry, start, end, at } of touches) {
    firstTouch.set(entry, Math.min(at, firstTouch.get(entry) ?? Infinity));
    if (end <= start) continue;
    read.add(entry);
    const data = scan?.entries.offset(entry);
    if (data !== undefined) ranges.push([data + start, data + end]);
  }
  const { starts, ends, before } = merge(ranges);

  /** Touched bytes in front of `offset`. */
  function until(offset: number): number {
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((starts[middle] ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return 0;
    return (before[low - 1] ?? 0) + Math.min(offset, ends[low - 1] ?? 0) - (starts[low - 1] ?? 0);
  }

  return {
    bytes: until(Infinity),
    files: read.size,
    at: (entry) => firstTouch.get(entry),
    entries: [...firstTouch.keys()].sort((a, b) => a - b),
    within: (start, end) => until(end) - until(start),
  };
}

/** Ranges in ascending order that no longer meet; `before` is the length of all in front of each. */
function merge(ranges: [start: number, end: number][]): {
  starts: number[];
  ends: number[];
  before: number[];
} {
  const starts: number[] = [];
  const ends: number[] = [];
  const before: number[] = [];
  let sum = 0;
  for (const [start, end] of ranges.sort((a, b) => a[0] - b[0])) {
    const reached = ends.at(-1) ?? -Infinity;
    if (start <= reached) {
      ends[ends.length - 1] = Math.max(reached, end);
      continue;
    }
    sum += starts.length === 0 ? 0 : reached - (starts.at(-1) ?? 0);
    starts.push(start);
    ends.push(end);
    before.push(sum);
  }
  return { starts, ends, before };
}
