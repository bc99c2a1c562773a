import { memoryBytes } from '../layer/bytes';
import { encodeJson, encodeManifest } from '../oci/json';
import { sha256 } from '../oci/digest';
import { OCI_MANIFEST } from '../oci/media-types';
import type { Digest } from '../oci/types';
import type { RegistryClient } from '../registry/client';
import { EMPTY_CONFIG } from './index';

const MARK_TYPE = 'application/vnd.soci-lens.mark.v1+json';
const EMPTY_TYPE = 'application/vnd.oci.empty.v1+json';

/** What an indexed image was made from. */
export interface Origin {
  /** Of the image as it was. */
  readonly source: Digest;
  /** Everything that the result depends on beside it. */
  readonly options: Readonly<Record<string, string>>;
}

/**
 * A note in the registry beside an indexed image: what it was made from. It is so small and so plain that whoever knows the
 * origin knows its digest, and one HEAD on its tag tells whether the work is done (OCI image-spec 1.1, "Guidelines for
 * Artifact Usage").
 */
export interface Mark {
  readonly tag: string;
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

export function markOf(tag: string, { source, options }: Origin): Mark {
  const empty = { mediaType: EMPTY_TYPE, digest: sha256(EMPTY_CONFIG), size: EMPTY_CONFIG.length };
  const sorted = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1));
  const bytes = encodeManifest({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: MARK_TYPE,
    config: empty,
    layers: [empty],
    annotations: {
      'soci-lens.source': source,
      'soci-lens.options': new TextDecoder().decode(encodeJson(Object.fromEntries(sorted))),
    },
  });
  return { tag: markTag(tag), digest: sha256(bytes), bytes };
}

const SUFFIX = '.soci-lens';
/** distribution-spec 1.1: a tag has at most 128 characters. */
const TAG_LIMIT = 128;

/** The tag of the mark of what lies under `tag`. */
export function markTag(tag: string): string {
  if (tag.length + SUFFIX.length <= TAG_LIMIT) return `${tag}${SUFFIX}`;
  const hash = sha256(new TextEncoder().encode(tag)).slice('sha256:'.length, 'sha256:'.length + 16);
  return `${tag.slice(0, TAG_LIMIT - SUFFIX.length - hash.length - 1)}-${hash}${SUFFIX}`;
}

export function isMarkTag(tag: string): boolean {
  return tag.endsWith(SUFFIX);
}

/** True when what is to be made is there: one HEAD. */
export async function isMarked(client: RegistryClient, mark: Mark, signal?: AbortSignal): Promise<boolean> {
  return (await client.headManifest(mark.tag, signal))?.digest === mark.digest;
}

/** Says that the work is done; to be called once everything else is in the registry. */
export async function putMark(client: RegistryClient, mark: Mark, signal?: AbortSignal): Promise<void> {
  const empty = { digest: sha256(EMPTY_CONFIG), size: EMPTY_CONFIG.length };
  await client.putBlob(empty, () => memoryBytes(EMPTY_CONFIG).read(), { signal });
  await client.putManifest(mark.tag, OCI_MANIFEST, mark.bytes, signal);
}
