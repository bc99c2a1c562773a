import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { writeArchive } from '../image/archive';
import { openLayout } from '../image/layout';
import type { Destination } from '../image/reference';
import type { BlobStore } from '../soci/store';
import { pushTo } from './push';
import type { RegistryFlagValues } from './registry-flags';
import type { Session } from './session';

/**
 * Writes a layout to its place. For an archive and for a registry it is made in a folder of ours that is removed afterwards;
 * for a registry that holds only what is new, and the image's own blobs go there from where they are.
 *
 * @param make fills a folder with the layout, with or without the blobs of `rest`
 */
export async function writeTo<T>(
  session: Session,
  destination: Destination,
  make: (folder: string, copy: boolean) => Promise<T>,
  flags: RegistryFlagValues,
  rest?: BlobStore,
): Promise<T> {
  if (destination.transport === 'oci') return make(destination.path, true);
  await mkdir(session.cacheDir, { recursive: true });
  const folder = await mkdtemp(path.join(session.cacheDir, 'index-'));
  const isArchive = destination.transport === 'oci-archive';
  try {
    const result = await make(folder, isArchive);
    const layout = await openLayout(folder);
    const { signal, terminal } = session;
    if (isArchive) await writeArchive(layout, destination.path, { signal, onProgress: terminal.progress });
    else await pushTo(session, layout, destination.registry, flags, rest ? { rest } : {});
    return result;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
