import { availableParallelism } from 'node:os';
import { LensError } from '../errors';
import type { ImageRoot, LayoutWriter, OciLayout } from '../image/layout';
import { encodeIndex, encodeManifest } from '../oci/json';
import { INDEX_TYPES, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from '../oci/media-types';
import { parseConfig, parseManifest } from '../oci/parse';
import { formatPlatform, hostPlatform, normalisePlatform, samePlatform } from '../oci/platform';
import type { Descriptor, Digest, ImageConfig, Index, Platform } from '../oci/types';
import { mapConcurrently } from './concurrent';
import { ANNOTATIONS, EMPTY_CONFIG, SOCI_INDEX_V2, encodeSociIndex } from './index';
import {
  type BuiltLayer,
  type IndexOptions,
  type IndexedLayers,
  type LayerStore,
  indexLayers,
} from './layers';

export interface ConvertOptions extends IndexOptions {
  /** Left out, as the CLI without flags: the host's platform, or the only one of an image that is not an index. */
  readonly platforms?: readonly Platform[] | 'all';
  /** Which image of a layout that holds several. */
  readonly tag?: string;
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
  /** The new image: the index that lists image manifests and SOCI indexes. */
  readonly index: Descriptor;
  readonly perPlatform: readonly ConvertedPlatform[];
}

/**
 * Makes the image that carries its SOCI index with it, as `soci convert --standalone --format oci-dir` does
 * (soci-format §3.5), and writes it to `output` with everything that the source layout holds. On failure or abort nothing
 * of it stays. Throws `soci/no-platform`, `soci/nothing-indexed` and whatever a damaged layer gives.
 */
export async function convertLayout(
  source: OciLayout,
  output: LayoutWriter,
  options: ConvertOptions,
): Promise<ConvertResult> {
  try {
    return await new Conversion(source, output, options).run();
  } catch (error) {
    await output.abort();
    throw error;
  }
}

/** One run of `convertLayout`. */
class Conversion {
  constructor(
    private readonly source: OciLayout,
    private readonly output: LayoutWriter,
    private readonly options: ConvertOptions,
  ) {}

  async run(): Promise<ConvertResult> {
    const root = await this.source.root(this.options.tag);
    const start = await this.startIndex(root);
    const indexed = await this.indexPlatforms(start, this.choosePlatforms(start, root));
    const { manifests, images } = await this.rewriteManifests(start, indexed);
    const perPlatform: ConvertedPlatform[] = [];
    for (const { entry, sociIndex, platform, layers } of indexed) {
      const manifest = images.get(entry.digest);
      if (!manifest) throw new Error(`${entry.digest} was indexed but not rewritten.`);
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
      ...(await this.output.addBlob(encodeIndex({ ...start, mediaType: OCI_INDEX, manifests }))),
    };
    await this.copySource(root, start, indexed);
    this.options.signal?.throwIfAborted();
    await this.output.finish([index]);
    return { index, perPlatform };
  }

  /** §3.5 step 1. */
  private async startIndex(root: ImageRoot): Promise<Index> {
    if (root.kind === 'index') return root.index;
    const config = parseConfig(await this.source.readBlob(root.manifest.config));
    return {
      schemaVersion: 2,
      manifests: [{ ...root.descriptor, platform: normalisePlatform(configPlatform(config)) }],
    };
  }

  private choosePlatforms(index: Index, root: ImageRoot): Platform[] {
    const asked = this.options.platforms;
    const listed = () => index.manifests.map(entryPlatform).filter((platform) => !isUnknown(platform));
    const wanted =
      asked === 'all' || (!asked && root.kind === 'manifest') ? listed() : (asked ?? [hostPlatform()]);
    return wanted.filter((platform, at) => wanted.findIndex((other) => samePlatform(other, platform)) === at);
  }

  /** §3.5 step 2: a v2 index for each platform; those that stay empty are dropped. */
  private async indexPlatforms(start: Index, platforms: readonly Platform[]): Promise<IndexedPlatform[]> {
    const known = new Map<Digest, Promise<BuiltLayer>>();
    const store: LayerStore = {
      read: (layer) => this.source.blob(layer),
      write: (bytes) => this.output.addBlob(bytes),
    };
    const indexed: IndexedPlatform[] = [];
    for (const platform of platforms) {
      const entry = start.manifests.find(
        (other) => other.artifactType !== SOCI_INDEX_V2 && samePlatform(entryPlatform(other), platform),
      );
      if (!entry) throw noPlatform(platform, start);
      const manifest = parseManifest(await this.source.readBlob(entry));
      const layers = await indexLayers(manifest, store, this.options, known);
      if (layers.ztocs.length === 0) continue;
      const blobs = [
        ...layers.ztocs.map(({ ztoc }) => ztoc),
        ...layers.prefetch.map(({ artifact }) => artifact),
      ];
      await this.output.addBlob(EMPTY_CONFIG);
      indexed.push({ platform, entry, layers, sociIndex: await this.output.addBlob(encodeSociIndex(blobs)) });
    }
    if (indexed.length > 0) return indexed;
    throw new LensError(
      'soci/nothing-indexed',
      'No ztocs were created: every layer is too small or compressed in a way that cannot be indexed.',
      `Lower the smallest layer size (now ${this.options.minLayerSize} bytes), or build the image with gzip layers.`,
    );
  }

  /** §3.5 step 3: every manifest that is here becomes an OCI manifest; the indexed ones name their index. */
  private async rewriteManifests(
    start: Index,
    indexed: readonly IndexedPlatform[],
  ): Promise<{ manifests: Descriptor[]; images: Map<Digest, Descriptor> }> {
    const sociIndexes = new Map(indexed.map(({ entry, sociIndex }) => [entry.digest, sociIndex.digest]));
    const images = new Map<Digest, Descriptor>();
    const manifests: Descriptor[] = [];
    for (const entry of start.manifests) {
      const own = sociIndexes.get(entry.digest);
      // The CLI rewrites the SOCI indexes of platforms that it leaves out too, which breaks them.
      const isOtherIndex =
        entry.artifactType === SOCI_INDEX_V2 &&
        !indexed.some(({ platform }) => isSociIndexFor(entry, platform));
      const isManifest = !INDEX_TYPES.has(entry.mediaType) && (await this.source.has(entry));
      if (own === undefined && (isOtherIndex || !isManifest)) {
        manifests.push(entry);
        continue;
      }
      const manifest = parseManifest(await this.source.readBlob(entry));
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
        ...(await this.output.addBlob(bytes)),
        ...(entry.urls ? { urls: entry.urls } : {}),
        ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
        ...(entry.platform ? { platform: entry.platform } : {}),
        ...(entry.artifactType === undefined ? {} : { artifactType: entry.artifactType }),
      };
      manifests.push(descriptor);
      images.set(entry.digest, descriptor);
    }
    return { manifests, images };
  }

  /**
   * Takes over what the source holds, as the CLI copies its whole folder. Of a layout with several images only what the
   * chosen one needs.
   */
  private async copySource(
    root: ImageRoot,
    start: Index,
    indexed: readonly IndexedPlatform[],
  ): Promise<void> {
    const { signal, tag } = this.options;
    await this.output.addBlob(root.bytes);
    // The scan of an indexed layer has checked its digest.
    const scanned = new Set(indexed.flatMap(({ layers }) => layers.ztocs.map(({ layer }) => layer.digest)));
    const needed = await this.reachable(start);
    const present = await this.source.blobs();
    await mapConcurrently(
      tag === undefined ? present : present.filter(({ digest }) => needed.has(digest)),
      availableParallelism(),
      async (blob) => {
        try {
          const { file } = await this.source.blob(blob);
          if (file === undefined) throw new Error('A blob of a layout is always a file.');
          const trusted = scanned.has(blob.digest);
          await this.output.linkBlob(file, blob, { trusted, ...(signal ? { signal } : {}) });
        } catch (error) {
          // A damaged blob that the image does not use is left behind.
          if (needed.has(blob.digest) || !(error instanceof LensError) || error.code !== 'image/wrong-digest')
            throw error;
        }
      },
      signal,
    );
  }

  private async reachable(start: Index): Promise<Set<Digest>> {
    const found = new Set<Digest>();
    for (const entry of start.manifests) {
      if (INDEX_TYPES.has(entry.mediaType) || !(await this.source.has(entry))) continue;
      const { config, layers } = parseManifest(await this.source.readBlob(entry));
      for (const { digest } of [entry, config, ...layers]) found.add(digest);
    }
    return found;
  }
}

