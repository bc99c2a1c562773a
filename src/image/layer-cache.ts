import { link, mkdir, copyFile, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { randomUUID } from 'node:crypto';
import { isDigest } from '../oci/digest';
import type { Digest } from '../oci/types';

/** A layer that was compressed before. */
export interface CachedLayer {
  readonly diffId: Digest;
  readonly digest: Digest;
  /** Bytes, compressed. */
  readonly size: number;
  readonly file: string;
}

/**
 * Compressed layers by diff ID, so that images that share a layer share the work and, by hard links, the disk. A second name
 * may lead to a layer: saves of old engines name layers by an ID of their own and never by the diff ID.
 *
 * It is a cache: what cannot be read or written counts as not there, and never fails the work.
 */
export class LayerCache {
  constructor(private readonly dir: string) {}

  /** @param name a diff ID, or another hex name under which the layer was put */
  async find(name: string): Promise<CachedLayer | undefined> {
    try {
      const record: unknown = JSON.parse(await readFile(this.record(name), 'utf8'));
      if (typeof record !== 'object' || record === null) return undefined;
      if (!('diffId' in record && 'digest' in record && 'size' in record)) return undefined;
      const { diffId, digest, size } = record;
      if (typeof diffId !== 'string' || typeof digest !== 'string' || !isDigest(diffId) || !isDigest(digest))
        return undefined;
      const file = this.blob(digest);
      const found = await stat(file);
      return found.size === size ? { diffId, digest, size: found.size, file } : undefined;
    } catch {
      return undefined;
    }
  }

  /** Keeps the blob in `layer.file`, under its diff ID and `alias`. */
  async put(layer: CachedLayer, alias?: string): Promise<void> {
    const temporary = path.join(this.dir, `.${randomUUID()}`);
    try {
      await mkdir(this.dir, { recursive: true });
      await link(layer.file, temporary).catch(() => copyFile(layer.file, temporary));
      await rename(temporary, this.blob(layer.digest));
      const { diffId, digest, size } = layer;
      for (const name of alias === undefined ? [diffId] : [diffId, alias]) {
        await writeFile(temporary, JSON.stringify({ diffId, digest, size }));
        await rename(temporary, this.record(name));
      }
    } catch {
      await rm(temporary, { force: true });
    }
  }

  private record(name: string): string {
    return path.join(this.dir, `${hex(name)}.json`);
  }

  private blob(digest: Digest): string {
    return path.join(this.dir, `${hex(digest)}.blob`);
  }
}

/** Removes the names in a cache's folder that lead to layers which are gone. */
export async function removeDangling(dir: string): Promise<void> {
  const cache = new LayerCache(dir);
  for (const name of await readdir(dir).catch(() => [])) {
    const key = /^([0-9a-f]{64})\.json$/.exec(name)?.[1];
    if (key !== undefined && !(await cache.find(key))) await rm(path.join(dir, name), { force: true });
  }
}

/** Only hex may become part of a path. */
function hex(name: string): string {
  const found = /^(?:sha256:)?([0-9a-f]{64})$/.exec(name)?.[1];
  if (found === undefined) throw new RangeError(`${name} is not a digest`);
  return found;
}
