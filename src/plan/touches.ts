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
  const last = touches.reduce((last, { entry }) => Math.max(last, entry), -1);
  /** By entry. */
  const firstTouch = new Float64Array(last + 1).fill(Infinity);
  const isRead = new Uint8Array(last + 1);
  const ranges = { starts: new Float64Array(touches.length), ends: new Float64Array(touches.length) };
  let length = 0;
  let files = 0;
  for (const { entry, start, end, at } of touches) {
    if (at < (firstTouch[entry] ?? 0)) firstTouch[entry] = at;
    if (end <= start) continue;
    if (isRead[entry] === 0) files++;
    isRead[entry] = 1;
    if (scan === undefined) continue;
    const data = scan.entries.offset(entry);
    ranges.starts[length] = data + start;
    ranges.ends[length++] = data + end;
  }
  const entries: number[] = [];
  for (let entry = 0; entry <= last; entry++) if (firstTouch[entry] !== Infinity) entries.push(entry);
  const { starts, ends, before } = merge(ranges.starts.subarray(0, length), ranges.ends.subarray(0, length));

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
    files,
    at: (entry) => (firstTouch[entry] === Infinity ? undefined : firstTouch[entry]),
    entries,
    within: (start, end) => until(end) - until(start),
  };
}

/**
 * Ranges in ascending order that no longer meet; `before` is the length of all in front of each. Which start belongs to
 * which end does not matter: of those sorted apart, there is a gap before a start where as many have ended as had begun.
 */
function merge(
  starts: Float64Array,
  ends: Float64Array,
): { starts: Float64Array; ends: Float64Array; before: Float64Array } {
  starts.sort();
  ends.sort();
  const before = new Float64Array(starts.length);
  let last = -1;
  let reached = -Infinity;
  for (let i = 0; i < starts.length; i++) {
    const start = starts[i] ?? 0;
    if (start > reached) {
      last++;
      starts[last] = start;
      before[last] = last === 0 ? 0 : (before[last - 1] ?? 0) + reached - (starts[last - 1] ?? 0);
    }
    reached = ends[i] ?? 0;
    ends[last] = reached;
  }
  const merged = (column: Float64Array): Float64Array => column.subarray(0, last + 1);
  return { starts: merged(starts), ends: merged(ends), before: merged(before) };
}
