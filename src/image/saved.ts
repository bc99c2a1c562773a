import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { isAbort, LensError, messageOf } from '../errors';
import { fileBytes } from '../layer/bytes';
import { sha256 } from '../oci/digest';
import { encodeManifest } from '../oci/json';
import { OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST } from '../oci/media-types';
import { parseConfig, parseIndex } from '../oci/parse';
import type { Descriptor, Digest } from '../oci/types';
import { gzip } from './gzip';
import { type Indexing, writeAndScan } from './indexing';
import type { LayerCache } from './layer-cache';
import { DOCUMENT_LIMIT } from './layout';
import type { LayoutWriter } from './layout-writer';

/** Configs have no limit of their own; a hundred times the usual is one. */
const CONFIG_LIMIT = 16 * 1024 * 1024;
const [BRACE, BRACKET] = [0x7b, 0x5b];
const BLOB = /^blobs\/sha256\/([0-9a-f]{64})$/;

export interface SaveOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes of the tar read since the last call. */
  readonly onBytes?: ((count: number) => void) | undefined;
}

/** What the documents of a save say about it. */
export interface SaveSurvey {
  /** The containerd store and OCI tools write an OCI layout; `docker save` of the classic store has a `manifest.json` of its own. */
  readonly kind: 'layout' | 'classic';
  readonly images: readonly SavedImage[];
}

export interface SavedImage {
  readonly tags: readonly string[];
  readonly imageId: Digest;
  readonly diffIds: readonly Digest[];
  /** Name of each layer in the tar. */
  readonly layerNames: readonly string[];
}

/** Reads the documents of a save and skips its layers. Throws `image/bad-save`. */
export async function surveySave(save: Readable, options: SaveOptions): Promise<SaveSurvey> {
  const documents = new Map<string, Uint8Array>();
  await eachFile(save, options, async (name, size, data) => {
    if (!LAYER.test(name)) await keepDocument(documents, name, size, data);
  });
  const isLayout = documents.has('index.json') && documents.has('oci-layout');
  if (isLayout && !documents.has('manifest.json')) return { kind: 'layout', images: [] };
  const images = readSaveManifest(documents.get('manifest.json')).map(
    ({ configName, layerNames, tags }): SavedImage => {
      const config = documents.get(configName);
      if (!config) throw badSave(`its config ${configName} is missing`);
      return { tags, layerNames, imageId: sha256(config), diffIds: parseConfig(config).rootfs.diff_ids };
    },
  );
  // Docker 25 and newer write both. The blobs of its classic store are named by diff ID, that is, they are plain tars.
  const isPlain = images.every(({ layerNames, diffIds }) =>
    layerNames.every((name, index) => BLOB.exec(name)?.[1] === diffIds[index]?.slice('sha256:'.length)),
  );
  return isLayout && !isPlain ? { kind: 'layout', images: [] } : { kind: 'classic', images };
}

/** Keeps what can be one of a save's JSON documents. */
async function keepDocument(
  documents: Map<string, Uint8Array>,
  name: string,
  size: number,
  data: AsyncGenerator<Uint8Array>,
): Promise<void> {
  if (size > CONFIG_LIMIT) return;
  const { first, rest } = await peek(data);
  if (first[0] === BRACE || first[0] === BRACKET)
    documents.set(name, await collect(name, size, rest, CONFIG_LIMIT));
}

/**
 * Writes a save of the containerd store, which is an OCI layout in a tar, into `writer` as it is. Returns what its
 * `index.json` lists.
 *
 * @throws LensError `image/bad-save`
 */
export async function storeLayoutSave(
  save: Readable,
  writer: LayoutWriter,
  options: SaveOptions,
): Promise<readonly Descriptor[]> {
  let index: Uint8Array | undefined;
  await eachFile(save, options, async (name, size, data) => {
    const hex = BLOB.exec(name)?.[1];
    if (hex !== undefined) await writer.addBlob(data, { digest: `sha256:${hex}`, size }, options.signal);
    else if (name === 'index.json') index = await collect(name, size, data, DOCUMENT_LIMIT);
  });
  if (!index) throw badSave('it has no index.json');
  return parseIndex(index).manifests;
}

export interface ClassicSaveOptions extends SaveOptions {
  /** The digest of the config. */
  readonly imageId: Digest;
  readonly cache: LayerCache;
  /** zlib's, 0–9. */
  readonly level: number;
  /** Scans the layers that are compressed here while they are written. */
  readonly indexing?: Indexing | undefined;
  /**
   * False for what is no layer, else the name under which the cache may have it already: the diff ID, or another name that
   * stands for the same bytes as long as its giver is trusted.
   */
  readonly layerName: (name: string) => string | undefined | false;
}

