import { EntryTable, type EntryColumns } from './entries';
import type { LayerScan } from './types';

/** A scan as plain data: what a worker sends and the cache keeps. Numbers in bulk stand in typed arrays. */
export type PackedScan = Omit<LayerScan, 'entries'> & { readonly entries: EntryColumns };

/** The scan as plain data; its arrays are shared, not copied. */
export function packScan(scan: LayerScan): PackedScan {
  return { ...scan, entries: columnsOf(scan) };
}

function columnsOf({ entries }: LayerScan): EntryColumns {
  if (entries instanceof EntryTable) return entries.columns;
  throw new TypeError('Only a scan that scanLayer made can be packed.');
}

/** The scan again. */
export function unpackScan(packed: PackedScan): LayerScan {
  return { ...packed, entries: new EntryTable(packed.entries) };
}

/** Every typed array of a packed scan, in a fixed order. */
export function arraysOf({
  boundaries,
  entries,
  kept,
}: PackedScan): (Float64Array | Uint32Array | Uint8Array)[] {
  return [
    boundaries.in,
    boundaries.out,
    boundaries.bits,
    entries.headerOffset,
    entries.offset,
    entries.size,
    entries.type,
    entries.record,
    entries.records,
    kept.digests,
    kept.boundary,
    kept.windows,
  ];
}
