/** Two pictures side by side: two runs, two span sizes, two builds. */
import { layerOf, labelOf, dataOf } from './source';
import type { Source } from './source';
import { fetchedOf } from './cells';
import type { Change, ComparedFile, ComparedLayer, Comparison, Delta, Overview } from './types';

/** One side: a picture with its settings. */
export interface Side {
  readonly label: string;
  readonly source: Source;
  readonly overview: Overview;
}

/** Files that are listed. */
const FILES = 400;
/** A read that grew or shrank by less says nothing: a page more or less is chance. */
const SAME_BYTES = 4096;

export function compare(before: Side, after: Side): Comparison {
  const layers = comparedLayers(before, after);
  const files = comparedFiles(before, after, new Map(layers.map((pair) => [pair.before, pair.after])));
  const counts: Record<Change, number> = { added: 0, gone: 0, moved: 0, changed: 0 };
  for (const { change } of files) counts[change]++;
  const weight = (file: ComparedFile): number => Math.abs(file.after - file.before);
  return {
    before: before.label,
    after: after.label,
    deltas: deltas(before.overview, after.overview),
    layers,
    files: files.sort((a, b) => weight(b) - weight(a) || a.path.localeCompare(b.path)).slice(0, FILES),
    counts,
  };
}

function deltas(before: Overview, after: Overview): Delta[] {
  const [a, b] = [figuresOf(before), figuresOf(after)];
  return a.map(({ name, unit, value }, index) => ({
    name,
    unit,
    before: value,
    after: b[index]?.value ?? 0,
  }));
}

function figuresOf({ plan, spanSize }: Overview): { name: string; unit: Delta['unit']; value: number }[] {
  const row = plan.rows.find((one) => one.spanSize === spanSize);
  const sum = (value: (layer: (typeof plan.layers)[number]) => number): number =>
    plan.layers.reduce((all, layer) => all + value(layer), 0);
  return [
    { name: 'Layers', unit: 'count', value: plan.layers.length },
    { name: 'Image, compressed', unit: 'bytes', value: sum((layer) => layer.size) },
    { name: 'Files read', unit: 'count', value: plan.trace?.files ?? 0 },
    { name: 'Bytes read', unit: 'bytes', value: sum((layer) => layer.touchedBytes) },
    { name: 'Spans fetched', unit: 'count', value: row?.touchedSpans ?? 0 },
    { name: 'Bytes of spans', unit: 'bytes', value: row?.spanBytes ?? 0 },
    { name: 'Unused part of them', unit: 'share', value: row?.waste ?? 0 },
    { name: 'Fetches that wait', unit: 'count', value: row?.serialFetches ?? 0 },
    { name: 'Requests, lazy', unit: 'count', value: row?.lazy.requests ?? 0 },
    { name: 'Ztocs', unit: 'bytes', value: row?.ztocBytes ?? 0 },
    { name: 'Ready, lazy', unit: 'seconds', value: row?.lazy.totalSeconds ?? 0 },
    { name: 'Ready, prefetch', unit: 'seconds', value: row?.prefetch.totalSeconds ?? 0 },
  ];
}

/** Layers are the same by digest; of the others, those of the same instruction stand side by side. */
function comparedLayers(before: Side, after: Side): ComparedLayer[] {
  const [left, right] = [before.overview.plan.layers, after.overview.plan.layers];
  const free = new Set(right.map(({ index }) => index));
  const partner = (index: number): number | null => {
    const mine = left[index];
    const found =
      right.find((one) => free.has(one.index) && one.digest === mine?.digest) ??
      right.find(
        (one) =>
          free.has(one.index) &&
          one.instruction !== null &&
          one.instruction === mine?.instruction &&
          !left.some((other) => other.digest === one.digest),
      );
    if (found === undefined) return null;
    free.delete(found.index);
    return found.index;
  };
  const pairs = left.map(({ index }): [number | null, number | null] => [index, partner(index)]);
  for (const index of free) pairs.push([null, index]);
  return pairs.map(([a, b]) => {
    const layer = (b === null ? undefined : right[b]) ?? (a === null ? undefined : left[a]);
    return {
      name: layer?.instruction ?? layer?.digest.slice(0, 19) ?? '',
      before: a,
      after: b,
      ...sideOf('Before', before, a),
      ...sideOf('After', after, b),
    };
  });
}

function sideOf<S extends 'Before' | 'After'>(
  name: S,
  { source, overview }: Side,
  index: number | null,
): Record<`size${S}` | `fetched${S}`, number> {
  const layer = index === null ? undefined : overview.plan.layers[index];
  const { tables, fetches } = source.planner.laid(overview.spanSize);
  const [table, first] = [tables[index ?? -1], fetches.first[index ?? -1]];
  const fetched =
    layer?.indexed === true && table && first ? fetchedOf({ table, first }).fetchedBytes : layer?.size;
  // Both keys are set, by the parameter's type.
  return { [`size${name}`]: layer?.size ?? 0, [`fetched${name}`]: fetched ?? 0 } as Record<
    `size${S}` | `fetched${S}`,
    number
  >;
}

interface Read {
  readonly layer: number;
  readonly bytes: number;
}

/** What each path's start reads; a path that several layers carry counts where it is read. */
function reads({ source }: Side): Map<string, Read> {
  const found = new Map<string, Read>();
  source.input.layers.forEach(({ scan }, layer) => {
    if (scan === undefined) return;
    const { touches } = layerOf(source, layer);
    for (const entry of touches.entries) {
      const { start, end } = dataOf(scan, entry);
      const path = labelOf(scan, entry).replace(/^(\.?\/)+/, '');
      found.set(path, { layer, bytes: touches.within(start, end) });
    }
  });
  return found;
}

/** @param partners by layer of the left side, the one of the right side that it became */
function comparedFiles(
  before: Side,
  after: Side,
  partners: ReadonlyMap<number | null, number | null>,
): ComparedFile[] {
  const [left, right] = [reads(before), reads(after)];
  const result: ComparedFile[] = [];
  for (const path of new Set([...left.keys(), ...right.keys()])) {
    const [a, b] = [left.get(path), right.get(path)];
    const change = changeOf(a, b, partners);
    if (change === undefined) continue;
    result.push({
      path,
      change,
      before: a?.bytes ?? 0,
      after: b?.bytes ?? 0,
      layerBefore: a?.layer ?? null,
      layerAfter: b?.layer ?? null,
    });
  }
  return result;
}

function changeOf(
  before: Read | undefined,
  after: Read | undefined,
  partners: ReadonlyMap<number | null, number | null>,
): Change | undefined {
  if (before === undefined) return 'added';
  if (after === undefined) return 'gone';
  if (partners.get(before.layer) !== after.layer) return 'moved';
  return Math.abs(after.bytes - before.bytes) > SAME_BYTES ? 'changed' : undefined;
}