interface IndexedPlatform {
  readonly platform: Platform;
  readonly entry: Descriptor;
  readonly layers: IndexedLayers;
  readonly sociIndex: { readonly digest: Digest; readonly size: number };
}

function isSociIndexFor(entry: Descriptor, platform: Platform): boolean {
  return entry.artifactType === SOCI_INDEX_V2 && samePlatform(entryPlatform(entry), platform);
}

function entryPlatform(entry: Descriptor): Platform {
  if (entry.platform) return entry.platform;
  throw new LensError(
    'soci/no-platform',
    `The image index does not say for which platform ${entry.digest} is.`,
    'Name the one manifest to index by its digest, or build the image again.',
  );
}

/** BuildKit's attestations stand in the index as images of an unknown platform. */
function isUnknown(platform: Platform): boolean {
  return platform.os === 'unknown' || platform.architecture === 'unknown';
}

function configPlatform({ os, architecture, variant }: ImageConfig): Platform {
  return { architecture, os, ...(variant ? { variant } : {}) };
}

function noPlatform(platform: Platform, index: Index): LensError {
  const there = index.manifests.map(entryPlatform).filter((other) => !isUnknown(other));
  const names = [...new Set(there.map(formatPlatform))];
  return new LensError(
    'soci/no-platform',
    `The image has no manifest for ${formatPlatform(platform)}.`,
    names.length > 0
      ? `It has ${names.join(', ')}: choose with --platform.`
      : 'Build the image for that platform.',
  );
}
