import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { MadeItem } from './types';

/** The folders of the cache: images saved from an engine, scans of layers, images that were being made. */
export const CACHE_FOLDERS = ['images', 'scans', 'made'] as const;

export interface CachedItem extends MadeItem {
  readonly folder: (typeof CACHE_FOLDERS)[number];
  readonly remove: () => Promise<void>;
}

/** What the cache in `dir` holds. Everything in it can be made anew. */
export async function findCached(dir: string): Promise<CachedItem[]> {
  const items = await Promise.all(
    CACHE_FOLDERS.map(async (name): Promise<CachedItem[]> => {
      const folder = path.join(dir, name);
      const size = await sizeOf(folder);
      const remove = () => rm(folder, { recursive: true, force: true });
      return size === 0 ? [] : [{ id: `cache/${name}`, kind: 'cache', folder: name, size, remove }];
    }),
  );
  return items.flat();
}

/** Bytes of the files below a folder; what goes meanwhile counts no more. */
async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) =>
        stat(path.join(entry.parentPath, entry.name)).then(
          ({ size }) => size,
          () => 0,
        ),
      ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
