import path from 'node:path';
import { isAbort, LensError, messageOf } from '../errors';
import type { Descriptor } from '../oci/types';
import type { OnProgress } from '../progress';
import { cachedLayout, type ImageCache } from './cached-layout';
import { type Engine, inspectEngineImage, saveImage } from './engine';
import type { Indexing } from './indexing';
import { LayerCache } from './layer-cache';
import type { LayoutWriter } from './layout-writer';
import { engineLayerName, storeClassicSave, storeLayoutSave } from './saved';

/** zlib's own default: smaller is hardly to be had, and faster costs every pull. */
export const DEFAULT_LEVEL = 6;

/** Images are kept as OCI layouts below `cacheDir`. */
export interface ExportOptions extends ImageCache {
  /** zlib's, 0–9. Only for engines that keep plain tars. */
  readonly level?: number | undefined;
  /** Scans the layers that are compressed while they are written, so that nothing has to be read again for an index. */
  readonly indexing?: Indexing | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/**
 * Brings an image of the engine into an OCI layout below `cacheDir`, once per image ID. The containerd store gives its real
 * blobs; the plain tars of the classic store are compressed, the same way on every run. The layout appears whole or not at
 * all.
 *
 * @returns the folder of the layout
 * @throws LensError `image/not-found`, `image/no-layers`, `image/engine-gone`, `image/bad-save`, `image/cannot-write`
 */
export async function exportImage(engine: Engine, name: string, options: ExportOptions): Promise<string> {
  const { cacheDir, level = DEFAULT_LEVEL, signal, onProgress } = options;
  const image = await inspectEngineImage(engine, name);
  const home = path.join(cacheDir, engine.info.store === 'classic' ? `gzip-${level}` : 'saved');
  const target = path.join(home, 'images', image.id.replace(/^sha256:/, ''));
  const step = `Saving ${name} from the engine`;
  let done = 0;
  const onBytes = (count: number): void => {
    done += count;
    onProgress?.({ step, done, total: Math.max(done, image.size), unit: 'bytes' });
  };
  const fill = async (writer: LayoutWriter): Promise<readonly Descriptor[]> => {
    onProgress?.({ step });
    const save = await saveImage(engine, image.id, signal).catch((cause: unknown) => {
      throw image.diffIds.length > 0 || isAbort(cause) ? cause : noLayers(name, cause);
    });
    if (engine.info.store === 'containerd') return storeLayoutSave(save, writer, { signal, onBytes });
    return storeClassicSave(save, writer, {
      imageId: image.id,
      layerName: engineLayerName(image.diffIds),
      cache: new LayerCache(path.join(home, 'layers')),
      level,
      indexing: options.indexing,
      signal,
      onBytes,
    });
  };
  return cachedLayout(target, fill, options);
}

/** Docker's classic store refuses to save such an image: "empty export - not implemented". */
function noLayers(name: string, cause: unknown): LensError {
  return new LensError(
    'image/no-layers',
    `${name} has no layers, and the engine hands out no such image: ${messageOf(cause)}`,
    'Put a file into it, for example by a COPY in its Dockerfile; without one a start reads nothing.',
    { cause },
  );
}
