import { type ImageRoot, type OciLayout } from '../image/layout';
import { isForeignLayer } from '../oci/layer-type';
import { INDEX_TYPES } from '../oci/media-types';
import { parseIndex, parseManifest } from '../oci/parse';
import type { Descriptor, Digest } from '../oci/types';
import type { OnProgress } from '../progress';
import type { RegistryClient } from '../registry/client';
import { mapConcurrently } from './concurrent';

export interface PushOptions {
  /** Which image of a layout that holds several. */
  readonly source?: string;
  /** Another repository of the same registry that may have the layers already. */
  readonly mountFrom?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

export interface PushResult {
  /** Of what the tag names now. */
  readonly digest: Digest;
  /** Blobs that were sent. */
  readonly uploaded: number;
  /** Blobs that were there, or could be mounted. */
  readonly skipped: number;
  /** Sent. */
  readonly bytes: number;
}

/** As many uploads as Docker and the soci CLI have under way at once. */
const UPLOADS = 3;

/**
 * Pushes an image of a layout with all that it names: blobs first, then manifests from the leaves up by digest, the root
 * by tag at last. So whoever reads the tag finds either the old image or the whole new one, however the push ends
 * (soci-format §5.2). What the registry has is not sent again.
 */
export async function pushLayout(
  layout: OciLayout,
  client: RegistryClient,
  tag: string,
  options: PushOptions = {},
): Promise<PushResult> {
  const { signal, mountFrom, onProgress } = options;
  const root = await layout.root(options.source);
  const { blobs, documents } = await collect(layout, root);

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
      const blob = await layout.blob(descriptor);
      const outcome = await client.putBlob(descriptor, () => blob.read(undefined, each), {
        mountFrom,
        signal: each,
        onProgress: report,
      });
      report(descriptor.size);
      return { outcome, size: descriptor.size };
    },
    signal,
  );

  for (const { descriptor, bytes } of documents) {
    signal?.throwIfAborted();
    if (await client.headManifest(descriptor.digest, signal)) continue;
    await client.putManifest(descriptor.digest, descriptor.mediaType, bytes, signal);
  }
  await client.putManifest(tag, root.descriptor.mediaType, root.bytes, signal);

  const uploads = outcomes.filter(({ outcome }) => outcome === 'uploaded');
  return {
    digest: root.descriptor.digest,
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
): Promise<{ blobs: Descriptor[]; documents: Document[] }> {
  const blobs = new Map<Digest, Descriptor>();
  const documents = new Map<Digest, Document>();
  const visit = async (descriptor: Descriptor, bytes: Uint8Array): Promise<void> => {
    if (INDEX_TYPES.has(descriptor.mediaType)) {
      for (const child of parseIndex(bytes).manifests) {
        if (documents.has(child.digest)) continue;
        const document = { descriptor: child, bytes: await layout.readBlob(child) };
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
