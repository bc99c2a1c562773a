import { LensError } from '../errors';
import type { OciLayout } from '../image/layout';
import { parseManifest } from '../oci/parse';
import type { Descriptor, Digest } from '../oci/types';
import type { RegistryClient } from '../registry/client';
import { changeFallbackTag } from './fallback-tag';
import { SOCI_INDEX_V1 } from './index';
import { type Uploaded, uploadBlobs, type UploadOptions } from './push';

export interface PushReferrersOptions extends UploadOptions {
  /** The images were just seen in this very repository or pushed there, so it need not be asked for them. */
  readonly imageIsThere?: boolean;
}

export interface PushedReferrers extends Uploaded {
  /** The indexes that are in the registry now, as the layout lists them. */
  readonly indexes: readonly Digest[];
}

/**
 * Pushes the SOCI indexes of version 1 that a layout lists: their blobs, then each index by digest, then where the registry
 * has no Referrers API the fallback tag of its image (soci-format §5.2; distribution-spec 1.1, "Pushing Manifests with
 * Subject"). A push that was interrupted goes on where it was. The images must be in the repository: `soci/no-subject`; and the
 * registry must take manifests with a subject: `soci/subject-refused`.
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
  const put = await client.putManifest(digest, mediaType, bytes, signal).catch((error: unknown) => {
    throw error instanceof LensError && error.code === 'registry/refused' ? refusedSubject(error) : error;
  });
  // A registry that lists the index by itself says so.
  if (put.subject === undefined) await addToFallbackTag(client, subject.digest, listed, signal);
  return uploaded;
}

/** Lists a manifest under the fallback tag of its subject; none is begun where the registry has the Referrers API after all. */
function addToFallbackTag(
  client: RegistryClient,
  subject: Digest,
  entry: Descriptor,
  signal: AbortSignal | undefined,
): Promise<void> {
  const isListed = (entries: readonly Descriptor[]) => entries.some(({ digest }) => digest === entry.digest);
  return changeFallbackTag(
    client,
    subject,
    (entries) => (isListed(entries) ? undefined : [...entries, entry]),
    signal,
    async () => !(await client.hasReferrersApi(subject, signal)),
  );
}

/** Quay.io is one that takes no manifest with a subject (soci-format §5.3). */
function refusedSubject(cause: LensError): LensError {
  return new LensError(
    'soci/subject-refused',
    `${cause.message} An index of version 1 refers to its image, and not every registry takes such manifests.`,
    'Make an index of version 2: every registry takes it, since the image carries it.',
    { cause },
  );
}

function noSubject(client: RegistryClient, index: Descriptor, why: string): LensError {
  return new LensError(
    'soci/no-subject',
    `The SOCI index ${index.digest} cannot be pushed to ${client.host}/${client.repository}: it ${why}.`,
    'Push the image there first, byte for byte as it was indexed.',
  );
}
