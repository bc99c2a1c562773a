import { INDEX_TYPES } from '../../src/oci/media-types';
import { parseIndex, parseManifest } from '../../src/oci/parse';
import type { Digest } from '../../src/oci/types';
import type { RegistryClient } from '../../src/registry/client';

/** All that a tag leads to, by digest; what is missing or damaged throws. */
export async function everyByte(client: RegistryClient, reference: string): Promise<Map<Digest, Buffer>> {
  const found = new Map<Digest, Buffer>();
  const visit = async (name: string): Promise<void> => {
    const { descriptor, bytes } = await client.getManifest(name);
    found.set(descriptor.digest, Buffer.from(bytes));
    if (INDEX_TYPES.has(descriptor.mediaType)) {
      for (const child of parseIndex(bytes).manifests) await visit(child.digest);
      return;
    }
    const { config, layers } = parseManifest(bytes);
    for (const blob of [config, ...layers])
      found.set(blob.digest, Buffer.from(await client.readBlob(blob, 1 << 30)));
  };
  await visit(reference);
  return found;
}
