import { LensError } from '../errors';
import type { ImageRoot } from '../image/layout';
import { parseConfig, parseManifest } from '../oci/parse';
import { formatPlatform, hostPlatform, normalisePlatform, samePlatform } from '../oci/platform';
import type { Descriptor, ImageConfig, Index, Manifest, Platform } from '../oci/types';
import { isSociIndexV2 } from './index';
import type { BlobStore } from './store';

/** An image manifest that is to be indexed. */
export interface PlatformImage {
  /** As asked for, or as the index has it. */
  readonly platform: Platform;
  readonly entry: Descriptor;
  readonly manifest: Manifest;
}

/** Which of an image's platforms to index: all, these, or as the CLI does without flags. */
export type WantedPlatforms = readonly Platform[] | 'all' | undefined;

/**
 * The index of an image, made up for a single manifest (soci-format §3.5 step 1), and its manifests for the platforms that
 * are wanted (§3.4). Throws `soci/no-platform`.
 */
export async function chooseImages(
  source: BlobStore,
  root: ImageRoot,
  asked: WantedPlatforms,
): Promise<{ index: Index; images: PlatformImage[] }> {
  const index = await indexOf(source, root);
  const images: PlatformImage[] = [];
  for (const platform of choosePlatforms(index, root, asked)) {
    const entry = index.manifests.find(
      (other) => !isSociIndexV2(other) && samePlatform(entryPlatform(other), platform),
    );
    if (!entry) throw noPlatform(platform, index);
    images.push({ platform, entry, manifest: parseManifest(await source.document(entry.digest)) });
  }
  return { index, images };
}

/** True for the descriptor of the v2 index of that platform. */
export function isSociIndexFor(entry: Descriptor, platform: Platform): boolean {
  return isSociIndexV2(entry) && samePlatform(entryPlatform(entry), platform);
}

async function indexOf(source: BlobStore, root: ImageRoot): Promise<Index> {
  if (root.kind === 'index') return root.index;
  const config = parseConfig(await source.readBlob(root.manifest.config));
  return {
    schemaVersion: 2,
    manifests: [{ ...root.descriptor, platform: normalisePlatform(configPlatform(config)) }],
  };
}

/** Without a wish: the host's platform, or the only one of an image that is no index. */
function choosePlatforms(index: Index, root: ImageRoot, asked: WantedPlatforms): Platform[] {
  const listed = () => index.manifests.map(entryPlatform).filter((platform) => !isUnknown(platform));
  const wanted =
    asked === 'all' || (!asked && root.kind === 'manifest') ? listed() : (asked ?? [hostPlatform()]);
  return wanted.filter((platform, at) => wanted.findIndex((other) => samePlatform(other, platform)) === at);
}

function entryPlatform(entry: Descriptor): Platform {
  if (entry.platform) return entry.platform;
  throw new LensError(
    'soci/no-platform',
    `The image index does not say for which platform ${entry.digest} is.`,
    'Name the one manifest to index by its digest, or build the image again.',
  );
}

/** BuildKit's attestations stand in the index as images of an unknown platform. */
function isUnknown(platform: Platform): boolean {
  return platform.os === 'unknown' || platform.architecture === 'unknown';
}

function configPlatform({ os, architecture, variant }: ImageConfig): Platform {
  return { architecture, os, ...(variant ? { variant } : {}) };
}

function noPlatform(platform: Platform, index: Index): LensError {
  const there = index.manifests.map(entryPlatform).filter((other) => !isUnknown(other));
  const names = [...new Set(there.map(formatPlatform))];
  return new LensError(
    'soci/no-platform',
    `The image has no manifest for ${formatPlatform(platform)}.`,
    names.length > 0
      ? `It has ${names.join(', ')}: choose with --platform.`
      : 'Build the image for that platform.',
  );
}
