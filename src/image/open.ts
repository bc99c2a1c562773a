import { LensError } from '../errors';
import { INDEX_TYPES, MANIFEST_TYPES } from '../oci/media-types';
import { parseConfig, parseIndex, parseManifest } from '../oci/parse';
import { formatPlatform, hostPlatform, samePlatform } from '../oci/platform';
import type { Descriptor, HistoryEntry, ImageConfig, Index, Manifest, Platform } from '../oci/types';
import type { ByteRange, Bytes } from '../layer/bytes';
import { connectRegistry, type RegistryOptions } from '../registry/client';
import { connectEngine, type Engine } from './engine';
import { exportImage, type ExportOptions } from './export';
import { openLayout } from './layout';
import { importArchive } from './import';
import { parseReference, type RegistryName } from './reference';
import type { Image, ImageLayer } from './types';

export interface OpenOptions extends ExportOptions {
  /** Which image of several; the host's where not given. */
  readonly platform?: Platform | undefined;
  /** How to reach the engine, asked only when it is needed. */
  readonly engine?: (() => Promise<Engine>) | undefined;
  readonly registry?: RegistryOptions | undefined;
}

/** Which bytes an image's layers are, and why these: what an index is made of is what it is good for. */
export const BYTES_NOTES = {
  compressed:
    'These are layers compressed here, since the engine keeps plain tars: an index of them belongs to the image that is pushed together with it.',
  compressedArchive:
    'These are layers compressed here, since the archive holds plain tars: an index of them belongs to the image that is pushed together with it.',
  engine: 'These are the compressed blobs that the engine itself keeps and pushes.',
  layout: 'These are the blobs of the OCI layout, as they are.',
  archive: 'These are the blobs of the archive, as they are.',
  registry: "These are the registry's own blobs, read over the network; nothing of them is kept here.",
  pushed: (name: string) =>
    `${name} is this very image: the registry's own blobs are indexed, since only they are pulled; they are streamed and not kept here.`,
} as const;

/** Configs have no limit of their own; this one is a hundred times the usual. */
const CONFIG_LIMIT = 16 * 1024 * 1024;

/** Where the documents and blobs of an image are read from. */
interface Blobs {
  /** A whole document, size and digest checked. */
  readDocument(descriptor: Descriptor): Promise<Uint8Array>;
  blob(descriptor: Descriptor): Promise<Bytes>;
}

/**
 * Opens an image for reading, wherever it is: see `parseReference` for how it can be named. A bare name is looked for in the
 * engine first and then in its registry.
 *
 * @throws LensError `image/bad-reference`, `image/not-found`, `image/no-platform`, and what the source itself gives
 */
export async function openImage(reference: string, options: OpenOptions): Promise<Image> {
  const parsed = parseReference(reference);
  switch (parsed.transport) {
    case 'oci':
      return openFromLayout(reference, parsed.path, {
        source: 'layout',
        tag: parsed.tag,
        platform: options.platform,
      });
    case 'oci-archive':
    case 'docker-archive':
    case 'archive':
      return openFromArchive(reference, parsed, options);
    case 'docker-daemon':
      return openFromEngine(reference, parsed.name, options);
    case 'docker':
      return openFromRegistry(reference, parsed.registry, options);
    case 'any':
      return openFromEngine(reference, parsed.name, options).catch((error: unknown) => {
        if (!isMissing(error)) throw error;
        return openFromRegistry(reference, parsed.registry, options).catch((later: unknown) => {
          options.signal?.throwIfAborted();
          if (!(later instanceof LensError)) throw later;
          throw new LensError(
            later.code,
            `${error.message} ${later.message}`,
            `${error.advice} ${later.advice}`,
            { cause: later },
          );
        });
      });
  }
}

/** True when the engine cannot have the image: then the registry may. */
function isMissing(error: unknown): error is LensError {
  return error instanceof LensError && (error.code === 'image/not-found' || error.code === 'image/no-engine');
}

async function openFromEngine(reference: string, name: string, options: OpenOptions): Promise<Image> {
  const engine = await (options.engine ?? connectEngine)();
  const dir = await exportImage(engine, name, options);
  const image = await openFromLayout(reference, dir, { source: 'engine', platform: options.platform });
  return {
    ...image,
    bytesNote: engine.info.store === 'classic' ? BYTES_NOTES.compressed : BYTES_NOTES.engine,
  };
}

async function openFromLayout(
  reference: string,
  dir: string,
  options: { source: Image['source']; tag?: string | undefined; platform: Platform | undefined },
): Promise<Image> {
  const layout = await openLayout(dir);
  const root = await layout.root(options.tag);
  if (options.tag === undefined && root.kind === 'index') checkIsOneImage(reference, root.index, layout.tags);
  const blobs: Blobs = {
    readDocument: (descriptor) => layout.readBlob(descriptor, CONFIG_LIMIT),
    blob: (descriptor) => layout.blob(descriptor),
  };
  const image = await readImage(reference, root.descriptor, root.bytes, blobs, options.platform);
  return {
    ...image,
    source: options.source,
    layout: layout.dir,
    bytesNote: BYTES_NOTES.layout,
  };
}

/** Entries for no platform are no choice of platforms: they are images of several names, and none of them is meant. */
function checkIsOneImage(reference: string, { manifests }: Index, tags: readonly string[]): void {
  if (tags.length < 2 || manifests.some(({ platform }) => platform)) return;
  throw new LensError(
    'image/no-tag',
    `${reference} holds ${tags.length} images.`,
    `Add the tag of one of them: ${tags.join(', ')}.`,
  );
}

