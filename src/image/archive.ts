import { randomUUID } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { type Header, pack, type Pack } from 'tar-stream';
import { messageOf } from '../errors';
import { encodeIndex } from '../oci/json';
import { INDEX_TYPES } from '../oci/media-types';
import { parseIndex, parseManifest } from '../oci/parse';
import type { Descriptor, Digest } from '../oci/types';
import type { OnProgress } from '../progress';
import { cannotWrite, isSystemError, writeAll, writeFile } from './disk';
import { LAYOUT_VERSION, type OciLayout } from './layout';

/**
 * Writes the image of a layout as an OCI archive: a layout in a tar, with what the image names and no more, the same bytes on
 * every run. Entries, modes and times are those of `soci convert --format oci-archive` (soci-format §3.5). The file appears
 * when it is whole. Throws `image/cannot-write` and `image/bad-layout`.
 */
export async function writeArchive(
  layout: OciLayout,
  file: string,
  options: { readonly signal?: AbortSignal; readonly onProgress?: OnProgress } = {},
): Promise<void> {
  const { signal, onProgress } = options;
  const blobs = await reachable(layout);
  const total = blobs.reduce((sum, { size }) => sum + size, 0);
  const temporary = `${file}.${randomUUID()}`;
  const tar = pack();
  const fill = async (): Promise<void> => {
    addFolder(tar, 'blobs');
    addFolder(tar, 'blobs/sha256');
    let done = 0;
    for (const { digest, size } of blobs) {
      const name = `blobs/sha256/${digest.slice('sha256:'.length)}`;
      const blob = await layout.blob({ digest, size });
      await pipeline(blob.read(undefined, signal), tar.entry({ ...FIXED, name, size, mode: 0o444 }));
      done += size;
      onProgress?.({ step: 'Writing the archive', done, total, unit: 'bytes' });
    }
    addFile(tar, 'index.json', encodeIndex(layout.index), 0o644);
    addFile(tar, 'oci-layout', new TextEncoder().encode(LAYOUT_VERSION), 0o444);
    tar.finalize();
  };
  const filled = fill().catch((error: unknown) => {
    tar.destroy(error instanceof Error ? error : new Error(messageOf(error)));
  });
  try {
    await writeFile(temporary, async (handle) => {
      for await (const chunk of tar) {
        signal?.throwIfAborted();
        await writeAll(handle, chunk as Uint8Array);
      }
    });
    await rename(temporary, file);
  } catch (error) {
    throw isSystemError(error) ? cannotWrite(file, error) : error;
  } finally {
    tar.destroy();
    await filled;
    await rm(temporary, { force: true });
  }
}

/** The same for every entry: nothing of this machine or this moment. */
const FIXED = { uid: 0, gid: 0, mtime: new Date(0) } satisfies Partial<Header>;

function addFolder(tar: Pack, name: string): void {
  tar.entry({ ...FIXED, name, type: 'directory', mode: 0o755 });
}

function addFile(tar: Pack, name: string, bytes: Uint8Array, mode: number): void {
  tar.entry({ ...FIXED, name, mode }, Buffer.from(bytes));
}

/** Everything that `index.json` leads to, in the order of the names. */
async function reachable(layout: OciLayout): Promise<{ digest: Digest; size: number }[]> {
  const found = new Map<Digest, number>();
  const follow = async (descriptor: Descriptor): Promise<void> => {
    if (found.has(descriptor.digest) || !(await layout.has(descriptor))) return;
    found.set(descriptor.digest, descriptor.size);
    const bytes = await layout.readBlob(descriptor);
    if (INDEX_TYPES.has(descriptor.mediaType)) {
      for (const child of parseIndex(bytes).manifests) await follow(child);
      return;
    }
    const { config, layers } = parseManifest(bytes);
    for (const blob of [config, ...layers]) {
      if (await layout.has(blob)) found.set(blob.digest, blob.size);
    }
  };
  for (const entry of layout.index.manifests) await follow(entry);
  return [...found]
    .map(([digest, size]) => ({ digest, size }))
    .sort((a, b) => (a.digest < b.digest ? -1 : 1));
}
