import { setTimeout as sleep } from 'node:timers/promises';
import { LensError } from '../errors';
import type { OciLayout } from '../image/layout';
import { encodeIndex } from '../oci/json';
import { OCI_INDEX } from '../oci/media-types';
import { parseIndex, parseManifest } from '../oci/parse';
import type { Descriptor, Digest, Index } from '../oci/types';
import { fallbackTag, type RegistryClient } from '../registry/client';
import { SOCI_INDEX_V1 } from './index';
import { type Uploaded, uploadBlobs, type UploadOptions } from './push';

export interface PushReferrersOptions extends UploadOptions {
  /** The images were just read from this very repository, so it need not be asked for them. */
  readonly imageIsThere?: boolean;
}

export interface PushedReferrers extends Uploaded {
  /** The indexes that are in the registry now, as the layout lists them. */
  readonly indexes: readonly Digest[];
}

/** So often is the fallback tag written when others keep overwriting it. */
const ATTEMPTS = 10;
/** How long to wait before reading the tag again: so many times what reading and writing it took us, at least some ms. */
const SETTLE = { factor: 3, least: 60 };

/**
 * Pushes the SOCI indexes of version 1 that a layout lists: their blobs, then each index by digest, then where the registry
 * has no Referrers API the fallback tag of its image (soci-format §5.2; distribution-spec 1.1, "Pushing Manifests with
 * Subject"). A push that was interrupted goes on where it was. The images must be in the repository: `soci/no-subject`.
 */
export async function pushReferrers(
  layout: OciLayout,
  client: RegistryClient,
  options: PushReferrersOptions = {},
): Promise<PushedReferrers> {
  const entries = layout.index.manifests.filter(({ artifactType }) => artifactType === SOCI_INDEX_V1);
  const sum = { uploaded: 0, skipped: 0, bytes: 0 };
  for (const entry of entries) {
    options.signal?.throwIfAborted();
    const { uploaded, skipped, bytes } = await pushReferrer(layout, client, entry, options);
    sum.uploaded += uploaded;
    sum.skipped += skipped;
    sum.bytes += bytes;
  }
  return { indexes: entries.map(({ digest }) => digest), ...sum };
}

async function pushReferrer(
  layout: OciLayout,
  client: RegistryClient,
  entry: Descriptor,
  options: PushReferrersOptions,
): Promise<Uploaded> {
  const { signal } = options;
  const bytes = await layout.readBlob(entry);
  const { subject, config, layers, annotations } = parseManifest(bytes);
  if (!subject) throw noSubject(client, entry, 'names no image');
  const { mediaType, digest, size } = entry;
  const listed = {
    mediaType,
    digest,
    size,
    ...(annotations ? { annotations } : {}),
    artifactType: config.mediaType,
  };
  const blobs = [...new Map([config, ...layers].map((blob) => [blob.digest, blob])).values()];
  if (await client.headManifest(digest, signal)) {
    const { api, manifests } = await client.referrers(subject.digest, config.mediaType, signal);
    const isThere = manifests.some((other) => other.digest === digest);
    if (!api && !isThere) await addToFallbackTag(client, subject.digest, listed, signal);
    return { uploaded: 0, skipped: blobs.length, bytes: 0 };
  }
  if (!options.imageIsThere && !(await client.headManifest(subject.digest, signal))) {
    throw noSubject(client, entry, `is for ${subject.digest}, which is not there`);
  }
  const uploaded = await uploadBlobs(layout, client, blobs, options);
  const put = await client.putManifest(digest, mediaType, bytes, signal);
  // A registry that lists the index by itself says so.
  if (put.subject === undefined) await addToFallbackTag(client, subject.digest, listed, signal);
  return uploaded;
}

/**
 * Lists a manifest in the index under the fallback tag of its subject. No request keeps two writers apart: one may write over
 * what the other wrote since it read. So each waits until a writer of its own speed would have written, looks whether it is
 * still listed, and adds itself anew if not. The index before is deleted, as nothing names it any more.
 */
async function addToFallbackTag(
  client: RegistryClient,
  subject: Digest,
  entry: Descriptor,
  signal: AbortSignal | undefined,
): Promise<void> {
  const tag = fallbackTag(subject);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const started = performance.now();
    const before = await client.findManifest(tag, signal);
    const old: Index = before ? parseIndex(before.bytes) : { schemaVersion: 2, manifests: [] };
    if (isListed(old, entry)) return;
    const next = encodeIndex({ ...old, mediaType: OCI_INDEX, manifests: [...old.manifests, entry] });
    await client.putManifest(tag, OCI_INDEX, next, signal);
    const took = performance.now() - started;
    // Writers that wait for different times do not run into each other again and again.
    const pause = Math.max(SETTLE.least, SETTLE.factor * took) * (1 + Math.random() * attempt);
    await sleep(pause, undefined, { signal });
    const after = await client.findManifest(tag, signal);
    if (after && isListed(parseIndex(after.bytes), entry)) {
      if (before) await deleteQuietly(client, before.descriptor.digest, signal);
      return;
    }
  }
  throw overwritten(client, tag);
}

function isListed(index: Index, entry: Descriptor): boolean {
  return index.manifests.some(({ digest }) => digest === entry.digest);
}

/** Registries need not allow to delete; what is left then is small and found by nobody. */
async function deleteQuietly(
  client: RegistryClient,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await client.deleteManifest(digest, signal);
  } catch (error) {
    if (!(error instanceof LensError)) throw error;
  }
}

function noSubject(client: RegistryClient, index: Descriptor, why: string): LensError {
  return new LensError(
    'soci/no-subject',
    `The SOCI index ${index.digest} cannot be pushed to ${client.host}/${client.repository}: it ${why}.`,
    'Push the image there first, byte for byte as it was indexed.',
  );
}

function overwritten(client: RegistryClient, tag: string): LensError {
  return new LensError(
    'soci/tag-overwritten',
    `Others keep overwriting the list of referrers ${tag} in ${client.host}/${client.repository}.`,
    'Push again when nobody else does.',
  );
}