async function openFromArchive(
  reference: string,
  archive: { path: string; tag: string | undefined },
  options: OpenOptions,
): Promise<Image> {
  const { dir, isRepacked } = await importArchive(archive.path, archive.tag, options);
  const image = await openFromLayout(reference, dir, {
    source: 'archive',
    tag: isRepacked ? undefined : archive.tag,
    platform: options.platform,
  });
  return {
    ...image,
    bytesNote: isRepacked ? BYTES_NOTES.compressedArchive : BYTES_NOTES.archive,
  };
}

async function openFromRegistry(reference: string, name: RegistryName, options: OpenOptions): Promise<Image> {
  const client = connectRegistry(name.host, name.repository, options.registry);
  const { signal, platform } = options;
  const root = await client.getManifest(name.digest ?? name.tag ?? 'latest', signal);
  const blobs: Blobs = {
    readDocument: async (descriptor) =>
      MANIFEST_TYPES.has(descriptor.mediaType)
        ? (await client.getManifest(descriptor.digest, signal)).bytes
        : client.readBlob(descriptor, CONFIG_LIMIT, signal),
    blob: (descriptor) =>
      Promise.resolve({
        size: descriptor.size,
        ranged: true,
        isChecked: true,
        read: (range?: ByteRange, inner?: AbortSignal) => client.getBlob(descriptor, range, inner ?? signal),
      }),
  };
  const image = await readImage(reference, root.descriptor, root.bytes, blobs, platform);
  return {
    ...image,
    source: 'registry',
    layout: undefined,
    bytesNote: BYTES_NOTES.registry,
  };
}

/** Walks from the topmost document to the manifest of one platform, its config and its layers. */
async function readImage(
  reference: string,
  top: Descriptor,
  topBytes: Uint8Array,
  blobs: Blobs,
  wanted: Platform | undefined,
): Promise<Omit<Image, 'source' | 'layout' | 'bytesNote'>> {
  let descriptor = top;
  let bytes = topBytes;
  let entry: Descriptor | undefined;
  if (INDEX_TYPES.has(top.mediaType)) {
    entry = choosePlatform(reference, parseIndex(topBytes), wanted);
    descriptor = entry;
    bytes = await blobs.readDocument(entry);
  }
  if (!MANIFEST_TYPES.has(descriptor.mediaType)) {
    throw new LensError(
      'image/not-an-image',
      `${reference} is a document of the type ${descriptor.mediaType}, not an image.`,
      'Name an image in the OCI format or in the Docker format (schema 2).',
    );
  }
  const manifest = parseManifest(bytes);
  const configBytes = await blobs.readDocument(manifest.config);
  const config = parseConfig(configBytes);
  const platform: Platform = entry?.platform ?? {
    architecture: config.architecture,
    os: config.os,
    ...(config.variant && { variant: config.variant }),
  };
  if (!entry && wanted && !samePlatform(platform, wanted)) throw noPlatform(reference, wanted, [platform]);
  return {
    reference,
    descriptor,
    manifest,
    config,
    configBytes,
    platform,
    layers: await readLayers(manifest, config, blobs),
  };
}

/** The images of an index: neither attestations (BuildKit gives them the platform "unknown") nor SOCI indexes. */
export function imagesOf(index: Index): Descriptor[] {
  return index.manifests.filter(
    (entry) =>
      entry.platform?.os !== 'unknown' &&
      entry.platform?.architecture !== 'unknown' &&
      entry.artifactType === undefined &&
      (MANIFEST_TYPES.has(entry.mediaType) || INDEX_TYPES.has(entry.mediaType)),
  );
}

function choosePlatform(reference: string, index: Index, wanted: Platform | undefined): Descriptor {
  const images = imagesOf(index);
  const target = wanted ?? hostPlatform();
  const match = images.find((entry) => entry.platform && samePlatform(entry.platform, target));
  // Nobody asked for a platform, and there is no choice to make.
  const only = wanted === undefined && images.length === 1 ? images[0] : undefined;
  const chosen = match ?? only;
  if (chosen) return chosen;
  throw noPlatform(
    reference,
    target,
    images.flatMap((entry) => entry.platform ?? []),
  );
}

async function readLayers(manifest: Manifest, config: ImageConfig, blobs: Blobs): Promise<ImageLayer[]> {
  const steps: (HistoryEntry | undefined)[] = (config.history ?? []).filter(
    (step) => step.empty_layer !== true,
  );
  // A history of another length belongs to other layers (squashed images): then no step can be named.
  const history = steps.length === manifest.layers.length ? steps : [];
  const diffIds = config.rootfs.diff_ids;
  return Promise.all(
    manifest.layers.map(async (descriptor, index) => ({
      index,
      descriptor,
      diffId: diffIds.length === manifest.layers.length ? diffIds[index] : undefined,
      blob: await blobs.blob(descriptor),
      history: history[index],
    })),
  );
}

function noPlatform(reference: string, wanted: Platform, present: readonly Platform[]): LensError {
  return new LensError(
    'image/no-platform',
    `${reference} has no image for ${formatPlatform(wanted)}.`,
    present.length > 0
      ? `Choose one of ${present.map(formatPlatform).join(', ')} with --platform.`
      : 'It lists no platform at all; name one of its manifests by digest.',
  );
}
