/** In which order the folders and files of a layer stand in the tree, and which of them. No `vscode` here. */
import type { TarEntries } from '../layer/types';
import type { LayerTouches } from '../plan/touches';
import type { Folder } from '../plan/layer-tree';

export const ORDERS = ['name', 'size', 'touched'] as const;
export type Order = (typeof ORDERS)[number];

/** What is shown of one folder, in order. */
export interface Contents {
  readonly folders: readonly Folder[];
  readonly files: readonly number[];
}

/** One layer with what the start read of it. */
export interface OrderedLayer {
  readonly entries: TarEntries;
  readonly touches: LayerTouches | undefined;
}

/**
 * The folders and files of `folder`. A filter is a part of the path, upper and lower case alike; a folder stays where something
 * below it does.
 */
export function contentsOf(folder: Folder, layer: OrderedLayer, order: Order, filter: string): Contents {
  const wanted = filter.toLowerCase();
  const folders =
    wanted === '' ? folder.folders : folder.folders.filter((child) => holds(child, layer.entries, wanted));
  const files =
    wanted === '' ? folder.files : folder.files.filter((entry) => fits(layer.entries, entry, wanted));
  if (order === 'name') return { folders, files };
  const size = (entry: number) => (layer.entries.type(entry) === 'reg' ? layer.entries.size(entry) : 0);
  return order === 'size'
    ? { folders: byLargest(folders, (child) => child.size), files: byLargest(files, size) }
    : {
        folders: byLargest(folders, (child) => touchedIn(child, layer)),
        files: byLargest(files, (entry) => touchedOf(entry, layer)),
      };
}

/** Bytes of one file that the start read. */
export function touchedOf(entry: number, { entries, touches }: OrderedLayer): number {
  if (touches?.at(entry) === undefined || entries.type(entry) !== 'reg') return 0;
  const start = entries.offset(entry);
  return touches.within(start, start + entries.size(entry));
}

/** Bytes that the start read of all files below a folder. */
export function touchedIn(folder: Folder, layer: OrderedLayer): number {
  return sum(folder, (entry) => touchedOf(entry, layer));
}

function sum(folder: Folder, of: (entry: number) => number): number {
  return (
    folder.files.reduce((all, entry) => all + of(entry), 0) +
    folder.folders.reduce((all, child) => all + sum(child, of), 0)
  );
}

function byLargest<T>(items: readonly T[], weigh: (item: T) => number): T[] {
  // The sort is stable, so what weighs the same stays by name.
  return items
    .map((item) => ({ item, weight: weigh(item) }))
    .sort((a, b) => b.weight - a.weight)
    .map(({ item }) => item);
}

function holds(folder: Folder, entries: TarEntries, wanted: string): boolean {
  return (
    folder.path.toLowerCase().includes(wanted) ||
    folder.files.some((entry) => fits(entries, entry, wanted)) ||
    folder.folders.some((child) => holds(child, entries, wanted))
  );
}

function fits(entries: TarEntries, entry: number, wanted: string): boolean {
  return entries.name(entry).toLowerCase().includes(wanted);
}
