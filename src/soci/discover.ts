import type { ImageRoot } from '../image/layout';
import { INDEX_TYPES } from '../oci/media-types';
import { parseManifest } from '../oci/parse';
import { samePlatform } from '../oci/platform';
import type { Descriptor, Digest, Manifest, Platform } from '../oci/types';
import { mapConcurrently } from './concurrent';
import { ANNOTATIONS, isSociIndexV2, PREFETCH_TYPE, SOCI_INDEX_V1 } from './index';
import type { BlobStore } from './store';

/** A SOCI index, as a runtime comes upon it. */
export interface FoundIndex {
  /** 2: the image manifest's annotation names it. 1: it refers to the image manifest. */
  readonly version: 1 | 2;
  readonly digest: Digest;
  readonly manifest: Manifest;
  readonly bytes: Uint8Array;
}

/** One image manifest and its indexes, in the order in which a runtime takes them (soci-format §5.1). */
export interface ImageIndexes {
  readonly platform: Platform | undefined;
  readonly entry: Descriptor;
  readonly manifest: Manifest;
  readonly indexes: readonly FoundIndex[];
}

/** What an index says about one layer. */
export interface IndexedLayer {
  readonly layer: Digest;
  readonly ztoc: Descriptor;
  /** Bytes; `undefined` in indexes of a soci before 0.12. */
  readonly spanSize: number | undefined;
  readonly prefetch: boolean;
}

/** Indexes that are read side by side: an image can have a thousand. */
const INDEXES_AT_ONCE = 32;

/** The image manifests below a root: not attestations, not SOCI indexes. */
export function imagesOf(root: ImageRoot, platform?: Platform): Descriptor[] {
  if (root.kind === 'manifest') return [root.descriptor];
  return root.index.manifests.filter(
    (entry) =>
      !isSociIndexV2(entry) &&
      !INDEX_TYPES.has(entry.mediaType) &&
      entry.platform?.os !== 'unknown' &&
      (!platform || (entry.platform !== undefined && samePlatform(entry.platform, platform))),
  );
}

/** The SOCI indexes of an image in a layout or registry. Throws what reading gives. */
export async function listIndexes(
  store: BlobStore,
  options: { readonly reference?: string; readonly platform?: Platform; readonly signal?: AbortSignal } = {},
): Promise<ImageIndexes[]> {
  const root = await store.root(options.reference);
  const images: ImageIndexes[] = [];
  for (const entry of imagesOf(root, options.platform)) {
    options.signal?.throwIfAborted();
    const isRoot = entry.digest === root.descriptor.digest;
    const manifest = parseManifest(isRoot ? root.bytes : await store.document(entry.digest));
    const named = manifest.annotations?.[ANNOTATIONS.indexDigest];
    const referring = await store.referrers(entry.digest, SOCI_INDEX_V1);
    const indexes = [
      ...(named === undefined ? [] : [await readIndex(store, 2, named)]),
      ...(await mapConcurrently(
        referring,
        INDEXES_AT_ONCE,
        ({ digest }) => readIndex(store, 1, digest),
        options.signal,
      )),
    ];
    images.push({ platform: entry.platform, entry, manifest, indexes });
  }
  return images;
}

/** Reads an index by its digest; whether it is one is for the caller to check. */
export async function readIndex(store: BlobStore, version: 1 | 2, digest: Digest): Promise<FoundIndex> {
  const bytes = await store.document(digest);
  return { version, digest, bytes, manifest: parseManifest(bytes) };
}

/** The layers that an index covers, in its order. */
export function indexedLayers({ layers }: Manifest): IndexedLayer[] {
  const layerOf = ({ annotations }: Descriptor) => annotations?.[ANNOTATIONS.layerDigest] ?? '';
  const prefetched = new Set(layers.filter(({ mediaType }) => mediaType === PREFETCH_TYPE).map(layerOf));
  return layers
    .filter(({ mediaType }) => mediaType !== PREFETCH_TYPE)
    .map((ztoc) => {
      const spanSize = Number(ztoc.annotations?.[ANNOTATIONS.spanSize] ?? NaN);
      const layer = layerOf(ztoc);
      return {
        layer,
        ztoc,
        spanSize: Number.isSafeInteger(spanSize) ? spanSize : undefined,
        prefetch: prefetched.has(layer),
      };
    });
}
