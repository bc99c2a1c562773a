import { isAbort, LensError } from '../errors';
import { layerType } from '../oci/layer-type';
import type { Bytes } from '../layer/bytes';
import type { LayerCompression, LayerScan } from '../layer/types';
import type { Digest } from '../oci/types';
import type { OnProgress } from '../progress';
import type { Image, ImageLayer } from './types';

/** What became of one layer. */
export type LayerResult =
  | { readonly layer: ImageLayer; readonly scan: LayerScan }
  /** Not indexable, and why: no fault of the image. */
  | { readonly layer: ImageLayer; readonly skipped: string }
  /** Damaged; the other layers are of use all the same. */
  | { readonly layer: ImageLayer; readonly error: LensError };

/** Why a layer is passed over. */
const SKIP_NOTES = {
  zstd: 'it is compressed with zstd, for which SOCI has no index',
  other: (mediaType: string) => `its media type ${mediaType} is none that SOCI indexes`,
};

/** The part of the layer room's pool that a scan needs. */
export interface Scanner {
  scan(
    blob: Bytes,
    compression: LayerCompression,
    options: {
      signal?: AbortSignal;
      onProgress?: (bytesDone: number) => void;
      expectedDigest?: string;
      spanSize?: number;
      isFresh?: boolean;
    },
  ): Promise<LayerScan>;
}

/** The part of the layer room's cache that a scan needs. */
export interface ScanStore {
  get(key: string): Promise<LayerScan | undefined>;
  put(key: string, scan: LayerScan): Promise<void>;
}

/** The name under which a scan is kept: the bytes, and how they are read. */
export function scanKey(digest: Digest, compression: LayerCompression): string {
  return `${digest} ${compression}`;
}

export interface ScanOptions {
  readonly pool: Scanner;
  readonly cache?: ScanStore | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
  /** Called with what became of each layer as soon as it is known, in any order. */
  readonly onLayer?: ((result: LayerResult, index: number) => void) | undefined;
}

/**
 * Scans the layers of an image, side by side and each distinct blob once. A layer that cannot be scanned does not stop the
 * others; an abort does. The results are in the order of the manifest.
 */
export async function scanImage(
  image: Image,
  { pool, cache, signal, onProgress, onLayer }: ScanOptions,
): Promise<LayerResult[]> {
  const distinct = new Map(image.layers.map((layer) => [layer.descriptor.digest, layer]));
  const total = [...distinct.values()].reduce((sum, layer) => sum + layer.descriptor.size, 0);
  const done = new Map<string, number>();
  const report = (digest: string, bytes: number): void => {
    done.set(digest, bytes);
    const sum = [...done.values()].reduce((all, part) => all + part, 0);
    onProgress?.({ step: `Scanning ${image.layers.length} layers`, done: sum, total, unit: 'bytes' });
  };

  const scanLayer = async ({ descriptor, blob }: ImageLayer): Promise<LayerScan | string | LensError> => {
    const { digest, size, mediaType } = descriptor;
    try {
      const { compression, unsupported } = layerType(mediaType);
      if (!compression) {
        return unsupported === 'zstd' ? SKIP_NOTES.zstd : SKIP_NOTES.other(mediaType);
      }
      const key = scanKey(digest, compression);
      const kept = await cache?.get(key);
      signal?.throwIfAborted();
      const scan =
        kept ??
        (await pool.scan(blob, compression, {
          expectedDigest: digest,
          onProgress: (bytes) => {
            report(digest, bytes);
          },
          ...(signal && { signal }),
        }));
      if (!kept) await cache?.put(key, scan);
      report(digest, size);
      return scan;
    } catch (error) {
      signal?.throwIfAborted();
      if (isAbort(error) || !(error instanceof LensError)) throw error;
      return error;
    }
  };

  const scans = new Map([...distinct].map(([digest, layer]) => [digest, scanLayer(layer)] as const));
  return Promise.all(
    image.layers.map(async (layer, index): Promise<LayerResult> => {
      const result = resultOf(layer, await scans.get(layer.descriptor.digest));
      onLayer?.(result, index);
      return result;
    }),
  );
}

function resultOf(layer: ImageLayer, found: LayerScan | string | LensError | undefined): LayerResult {
  if (found instanceof LensError) return { layer, error: found };
  return typeof found === 'object' ? { layer, scan: found } : { layer, skipped: found ?? '' };
}
