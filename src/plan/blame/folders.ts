/** The folders of an image with what they cost: the ground of the treemap. */
import type { LayerScan } from '../../layer/types';
import { steps } from '../../trace/paths';
import { SLICE } from '../picture/prepared';
import { addCosts, noCosts, rounded, type Sum } from './costs';
import type { Costs, FolderCosts } from './types';

interface Folder {
  readonly costs: Sum;
  readonly folders: Map<string, Folder>;
  /** Costs of the files in it, by name; those of one name in several layers together. */
  readonly files: Map<string, File>;
  /** The same, the largest first, once somebody asks. */
  falling: readonly File[] | undefined;
}

type File = Sum & { readonly name: string };

const newFolder = (): Folder => ({
  costs: noCosts(),
  folders: new Map(),
  files: new Map(),
  falling: undefined,
});

function fallingFiles(folder: Folder): readonly File[] {
  return (folder.falling ??= [...folder.files.values()].sort((a, b) => b.packedBytes - a.packedBytes));
}

function addFile({ files }: Folder, name: string, costs: Costs): void {
  let sum = files.get(name);
  if (!sum) files.set(name, (sum = { name, ...noCosts() }));
  addCosts(sum, costs);
}

export class FolderTree {
  readonly #root = newFolder();
  /** Entries of one folder come in a row: its way from the root, which all their costs are added to. */
  #lastName = '';
  #lastWay: readonly Folder[] = [this.#root];

  add({ entries }: LayerScan, entry: number, costs: Costs): void {
    const name = entries.name(entry);
    const isFolder = entries.type(entry) === 'dir';
    const slash = isFolder ? name.length : name.lastIndexOf('/') + 1;
    const way = this.#wayTo(name.slice(0, slash));
    for (const folder of way) addCosts(folder.costs, costs);
    if (!isFolder) addFile(way.at(-1) ?? this.#root, name.slice(slash), costs);
  }

  /** What belongs to no entry, such as the blob of a layer that could not be read. */
  addToRoot(costs: Costs): void {
    addCosts(this.#root.costs, costs);
    addFile(this.#root, '', costs);
  }

  /** Sorts what `cut` needs sorted, with pauses after some thousand files. */
  *prepare(): Generator<void> {
    let work = 0;
    const open = [this.#root];
    for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
      work += fallingFiles(folder).length;
      open.push(...folder.folders.values());
      if (work < SLICE) continue;
      work = 0;
      yield;
    }
  }

  get total(): Costs {
    return this.#root.costs;
  }

  /** The folder at `path` with the dearest of what lies below it, at most about `limit` nodes; undefined for none. */
  cut(path: string, limit: number): FolderCosts | undefined {
    let folder: Folder | undefined = this.#root;
    for (const step of steps(path)) folder = folder?.folders.get(step);
    if (!folder) return undefined;
    const threshold = smallestOf(folder, limit);
    return cutFolder(steps(path).at(-1) ?? '', folder, threshold);
  }

  #wayTo(name: string): readonly Folder[] {
    if (name === this.#lastName) return this.#lastWay;
    const way = [this.#root];
    for (const step of steps(name)) {
      const parent = way.at(-1) ?? this.#root;
      let folder = parent.folders.get(step);
      if (!folder) parent.folders.set(step, (folder = newFolder()));
      way.push(folder);
    }
    this.#lastName = name;
    this.#lastWay = way;
    return way;
  }
}

/** How many packed bytes a node must have so that about `limit` nodes have them. */
function smallestOf(folder: Folder, limit: number): number {
  /** The largest sizes so far, falling; one more than `limit`. */
  const largest: number[] = [];
  const isSmall = (size: number): boolean => largest.length > limit && size <= (largest[limit] ?? 0);
  const add = (size: number): void => {
    if (isSmall(size)) return;
    let at = largest.length;
    while (at > 0 && (largest[at - 1] ?? 0) < size) at--;
    largest.splice(at, 0, size);
    if (largest.length > limit + 1) largest.pop();
  };
  const visit = (one: Folder): void => {
    for (const file of fallingFiles(one)) {
      if (isSmall(file.packedBytes)) break;
      add(file.packedBytes);
    }
    for (const child of one.folders.values()) {
      // What lies in it is no larger.
      if (isSmall(child.costs.packedBytes)) continue;
      add(child.costs.packedBytes);
      visit(child);
    }
  };
  visit(folder);
  return largest[limit] ?? 0;
}

function cutFolder(name: string, folder: Folder, threshold: number): FolderCosts {
  const children: FolderCosts[] = [];
  for (const [step, child] of folder.folders) {
    if (child.costs.packedBytes > threshold) children.push(cutFolder(step, child, threshold));
  }
  for (const file of fallingFiles(folder)) {
    if (file.packedBytes <= threshold) break;
    // What belongs to no entry has no name either.
    if (file.name !== '') children.push({ kind: 'file', name: file.name, ...rounded(file), children: [] });
  }
  // A folder of which no child is worth a rectangle is one itself.
  if (children.length > 0) {
    // The smaller children, its own header, and headers of hidden folders.
    const rest = noCosts();
    addCosts(rest, rounded(folder.costs));
    for (const child of children) subtract(rest, child);
    if (rest.packedBytes > 0) children.push({ kind: 'rest', name: '', ...rest, children: [] });
  }
  children.sort(
    (a, b) => Number(a.kind === 'rest') - Number(b.kind === 'rest') || b.packedBytes - a.packedBytes,
  );
  return { kind: 'folder', name, ...rounded(folder.costs), children };
}

function subtract(sum: Sum, less: Costs): void {
  for (const key of Object.keys(sum) as (keyof Costs)[]) sum[key] = Math.max(0, sum[key] - less[key]);
}
