import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';

/** The digest of a gzipped file's content. */
export async function unpackedDigest(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), createGunzip(), hash);
  return `sha256:${hash.digest('hex')}`;
}

/** The names in a gzipped tar, in order. */
export async function tarNames(file: string): Promise<string[]> {
  const entries = extract();
  const feeding = pipeline(createReadStream(file), createGunzip(), entries);
  const names: string[] = [];
  for await (const entry of entries) {
    names.push(entry.header.name);
    entry.resume();
  }
  await feeding;
  return names;
}

export function blobFile(layout: string, digest: string): string {
  return path.join(layout, 'blobs', ...digest.split(':'));
}

/** Every file and folder below `dir`, relative. */
export async function everythingIn(dir: string): Promise<string[]> {
  return (await readdir(dir, { recursive: true }).catch(() => [])).sort();
}
