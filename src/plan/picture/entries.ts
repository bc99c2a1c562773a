/** The files as a list: filtered, sorted, a page at a time; of one layer or of all. */
import type { LayerScan } from '../../layer/types';
import { ownerOf, type Owners } from '../blame/owners';
import type { LayerTouches } from '../touches';
import { nameTable } from './names';
import { placesInOrder } from './order';
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

  const orders = new Map<EntrySort, Uint32Array>();

  /** All rows in ascending order, made at the first question for it. */
  function orderFor(sort: KeyedSort): Uint32Array {
    const order = orders.get(sort) ?? placesInOrder(keysOf(sort, parts, length));
    orders.set(sort, order);
    return order;
  }

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
    // A mark for each row that is let through, so that rows come in any order that is known.
    const marks = new Uint8Array(length);
    let total = 0;
    for (const part of parts) {
      if (filter.layer !== null && filter.layer !== part.layer) continue;
      choose(part, filter, ownedBy(known, filter.package), (entry) => {
        marks[part.base + entry] = 1;
        total++;
      });
    }
    const ids = new Uint32Array(total);
    const order = filter.sort === 'archive' ? undefined : orderFor(filter.sort);
    let to = filter.descending ? total - 1 : 0;
    for (let place = 0; place < length; place++) {
      const id = order === undefined ? place : (order[place] ?? 0);
      if (marks[id] !== 1) continue;
      ids[to] = id;
      to += filter.descending ? -1 : 1;
    }
    last = { key, owners: known, ids };
    return ids;
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

/** Calls `take` with each entry that a filter lets through, in the order of the archive. */
function choose(
  { layer, scan, touches }: Part,
  { filter, touchedOnly, type, time }: EntryFilter,
  owned: ((layer: number, entry: number) => boolean) | undefined,
  take: (entry: number) => void,
): void {
  const named = filter === '' ? undefined : nameTable(scan).get().search(filter);
  const touched = touchedOnly || time !== null ? touches.entries : undefined;
  const inTime = (entry: number): boolean => {
    const at = milliseconds(touches.at(entry));
    return time === null || (at !== null && at >= time[0] && at <= time[1]);
  };
  const look = (entry: number): void => {
    if (
      (touched === undefined || (touches.at(entry) !== undefined && inTime(entry))) &&
      (type === null || scan.entries.type(entry) === type) &&
      (owned === undefined || owned(layer, entry))
    )
      take(entry);
  };
  const list = named ?? touched;
  if (list === undefined) for (let entry = 0; entry < scan.entries.length; entry++) look(entry);
  else for (const entry of list) look(entry);
}

/** Everything but the order of the archive, which needs no key. */
type KeyedSort = Exclude<EntrySort, 'archive'>;

/** What to sort by, as a whole number for each row. */
function keysOf(sort: KeyedSort, parts: readonly Part[], length: number): Float64Array {
  const keys = new Float64Array(length).fill(sort === 'at' ? NEVER : 0);
  for (const { base, scan, touches } of parts) {
    const { entries } = scan;
    const put = (entry: number, key: number): void => {
      keys[base + entry] = Math.min(NEVER, key);
    };
    switch (sort) {
      case 'path': {
        const { rank } = nameTable(scan).get();
        for (let entry = 0; entry < entries.length; entry++) put(entry, base + (rank[entry] ?? 0));
        break;
      }
      case 'size':
        for (let entry = 0; entry < entries.length; entry++) put(entry, dataOf(scan, entry).size);
        break;
      case 'touched':
        for (const entry of touches.entries) {
          const { start, end } = dataOf(scan, entry);
          put(entry, touches.within(start, end));
        }
        break;
      case 'at':
        for (const entry of touches.entries) put(entry, touches.at(entry) ?? NEVER);
        break;
    }
  }
  return keys;
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
