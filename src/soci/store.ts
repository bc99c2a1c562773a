import type { ImageRoot } from '../image/layout';
import type { Bytes } from '../layer/bytes';
import { INDEX_TYPES, MANIFEST_TYPES } from '../oci/media-types';
import { parseIndex, parseManifest } from '../oci/parse';
import type { Descriptor, Digest } from '../oci/types';
import type { RegistryClient, RegistryDocument } from '../registry/client';

/** Where an image can be read from: an OCI layout is one, and so is a repository of a registry. */
export interface BlobStore {
  /** The image of that tag or, without one, the image that is meant. */
  root(reference?: string): Promise<ImageRoot>;
  has(descriptor: Descriptor): Promise<boolean>;
  /** A manifest or index by its digest alone, digest checked. */
  document(digest: Digest): Promise<Uint8Array>;
  /** A whole blob in memory, size and digest checked. `limit` in bytes. */
  readBlob(descriptor: Descriptor, limit?: number): Promise<Uint8Array>;
  /** A blob for streaming; the reader checks it. */
  blob(descriptor: Pick<Descriptor, 'digest' | 'size'>): Promise<Bytes>;
  /** The manifests whose subject that one is. */
  referrers(digest: Digest, artifactType: string): Promise<Descriptor[]>;
  /** Every blob, where the store can tell: a layout can. */
  blobs?(): Promise<{ digest: Digest; size: number }[]>;
}

/** What a document of a registry is the root of. */
export function rootOf({ descriptor, bytes }: RegistryDocument): ImageRoot {
  return INDEX_TYPES.has(descriptor.mediaType)
    ? { kind: 'index', descriptor, bytes, index: parseIndex(bytes) }
    : { kind: 'manifest', descriptor, bytes, manifest: parseManifest(bytes) };
}

/** A repository as a store. `reference` is the tag or digest that `root` gives. */
export function registryStore(client: RegistryClient, reference: string, signal?: AbortSignal): BlobStore {
  return {
    root: async () => rootOf(await client.getManifest(reference, signal)),
    async has({ mediaType, digest }): Promise<boolean> {
      if (!MANIFEST_TYPES.has(mediaType) && !INDEX_TYPES.has(mediaType))
        return client.hasBlob(digest, signal);
      return (await client.headManifest(digest, signal)) !== undefined;
    },
    document: async (digest) => (await client.getManifest(digest, signal)).bytes,
    readBlob: (descriptor, limit) => client.readBlob(descriptor, limit, signal),
    blob: (descriptor) =>
      Promise.resolve({
        size: descriptor.size,
        ranged: true,
        isChecked: true,
        read: (range, own) => client.getBlob(descriptor, range, own ?? signal),
      }),
    referrers: async (digest, artifactType) =>
      (await client.referrers(digest, artifactType, signal)).manifests,
  };
}
