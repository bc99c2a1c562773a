import { setTimeout as sleep } from 'node:timers/promises';
import { LensError } from '../errors';
import { encodeIndex } from '../oci/json';
import { OCI_INDEX } from '../oci/media-types';
import { parseIndex } from '../oci/parse';
import type { Descriptor, Digest, Index } from '../oci/types';
import { fallbackTag, type RegistryClient } from '../registry/client';

/** So often is the fallback tag written when others keep overwriting it. */
const ATTEMPTS = 10;
/** How long to wait before reading the tag again: so many times what reading and writing it took us, at least some ms. */
const SETTLE = { factor: 3, least: 60 };

/**
 * Changes the list of referrers under the fallback tag of `subject`. No request keeps two writers apart: one may write over
 * what the other wrote since it read. So each waits until a writer of its own speed would have written, looks whether its
 * change is still there, and makes it anew if not. The list before is deleted, as nothing names it any more; an empty one is
 * not kept.
 *
 * @param change gives the new entries, or `undefined` when they are as they should be
 * @param isWanted asked before a list is begun where there is none
 * @throws LensError `soci/tag-overwritten`
 */
export async function changeFallbackTag(
  client: RegistryClient,
  subject: Digest,
  change: (entries: readonly Descriptor[]) => readonly Descriptor[] | undefined,
  signal: AbortSignal | undefined,
  isWanted: () => Promise<boolean> = () => Promise.resolve(true),
): Promise<void> {
  const tag = fallbackTag(subject);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const started = performance.now();
    const before = await client.findManifest(tag, signal);
    if (!before && !(await isWanted())) return;
    const old: Index = before ? parseIndex(before.bytes) : { schemaVersion: 2, manifests: [] };
    const manifests = change(old.manifests);
    if (!manifests) return;
    const isGone = manifests.length === 0 && before && (await tryDelete(client, before.descriptor, signal));
    if (!isGone) {
      const next = encodeIndex({ ...old, mediaType: OCI_INDEX, manifests });
      await client.putManifest(tag, OCI_INDEX, next, signal);
    }
    const took = performance.now() - started;
    // Writers that wait for different times do not run into each other again and again.
    const pause = Math.max(SETTLE.least, SETTLE.factor * took) * (1 + Math.random() * attempt);
    await sleep(pause, undefined, { signal });
    const after = await client.findManifest(tag, signal);
    if (change(after ? parseIndex(after.bytes).manifests : [])) continue;
    if (before && !isGone) await tryDelete(client, before.descriptor, signal);
    return;
  }
  throw new LensError(
    'soci/tag-overwritten',
    `Others keep overwriting the list of referrers ${tag} in ${client.host}/${client.repository}.`,
    'Do it again when nobody else does.',
  );
}

/** Registries need not allow to delete; what is left then is small and found by nobody. */
async function tryDelete(
  client: RegistryClient,
  { digest }: Descriptor,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    await client.deleteManifest(digest, signal);
    return true;
  } catch (error) {
    if (!(error instanceof LensError)) throw error;
    return false;
  }
}
