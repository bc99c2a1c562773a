/**
 * The image's files as a container sees them: all layers laid over each other (OCI image-spec, layer.md: whiteouts), with
 * the archive entry that each path comes from.
 */
import type { TarEntries } from '../layer/types';
import { decodePath, steps } from './paths';

/** As the kernel: more links than this on one way are a loop (path_resolution(7)). */
const MAX_LINKS = 40;
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

interface Node {
  readonly kind: 'dir' | 'file' | 'symlink' | 'other';
  readonly layer: number;
  /** `-1` for a folder that no entry describes. */
  readonly entry: number;
  /** Only folders have some. */
  children: Map<string, Node> | undefined;
}

/** What a path leads to. */
export type Found =
  | { readonly found: 'file'; readonly layer: number; readonly entry: number; readonly size: number }
  | { readonly found: 'folder' | 'symlink' }
  | { readonly found: 'not-in-image' | 'symlink-loop' | 'not-a-file' };

/** Something that a container sees. */
export interface TreeEntry {
  /** Without a slash at either end. */
  readonly path: string;
  readonly kind: Node['kind'];
  /** Where its header is; a folder that no entry describes has the entry −1. A hard link is an entry of its own here. */
  readonly layer: number;
  readonly entry: number;
}

export class ImageTree {
  readonly #layers: readonly (TarEntries | undefined)[];
  readonly #root: Node = { kind: 'dir', layer: -1, entry: -1, children: new Map() };
  /** By layer, made when a hard link asks for it: the regular entries and links of a name, in archive order. */
  readonly #names: (Map<string, number[]> | undefined)[] = [];

  /** @param layers lowest first; layers that could not be scanned are left out of the view */
  constructor(layers: readonly (TarEntries | undefined)[]) {
    this.#layers = layers;
    layers.forEach((entries, layer) => {
      if (entries) this.#add(entries, layer);
    });
  }

  /** Follows a path from the root; with `follow` false a link at its end is what is found. */
  resolve(path: string, follow = true): Found {
    const straight = this.#straight(path);
    if (straight) return this.#file(straight.layer, straight.entry);
    const way = this.#walk(path, follow);
    if (typeof way === 'string') return { found: way };
    const { node } = way.at(-1) ?? { node: this.#root };
    if (node.kind === 'file') return this.#file(node.layer, node.entry);
    return { found: node.kind === 'dir' ? 'folder' : node.kind === 'symlink' ? 'symlink' : 'not-a-file' };
  }

  /** The path without links, as `realpath` gives it; `undefined` where it leads nowhere. */
  real(path: string): string | undefined {
    const way = this.#walk(path, true);
    return typeof way === 'string' ? undefined : `/${way.map(({ name }) => name).join('/')}`;
  }

  /** The file of an absolute path that has no links and no `.`, `..` or empty step on its way: nearly every one. */
  #straight(path: string): Node | undefined {
    if (!path.startsWith('/')) return undefined;
    let node: Node | undefined = this.#root;
    for (let from = 1; node && from > 0;) {
      const slash = path.indexOf('/', from);
      node = node.children?.get(path.slice(from, slash < 0 ? undefined : slash));
      from = slash + 1;
    }
    return node?.kind === 'file' ? node : undefined;
  }

