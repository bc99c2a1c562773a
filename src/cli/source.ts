import { inspectEngineImage } from '../image/engine';
import { openLayout } from '../image/layout';
import { formatRegistryName, parseReference, type Destination, type RegistryName } from '../image/reference';
import type { Digest } from '../oci/types';
import { imagesOf } from '../soci/discover';
import { parseManifest } from '../oci/parse';
import { LensError } from '../errors';
import type { RegistryClient } from '../registry/client';
import { registryStore, type BlobStore } from '../soci/store';
import { typed } from './command';
import { withRegistry, withStore } from './push';
import type { RegistryFlagValues } from './registry-flags';
import type { Session } from './session';

/**
 * Lets `work` read an image where it lies, and says which bytes those are: one of the engine in the layout that it was saved to,
 * unless the registry that the result goes to has the very same image; then its own blobs are read there, and none is kept.
 */
export async function withSource<T>(
  session: Session,
  reference: string,
  destination: Destination,
  flags: RegistryFlagValues,
  work: (store: BlobStore, tag: string | undefined) => Promise<T>,
): Promise<T> {
  const parsed = typed(() => parseReference(reference));
  if (parsed.transport === 'oci' || parsed.transport === 'docker') {
    return withStore(session, reference, flags, work);
  }
  if (
    destination.transport === 'docker' &&
    (parsed.transport === 'docker-daemon' || parsed.transport === 'any')
  ) {
    const { registry } = destination;
    const id = await engineImageId(session, parsed.name);
    const found =
      id !== undefined &&
      (await withRegistry(session, registry, flags, (client) => hasImage(client, registry, id)));
    if (found) {
      session.terminal.info(
        `${formatRegistryName(registry)} is this very image: the registry's own blobs are indexed, since only they are pulled; they are streamed and not kept here.`,
      );
      return withStore(session, `docker://${formatRegistryName(registry)}`, flags, work);
    }
  }
  const image = await session.open(reference, undefined, flags);
  session.terminal.info(image.bytesNote);
  if (image.layout !== undefined) return work(await openLayout(image.layout), undefined);
  if (parsed.transport !== 'any') throw new Error(`${reference} was opened without a layout.`);
  // A bare name that the engine does not have is one of a registry.
  return withStore(session, `docker://${formatRegistryName(parsed.registry)}`, flags, work);
}

/** `undefined` where there is no engine, or it has no such image: opening it tells that better. */
async function engineImageId(session: Session, name: string): Promise<Digest | undefined> {
  try {
    return (await inspectEngineImage(await session.engine(), name)).id;
  } catch (error) {
    if (error instanceof LensError) return undefined;
    throw error;
  }
}

/** An image ID is the digest of the config in the classic store, and of the manifest or index in containerd's. */
async function hasImage(
  client: RegistryClient,
  { tag = 'latest' }: RegistryName,
  id: Digest,
): Promise<boolean> {
  if (!(await client.headManifest(tag))) return false;
  const store = registryStore(client, tag);
  const root = await store.root();
  if (root.descriptor.digest === id) return true;
  for (const { digest } of imagesOf(root)) {
    const bytes = digest === root.descriptor.digest ? root.bytes : await store.document(digest);
    if (digest === id || parseManifest(bytes).config.digest === id) return true;
  }
  return false;
}
