import { LensError } from '../errors';
import { readOrigin, type Origin } from '../optimize/origin';
import { parseManifest } from '../oci/parse';
import { formatPlatform } from '../oci/platform';
import type { PlatformReport } from '../soci/verify';
import type { BlobStore } from '../soci/store';
import type { Session } from './session';

/** Whether the image that an optimized one was made of is still the one that its name means. */
export interface OriginReport extends Origin {
  readonly state: 'current' | 'stale' | 'unknown';
  /** A sentence. */
  readonly message: string;
}

/**
 * Looks an optimized image's source up again: where `source` says, else where the image itself says that it is. Undefined for
 * an image that is as it was built.
 */
export async function checkOrigin(
  session: Session,
  store: BlobStore,
  { manifest, platform }: PlatformReport,
  source: string | undefined,
): Promise<OriginReport | undefined> {
  const origin = await store.document(manifest).then(
    (bytes) => readOrigin(parseManifest(bytes).annotations),
    (error: unknown) => {
      // The report says already what is wrong with the manifest.
      if (error instanceof LensError) return undefined;
      throw error;
    },
  );
  if (!origin) return undefined;
  const place = source ?? origin.reference;
  if (place === undefined) {
    return {
      ...origin,
      state: 'unknown',
      message: `It was optimized from ${origin.manifest}; name that image by --source to see whether it is still the newest.`,
    };
  }
  try {
    const { descriptor } = await session.open(place, platform && formatPlatform(platform));
    return descriptor.digest === origin.manifest
      ? { ...origin, state: 'current', message: `It is made of what ${place} is now.` }
      : {
          ...origin,
          state: 'stale',
          message: `It was optimized from ${origin.manifest}, and ${place} is ${descriptor.digest} now: optimize it anew.`,
        };
  } catch (error) {
    session.signal.throwIfAborted();
    if (!(error instanceof LensError)) throw error;
    return { ...origin, state: 'unknown', message: `Its source cannot be looked up: ${error.message}` };
  }
}
