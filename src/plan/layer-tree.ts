import type { LayerScan } from '../layer/types';
import { Prepared, SLICE } from './picture/prepared';

/** One folder of a layer, with the sums of all that lies below it. */
export interface Folder {
  readonly name: string;
  /** Without a slash at either end; empty for the root of the layer. */
  readonly path: string;
  readonly folders: readonly Folder[];
  /** Indexes of the entries that are no folders, by name. */
  readonly files: readonly number[];
  /** Bytes of the regular files below. */
  readonly size: number;
  /** Entries below that are no folders. */
  readonly count: number;
}

interface Draft {
  readonly name: string;
  readonly path: string;
  readonly folders: Map<string, Draft>;
  readonly files: { readonly name: string; readonly entry: number }[];
  size: number;
  count: number;
}

/**
 * The folders of one layer's archive. Folders that the archive only implies are there too; of entries with the same name each
 * is there, since each takes up bytes of the layer.
 */
export function layerTree(scan: LayerScan): Folder {
  return new Prepared(layerTreeSteps(scan)).get();
}

/** The same in slices of a few milliseconds, between which other work can be done. */
export function* layerTreeSteps({ entries }: LayerScan): Generator<void, Folder> {
  const root = draft('', '');
  for (let entry = 0; entry < entries.length; entry++) {
    if (entry % SLICE === SLICE - 1) yield;
    const parts = pathParts(entries.name(entry));
    if (entries.type(entry) === 'dir') {
      for (let folder = root, at = 0; at < parts.length; at++) folder = inside(folder, parts[at] ?? '');
      continue;
    }
    const name = parts.pop() ?? '';
    const size = entries.type(entry) === 'reg' ? entries.size(entry) : 0;
    let folder = root;
    add(folder, size);
    for (const part of parts) {
      folder = inside(folder, part);
      add(folder, size);
    }
    folder.files.push({ name, entry });
  }
  return yield* finish(root);
}

/** Deeper folders than any real image has are shown as one name, so that a hostile archive cannot exhaust the stack. */
const MAX_DEPTH = 200;

/** `./usr//lib/` → `usr`, `lib`. A `..` stays as it is: it is a name in the archive, and nothing is opened by it. */
export function pathParts(name: string): string[] {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  return parts.length <= MAX_DEPTH ? parts : [...parts.slice(0, MAX_DEPTH), parts.slice(MAX_DEPTH).join('/')];
}

function draft(name: string, path: string): Draft {
  return { name, path, folders: new Map(), files: [], size: 0, count: 0 };
}

function inside(folder: Draft, name: string): Draft {
  let child = folder.folders.get(name);
  if (!child) {
    child = draft(name, folder.path === '' ? name : `${folder.path}/${name}`);
    folder.folders.set(name, child);
  }
  return child;
}

function add(folder: Draft, size: number): void {
  folder.size += size;
  folder.count++;
}

function* finish({ name, path, folders, files, size, count }: Draft): Generator<void, Folder> {
  const finished: Folder[] = [];
  for (const folder of [...folders.values()].sort(byName)) finished.push(yield* finish(folder));
  const sorted = files.sort(byName).map(({ entry }) => entry);
  if (sorted.length > SLICE / 10) yield;
  return { name, path, size, count, folders: finished, files: sorted };
}

/** By code units: the same on every machine, and fast for 50 000 names. */
function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
