import { LensError } from '../errors';
import type { Image } from '../image/types';
import { parseManifest } from '../oci/parse';
import { formatPlatform } from '../oci/platform';
import type { BlobStore } from '../soci/store';
import type { PlatformReport } from '../soci/verify';
import { readOrigin, type Origin } from './origin';

/** Whether the image that an optimized one was made of is still the one that its name means. */
export interface OriginReport extends Origin {
  readonly state: 'current' | 'stale' | 'unknown';
  /** Where it was looked up; undefined where nobody says. */
  readonly place: string | undefined;
  /** A sentence. */
  readonly message: string;
}

export interface OriginOptions {
  /** Where the source is to be had, where that is known better than by the image itself. */
  readonly source?: string | undefined;
  /** Opens an image by its reference and platform (`OS/ARCH`). */
  readonly open: (reference: string, platform?: string) => Promise<Pick<Image, 'descriptor'>>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Looks an optimized image's source up again: where `source` says, else where the image itself says that it is. Undefined for
 * an image that is as it was built.
 */
export async function checkOrigin(
  store: BlobStore,
  { manifest, platform }: Pick<PlatformReport, 'manifest' | 'platform'>,
  { source, open, signal }: OriginOptions,
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
  const known = { ...origin, place };
  if (place === undefined) {
    return {
      ...known,
      state: 'unknown',
      message: `It was optimized from ${origin.manifest}, and does not say where that image is: whether it is still the newest cannot be seen.`,
    };
  }
  try {
    const { descriptor } = await open(place, platform && formatPlatform(platform));
    return descriptor.digest === origin.manifest
      ? { ...known, state: 'current', message: `It is made of what ${place} is now.` }
      : {
          ...known,
          state: 'stale',
          message: `It was optimized from ${origin.manifest}, and ${place} is ${descriptor.digest} now: optimize it anew.`,
        };
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof LensError)) throw error;
    return { ...known, state: 'unknown', message: `Its source cannot be looked up: ${error.message}` };
  }
}
