import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { OnProgress } from '../progress';
import { type Engine, inspectEngineImage, saveImage } from './engine';
import { LayerCache } from './layer-cache';
import { createLayout } from './layout';
import { storeClassicSave, storeLayoutSave } from './saved';

const TEMPORARY = /^\.(\d+)-/;

export interface ExportOptions {
  readonly cacheDir: string;
  /** zlib's, 0–9; 6 where not given. Only for engines that keep plain tars. */
  readonly level?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/**
 * Brings an image of the engine into an OCI layout below `cacheDir`, once per image ID. The containerd store gives its real
 * blobs; the plain tars of the classic store are compressed, the same way on every run. The layout appears whole or not at
 * all.
 *
 * @returns the folder of the layout
 * @throws LensError `image/not-found`, `image/engine-gone`, `image/bad-save`, `image/cannot-write`
 */
export async function exportImage(engine: Engine, name: string, options: ExportOptions): Promise<string> {
  const { cacheDir, level = 6, signal, onProgress } = options;
  const image = await inspectEngineImage(engine, name);
  const home = path.join(cacheDir, engine.info.store === 'classic' ? `gzip-${level}` : 'saved');
  const target = path.join(home, 'images', image.id.replace(/^sha256:/, ''));
  if (await isLayout(target)) return target;

  await removeLeftovers(path.join(home, 'images'));
  const temporary = path.join(home, 'images', `.${process.pid}-${randomUUID()}`);
  let done = 0;
  const onBytes = (count: number): void => {
    done += count;
    onProgress?.({
      step: `Saving ${name} from the engine`,
      done,
      total: Math.max(done, image.size),
      unit: 'bytes',
    });
  };
  onProgress?.({ step: `Saving ${name} from the engine` });
  try {
    const writer = await createLayout(temporary);
    const save = await saveImage(engine, image.id, signal);
    const manifests =
      engine.info.store === 'classic'
        ? await storeClassicSave(save, writer, {
            imageId: image.id,
            diffIds: image.diffIds,
            cache: new LayerCache(path.join(home, 'layers')),
            level,
            signal,
            onBytes,
          })
        : await storeLayoutSave(save, writer, { signal, onBytes });
    await writer.finish(manifests);
    await rename(temporary, target).catch(async (error: unknown) => {
      // Someone else was quicker with the same image.
      if (!(await isLayout(target))) throw error;
    });
    return target;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function isLayout(folder: string): Promise<boolean> {
  const found = await stat(path.join(folder, 'index.json')).catch(() => undefined);
  return found?.isFile() === true;
}

/** Removes what a killed process of ours left behind. */
async function removeLeftovers(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) {
    const pid = Number(TEMPORARY.exec(name)?.[1] ?? NaN);
    if (Number.isNaN(pid) || isAlive(pid)) continue;
    await rm(path.join(folder, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
