import type { EngineImageDetails } from '../image/engine';
import { parseReference, type RegistryName } from '../image/reference';
import { parseManifest } from '../oci/parse';
import type { Digest } from '../oci/types';
import type { RegistryClient } from '../registry/client';
import { imagesOf } from './discover';
import { registryStore } from './store';

/**
 * Looks for an image of the engine in a repository: under the destination's tag, or under a digest by which the engine remembers
 * to have pushed or pulled it there. What is found has the very same layers, but as the blobs that nodes pull.
 *
 * @returns by which name the repository has it
 */
export async function findPushed(
  client: RegistryClient,
  destination: RegistryName,
  { id, repoDigests }: Pick<EngineImageDetails, 'id' | 'repoDigests'>,
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
  const name = pinned ?? tag;
  if (!(await client.headManifest(name, signal))) return false;
  const store = registryStore(client, name, signal);
  const root = await store.root();
  if (root.descriptor.digest === id) return true;
  for (const { digest } of imagesOf(root)) {
    const bytes = digest === root.descriptor.digest ? root.bytes : await store.document(digest);
    if (digest === id || parseManifest(bytes).config.digest === id) return true;
  }
  return false;
}
