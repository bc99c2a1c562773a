/**
 * Proves that two images give a container the same file system, whatever their layers are: the merged view of each is laid
 * beside the other's, path by path.
 */
import { createHash } from 'node:crypto';
import { readRanges } from '../layer/contents';
import type { TarEntry } from '../layer/types';
import type { OnProgress } from '../progress';
import { decodePath } from '../trace/paths';
import { ImageTree, type TreeEntry } from '../trace/tree';
import { isSparse, rawRange } from './raw';
import type { EntryRef, SourceLayer } from './types';

export interface Difference {
  readonly path: string;
  /** What differs, as the end of a sentence that begins with the path. */
  readonly what: string;
}

export interface Comparison {
  readonly same: boolean;
  /** Paths of the merged view. */
  readonly paths: number;
  /** Files whose contents were compared by digest; all others are the same bytes of the same blob. */
  readonly compared: number;
  /** The first ones. */
  readonly differences: readonly Difference[];
}

const DIFFERENCES = 20;

export interface CompareOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/**
 * Compares names, types, contents, owners, modes, times, extended attributes, devices, links of both kinds, and what
 * whiteouts hide. Layers without a scan must be the same ones on both sides; nothing is known of what is in them.
 */
export async function compareFileSystems(
  before: readonly SourceLayer[],
  after: readonly SourceLayer[],
  options: CompareOptions = {},
): Promise<Comparison> {
  const differences: Difference[] = [];
  const differs = (path: string, what: string): void => {
    if (differences.length < DIFFERENCES) differences.push({ path: `/${path}`, what });
  };
  const [old, now] = [new View(before), new View(after)];
  const unread = (layers: readonly SourceLayer[]): string =>
    layers.flatMap(({ scan, descriptor }) => (scan ? [] : [descriptor.digest])).join();
  if (unread(before) !== unread(after)) differs('', 'has other layers that could not be read');

  const pairs: { path: string; old: EntryRef; now: EntryRef }[] = [];
  for (const [path, node] of old.nodes) {
    const other = now.nodes.get(path);
    if (!other) {
      differs(path, 'is missing');
      continue;
    }
    const [a, b] = [old.describe(node), now.describe(other)];
    const field = Object.keys(a).find((key) => a[key] !== b[key]);
    if (field !== undefined)
      differs(path, `has another ${field}: ${b[field] ?? 'none'} instead of ${a[field] ?? 'none'}`);
    const [oldData, newData] = [old.data(node), now.data(other)];
    if (oldData && newData && old.key(oldData) !== now.key(newData))
      pairs.push({ path, old: oldData, now: newData });
    else if ((oldData === undefined) !== (newData === undefined)) differs(path, 'has lost its content');
  }
  for (const path of now.nodes.keys()) if (!old.nodes.has(path)) differs(path, 'was not there before');

  const oldDigests = await old.digests(
    pairs.map((pair) => pair.old),
    options,
  );
  const newDigests = await now.digests(
    pairs.map((pair) => pair.now),
    options,
  );
  for (const { path, old: a, now: b } of pairs) {
    if (oldDigests.get(old.key(a)) !== newDigests.get(now.key(b))) differs(path, 'has another content');
  }
  return { same: differences.length === 0, paths: old.nodes.size, compared: pairs.length, differences };
}

/** One image as a container sees it. */
class View {
  readonly nodes = new Map<string, TreeEntry>();
  readonly #tree: ImageTree;
  /** Of files with several names: the first of them in the order of the alphabet, by the entry with the data. */
  readonly #firstNames = new Map<string, string>();

  constructor(private readonly layers: readonly SourceLayer[]) {
    this.#tree = new ImageTree(layers.map(({ scan }) => scan?.entries));
    const names = new Map<string, string[]>();
    for (const node of this.#tree.all()) {
      this.nodes.set(node.path, node);
      const data = this.data(node);
      if (!data) continue;
      const known = names.get(this.key(data));
      if (known) known.push(node.path);
      else names.set(this.key(data), [node.path]);
    }
    for (const [key, paths] of names) if (paths.length > 1) this.#firstNames.set(key, paths.sort()[0] ?? '');
  }

  /** The entry that holds the bytes of a file, a hard link followed. */
  data(node: TreeEntry): EntryRef | undefined {
    if (node.kind !== 'file') return undefined;
    const found = this.#tree.resolve(`/${node.path}`, false);
    return found.found === 'file' ? found : undefined;
  }

  /** The same blob and entry are the same bytes. */
  key({ layer, entry }: EntryRef): string {
    return `${this.layers[layer]?.descriptor.digest ?? ''}:${entry}`;
  }

  /** Everything but the content. */
  describe(node: TreeEntry): Record<string, string | undefined> {
    const scan = this.layers[node.layer]?.scan;
    // A folder that no entry describes is whatever unpacks it makes of it.
    if (!scan || node.entry < 0) return { type: 'implied folder' };
    const entry = scan.entries.get(node.entry);
    const data = this.data(node);
    const device = entry.type === 'char' || entry.type === 'block';
    return {
      type: node.kind === 'other' ? entry.type : node.kind,
      mode: entry.mode.toString(8),
      owner: `${entry.uid}:${entry.gid} (${latin1(entry.uname)}:${latin1(entry.gname)})`,
      time: entry.modTime,
      target: entry.type === 'symlink' ? decodePath(entry.linkname) : undefined,
      device: device ? `${entry.devMajor}:${entry.devMinor}` : undefined,
      size: data && String(this.layers[data.layer]?.scan?.entries.size(data.entry)),
      'set of names': data && this.#firstNames.get(this.key(data)),
      'extended attribute': attributes(entry),
    };
  }

  /** SHA-256 of contents by `key`; the whole raw entry of a sparse file, whose map lies before its data. */
  async digests(
    wanted: readonly EntryRef[],
    { signal, onProgress }: CompareOptions,
  ): Promise<Map<string, string>> {
    const digests = new Map<string, string>();
    const total = wanted.length;
    for (const [layer, { scan, blob, descriptor }] of this.layers.entries()) {
      if (!scan) continue;
      const own = new Set(wanted.flatMap((ref) => (ref.layer === layer ? [ref.entry] : [])));
      const sorted = [...own].sort((a, b) => a - b);
      const ranges = sorted.map((entry) => {
        const start = scan.entries.offset(entry);
        if (isSparse(scan.entries, entry))
          return rawRange(scan, entry) ?? { start: scan.entries.headerOffset(entry), end: scan.streamSize };
        return { start, end: start + scan.entries.size(entry) };
      });
      let hash = createHash('sha256');
      for await (const { range, bytes, last } of readRanges(scan, blob, ranges, signal)) {
        hash.update(bytes);
        if (!last) continue;
        digests.set(`${descriptor.digest}:${sorted[range] ?? -1}`, hash.digest('hex'));
        hash = createHash('sha256');
        onProgress?.({ step: 'Comparing the file systems', done: digests.size, total, unit: 'files' });
      }
    }
    return digests;
  }
}

/** Pax records that say what other fields say too, or when the file was last looked at. */
const NOT_ATTRIBUTES = new Set([
  'path',
  'linkpath',
  'size',
  'uid',
  'gid',
  'uname',
  'gname',
  'mtime',
  'atime',
  'ctime',
]);

function attributes({ pax }: TarEntry): string {
  return pax
    .map(([key, value]) => [latin1(key), latin1(value)] as const)
    .filter(([key]) => !NOT_ATTRIBUTES.has(key))
    .map(([key, value]) => `${key}=${value}`)
    .join(', ');
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
