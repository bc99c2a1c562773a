/** The names of a layer's entries, made ready for searching and sorting 500 000 of them while somebody types. */
import type { LayerScan } from '../../layer/types';
import { Prepared, SLICE } from './prepared';

export interface NameTable {
  /** Ascending indexes of the entries whose name contains the text, without regard to case. */
  search(text: string): number[];
  /** The place of each entry when all are sorted by name, by code units; equal names share none. */
  readonly rank: Uint32Array;
}

const SEPARATOR = '\n';
const tables = new WeakMap<LayerScan, Prepared<NameTable>>();

/** Made once per scan, however many pictures show it. */
export function nameTable(scan: LayerScan): Prepared<NameTable> {
  let table = tables.get(scan);
  if (table === undefined) tables.set(scan, (table = new Prepared(build(scan))));
  return table;
}

/** All names as one text in lower case, a line each: searching it is one fast scan instead of half a million calls. */
function* build({ entries }: LayerScan): Generator<void, NameTable> {
  const { length } = entries;
  const names: string[] = [];
  const starts = new Uint32Array(length + 1);
  for (let entry = 0; entry < length; entry++) {
    const name = entries.name(entry).toLowerCase().replaceAll(SEPARATOR, '\uFFFD');
    names.push(name);
    starts[entry + 1] = (starts[entry] ?? 0) + name.length + 1;
    if (entry % SLICE === 0) yield;
  }
  const text = names.join(SEPARATOR);
  yield;
  const rank = new Uint32Array(length);
  const order = yield* sorted(names);
  for (let place = 0; place < length; place++) rank[order[place] ?? 0] = place;
  return { search: (wanted) => search(text, starts, wanted.toLowerCase()), rank };
}

function search(text: string, starts: Uint32Array, wanted: string): number[] {
  const found: number[] = [];
  if (wanted.includes(SEPARATOR)) return found;
  let entry = 0;
  for (let at = text.indexOf(wanted); at !== -1; at = text.indexOf(wanted, starts[entry + 1])) {
    entry = lineAt(starts, at, entry);
    found.push(entry);
    if ((starts[entry + 1] ?? Infinity) > text.length) break;
  }
  return found;
}

/** The last line that begins at or before `at`, from `low` on. */
function lineAt(starts: Uint32Array, at: number, low: number): number {
  let high = starts.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((starts[middle] ?? 0) <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Merge sort from the bottom up, so that it can pause: `Array.sort` cannot. */
function* sorted(names: readonly string[]): Generator<void, Uint32Array> {
  let from = Uint32Array.from(names, (_, index) => index);
  let to = new Uint32Array(names.length);
  let work = 0;
  for (let width = 1; width < names.length; width *= 2) {
    for (let start = 0; start < names.length; start += 2 * width) {
      const [middle, end] = [start + width, start + 2 * width].map((at) => Math.min(at, names.length));
      merge(names, from, to, start, middle ?? 0, end ?? 0);
      work += (end ?? 0) - start;
      if (work >= SLICE) {
        work = 0;
        yield;
      }
    }
    [from, to] = [to, from];
  }
  return from;
}

function merge(
  names: readonly string[],
  from: Uint32Array,
  to: Uint32Array,
  start: number,
  middle: number,
  end: number,
): void {
  let [left, right] = [start, middle];
  for (let at = start; at < end; at++) {
    const [a = 0, b = 0] = [from[left], from[right]];
    const takeLeft = right >= end || (left < middle && (names[a] ?? '') <= (names[b] ?? ''));
    to[at] = takeLeft ? a : b;
    if (takeLeft) left++;
    else right++;
  }
}
