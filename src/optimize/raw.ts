/** The bytes of an entry as they lie in the archive: extended headers, header, content, and zeros up to the next block. */
import type { ByteRange } from '../layer/bytes';
import type { LayerScan } from '../layer/types';

const BLOCK = 512;

/** Up to a whole number of tar blocks. */
export function padded(bytes: number): number {
  return Math.ceil(bytes / BLOCK) * BLOCK;
}

/**
 * The raw range of an entry; `undefined` for a sparse file that is the archive's last entry, since only the next header would
 * tell where its stored bytes end.
 */
export function rawRange({ entries, streamSize }: LayerScan, entry: number): ByteRange | undefined {
  const start = entries.headerOffset(entry);
  if (entry + 1 < entries.length) return { start, end: entries.headerOffset(entry + 1) };
  if (isSparse(entries, entry)) return undefined;
  const content = entries.type(entry) === 'reg' ? entries.size(entry) : 0;
  return { start, end: Math.min(streamSize, entries.offset(entry) + padded(content)) };
}

/** GNU sparse formats 0.0 to 1.0, by their pax records (soci-format §1.4). */
export function isSparse(entries: LayerScan['entries'], entry: number): boolean {
  return entries
    .get(entry)
    .pax.some(([key]) => Buffer.from(key).toString('latin1').startsWith('GNU.sparse.'));
}