  /** The steps to what a path means, below the root. */
  #walk(path: string, follow: boolean): { name: string; node: Node }[] | 'not-in-image' | 'symlink-loop' {
    const todo = steps(path).reverse();
    const way: { name: string; node: Node }[] = [];
    let links = 0;
    while (todo.length > 0) {
      const name = todo.pop() ?? '';
      if (name === '..') {
        way.pop();
        continue;
      }
      const node = (way.at(-1)?.node ?? this.#root).children?.get(name);
      if (!node) return 'not-in-image';
      if (node.kind !== 'symlink' || (!follow && todo.length === 0)) {
        way.push({ name, node });
        continue;
      }
      if (++links > MAX_LINKS) return 'symlink-loop';
      const target = decodePath(this.#entries(node).get(node.entry).linkname);
      if (target.startsWith('/')) way.length = 0;
      todo.push(...steps(target).reverse());
    }
    return way;
  }

  /** Everything in the image but its root, each folder before what is in it. */
  *all(): Generator<TreeEntry> {
    const todo: [path: string, node: Node][] = [['', this.#root]];
    for (let next = todo.pop(); next; next = todo.pop()) {
      const [path, node] = next;
      if (path !== '') yield { path, kind: node.kind, layer: node.layer, entry: node.entry };
      for (const [name, child] of node.children ?? [])
        todo.push([path === '' ? name : `${path}/${name}`, child]);
    }
  }

  #entries({ layer }: { layer: number }): TarEntries {
    const entries = this.#layers[layer];
    if (!entries) throw new RangeError(`Layer ${layer} has no entries.`);
    return entries;
  }

  #add(entries: TarEntries, layer: number): void {
    const names = Array.from({ length: entries.length }, (_, index) => entryPath(entries, index));
    // A layer's whiteouts hide what lies below it, never what is in it (layer.md), so they come first.
    for (const name of names) {
      const slash = name.lastIndexOf('/');
      if (!name.startsWith(WHITEOUT, slash + 1)) continue;
      const folder = this.#find(name.slice(0, slash + 1));
      const base = name.slice(slash + 1);
      if (base === OPAQUE) folder?.children?.clear();
      else folder?.children?.delete(base.slice(WHITEOUT.length));
    }
    const folders = new Map<string, Node>();
    names.forEach((name, entry) => {
      const type = entries.type(entry);
      const slash = name.lastIndexOf('/');
      const base = name.slice(slash + 1);
      if (base === '' || base.startsWith(WHITEOUT)) return;
      const parent = this.#folder(name.slice(0, Math.max(0, slash)), layer, folders);
      const before = parent.children?.get(base);
      const kind =
        type === 'reg' || type === 'hardlink'
          ? 'file'
          : type === 'dir'
            ? 'dir'
            : type === 'symlink'
              ? 'symlink'
              : 'other';
      const children =
        kind !== 'dir' ? undefined : before?.kind === 'dir' ? before.children : new Map<string, Node>();
      const node: Node = { kind, layer, entry, children };
      parent.children?.set(base, node);
      if (kind === 'dir') folders.set(name, node);
      else folders.delete(name);
    });
  }

  /** The folder of this name, made where a layer has none; what is no folder there gives way. */
  #folder(name: string, layer: number, known: Map<string, Node>): Node {
    if (name === '') return this.#root;
    const before = known.get(name);
    if (before) return before;
    const slash = name.lastIndexOf('/');
    const parent = this.#folder(name.slice(0, Math.max(0, slash)), layer, known);
    const base = name.slice(slash + 1);
    let node = parent.children?.get(base);
    if (node?.kind !== 'dir') {
      node = { kind: 'dir', layer, entry: -1, children: new Map() };
      parent.children?.set(base, node);
    }
    known.set(name, node);
    return node;
  }

  #find(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const step of steps(path)) node = node?.children?.get(step);
    return node;
  }

  /** A hard link's data are with another entry of the same archive, under the name that it gives. */
  #file(layer: number, entry: number): Found {
    const entries = this.#entries({ layer });
    for (let at = entry, hops = 0; hops <= MAX_LINKS; hops++) {
      if (entries.type(at) === 'reg') return { found: 'file', layer, entry: at, size: entries.size(at) };
      const others = this.#named(layer, clean(decodePath(entries.get(at).linkname)));
      // The one that was there when the link was made; a link to a later one is what some tools write.
      const next = others.findLast((other) => other < at) ?? others.find((other) => other > at);
      if (next === undefined) return { found: 'not-a-file' };
      at = next;
    }
    return { found: 'not-a-file' };
  }

  #named(layer: number, name: string): readonly number[] {
    const entries = this.#entries({ layer });
    let names = this.#names[layer];
    if (!names) {
      names = new Map();
      for (let index = 0; index < entries.length; index++) {
        if (entries.type(index) !== 'reg' && entries.type(index) !== 'hardlink') continue;
        const key = entryPath(entries, index);
        const list = names.get(key);
        if (list) list.push(index);
        else names.set(key, [index]);
      }
      this.#names[layer] = names;
    }
    return names.get(name) ?? [];
  }
}

/** The path of an entry: `./a//b/` and `/a/b` are `a/b`. */
export function entryPath(entries: TarEntries, index: number): string {
  const name = entries.name(index);
  return clean(name.includes('\uFFFD') ? decodePath(entries.get(index).name) : name);
}

/** `./a//b/` and `/a/b` are `a/b`. Steps upwards lead no higher than the root. */
function clean(name: string): string {
  const from = name.startsWith('./') ? 2 : 0;
  const to = name.endsWith('/') ? name.length - 1 : name.length;
  const plain = from < to ? name.slice(from, to) : '';
  if (!/^\/|\/\/|(^|\/)\.\.?(\/|$)/.test(plain)) return plain;
  const way: string[] = [];
  for (const step of steps(plain)) {
    if (step === '..') way.pop();
    else way.push(step);
  }
  return way.join('/');
}
