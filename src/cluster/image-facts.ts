import { formatPlatform } from '../oci/platform';
import type { Platform } from '../oci/types';
import { indexedLayers, listIndexes } from '../soci/discover';
import type { BlobStore } from '../soci/store';
import { gzipZinfoSize } from '../soci/zinfo';
import { LensError } from '../errors';
import type { LintImage } from './lint-lazy';

/** What a config has to fit, of an image in a registry or layout. */
export interface ImageFacts extends LintImage {
  /** Of all layers, indexed or not. */
  readonly layers: number;
}

/**
 * The image of one platform as a config has to fit it, by a few small requests.
 *
 * @throws LensError `cluster/no-platform`, and what the store gives
 */
export async function readImageFacts(
  store: BlobStore,
  reference: string,
  options: { readonly tag?: string | undefined; readonly platform: Platform; readonly signal?: AbortSignal },
): Promise<ImageFacts> {
  const { tag, platform, signal } = options;
  const [image] = await listIndexes(store, {
    platform,
    ...(tag !== undefined && { reference: tag }),
    ...(signal && { signal }),
  });
  if (!image) {
    throw new LensError(
      'cluster/no-platform',
      `${reference} has no image for ${formatPlatform(platform)}.`,
      'Name the platform of the node with --platform.',
    );
  }
  const covered = image.indexes.flatMap(({ manifest }) => indexedLayers(manifest));
  const indexed = new Set(covered.map(({ layer }) => layer));
  const sizes = image.manifest.layers.filter(({ digest }) => indexed.has(digest)).map(({ size }) => size);
  return {
    reference,
    indexVersions: [...new Set(image.indexes.map(({ version }) => version))],
    prefetch: covered.some(({ prefetch }) => prefetch),
    indexedLayerSizes: sizes,
    spans: covered.reduce((sum, { ztoc }) => sum + estimateSpans(ztoc.size), 0),
    layers: image.manifest.layers.length,
  };
}

/** A ztoc is little else than one window for each span; its list of files makes this a little too much. */
function estimateSpans(ztocSize: number): number {
  return Math.max(1, Math.round(ztocSize / (gzipZinfoSize(2) - gzipZinfoSize(1))));
}
