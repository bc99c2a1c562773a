import type { EngineImageDetails } from '../image/engine';
import { BYTES_NOTES } from '../image/open';
import { type Destination, formatRegistryName, parseReference, type RegistryName } from '../image/reference';
import { parseManifest } from '../oci/parse';
import type { Digest } from '../oci/types';
import type { RegistryClient } from '../registry/client';
import { imagesOf } from './discover';
import { rootOf } from './store';

/** By what an image of the engine is known again in a repository. */
type Identity = Pick<EngineImageDetails, 'id' | 'repoDigests'>;

/** Where the bytes lie that an index is made of. */
export interface IndexedBytes {
  readonly reference: string;
  /** Why there; undefined where the image lies as it was named. */
  readonly note: string | undefined;
}

/**
 * Which bytes an index is made of, before anything is planned on them: those of the image as it is named, unless it is the engine's
 * and the repository that the index goes to has the very same image. Nodes pull the registry's blobs then and never ours.
 */
export async function chooseBytes(
  reference: string,
  destination: Destination,
  ask: {
    /** Undefined where there is no engine, or it has no such image. */
    image(name: string): Promise<Identity | undefined>;
    within<T>(repository: RegistryName, work: (client: RegistryClient) => Promise<T>): Promise<T>;
    readonly signal?: AbortSignal;
  },
): Promise<IndexedBytes> {
  const own = { reference, note: undefined };
  const parsed = parseReference(reference);
  if (parsed.transport !== 'docker-daemon' && parsed.transport !== 'any') return own;
  if (destination.transport !== 'docker') return own;
  const image = await ask.image(parsed.name);
  if (!image) return own;
  const { registry } = destination;
  const found = await ask.within(registry, (client) => findPushed(client, registry, image, ask.signal));
  if (!found) return own;
  const name = formatRegistryName(found);
  return { reference: `docker://${name}`, note: BYTES_NOTES.pushed(name) };
}

/**
 * Looks for an image of the engine in a repository: under the destination's tag, or under a digest by which the engine remembers
 * to have pushed or pulled it there. What is found has the very same layers, but as the blobs that nodes pull.
 *
 * @returns by which name the repository has it
 */
async function findPushed(
  client: RegistryClient,
  destination: RegistryName,
  { id, repoDigests }: Identity,
  signal?: AbortSignal,
): Promise<RegistryName | undefined> {
  const remembered = repoDigests
    .map(parseReference)
    .flatMap((one) => (one.transport === 'any' ? [one.registry] : []))
    .filter(({ host, repository }) => host === destination.host && repository === destination.repository);
  for (const candidate of [destination, ...remembered])
    if (await hasImage(client, candidate, id, signal)) return candidate;
  return undefined;
}

/** An image ID is the digest of the config in the classic store, and of the manifest or index in containerd's. */
async function hasImage(
  client: RegistryClient,
  { tag = 'latest', digest: pinned }: RegistryName,
  id: Digest,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const found = await client.findManifest(pinned ?? tag, signal);
  if (!found) return false;
  const root = rootOf(found);
  if (root.descriptor.digest === id) return true;
  for (const { digest } of imagesOf(root)) {
    const { bytes } = digest === root.descriptor.digest ? root : await client.getManifest(digest, signal);
    if (digest === id || parseManifest(bytes).config.digest === id) return true;
  }
  return false;
}
