/** A better image together with its index: made in a folder that does not stay, or where the person wants it. */
import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { openLayout } from '../image/layout';
import { createLayout } from '../image/layout-writer';
import type { Image } from '../image/types';
import type { PlanInput } from '../plan/plan';
import { convertLayout, type ConvertResult } from '../soci/convert';
import type { ScanLayer } from '../soci/layers';
import type { Candidate } from './forecast';
import { makeOptimized, type MadeImage, type MakeOptions } from './make';

export interface IndexedOptions extends Omit<MakeOptions, 'folder'> {
  /** For the image without its index, and for the one with it where no `output` is given; emptied afterwards. */
  readonly scratch: string;
  /** The OCI layout to write to. */
  readonly output?: string | undefined;
  readonly scanLayer: ScanLayer;
  readonly onLine?: ((line: string) => void) | undefined;
}

export interface IndexedImage extends Pick<ConvertResult, 'index' | 'perPlatform'> {
  readonly made: MadeImage;
  /** The OCI layout that holds it. */
  readonly folder: string;
}

/**
 * Makes the image of a candidate, proves that its files are the same, indexes it, and hands it to `use`, which may push it.
 * @throws LensError `optimize/not-the-same`, and those of reading and writing images
 */
export async function withOptimized<T>(
  image: Image,
  input: PlanInput,
  candidate: Candidate,
  options: IndexedOptions,
  use: (indexed: IndexedImage) => Promise<T>,
): Promise<T> {
  const { scratch, output, scanLayer, onLine, ...making } = options;
  const { minLayerSize, signal, onProgress } = making;
  const own = path.join(scratch, randomUUID());
  const plain = path.join(own, 'image');
  const folder = output ?? path.join(own, 'indexed');
  try {
    await mkdir(own, { recursive: true });
    const made = await makeOptimized(image, input, candidate, { ...making, folder: plain });
    const { index, perPlatform } = await convertLayout(await openLayout(plain), await createLayout(folder), {
      spanSize: made.spanSize,
      minLayerSize,
      prefetchSpans: made.prefetchSpans,
      platforms: 'all',
      scan: scanLayer,
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
      ...(onLine && { onLine }),
    });
    return await use({ made, index, perPlatform, folder });
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}
