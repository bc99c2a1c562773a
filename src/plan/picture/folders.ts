/** A layer's files as a tree: one folder's children at a time, with what the start read below each. */
import { layerTreeSteps, pathParts } from '../layer-tree';
import type { Folder } from '../layer-tree';
import type { LayerScan } from '../../layer/types';
import type { LayerTouches } from '../touches';
import { Prepared } from './prepared';
import { clip, dataOf, layerOf } from './source';
import type { Source } from './source';
import type { FolderPage, ListFolderQuery, FolderRow } from './types';

const NAME_LENGTH = 1024;
const trees = new WeakMap<LayerScan, Prepared<Folder>>();

export function folderPages(source: Source): (query: ListFolderQuery) => FolderPage {
  const sums = new Map<number, ReadonlyMap<string, number>>();

  return ({ layer, path, offset, limit }) => {
    const { scan, touches } = layerOf(source, layer);
    if (scan === undefined) return { total: 0, rows: [] };
    const folder = find(folderTree(scan).get(), path);
    if (folder === undefined) return { total: 0, rows: [] };
    let touched = sums.get(layer);
    if (touched === undefined) sums.set(layer, (touched = touchedBelow(scan, touches)));
    const { folders, files } = folder;
    const rows: FolderRow[] = [];
    for (let at = offset; at < Math.min(offset + limit, folders.length + files.length); at++) {
      const child = folders[at];
      const entry = files[at - folders.length];
      if (child !== undefined) {
        rows.push({
          name: clip(child.name, NAME_LENGTH),
          entry: null,
          type: 'dir',
          size: child.size,
          files: child.count,
          touched: touched.get(child.path) ?? 0,
        });
      } else if (entry !== undefined) {
        const { start, end, size } = dataOf(scan, entry);
        rows.push({
          name: clip(pathParts(scan.entries.name(entry)).at(-1) ?? '', NAME_LENGTH),
          entry,
          type: scan.entries.type(entry),
          size,
          files: 1,
          touched: touches.within(start, end),
        });
      }
    }
    return { total: folders.length + files.length, rows };
  };
}

/** Made once per scan, however many pictures show it. */
export function folderTree(scan: LayerScan): Prepared<Folder> {
  let tree = trees.get(scan);
  if (tree === undefined) trees.set(scan, (tree = new Prepared(layerTreeSteps(scan))));
  return tree;
}

function find(root: Folder, path: string): Folder | undefined {
  let folder: Folder | undefined = root;
  for (const part of pathParts(path)) folder = folder?.folders.find(({ name }) => name === part);
  return folder;
}

/** Bytes that the start read below each folder, by its path. */
function touchedBelow(scan: LayerScan, touches: LayerTouches): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const entry of touches.entries) {
    const { start, end } = dataOf(scan, entry);
    const bytes = touches.within(start, end);
    const parts = pathParts(scan.entries.name(entry));
    for (let depth = 1; depth < parts.length; depth++) {
      const path = parts.slice(0, depth).join('/');
      sums.set(path, (sums.get(path) ?? 0) + bytes);
    }
  }
  return sums;
}
