import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { writeArchive } from '../image/archive';
import { cannotWrite, isSystemError } from '../image/disk';
import { openLayout } from '../image/layout';
import type { Destination } from '../image/reference';
import type { OnProgress } from '../progress';
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
  onProgress: OnProgress = session.terminal.progress,
): Promise<T> {
  if (destination.transport === 'oci') return make(destination.path, true);
  const folder = await temporaryFolder(session.cacheDir);
  const isArchive = destination.transport === 'oci-archive';
  try {
    const result = await make(folder, isArchive);
    const layout = await openLayout(folder);
    const { signal } = session;
    if (isArchive) await writeArchive(layout, destination.path, { signal, onProgress });
    else await pushTo(session, layout, destination.registry, flags, { onProgress, ...(rest && { rest }) });
    return result;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function temporaryFolder(dir: string): Promise<string> {
  try {
    await mkdir(dir, { recursive: true });
    return await mkdtemp(path.join(dir, 'index-'));
  } catch (error) {
    throw isSystemError(error) ? cannotWrite(dir, error) : error;
  }
}
