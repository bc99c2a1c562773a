import type { ImageRoot, OciLayout } from '../image/layout';
import type { Bytes } from '../layer/bytes';
import { isForeignLayer } from '../oci/layer-type';
import { INDEX_TYPES } from '../oci/media-types';
import { parseIndex, parseManifest } from '../oci/parse';
import type { Descriptor, Digest } from '../oci/types';
import type { OnProgress } from '../progress';
import type { RegistryClient } from '../registry/client';
import { mapConcurrently } from './concurrent';
import type { BlobStore } from './store';

export interface UploadOptions {
  /** Another repository of the same registry that may have the layers already. */
  readonly mountFrom?: string;
  /** Where the blobs and manifests are that the layout leaves out (`copy: false`). */
  readonly rest?: BlobStore;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

export interface PushOptions extends UploadOptions {
  /** Which image of a layout that holds several. */
  readonly source?: string;
}

export interface Uploaded {
  /** Blobs that were sent. */
  readonly uploaded: number;
  /** Blobs that were there, or could be mounted. */
  readonly skipped: number;
  /** Sent. */
  readonly bytes: number;
}

export interface PushResult extends Uploaded {
  /** Of what the tag names now. */
  readonly digest: Digest;
}

/** As many uploads as Docker and the soci CLI have under way at once. */
const UPLOADS = 3;

/**
 * Pushes an image of a layout with all that it names: blobs first, then manifests from the leaves up by digest, the root
 * by tag at last. So whoever reads the tag finds either the old image or the whole new one, however the push ends
 * (soci-format §5.2). What the registry has is not sent again. SOCI indexes of version 1 are `pushReferrers`' task.
 */
export async function pushLayout(
  layout: OciLayout,
  client: RegistryClient,
  tag: string,
  options: PushOptions = {},
): Promise<PushResult> {
  const { signal } = options;
  const root = await layout.root(options.source);
  const { blobs, documents } = await collect(layout, root, options.rest);
  const uploaded = await uploadBlobs(layout, client, blobs, options);
  for (const { descriptor, bytes } of documents) {
    signal?.throwIfAborted();
    if (await client.headManifest(descriptor.digest, signal)) continue;
    await client.putManifest(descriptor.digest, descriptor.mediaType, bytes, signal);
  }
  await client.putManifest(tag, root.descriptor.mediaType, root.bytes, signal);
  return { digest: root.descriptor.digest, ...uploaded };
}

/** Brings blobs into a repository, a few at a time; one that fails ends the others. */
export async function uploadBlobs(
  layout: OciLayout,
  client: RegistryClient,
  blobs: readonly Descriptor[],
  { mountFrom, rest, signal, onProgress }: UploadOptions,
): Promise<Uploaded> {
  const total = blobs.reduce((sum, { size }) => sum + size, 0);
  const sent = blobs.map(() => 0);
  const step = `Pushing ${blobs.length} blobs to ${client.host}/${client.repository}`;
  const outcomes = await mapConcurrently(
    blobs,
    UPLOADS,
    async (descriptor, index, each) => {
      const report = (bytes: number) => {
        sent[index] = bytes;
        onProgress?.({ step, done: sent.reduce((sum, part) => sum + part, 0), total, unit: 'bytes' });
      };
      const blob: Bytes = await (rest && !(await layout.has(descriptor)) ? rest : layout).blob(descriptor);
      const outcome = await client.putBlob(descriptor, (range) => blob.read(range, each), {
        mountFrom,
        signal: each,
        onProgress: report,
      });
      report(descriptor.size);
      return { outcome, size: descriptor.size };
    },
    signal,
  );
  const uploads = outcomes.filter(({ outcome }) => outcome === 'uploaded');
  return {
    uploaded: uploads.length,
    skipped: outcomes.length - uploads.length,
    bytes: uploads.reduce((sum, { size }) => sum + size, 0),
  };
}

interface Document {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** Everything below the root: each blob once, and each document after those that it names. */
async function collect(
  layout: OciLayout,
  root: ImageRoot,
  rest: BlobStore | undefined,
): Promise<{ blobs: Descriptor[]; documents: Document[] }> {
  const blobs = new Map<Digest, Descriptor>();
  const documents = new Map<Digest, Document>();
  const read = async (child: Descriptor) =>
    rest && !(await layout.has(child)) ? rest.document(child.digest) : layout.readBlob(child);
  const visit = async (descriptor: Descriptor, bytes: Uint8Array): Promise<void> => {
    if (INDEX_TYPES.has(descriptor.mediaType)) {
      for (const child of parseIndex(bytes).manifests) {
        if (documents.has(child.digest)) continue;
        const document = { descriptor: child, bytes: await read(child) };
        await visit(child, document.bytes);
        documents.set(child.digest, document);
      }
      return;
    }
    const { config, layers } = parseManifest(bytes);
    for (const blob of [config, ...layers]) {
      // Layers that their vendor alone may hand out are fetched from there (OCI image-spec, layer.md).
      if (isForeignLayer(blob.mediaType) && !(await layout.has(blob))) continue;
      blobs.set(blob.digest, blob);
    }
  };
  await visit(root.descriptor, root.bytes);
  return { blobs: [...blobs.values()], documents: [...documents.values()] };
}
