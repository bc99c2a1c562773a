import { availableParallelism } from 'node:os';
import { LensError } from '../errors';
import type { ImageRoot } from '../image/layout';
import type { LayoutWriter } from '../image/layout-writer';
import { INDEX_TYPES } from '../oci/media-types';
import { parseIndex, parseManifest } from '../oci/parse';
import type { Digest, Index } from '../oci/types';
import { mapConcurrently } from './concurrent';
import type { IndexedImage } from './layers';
import type { BlobStore } from './store';

interface CopyOptions {
  readonly tag?: string;
  readonly copy?: boolean;
  readonly signal?: AbortSignal;
}

interface Blob {
  readonly digest: Digest;
  readonly size: number;
}

/**
 * Does the work of making an index, and meanwhile takes over the blobs of a layout that are too small to be scanned for it, so that
 * only their digests remain to be taken. The others, and those that are damaged, are left to `copyImage`.
 */
export async function whileCopying<T>(
  source: BlobStore,
  output: LayoutWriter,
  options: CopyOptions & { readonly minLayerSize: number },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const copySmall = async (signal: AbortSignal): Promise<undefined> => {
    if (options.copy === false || options.tag !== undefined) return;
    for (const blob of (await source.blobs?.()) ?? []) {
      if (blob.size >= options.minLayerSize) continue;
      try {
        await output.takeBlob(await source.blob(blob), blob, { signal });
      } catch (error) {
        if (!isDamaged(error)) throw error;
      }
    }
  };
  const [result] = await mapConcurrently(
    [work, copySmall],
    2,
    (one, _, signal) => one(signal),
    options.signal,
  );
  return result as T;
}

/**
 * Takes over what the source holds: of a layout the whole folder, as the CLI does, unless a tag chose one image of several;
 * else what the image needs.
 */
export async function copyImage(
  source: BlobStore,
  output: LayoutWriter,
  root: ImageRoot,
  index: Index,
  indexed: readonly IndexedImage[],
  options: CopyOptions,
): Promise<void> {
  const { signal, tag } = options;
  output.keepBlob(root.bytes);
  if (options.copy === false) return;
  const checked = new Set(
    indexed.flatMap(({ layers }) =>
      layers.ztocs.filter(({ isChecked }) => isChecked).map(({ layer }) => layer.digest),
    ),
  );
  const needed = await copyDocuments(source, output, index);
  const everything = tag === undefined ? await source.blobs?.() : undefined;
  await mapConcurrently(
    everything ?? [...needed.values()],
    availableParallelism(),
    async (blob, _, each) => {
      try {
        const trusted = checked.has(blob.digest) ? { trusted: true } : {};
        await output.takeBlob(await source.blob(blob), blob, { ...trusted, signal: each });
      } catch (error) {
        // A damaged blob that the image does not use is left behind.
        if (needed.has(blob.digest) || !isDamaged(error)) throw error;
      }
    },
    signal,
  );
}

function isDamaged(error: unknown): boolean {
  return error instanceof LensError && error.code === 'image/wrong-digest';
}

/** Copies the documents that are here, also those of an index within the index, and gives the blobs that they name. */
async function copyDocuments(
  source: BlobStore,
  output: LayoutWriter,
  index: Index,
  needed = new Map<Digest, Blob>(),
): Promise<Map<Digest, Blob>> {
  for (const entry of index.manifests) {
    if (!(await source.has(entry))) continue;
    const bytes = await source.document(entry.digest);
    output.keepBlob(bytes);
    if (INDEX_TYPES.has(entry.mediaType)) {
      await copyDocuments(source, output, parseIndex(bytes), needed);
      continue;
    }
    const { config, layers } = parseManifest(bytes);
    for (const { digest, size } of [config, ...layers]) needed.set(digest, { digest, size });
  }
  return needed;
}