/** A layer of a save, compressed and stored. */
interface StoredLayer {
  readonly diffId: Digest;
  readonly digest: Digest;
  readonly size: number;
}

/**
 * Writes an image of a classic save into `writer`, its plain layer tars compressed on the way, and makes the manifest that a
 * push of the same bytes would need. Reads what Docker up to 24 writes (`<id>/layer.tar`, one layer under several names by
 * symbolic links), what Docker 25 and newer write (`blobs/sha256/<diff ID>`), and Podman's and skopeo's `<diff ID>.tar`.
 *
 * @throws LensError `image/bad-save`
 */
export async function storeClassicSave(
  save: Readable,
  writer: LayoutWriter,
  options: ClassicSaveOptions,
): Promise<readonly Descriptor[]> {
  const { imageId, layerName } = options;
  const layers = new Map<string, StoredLayer>();
  const documents = new Map<string, Uint8Array>();
  const links = await eachFile(save, options, async (name, size, data) => {
    const cacheName = layerName(name);
    if (cacheName !== false) layers.set(name, await storeLayer(name, data, writer, options, cacheName));
    else await keepDocument(documents, name, size, data);
  });

  const found = readSaveManifest(documents.get('manifest.json'))
    .map((image) => ({ ...image, config: documents.get(image.configName) }))
    .find(({ config }) => config && sha256(config) === imageId);
  if (!found?.config) throw badSave(`it has no config with the digest ${imageId}`);
  const { config, layerNames } = found;
  const diffIds = parseConfig(config).rootfs.diff_ids;
  if (diffIds.length !== layerNames.length) {
    throw badSave(`it has ${layerNames.length} layers and its config ${diffIds.length}`);
  }
  const descriptors = layerNames.map((name, index): Descriptor => {
    const layer = layers.get(followLinks(name, links));
    if (!layer) throw badSave(`its layer ${name} is missing`);
    if (layer.diffId !== diffIds[index])
      throw badSave(`its layer ${name} is not the ${String(diffIds[index])} of the config`);
    return { mediaType: OCI_LAYER_GZIP, digest: layer.digest, size: layer.size };
  });
  const manifest = encodeManifest({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, ...(await writer.addBlob(config)) },
    layers: descriptors,
  });
  return [{ mediaType: OCI_MANIFEST, ...(await writer.addBlob(manifest)) }];
}

/** What an engine calls its layers: `<id>/layer.tar` (Docker before 25), `<diff ID>.tar` (Podman, skopeo). */
const LAYER = /^([0-9a-f]{64})(?:\/layer\.tar|\.tar)$/;

/** `layerName` for the save of an engine. Docker's own `<id>` stands for the bytes too: it is a hash over the chain of diff IDs. */
export function engineLayerName(diffIds: readonly Digest[]): ClassicSaveOptions['layerName'] {
  const known = new Set(diffIds);
  return (name) => {
    const blob = BLOB.exec(name)?.[1];
    if (blob !== undefined) return known.has(`sha256:${blob}`) && blob;
    return LAYER.exec(name)?.[1] ?? false;
  };
}

/** Compresses one layer into the layout, or takes it from the cache; its diff ID is computed from its bytes in either case. */
async function storeLayer(
  name: string,
  data: AsyncIterable<Uint8Array>,
  writer: LayoutWriter,
  { cache, level, indexing, signal }: ClassicSaveOptions,
  cacheName: string | undefined,
): Promise<StoredLayer> {
  const hash = createHash('sha256');
  const hashed = tap(data, (chunk) => hash.update(chunk));
  const cached = cacheName === undefined ? undefined : await cache.find(cacheName);
  if (cached) {
    await drain(hashed);
    if (`sha256:${hash.digest('hex')}` !== cached.diffId)
      throw badSave(`its layer ${name} has other bytes than before`);
    await writer.takeBlob(await fileBytes(cached.file, cached.size), cached, { trusted: true, signal });
    return cached;
  }
  const { first, rest } = await peek(hashed);
  const isPacked = first[0] === 0x1f && first[1] === 0x8b;
  const packed = isPacked ? rest : gzip(rest, level);
  const write = (bytes: AsyncIterable<Uint8Array>) => writer.addBlob(bytes, undefined, signal);
  const blob = await (indexing
    ? writeAndScan({ packed, isFresh: !isPacked }, write, indexing, signal)
    : write(packed));
  const file = path.join(writer.dir, 'blobs', 'sha256', blob.digest.slice('sha256:'.length));
  const diffId = isPacked ? await unpackedDigest(file, signal) : `sha256:${hash.digest('hex')}`;
  await cache.put({ ...blob, diffId, file }, cacheName);
  return { ...blob, diffId };
}

