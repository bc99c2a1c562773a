/**
 * A layer with its entries in the order of the start: what the start reads lies together, so that it takes few spans. What the
 * archive unpacks to stays the same, whatever unpacks it.
 */
import type { LayerScan } from '../layer/types';
import { entryPath } from '../trace/tree';
import { rawRange } from './raw';
import type { TouchedEntry } from './touched';
import type { EntryRef, Recipe } from './types';

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/**
 * Re-packs every layer of at least `minLayerSize` bytes that the start reads from. Layers without a scan, and those in order
 * already, stay as they are.
 */
export function rePack(
  layers: readonly {
    readonly scan?: LayerScan | undefined;
    readonly descriptor: { readonly size: number };
  }[],
  touched: readonly TouchedEntry[],
  minLayerSize: number,
): Recipe {
  const notes: string[] = [];
  const recipe = layers.map(({ scan, descriptor }, layer): Recipe['layers'][number] => {
    const own = touched.filter((one) => one.layer === layer && one.bytes > 0);
    if (!scan || own.length === 0 || descriptor.size < minLayerSize) return { kind: 'kept', layer };
    const { front, stay } = startOrder(scan, own);
    if (stay > 0)
      notes.push(
        `${stay} files of layer ${layer} stay where they are: the order of the archive decides what they are.`,
      );
    if (front.every((entry, place) => entry === place)) return { kind: 'kept', layer };
    const refs = front.map((entry): EntryRef => ({ layer, entry }));
    return { kind: 'new', archive: { front: refs, rest: layer }, replaces: layer };
  });
  return { way: 're-pack', layers: recipe, notes };
}

/**
 * The entries that come first: the touched files by first touch, those read in small parts after the others. In front of each
 * comes what it needs: its folders with their whiteouts and opaque markers, which hide layers below and must not hide it.
 * `stay` counts touched files whose path, or a folder of it, the archive has twice or as something else: there order has a meaning.
 */
function startOrder(
  scan: LayerScan,
  touched: readonly TouchedEntry[],
): { front: readonly number[]; stay: number } {
  const { entries } = scan;
  const files = [...touched].sort((a, b) => Number(a.inParts) - Number(b.inParts));
  const paths = new Map(files.map(({ entry }) => [entry, entryPath(entries, entry)]));
  const { atPath, holders } = entriesAt(scan, new Set([...paths.values()].flatMap(needed)));

  const front = new Set<number>();
  let stay = 0;
  for (const { entry } of files) {
    const path = paths.get(entry) ?? '';
    const isPlain =
      atPath(path).length === 1 &&
      !holders.has(path) &&
      foldersOf(path).every((folder) => {
        const found = atPath(folder);
        return found.length === 0 || (found.length === 1 && entries.type(found[0] ?? 0) === 'dir');
      });
    if (!isPlain || rawRange(scan, entry) === undefined) {
      stay++;
      continue;
    }
    for (const before of needed(path)) for (const one of atPath(before)) front.add(one);
  }
  return { front: [...front], stay };
}

/** The paths of what an entry needs in front of it, and at last its own. */
function needed(path: string): string[] {
  return [
    ...foldersOf(path).flatMap((folder) => [
      ...(folder === '' ? [] : [whiteoutOf(folder)]),
      folder,
      folder === '' ? OPAQUE : `${folder}/${OPAQUE}`,
    ]),
    whiteoutOf(path),
    path,
  ];
}

/** From the root on. */
export function foldersOf(path: string): string[] {
  const folders = [''];
  for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
    folders.push(path.slice(0, slash));
  }
  return folders;
}

function whiteoutOf(path: string): string {
  const base = path.lastIndexOf('/') + 1;
  return `${path.slice(0, base)}${WHITEOUT}${path.slice(base)}`;
}

/** The entries of each wanted path, in archive order; `holders` are those paths that others of the archive lie below. */
function entriesAt(
  { entries }: LayerScan,
  wanted: ReadonlySet<string>,
): { atPath: (path: string) => readonly number[]; holders: ReadonlySet<string> } {
  const found = new Map<string, number[]>();
  const holders = new Set<string>();
  let lastFolder = '';
  for (let entry = 0; entry < entries.length; entry++) {
    const path = entryPath(entries, entry);
    const folder = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    if (folder !== lastFolder) {
      lastFolder = folder;
      for (const one of [...foldersOf(folder), folder]) if (wanted.has(one)) holders.add(one);
    }
    if (!wanted.has(path)) continue;
    const known = found.get(path);
    if (known) known.push(entry);
    else found.set(path, [entry]);
  }
  return { atPath: (path) => found.get(path) ?? [], holders };
}
