/**
 * One more layer on top, with copies of the files that a start touches: kept out of the index, it is unpacked before the
 * start, which then never waits for a span of theirs.
 */
import { LensError } from '../errors';
import type { LayerScan } from '../layer/types';
import { ImageTree, type TreeEntry } from '../trace/tree';
import { rawRange } from './raw';
import { foldersOf } from './re-pack';
import type { TouchedEntry } from './touched';
import type { EntryRef, Recipe } from './types';

/**
 * Every touched file as the container sees it, with the folders around it, all its names (hard links), and the symbolic links
 * that lead to it. Large files that are read in small parts stay out.
 *
 * @throws LensError `optimize/unread-layer`, `optimize/nothing-touched`
 */
export function startLayer(
  layers: readonly { readonly scan?: LayerScan | undefined }[],
  touched: readonly TouchedEntry[],
): Recipe {
  const unread = layers.findIndex(({ scan }) => scan === undefined);
  if (unread >= 0) {
    // It could hold a newer copy of any file, which a copy on top would hide.
    throw new LensError(
      'optimize/unread-layer',
      `Layer ${unread} cannot be read, so nobody knows what the container sees of the layers below it.`,
      'Re-pack the other layers instead, or rebuild the image with gzip layers.',
    );
  }
  const view = viewOf(
    layers,
    touched.filter(({ inParts }) => !inParts),
  );
  const front = new Map<string, EntryRef>();
  const add = (path: string, { layer, entry }: EntryRef): void => {
    for (const folder of foldersOf(path)) {
      const found = view.folders.get(folder);
      if (found && found.entry >= 0 && !front.has(folder)) front.set(folder, found);
    }
    if (!front.has(path)) front.set(path, { layer, entry });
  };
  let apart = 0;
  for (const one of touched) {
    const names = view.names.get(keyOf(one));
    if (!names) continue;
    const scan = layers[one.layer]?.scan;
    const isWhole = names.own !== undefined && scan !== undefined && rawRange(scan, one.entry) !== undefined;
    if (!isWhole) {
      apart++;
      continue;
    }
    add(names.own ?? '', one);
    for (const [path, link] of [...names.links, ...names.symlinks]) add(path, link);
  }
  if (front.size === 0) {
    throw new LensError(
      'optimize/nothing-touched',
      'The recorded start touches no file that could be copied into a start layer.',
      'Record a start of this very image, or check what `soci-lens plan` says of the trace.',
    );
  }
  const partly = touched.filter(({ inParts }) => inParts).length;
  return {
    way: 'start-layer',
    layers: [
      ...layers.map((_, layer) => ({ kind: 'kept' as const, layer })),
      { kind: 'new', archive: { front: [...front.values()], rest: undefined }, replaces: undefined },
    ],
    notes: [
      ...(partly === 0
        ? []
        : [`${partly} large files of which the start reads little stay out of the start layer.`]),
      ...(apart === 0
        ? []
        : [`${apart} files stay out because the name that their bytes have in the archive is hidden.`]),
    ],
  };
}

interface Names {
  /** The path of the entry with the data, where a container sees it. */
  own: string | undefined;
  readonly links: [path: string, link: EntryRef][];
  readonly symlinks: [path: string, link: EntryRef][];
}

const keyOf = ({ layer, entry }: EntryRef): string => `${layer}:${entry}`;

/** The folders of the image, and under which names a container sees each wanted file. */
function viewOf(
  layers: readonly { readonly scan?: LayerScan | undefined }[],
  wanted: readonly EntryRef[],
): { folders: ReadonlyMap<string, TreeEntry>; names: ReadonlyMap<string, Names> } {
  const tree = new ImageTree(layers.map(({ scan }) => scan?.entries));
  const folders = new Map<string, TreeEntry>();
  const names = new Map(
    wanted.map((one): [string, Names] => [keyOf(one), { own: undefined, links: [], symlinks: [] }]),
  );
  for (const node of tree.all()) {
    if (node.kind === 'dir') folders.set(node.path, node);
    if (node.kind !== 'file' && node.kind !== 'symlink') continue;
    const found = tree.resolve(`/${node.path}`);
    const known = found.found === 'file' ? names.get(keyOf(found)) : undefined;
    if (!known) continue;
    if (node.kind === 'symlink') known.symlinks.push([node.path, node]);
    else if (keyOf(node) === (found.found === 'file' ? keyOf(found) : '')) known.own = node.path;
    else known.links.push([node.path, node]);
  }
  return { folders, names };
}