/** Some tools (kaniko, Bazel) save layers that are compressed already: those stay as they are. */
async function unpackedDigest(file: string, signal: AbortSignal | undefined): Promise<Digest> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(file), createGunzip(), hash, signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    throw badSave(`a layer cannot be unpacked: ${messageOf(error)}`, error);
  }
  return `sha256:${hash.digest('hex')}`;
}

async function peek(
  data: AsyncGenerator<Uint8Array>,
): Promise<{ first: Uint8Array; rest: AsyncIterable<Uint8Array> }> {
  const next = await data.next();
  const first = next.done ? new Uint8Array() : next.value;
  const rest = async function* (): AsyncGenerator<Uint8Array> {
    yield first;
    yield* data;
  };
  return { first, rest: rest() };
}

/**
 * Calls `read` for every regular file of the tar, in order, and returns the links as resolved names. What `read` leaves
 * unread is skipped.
 */
async function eachFile(
  save: Readable,
  { signal, onBytes }: SaveOptions,
  read: (name: string, size: number, data: AsyncGenerator<Uint8Array>) => Promise<void>,
): Promise<ReadonlyMap<string, string>> {
  const links = new Map<string, string>();
  const entries = extract();
  const feeding = pipeline(save, entries, signal ? { signal } : {});
  // It is awaited below; until then a failure shows up in the entry being read.
  feeding.catch(() => undefined);
  try {
    for await (const entry of entries) {
      const name = path.posix.normalize(entry.header.name);
      if (entry.header.type === 'symlink') {
        links.set(name, path.posix.join(path.posix.dirname(name), entry.header.linkname));
      } else if (entry.header.type === 'link') {
        links.set(name, path.posix.normalize(entry.header.linkname));
      } else if (entry.header.type === 'file') {
        const data = tap(entry as AsyncIterable<Uint8Array>, (chunk) => onBytes?.(chunk.length));
        await read(name, entry.header.size, data);
      }
      entry.resume();
    }
    await feeding;
    return links;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof LensError || isAbort(error)) throw error;
    throw badSave(messageOf(error), error);
  } finally {
    save.destroy();
    entries.destroy();
  }
}

async function* tap(
  data: AsyncIterable<Uint8Array>,
  see: (chunk: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of data) {
    see(chunk);
    yield chunk;
  }
}

async function drain(data: AsyncIterable<unknown>): Promise<void> {
  const reader = data[Symbol.asyncIterator]();
  while (!(await reader.next()).done);
}

async function collect(
  name: string,
  size: number,
  data: AsyncIterable<Uint8Array>,
  limit: number,
): Promise<Uint8Array> {
  if (size > limit) throw badSave(`${name} has ${size} bytes`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of data) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** `manifest.json` of a save (moby, `image/tarexport`). */
function readSaveManifest(
  bytes: Uint8Array | undefined,
): { configName: string; layerNames: string[]; tags: string[] }[] {
  if (!bytes) throw badSave('it has no manifest.json');
  let list: unknown;
  try {
    list = JSON.parse(Buffer.from(bytes).toString());
  } catch (error) {
    throw badSave(`its manifest.json is not JSON: ${messageOf(error)}`, error);
  }
  if (!Array.isArray(list) || list.length === 0) throw badSave('its manifest.json lists no image');
  return list.map((item: unknown) => {
    if (typeof item === 'object' && item !== null && 'Config' in item && typeof item.Config === 'string') {
      const layers = strings('Layers' in item ? item.Layers : undefined);
      const tags = strings('RepoTags' in item ? (item.RepoTags ?? []) : []);
      if (layers && tags) {
        return {
          configName: path.posix.normalize(item.Config),
          layerNames: layers.map((name) => path.posix.normalize(name)),
          tags,
        };
      }
    }
    throw badSave('its manifest.json does not describe images');
  });
}

function strings(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined;
}

function followLinks(name: string, links: ReadonlyMap<string, string>): string {
  let target = name;
  // One step for each link there is; a circle ends as well, and then names no layer.
  for (let step = 0; step < links.size && links.has(target); step++) target = links.get(target) ?? target;
  return target;
}

function badSave(why: string, cause?: unknown): LensError {
  return new LensError(
    'image/bad-save',
    `The saved image cannot be used: ${why}.`,
    'Save it again; if that does not help, open the image from its registry with docker://.',
    { cause },
  );
}
