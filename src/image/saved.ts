import { createHash } from 'node:crypto';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import { isAbort, LensError, messageOf } from '../errors';
import { sha256 } from '../oci/digest';
import { encodeManifest } from '../oci/json';
import { OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST } from '../oci/media-types';
import { parseConfig, parseIndex } from '../oci/parse';
import type { Descriptor, Digest } from '../oci/types';
import { gzip } from './gzip';
import type { LayerCache } from './layer-cache';
import { DOCUMENT_LIMIT, type LayoutWriter } from './layout';

/** Configs have no limit of their own; a hundred times the usual is one. */
const CONFIG_LIMIT = 16 * 1024 * 1024;
const BLOB = /^blobs\/sha256\/([0-9a-f]{64})$/;
/** `<id>/layer.tar` (Docker), `<diff ID>.tar` (Podman, skopeo). */
const LAYER = /(?:^|\/)layer\.tar$|^[0-9a-f]{64}\.tar$/;

export interface SaveOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes of the tar read since the last call. */
  readonly onBytes?: ((count: number) => void) | undefined;
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

/** A layer of a save, compressed and stored. */
interface StoredLayer {
  readonly diffId: Digest;
  readonly digest: Digest;
  readonly size: number;
}

/**
 * Writes a save of the classic store into `writer`, its plain layer tars compressed on the way, and makes the manifest that a
 * push of the same bytes would need. Reads what Docker up to 24 writes (`<id>/layer.tar`, one layer under several names by
 * symbolic links), what Docker 25 and newer write (`blobs/sha256/<diff ID>`), and Podman's.
 *
 * @param imageId the digest of the config
 * @param diffIds of the image, as the engine tells them
 * @throws LensError `image/bad-save`
 */
export async function storeClassicSave(
  save: Readable,
  writer: LayoutWriter,
  options: SaveOptions & {
    readonly imageId: Digest;
    readonly diffIds: readonly Digest[];
    readonly cache: LayerCache;
    readonly level: number;
  },
): Promise<readonly Descriptor[]> {
  const { signal, cache, level, imageId } = options;
  const known = new Set(options.diffIds);
  const layers = new Map<string, StoredLayer>();
  const documents = new Map<string, Uint8Array>();
  const links = await eachFile(save, options, async (name, size, data) => {
    const blob = BLOB.exec(name)?.[1];
    if (blob !== undefined ? known.has(`sha256:${blob}`) : LAYER.test(name)) {
      layers.set(name, await storeLayer(data, writer, { cache, level, signal, alias: aliasOf(name) }));
    } else if (size <= CONFIG_LIMIT) {
      documents.set(name, await collect(name, size, data, CONFIG_LIMIT));
    }
  });

  const { configName, layerNames } = readSaveManifest(documents.get('manifest.json'));
  const config = documents.get(configName);
  if (!config) throw badSave(`its config ${configName} is missing`);
  if (sha256(config) !== imageId)
    throw badSave(`its config has the digest ${sha256(config)} instead of ${imageId}`);
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

/** Compresses one layer into the layout, or takes it from the cache; its diff ID is computed from its bytes in either case. */
async function storeLayer(
  tar: AsyncIterable<Uint8Array>,
  writer: LayoutWriter,
  options: { cache: LayerCache; level: number; signal: AbortSignal | undefined; alias: string },
): Promise<StoredLayer> {
  const { cache, level, signal, alias } = options;
  const hash = createHash('sha256');
  const hashed = tap(tar, (chunk) => hash.update(chunk));
  const cached = await cache.find(alias);
  if (cached) {
    await drain(hashed);
    if (`sha256:${hash.digest('hex')}` !== cached.diffId)
      throw badSave(`its layer ${alias} has other bytes than before`);
    await writer.linkBlob(cached.file, cached, { trusted: true, ...(signal && { signal }) });
    return cached;
  }
  const blob = await writer.addBlob(gzip(hashed, level), undefined, signal);
  const stored = { diffId: `sha256:${hash.digest('hex')}`, ...blob };
  const file = path.join(writer.dir, 'blobs', 'sha256', blob.digest.slice('sha256:'.length));
  await cache.put({ ...stored, file }, alias);
  return stored;
}

/** The 64 hex digits in a layer's name: its diff ID, or the ID that Docker before 25 gives it, which names its bytes as well. */
function aliasOf(name: string): string {
  const found = /[0-9a-f]{64}/.exec(name)?.[0];
  if (found === undefined) throw badSave(`its layer ${name} has a name that no engine gives`);
  return found;
}

/**
 * Calls `read` for every regular file of the tar, in order, and returns the links as resolved names. What `read` leaves
 * unread is skipped.
 */
async function eachFile(
  save: Readable,
  { signal, onBytes }: SaveOptions,
  read: (name: string, size: number, data: AsyncIterable<Uint8Array>) => Promise<void>,
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
        await read(
          name,
          entry.header.size,
          tap(entry as AsyncIterable<Uint8Array>, (chunk) => onBytes?.(chunk.length)),
        );
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

/** `manifest.json` of a save (moby, `image/tarexport`): one image, since one was asked for. */
function readSaveManifest(bytes: Uint8Array | undefined): { configName: string; layerNames: string[] } {
  if (!bytes) throw badSave('it has no manifest.json');
  let list: unknown;
  try {
    list = JSON.parse(Buffer.from(bytes).toString());
  } catch (error) {
    throw badSave(`its manifest.json is not JSON: ${messageOf(error)}`, error);
  }
  const item: unknown = Array.isArray(list) && list.length === 1 ? list[0] : undefined;
  if (typeof item === 'object' && item !== null && 'Config' in item && 'Layers' in item) {
    const { Config: config, Layers: layers } = item;
    const names: unknown[] = Array.isArray(layers) ? layers : [];
    if (typeof config === 'string' && names.every((name) => typeof name === 'string')) {
      return {
        configName: path.posix.normalize(config),
        layerNames: names.map((name) => path.posix.normalize(name)),
      };
    }
  }
  throw badSave('its manifest.json does not describe one image');
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
