/** Which package each file of an image belongs to, by the image's own databases. */
import { LensError } from '../../errors';
import type { Bytes } from '../../layer/bytes';
import { readContents } from '../../layer/contents';
import type { LayerScan } from '../../layer/types';
import type { OnProgress } from '../../progress';
import { ImageTree } from '../../trace/tree';
import { apkDatabase } from './apk';
import { dpkgDatabase } from './dpkg';
import { npmDatabase, pipDatabase } from './languages';
import { rpmDatabase } from './rpm';
import type { Owners } from './owners';
import type { Package } from './types';

/** A layer whose contents can be read again. */
export interface ReadableLayer {
  readonly scan?: LayerScan | undefined;
  readonly blob: Bytes;
}

/** What long reading takes and tells. */
export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
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
  layers: readonly ReadableLayer[],
  { signal, onProgress }: ReadOptions = {},
): Promise<Owners> {
  const tree = new ImageTree(layers.map(({ scan }) => scan?.entries));
  const paths = Array.from(tree.all(), ({ path }) => path);
  const wanted = paths.filter((path) => DATABASES.some(([, database]) => database.wants(path)));
  const files = await readAll(layers, tree, wanted, { signal, onProgress });

  const packages: Package[] = [];
  const claims = layers.map(({ scan }) => new Uint32Array(scan?.entries.length ?? 0));
  const notes: string[] = [];
  for (const [name, database] of DATABASES) {
    try {
      for (const { package: found, paths: owned } of database.read(files, paths)) {
        const claim = packages.push(found);
        for (const path of owned) {
          const place = tree.resolve(path, false);
          if (place.found !== 'file') continue;
          const claimed = claims[place.layer];
          if (claimed?.[place.entry] === 0) claimed[place.entry] = claim;
        }
      }
    } catch (error) {
      if (!(error instanceof LensError)) throw error;
      notes.push(`The ${name} database could not be read: ${error.message}`);
    }
  }
  return { packages, claims, notes };
}

async function readAll(
  layers: readonly ReadableLayer[],
  tree: ImageTree,
  paths: readonly string[],
  { signal, onProgress }: ReadOptions,
): Promise<Map<string, Buffer>> {
  const wanted = layers.map(() => new Map<number, string[]>());
  let [done, total] = [0, 0];
  for (const path of paths) {
    const found = tree.resolve(`/${path}`);
    if (found.found !== 'file' || found.size > LARGEST) continue;
    total += found.size;
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
      done += bytes.length;
      onProgress?.({ step: 'Reading the package databases', done, total, unit: 'bytes' });
      if (!last) continue;
      const whole = Buffer.concat(pieces);
      pieces = [];
      for (const path of entries.get(entry) ?? []) files.set(path, whole);
    }
  }
  return files;
}
