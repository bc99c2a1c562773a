import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { removeDangling } from './layer-cache';
import { writerOf } from './temporary';

/** What exported images may take on disk where nothing is said, in bytes. */
export const DEFAULT_IMAGES_SIZE = 8 * 2 ** 30;
/** What was used a moment ago is being read by someone; milliseconds. */
const IN_USE = 10 * 60_000;

/** An image in its folder, or a compressed layer in its file. */
interface Unit {
  readonly place: string;
  /** Milliseconds since 1970. */
  readonly used: number;
  /** Bytes of its files by inode, since images share layers by hard links. */
  readonly files: ReadonlyMap<string, number>;
}

/**
 * Removes the images below `cacheDir` that were not used for the longest time, with the layers that only they have, until all
 * together take at most `maxBytes`. `keep` stays, however large it is, and so does what was used in the last minutes or is still
 * being written. What cannot be removed stays: it is a cache, and never fails the work.
 */
export async function boundImages(cacheDir: string, maxBytes: number, keep: string): Promise<void> {
  const { images, layers } = await survey(cacheDir);
  const inImages = new Set(images.flatMap(({ files }) => [...files.keys()]));
  const orphans = layers.filter(({ files }) => ![...files.keys()].some((inode) => inImages.has(inode)));
  const sizes = new Map([...images, ...layers].flatMap(({ files }) => [...files]));
  let total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const left = new Set(images);
  const oldest = [...images, ...orphans].sort((a, b) => a.used - b.used);
  for (const unit of oldest) {
    if (total <= maxBytes || Date.now() - unit.used < IN_USE) return;
    if (unit.place === keep || writerOf(path.basename(unit.place)) === 'alive') continue;
    left.delete(unit);
    const shared = new Set([...left].flatMap(({ files }) => [...files.keys()]));
    const own = [...unit.files.keys()].filter((inode) => !shared.has(inode));
    await remove(unit.place);
    for (const { place, files } of layers) if (own.some((inode) => files.has(inode))) await remove(place);
    total -= own.reduce((sum, inode) => sum + (sizes.get(inode) ?? 0), 0);
    await removeDangling(path.join(path.dirname(path.dirname(unit.place)), 'layers'));
  }
}

async function survey(cacheDir: string): Promise<{ images: Unit[]; layers: Unit[] }> {
  const images: Unit[] = [];
  const layers: Unit[] = [];
  for (const home of [cacheDir, ...(await list(cacheDir))]) {
    for (const kind of ['images', 'archives'])
      for (const dir of await list(path.join(home, kind))) images.push(await look(dir, await filesIn(dir)));
    for (const file of await list(path.join(home, 'layers')))
      if (file.endsWith('.blob')) layers.push(await look(file, [file]));
  }
  return { images, layers };
}

async function look(place: string, files: readonly string[]): Promise<Unit> {
  const found = await Promise.all(
    files.map(async (file) => {
      const stats = await stat(file).catch(() => undefined);
      return stats?.isFile() ? [[`${stats.dev} ${stats.ino}`, stats.size] as const] : [];
    }),
  );
  const stats = await stat(place).catch(() => undefined);
  return { place, used: stats?.mtimeMs ?? 0, files: new Map(found.flat()) };
}

async function list(dir: string): Promise<string[]> {
  return (await readdir(dir).catch(() => [])).map((name) => path.join(dir, name));
}

async function filesIn(dir: string): Promise<string[]> {
  const names = await readdir(dir, { recursive: true }).catch(() => []);
  return names.map((name) => path.join(dir, name));
}

async function remove(place: string): Promise<void> {
  await rm(place, { recursive: true, force: true }).catch(() => undefined);
}
