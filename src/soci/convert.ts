import type { LayoutWriter } from '../image/layout-writer';
import { encodeIndex, encodeManifest } from '../oci/json';
import { INDEX_TYPES, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from '../oci/media-types';
import { parseManifest } from '../oci/parse';
import type { Descriptor, Digest, Index, Platform } from '../oci/types';
import { copyImage, whileCopying } from './copy';
import { ANNOTATIONS, BUILD_TOOL, isSociIndexV2, SOCI_INDEX_V1, SOCI_INDEX_V2 } from './index';
import { type IndexedImage, type IndexedLayers, type IndexOptions, indexImages } from './layers';
import { chooseImages, isSociIndexFor, type WantedPlatforms } from './platforms';
import type { BlobStore } from './store';

export interface ConvertOptions extends IndexOptions {
  /** Left out, as the CLI without flags: the host's platform, or the only one of an image that is not an index. */
  readonly platforms?: WantedPlatforms;
  /** Which image of a layout that holds several. */
  readonly tag?: string;
  /** False leaves the image's own blobs where they are: `output` then holds only what is new, enough for a push. */
  readonly copy?: boolean;
}

export interface ConvertedPlatform extends IndexedLayers {
  readonly platform: Platform;
  /** The image manifest as it was. */
  readonly source: Descriptor;
  /** The image manifest as it is now. */
  readonly manifest: Descriptor;
  readonly sociIndex: Descriptor;
}

export interface ConvertResult {
  /** The image: with v2 the new index that lists image manifests and SOCI indexes, with v1 what it was. */
  readonly index: Descriptor;
  readonly perPlatform: readonly ConvertedPlatform[];
}

/**
 * Makes the image that carries its SOCI index with it, as `soci convert --standalone --format oci-dir` does
 * (soci-format §3.5), and writes it to `output` with everything that the source layout holds. On failure or abort nothing
 * of it stays. Throws `soci/no-platform`, `soci/nothing-indexed` and whatever a damaged layer gives.
 */
export async function convertLayout(
  source: BlobStore,
  output: LayoutWriter,
  options: ConvertOptions,
): Promise<ConvertResult> {
  return orNothing(output, async () => {
    const root = await source.root(options.tag);
    const { index: start, images } = await chooseImages(source, root, options.platforms);
    const indexed = await whileCopying(source, output, options, (signal) =>
      indexImages(images, source, output, 2, { ...options, signal }),
    );
    const { manifests, changed } = await rewriteManifests(source, output, start, indexed);
    const perPlatform: ConvertedPlatform[] = [];
    for (const { platform, entry, sociIndex, layers } of indexed) {
      const manifest = changed.get(entry.digest) ?? entry;
      const descriptor: Descriptor = {
        mediaType: OCI_MANIFEST,
        ...sociIndex,
        annotations: { [ANNOTATIONS.imageDigest]: manifest.digest },
        platform,
        artifactType: SOCI_INDEX_V2,
      };
      const old = manifests.findIndex((other) => isSociIndexFor(other, platform));
      manifests.splice(old < 0 ? manifests.length : old, old < 0 ? 0 : 1, descriptor);
      perPlatform.push({ platform, source: entry, manifest, sociIndex: descriptor, ...layers });
    }
    const index: Descriptor = {
      mediaType: OCI_INDEX,
      ...output.keepBlob(encodeIndex({ ...start, mediaType: OCI_INDEX, manifests })),
    };
    await copyImage(source, output, root, start, indexed, options);
    options.signal?.throwIfAborted();
    await output.finish([index]);
    return { index, perPlatform };
  });
}

/**
 * Makes SOCI indexes of version 1 for an image, as `soci create` does: the image stays what it is, and each index refers to
 * its image manifest as subject (soci-format §3.2). `output` lists the image and the indexes. Throws as `convertLayout` does.
 */
export async function attachLayout(
  source: BlobStore,
  output: LayoutWriter,
  options: ConvertOptions,
): Promise<ConvertResult> {
  return orNothing(output, async () => {
    const root = await source.root(options.tag);
    const { index: start, images } = await chooseImages(source, root, options.platforms);
    const indexed = await whileCopying(source, output, options, (signal) =>
      indexImages(images, source, output, 1, { ...options, signal }),
    );
    const perPlatform = indexed.map(({ platform, entry, sociIndex, layers }) => ({
      platform,
      source: entry,
      manifest: entry,
      sociIndex: {
        mediaType: OCI_MANIFEST,
        ...sociIndex,
        annotations: { [ANNOTATIONS.buildTool]: BUILD_TOOL },
        artifactType: SOCI_INDEX_V1,
      },
      ...layers,
    }));
    await copyImage(source, output, root, start, indexed, options);
    options.signal?.throwIfAborted();
    await output.finish([root.descriptor, ...perPlatform.map(({ sociIndex }) => sociIndex)]);
    return { index: root.descriptor, perPlatform };
  });
}

async function orNothing<T>(output: LayoutWriter, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await output.abort();
    throw error;
  }
}

/** soci-format §3.5 step 3: every manifest that is here becomes an OCI manifest; the indexed ones name their index. */
async function rewriteManifests(
  source: BlobStore,
  output: LayoutWriter,
  start: Index,
  indexed: readonly IndexedImage[],
): Promise<{ manifests: Descriptor[]; changed: Map<Digest, Descriptor> }> {
  const sociIndexes = new Map(indexed.map(({ entry, sociIndex }) => [entry.digest, sociIndex.digest]));
  const changed = new Map<Digest, Descriptor>();
  const manifests: Descriptor[] = [];
  for (const entry of start.manifests) {
    const own = sociIndexes.get(entry.digest);
    // The CLI rewrites the SOCI indexes of platforms that it leaves out too, which breaks them, and those that a copy has
    // robbed of their type, which it then takes for images.
    const isOtherIndex =
      isSociIndexV2(entry) &&
      (entry.artifactType !== SOCI_INDEX_V2 ||
        !indexed.some(({ platform }) => isSociIndexFor(entry, platform)));
    const isManifest = !INDEX_TYPES.has(entry.mediaType) && (await source.has(entry));
    if (own === undefined && (isOtherIndex || !isManifest)) {
      manifests.push(entry);
      continue;
    }
    const manifest = parseManifest(await source.document(entry.digest));
    const annotations = {
      ...manifest.annotations,
      ...(own === undefined ? {} : { [ANNOTATIONS.indexDigest]: own }),
    };
    const bytes = encodeManifest({
      ...manifest,
      mediaType: OCI_MANIFEST,
      config: { ...manifest.config, mediaType: OCI_CONFIG },
      annotations,
    });
    // The descriptor's own annotations give way to the manifest's; embedded data would be the old manifest.
    const descriptor: Descriptor = {
      mediaType: OCI_MANIFEST,
      ...output.keepBlob(bytes),
      ...(entry.urls ? { urls: entry.urls } : {}),
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
      ...(entry.platform ? { platform: entry.platform } : {}),
      ...(entry.artifactType === undefined ? {} : { artifactType: entry.artifactType }),
    };
    manifests.push(descriptor);
    changed.set(entry.digest, descriptor);
  }
  return { manifests, changed };
}
