import { readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import type { Descriptor } from '../oci/types';
import { boundImages, DEFAULT_IMAGES_SIZE } from './cache-bound';
import { createLayout, type LayoutWriter } from './layout-writer';
import { temporaryName, writerOf } from './temporary';

/** The cache that a layout belongs to. */
export interface ImageCache {
  readonly cacheDir: string;
  /** What all images in it may take on disk, in bytes. */
  readonly maxBytes?: number | undefined;
}

/**
 * The OCI layout in `target`: as it is when it is there, else as `make` fills it. It is written beside its place and appears
 * whole or not at all; what killed processes of ours left there is removed, and older images of its cache give way to it.
 */
export async function cachedLayout(
  target: string,
  make: (writer: LayoutWriter) => Promise<readonly Descriptor[]>,
  cache?: ImageCache,
): Promise<string> {
  if (await keepCached(target)) return target;
  const folder = path.dirname(target);
  await removeLeftovers(folder);
  const temporary = path.join(folder, temporaryName());
  try {
    const writer = await createLayout(temporary);
    await writer.finish(await make(writer));
    await rename(temporary, target).catch(async (error: unknown) => {
      // Someone else was quicker with the same image.
      if (!(await isLayout(target))) throw error;
    });
    if (cache) await boundImages(cache.cacheDir, cache.maxBytes ?? DEFAULT_IMAGES_SIZE, target);
    return target;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** True while a layout that `cachedLayout` gave is there; it counts as used now, so that others go first. */
export async function keepCached(layout: string): Promise<boolean> {
  // The time of the last use decides what goes first; failing to note it does no harm.
  await utimes(layout, new Date(), new Date()).catch(() => undefined);
  return isLayout(layout);
}

async function isLayout(folder: string): Promise<boolean> {
  const found = await stat(path.join(folder, 'index.json')).catch(() => undefined);
  return found?.isFile() === true;
}

async function removeLeftovers(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    if (writerOf(name) === 'gone') await rm(path.join(folder, name), { recursive: true, force: true });
  }
}
