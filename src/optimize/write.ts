/** Writes an optimized image: new layers, a config and a manifest that fit them, and where it all comes from. */
import { createHash } from 'node:crypto';
import { LensError } from '../errors';
import { gzip } from '../image/gzip';
import type { LayoutWriter } from '../image/layout-writer';
import type { Image } from '../image/types';
import { encodeManifest } from '../oci/json';
import { OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST } from '../oci/media-types';
import { parseObject } from '../oci/parse';
import type { Descriptor, Digest } from '../oci/types';
import type { OnProgress } from '../progress';
import { newArchive, unpacked } from './archive';
import { originAnnotations } from './origin';
import type { EntryRef, OptimizeWay, Recipe, SourceLayer } from './types';

export interface WriteOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export interface WrittenImage {
  readonly manifest: Descriptor;
  /** Lowest first. */
  readonly layers: readonly Descriptor[];
}

interface WrittenLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
}

/**
 * Writes the image that `recipe` makes of `image` to an empty layout. The same image and recipe give the same bytes. On
 * failure or abort nothing of it stays.
 *
 * @throws LensError `optimize/changed-layer`, `image/cannot-write`, `image/wrong-digest`
 */
export async function writeOptimized(
  image: Image,
  layers: readonly SourceLayer[],
  recipe: Recipe,
  output: LayoutWriter,
  options: WriteOptions = {},
): Promise<WrittenImage> {
  const { signal } = options;
  const onBytes = progressOf(recipe, layers, options.onProgress);
  try {
    const written: WrittenLayer[] = [];
    for (const one of recipe.layers) {
      signal?.throwIfAborted();
      if (one.kind === 'kept') {
        const { descriptor, diffId, blob } = image.layers[one.layer] ?? missing(one.layer);
        await output.takeBlob(blob, descriptor, { signal });
        written.push({ descriptor, diffId: diffId ?? (await diffIdOf(layers, one.layer, signal)) });
        continue;
      }
      const hash = createHash('sha256');
      const archive = newArchive(one.archive, layers, { folder: output.dir, signal, onBytes });
      const tar = async function* (): AsyncGenerator<Uint8Array> {
        for await (const chunk of archive) {
          hash.update(chunk);
          yield chunk;
        }
      };
      const blob = await output.addBlob(gzip(tar()), undefined, signal);
      const diffId = `sha256:${hash.digest('hex')}`;
      written.push({ descriptor: { mediaType: OCI_LAYER_GZIP, ...blob }, diffId });
    }
    const origin = originAnnotations(image, recipe.way);
    const config = await output.addBlob(newConfig(image, recipe, written, origin));
    const manifest = encodeManifest({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, ...config },
      layers: written.map(({ descriptor }) => descriptor),
      annotations: { ...withoutIndex(image.manifest.annotations), ...origin },
    });
    const descriptor: Descriptor = {
      mediaType: OCI_MANIFEST,
      ...(await output.addBlob(manifest)),
      platform: image.platform,
    };
    signal?.throwIfAborted();
    await output.finish([descriptor]);
    return { manifest: descriptor, layers: written.map((layer) => layer.descriptor) };
  } catch (error) {
    await output.abort();
    throw error;
  }
}

/** For an image whose config lists other layers than its manifest: then only the layer itself can tell. */
async function diffIdOf(
  layers: readonly SourceLayer[],
  layer: number,
  signal: AbortSignal | undefined,
): Promise<Digest> {
  if (!layers[layer]?.scan) {
    throw new LensError(
      'optimize/no-diff-id',
      `The image's config does not say what layer ${layer} unpacks to, and the layer cannot be read.`,
      'Build the image anew; its config does not fit its manifest.',
    );
  }
  const hash = createHash('sha256');
  for await (const chunk of unpacked(layers, layer, { signal })) hash.update(chunk);
  return `sha256:${hash.digest('hex')}`;
}

function missing(layer: number): never {
  throw new RangeError(`There is no layer ${layer}.`);
}

/** The SOCI index of the image as it was is of no use to the new one. */
function withoutIndex(annotations: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(annotations).filter(([key]) => !key.startsWith('com.amazon.soci.')),
  );
}

const CREATED_BY: Readonly<Record<OptimizeWay, string>> = {
  'start-layer': 'soci-lens optimize: copies of the files that the start reads',
  're-pack': 'soci-lens optimize: entries in the order of the start',
};

/** The config with other layers; whatever else stands in it stays. */
function newConfig(
  { config, configBytes }: Image,
  recipe: Recipe,
  written: readonly WrittenLayer[],
  origin: Readonly<Record<string, string>>,
): Uint8Array {
  const fields = parseObject(configBytes, 'The image config');
  const history = config.history ?? [];
  const fits = history.filter((step) => step.empty_layer !== true).length === config.rootfs.diff_ids.length;
  const added = recipe.layers.length - config.rootfs.diff_ids.length;
  const step = {
    ...(config.created === undefined ? {} : { created: config.created }),
    created_by: CREATED_BY[recipe.way],
  };
  const oldSteps = Array.isArray(fields['history']) ? (fields['history'] as unknown[]) : [];
  const old = fields['config'];
  const run = typeof old === 'object' && old !== null ? old : {};
  return new TextEncoder().encode(
    JSON.stringify({
      ...fields,
      config: { ...run, Labels: { ...config.config?.Labels, ...origin } },
      rootfs: { ...config.rootfs, diff_ids: written.map(({ diffId }) => diffId) },
      ...(fits && added > 0 ? { history: [...oldSteps, step] } : {}),
    }),
  );
}

/** Counts what is read: each source of a new layer once, and the layer that the rest comes from once more. */
function progressOf(
  recipe: Recipe,
  layers: readonly SourceLayer[],
  onProgress: OnProgress | undefined,
): (bytes: number) => void {
  const sizeOf = (layer: number): number => layers[layer]?.descriptor.size ?? 0;
  const total = recipe.layers.reduce((sum, one) => {
    if (one.kind === 'kept') return sum;
    const { front, rest } = one.archive;
    const sources = new Set(front.map(({ layer }: EntryRef) => layer));
    const once = [...sources].reduce((all, layer) => all + sizeOf(layer), 0);
    return sum + once + (rest === undefined ? 0 : sizeOf(rest));
  }, 0);
  let done = 0;
  return (bytes) => {
    done += bytes;
    onProgress?.({ step: 'Writing the optimized layers', done, total, unit: 'bytes' });
  };
}
