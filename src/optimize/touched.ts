/** Which entries a start uses, and how much of them. */
import type { LayerScan } from '../layer/types';
import { clientReads } from '../plan/client-reads';
import type { Touch } from '../trace/types';
import type { EntryRef } from './types';

/** A file read in small parts: of this size and more, in bytes, less than this share touched. */
const LARGE = 4 << 20;
const SMALL_PART = 0.25;

export interface TouchedEntry extends EntryRef {
  /** Microseconds of the first touch. */
  readonly at: number;
  /** Distinct bytes that were read. */
  readonly bytes: number;
  /** True for a large file of which only a small part is read: its copy would cost more than it saves. */
  readonly inParts: boolean;
}

/** The regular entries that a start opens, by their first touch; the client's own reads come before all. */
export function touchedEntries(
  touches: readonly Touch[],
  scans: readonly (LayerScan | undefined)[],
): TouchedEntry[] {
  const byEntry = new Map<string, Touch[]>();
  for (const touch of [...clientReads(scans), ...touches]) {
    const key = `${touch.layer}:${touch.entry}`;
    const known = byEntry.get(key);
    if (known) known.push(touch);
    else byEntry.set(key, [touch]);
  }
  return [...byEntry.values()]
    .flatMap((list): TouchedEntry[] => {
      const [{ layer, entry } = { layer: -1, entry: -1 }] = list;
      const size = scans[layer]?.entries.size(entry);
      if (size === undefined) return [];
      const bytes = coveredBytes(list);
      return [
        {
          layer,
          entry,
          at: list.reduce((least, { at }) => Math.min(least, at), Infinity),
          bytes,
          inParts: size >= LARGE && bytes < size * SMALL_PART,
        },
      ];
    })
    .sort((a, b) => a.at - b.at);
}

function coveredBytes(touches: readonly Touch[]): number {
  let [sum, reached] = [0, 0];
  for (const { start, end } of [...touches].sort((a, b) => a.start - b.start)) {
    sum += Math.max(0, end - Math.max(start, reached));
    reached = Math.max(reached, end);
  }
  return sum;
}
