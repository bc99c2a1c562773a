/** The files as a list: filtered, sorted, a page at a time; of one layer or of all. */
import type { LayerScan } from '../../layer/types';
import { ownerOf, type Owners } from '../blame/owners';
import type { LayerTouches } from '../touches';
import { nameTable } from './names';
import { orderBy } from './order';
import { dataOf, labelOf, layerOf, milliseconds, pathOf } from './source';
import type { Source } from './source';
import { packageKey } from './types';
import type {
  EntriesPage,
  EntriesQuery,
  EntryFilter,
  EntryRef,
  EntryRow,
  EntrySort,
  SearchHit,
} from './types';

export interface EntryList {
  entries(query: EntriesQuery): EntriesPage;
  /** Every row that the filter lets through, for a file. */
  allEntries(filter: EntryFilter): Generator<EntryRow>;
  /** The files of any layer whose path contains the text; those that the start read first, the largest reads first. */
  search(text: string, limit: number): SearchHit[];
}

/** A layer's entries, counted on from those of the layers below: one number for each row of the whole image. */
interface Part {
  readonly layer: number;
  readonly base: number;
  readonly scan: LayerScan;
  readonly touches: LayerTouches;
}

/** Above every other key: never. */
const NEVER = 2 ** 47;

/** @param owners asked at each query: packages are found later than the picture is made */
export function entryList(source: Source, owners: () => Owners | undefined): EntryList {
  const parts: Part[] = [];
  let length = 0;
  source.input.layers.forEach(({ scan }, layer) => {
    if (scan === undefined) return;
    parts.push({ layer, base: length, scan, touches: layerOf(source, layer).touches });
    length += scan.entries.length;
  });
  let last:
    { readonly key: string; readonly owners: Owners | undefined; readonly ids: Uint32Array } | undefined;

  function partOf(id: number): Part | undefined {
    return parts.findLast((part) => part.base <= id);
  }

  function matching(filter: EntryFilter): Uint32Array {
    const key = JSON.stringify([
      filter.layer,
      filter.filter,
      filter.touchedOnly,
      filter.type,
      filter.package,
      filter.time,
      filter.sort,
      filter.descending,
    ]);
    const known = owners();
    if (last?.key === key && last.owners === known) return last.ids;
    if (filter.layer !== null) layerOf(source, filter.layer);
    const wanted = parts.filter(({ layer }) => filter.layer === null || filter.layer === layer);
    const ids = Uint32Array.from(
      wanted.flatMap((part) =>
        candidates(part, filter, ownedBy(known, filter.package)).map((entry) => part.base + entry),
      ),
    );
    const sorted = filter.sort === 'archive' ? ids : orderBy(ids, keyOf(filter.sort, wanted));
    if (filter.descending) sorted.reverse();
    last = { key, owners: known, ids: sorted };
    return sorted;
  }

  function row(id: number): EntryRow | undefined {
    const part = partOf(id);
    return part && entryRow(part, id - part.base);
  }

  return {
    entries(query) {
      const ids = matching(query);
      const rows: EntryRow[] = [];
      for (const id of ids.subarray(query.offset, query.offset + query.limit)) {
        const one = row(id);
        if (one !== undefined) rows.push(one);
      }
      return { total: ids.length, rows };
    },
    *allEntries(filter) {
      for (const id of matching(filter)) {
        const one = row(id);
        if (one !== undefined) yield one;
      }
    },
    search(text, limit) {
      const hits: (EntryRef & { part: Part; touched: number })[] = [];
      for (const part of parts) {
        for (const entry of nameTable(part.scan).get().search(text)) {
          if (part.scan.entries.type(entry) !== 'reg') continue;
          const data = dataOf(part.scan, entry);
          const touched = part.touches.within(data.start, data.end);
          if (touched > 0 || hits.length < SEARCHED) hits.push({ part, layer: part.layer, entry, touched });
        }
      }
      return hits
        .sort((a, b) => b.touched - a.touched)
        .slice(0, limit)
        .map(({ part, layer, entry, touched }) => ({
          layer,
          entry,
          path: labelOf(part.scan, entry),
          size: dataOf(part.scan, entry).size,
          touched,
        }));
    },
  };
}

/** Of files that the start never read, so many are looked at: enough to fill the list of hits many times over. */
const SEARCHED = 2000;

/** Whether an entry belongs to the package of a filter; undefined where none is asked for. */
function ownedBy(
  owners: Owners | undefined,
  wanted: string | null,
): ((layer: number, entry: number) => boolean) | undefined {
  if (wanted === null) return undefined;
  if (owners === undefined) return () => wanted === '';
  const index = owners.packages.findIndex((one) => packageKey(one) === wanted);
  return (layer, entry) => (ownerOf(owners, layer, entry) ?? -1) === index;
}

function candidates(
  part: Part,
  { filter, touchedOnly, type, time }: EntryFilter,
  owned: ((layer: number, entry: number) => boolean) | undefined,
): number[] {
  const { scan, touches } = part;
  const named = filter === '' ? undefined : nameTable(scan).get().search(filter);
  const touched = touchedOnly || time !== null ? touches.entries : undefined;
  const inTime = (entry: number): boolean => {
    const at = milliseconds(touches.at(entry));
    return time === null || (at !== null && at >= time[0] && at <= time[1]);
  };
  const list = named ?? touched ?? Array.from({ length: scan.entries.length }, (_, entry) => entry);
  return list.filter(
    (entry) =>
      (touched === undefined || (touches.at(entry) !== undefined && inTime(entry))) &&
      (type === null || scan.entries.type(entry) === type) &&
      (owned === undefined || owned(part.layer, entry)),
  );
}

/** What to sort by, as a whole number for each row. */
function keyOf(sort: Exclude<EntrySort, 'archive'>, parts: readonly Part[]): (id: number) => number {
  const ranks = sort === 'path' ? parts.map(({ scan }) => nameTable(scan).get().rank) : [];
  let place = 0;
  // Rows come layer by layer, so the part of the row before is almost always the part of this one.
  const find = (id: number): Part | undefined => {
    const inside = (part: Part | undefined): boolean =>
      part !== undefined && id >= part.base && id < part.base + part.scan.entries.length;
    if (!inside(parts[place])) place = parts.findIndex(inside);
    return parts[place];
  };
  return (id) => {
    const part = find(id);
    if (part === undefined) return 0;
    const entry = id - part.base;
    switch (sort) {
      case 'path':
        return part.base + (ranks[place]?.[entry] ?? 0);
      case 'size':
        return Math.min(NEVER, dataOf(part.scan, entry).size);
      case 'touched': {
        if (part.touches.at(entry) === undefined) return 0;
        const { start, end } = dataOf(part.scan, entry);
        return Math.min(NEVER, part.touches.within(start, end));
      }
      case 'at':
        return Math.min(NEVER, part.touches.at(entry) ?? NEVER);
    }
  };
}

function entryRow({ layer, scan, touches }: Part, entry: number): EntryRow {
  const { start, end, size } = dataOf(scan, entry);
  return {
    layer,
    entry,
    path: pathOf(scan, entry),
    type: scan.entries.type(entry),
    size,
    touched: touches.within(start, end),
    at: milliseconds(touches.at(entry)),
  };
}
