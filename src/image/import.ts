import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough, pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { LensError, messageOf } from '../errors';
import { cachedLayout } from './cached-layout';
import { DEFAULT_LEVEL, type ExportOptions } from './export';
import { LayerCache } from './layer-cache';
import { isNamed } from './reference';
import { type SavedImage, storeClassicSave, storeLayoutSave, surveySave } from './saved';

/** An archive's image in an OCI layout. */
export interface ImportedArchive {
  readonly dir: string;
  /** Where the archive has plain tars, its layers were compressed here. */
  readonly isRepacked: boolean;
}

/**
 * Brings an archive (of `docker save`, `podman save`, `skopeo copy`, or an OCI layout in a tar; also gzipped) into an OCI
 * layout below `cacheDir`, once as long as the file stays the same.
 *
 * @param tag which image of several in a `docker save`
 * @throws LensError `image/no-archive`, `image/bad-save`, `image/no-tag`, `image/cannot-write`
 */
export async function importArchive(
  file: string,
  tag: string | undefined,
  options: ExportOptions,
): Promise<ImportedArchive> {
  const { cacheDir, level = DEFAULT_LEVEL, signal, onProgress } = options;
  const { key, size } = await identify(file);
  const survey = await surveySave(await openArchive(file), { signal });
  let done = 0;
  const onBytes = (count: number): void => {
    done += count;
    onProgress?.({
      step: `Reading ${path.basename(file)}`,
      done,
      total: Math.max(size, done),
      unit: 'bytes',
    });
  };
  if (survey.kind === 'layout') {
    const dir = await cachedLayout(
      path.join(cacheDir, 'archives', key),
      async (writer) => storeLayoutSave(await openArchive(file), writer, { signal, onBytes }),
      options,
    );
    return { dir, isRepacked: false };
  }
  const image = chooseImage(file, survey.images, tag);
  const home = path.join(cacheDir, `gzip-${level}`);
  const diffIds = new Map(image.layerNames.map((name, index) => [name, image.diffIds[index]]));
  const dir = await cachedLayout(
    path.join(home, 'archives', `${key}-${image.imageId.slice(-16)}`),
    async (writer) =>
      storeClassicSave(await openArchive(file), writer, {
        imageId: image.imageId,
        // A file's names are anybody's: only the diff ID, which is checked, leads to the cache.
        layerName: (name) => (diffIds.has(name) || isLayerFile(name) ? diffIds.get(name) : false),
        cache: new LayerCache(path.join(home, 'layers')),
        level,
        indexing: options.indexing,
        signal,
        onBytes,
      }),
    options,
  );
  return { dir, isRepacked: true };
}

/** Layers that another name of the save links to. */
function isLayerFile(name: string): boolean {
  return /(?:^|\/)layer\.tar$|^[0-9a-f]{64}\.tar$/.test(name);
}

function chooseImage(file: string, images: readonly SavedImage[], tag: string | undefined): SavedImage {
  const named =
    tag === undefined ? images : images.filter(({ tags }) => tags.some((name) => isNamed(name, tag)));
  const exact = named.find(({ tags }) => tags.some((name) => name === tag));
  const chosen = exact ?? (named.length === 1 ? named[0] : undefined);
  if (chosen) return chosen;
  const known = images.flatMap(({ tags }) => tags);
  throw new LensError(
    'image/no-tag',
    tag === undefined
      ? `${file} holds ${images.length} images.`
      : named.length > 0
        ? `${file} holds ${named.length} images named "${tag}".`
        : `${file} holds no image named "${tag}".`,
    known.length > 0
      ? `Add the tag of one of them: ${known.join(', ')}.`
      : 'Save it again with a single image.',
  );
}

/** Which file it is, as long as nobody writes to it. */
async function identify(file: string): Promise<{ key: string; size: number }> {
  try {
    const [real, stats] = await Promise.all([realpath(file), stat(file)]);
    if (!stats.isFile()) throw new Error('it is not a file');
    const { size, mtimeMs } = stats;
    return { key: createHash('sha256').update(`${real}\n${size}\n${mtimeMs}`).digest('hex'), size };
  } catch (error) {
    throw noArchive(file, error);
  }
}

/** The archive's tar, unpacked where it is gzipped. */
async function openArchive(file: string): Promise<Readable> {
  const handle = await open(file).catch((error: unknown) => {
    throw noArchive(file, error);
  });
  const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0);
  await handle.close();
  const isPacked = buffer[0] === 0x1f && buffer[1] === 0x8b;
  // The last stream carries the error of any of them.
  return pipeline(createReadStream(file), isPacked ? createGunzip() : new PassThrough(), () => undefined);
}

function noArchive(file: string, error: unknown): LensError {
  return new LensError(
    'image/no-archive',
    `The archive ${file} cannot be read: ${messageOf(error)}.`,
    'Check the path; it has to be what "docker save" or "skopeo copy" wrote.',
    { cause: error },
  );
}
