/** Which package each file of an image belongs to, by the image's own databases. */
import { LensError } from '../../errors';
import type { Bytes } from '../../layer/bytes';
import { readContents } from '../../layer/contents';
import type { LayerScan } from '../../layer/types';
import { ImageTree } from '../../trace/tree';
import { apkDatabase } from './apk';
import { dpkgDatabase } from './dpkg';
import { npmDatabase, pipDatabase } from './languages';
import { rpmDatabase } from './rpm';
import type { Package } from './types';

export interface Owners {
  readonly packages: readonly Package[];
  /** Index into `packages`; undefined for what no package claims. */
  ownerOf(layer: number, entry: number): number | undefined;
  /** What could not be read, in sentences. */
  readonly notes: readonly string[];
}

/** A package with what it says is its own. */
export interface OwnedFiles {
  readonly package: Package;
  /** Absolute, and perhaps by way of links. */
  readonly paths: readonly string[];
}

/** One kind of package database. */
export interface PackageDatabase {
  /** True for the files that `read` needs; paths without a leading slash. */
  wants(path: string): boolean;
  /** `files` by path, without a leading slash. `paths`: every path of the image. Throws when a file is damaged. */
  read(files: ReadonlyMap<string, Buffer>, paths: readonly string[]): OwnedFiles[];
}

/** The first that claims a file has it: what the system installed goes before what lies in its folders. */
const DATABASES: readonly (readonly [name: string, database: PackageDatabase])[] = [
  ['dpkg', dpkgDatabase],
  ['apk', apkDatabase],
  ['rpm', rpmDatabase],
  ['pip', pipDatabase],
  ['npm', npmDatabase],
];

/** Larger files are no database, or would not fit into memory; bytes. */
const LARGEST = 256 << 20;

/**
 * Reads the databases of the image as a container sees it. A damaged one is named in the notes; the others count.
 *
 * @param layers lowest first
 */
export async function findOwners(
  layers: readonly { readonly scan?: LayerScan | undefined; readonly blob: Bytes }[],
  signal?: AbortSignal,
): Promise<Owners> {
  const tree = new ImageTree(layers.map(({ scan }) => scan?.entries));
  const paths = Array.from(tree.all(), ({ path }) => path);
  const wanted = paths.filter((path) => DATABASES.some(([, database]) => database.wants(path)));
  const files = await readAll(layers, tree, wanted, signal);

  const packages: Package[] = [];
  const owner = layers.map(() => new Map<number, number>());
  const notes: string[] = [];
  for (const [name, database] of DATABASES) {
    try {
      for (const { package: found, paths: owned } of database.read(files, paths)) {
        const index = packages.push(found) - 1;
        for (const path of owned) {
          const place = tree.resolve(path, false);
          if (place.found !== 'file') continue;
          const claimed = owner[place.layer];
          if (claimed && !claimed.has(place.entry)) claimed.set(place.entry, index);
        }
      }
    } catch (error) {
      if (!(error instanceof LensError)) throw error;
      notes.push(`The ${name} database could not be read: ${error.message}`);
    }
  }
  return { packages, ownerOf: (layer, entry) => owner[layer]?.get(entry), notes };
}

async function readAll(
  layers: readonly { readonly scan?: LayerScan | undefined; readonly blob: Bytes }[],
  tree: ImageTree,
  paths: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Map<string, Buffer>> {
  const wanted = layers.map(() => new Map<number, string[]>());
  for (const path of paths) {
    const found = tree.resolve(`/${path}`);
    if (found.found !== 'file' || found.size > LARGEST) continue;
    const names = wanted[found.layer]?.get(found.entry);
    if (names) names.push(path);
    else wanted[found.layer]?.set(found.entry, [path]);
  }
  const files = new Map<string, Buffer>();
  for (const [layer, entries] of wanted.entries()) {
    const { scan, blob } = layers[layer] ?? {};
    if (!scan || !blob) continue;
    let pieces: Uint8Array[] = [];
    for await (const { entry, bytes, last } of readContents(scan, blob, [...entries.keys()], signal)) {
      pieces.push(bytes);
      if (!last) continue;
      const whole = Buffer.concat(pieces);
      pieces = [];
      for (const path of entries.get(entry) ?? []) files.set(path, whole);
    }
  }
  return files;
}
