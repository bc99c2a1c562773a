/** What an optimized image says of the image it was made of, so that everybody can see when it has become stale. */
import { parseReference } from '../image/reference';
import type { Image } from '../image/types';
import { OPTIMIZE_WAYS, type OptimizeWay } from './types';

/** On the manifest, and as labels of the config, which `docker inspect` shows. */
const KEYS = {
  way: 'soci-lens.optimized.way',
  /** Digest of the manifest of the image as it was. */
  manifest: 'soci-lens.optimized.from',
  /** Where that image can be had, when that is a registry. */
  reference: 'soci-lens.optimized.from-reference',
} as const;

export interface Origin {
  readonly way: OptimizeWay;
  readonly manifest: string;
  readonly reference: string | undefined;
}

export function originAnnotations(
  { reference, descriptor, source }: Pick<Image, 'reference' | 'descriptor' | 'source'>,
  way: OptimizeWay,
): Record<string, string> {
  return {
    [KEYS.way]: way,
    [KEYS.manifest]: descriptor.digest,
    // A folder of this machine means nothing to others.
    ...(source === 'registry' && { [KEYS.reference]: registryReference(reference) }),
  };
}

/** What the annotations of a manifest tell; undefined for an image that is as it was built. */
export function readOrigin(annotations: Readonly<Record<string, string>> = {}): Origin | undefined {
  const way = OPTIMIZE_WAYS.find((one) => one === annotations[KEYS.way]);
  const manifest = annotations[KEYS.manifest];
  if (way === undefined || manifest === undefined) return undefined;
  const reference = annotations[KEYS.reference];
  return { way, manifest, reference: isRegistry(reference) ? reference : undefined };
}

/** Whoever made the image wrote this: it may lead to a registry, and to nothing of this machine. */
function isRegistry(reference: string | undefined): boolean {
  if (!reference?.startsWith('docker://')) return false;
  try {
    return parseReference(reference).transport === 'docker';
  } catch {
    return false;
  }
}

/** A bare name may mean the engine of another machine; with its transport it does not. */
function registryReference(reference: string): string {
  return parseReference(reference).transport === 'docker' ? reference : `docker://${reference}`;
}
