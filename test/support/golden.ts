import { readFileSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type OciLayout, openLayout } from '../../src/image/layout';
import { scanLayer } from '../../src/layer/scan';
import { encodeIndex } from '../../src/oci/json';
import { INDEX_TYPES } from '../../src/oci/media-types';
import { parseIndex, parseManifest } from '../../src/oci/parse';
import type { Descriptor, Index } from '../../src/oci/types';
import type { ScanLayer } from '../../src/soci/layers';
import { fixture } from './paths';

/** One whole image that the soci CLI converted (`test/fixtures/golden/README.md`). */
export interface GoldenImage {
  readonly name: string;
  readonly spanSize: number;
  readonly minLayerSize: number;
  readonly args: readonly string[];
  readonly twice: boolean;
  readonly exit: number;
  readonly output: readonly string[];
  readonly blobs?: readonly string[];
  readonly in: Index;
  readonly out?: Index;
}

export function goldenImages(): GoldenImage[] {
  return JSON.parse(readFileSync(fixture('golden/images/cases.json'), 'utf8')) as GoldenImage[];
}

export function goldenImage(name: string): GoldenImage {
  const found = goldenImages().find((image) => image.name === name);
  if (!found) throw new Error(`There is no golden image ${name}.`);
  return found;
}

export function goldenBlob(digest: string): Buffer {
  return readFileSync(fixture('golden/images/blobs/sha256', digest.slice('sha256:'.length)));
}

/** Writes the layout that the CLI was given: the index and all blobs that it leads to. */
export async function writeGoldenLayout(
  dir: string,
  { in: index }: Pick<GoldenImage, 'in'>,
): Promise<OciLayout> {
  const blobs = path.join(dir, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });
  const take = async (descriptor: Descriptor): Promise<void> => {
    const hex = descriptor.digest.slice('sha256:'.length);
    await copyFile(fixture('golden/images/blobs/sha256', hex), path.join(blobs, hex));
  };
  const follow = async (descriptor: Descriptor): Promise<void> => {
    await take(descriptor);
    const bytes = goldenBlob(descriptor.digest);
    if (INDEX_TYPES.has(descriptor.mediaType)) {
      for (const child of parseIndex(bytes).manifests) await follow(child);
    } else {
      const { config, layers } = parseManifest(bytes);
      for (const blob of [config, ...layers]) await take(blob);
    }
  };
  for (const descriptor of index.manifests) await follow(descriptor);
  await writeFile(path.join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(path.join(dir, 'index.json'), encodeIndex(index));
  return openLayout(dir);
}

/** Scans in this thread, as a worker would. */
export const scanHere: ScanLayer = (layer, blob, compression, options) =>
  scanLayer(blob, compression, { expectedDigest: layer.digest, ...options });
