/** From a decision to an image that is proven: written, read back, compared, and the index that it is to get. */
import { LensError } from '../errors';
import { createLayout } from '../image/layout-writer';
import { openImage } from '../image/open';
import type { LayerResult } from '../image/scan';
import type { Image } from '../image/types';
import type { Descriptor } from '../oci/types';
import type { Circumstances } from '../plan/evaluate';
import { createPlanner, type PlanInput } from '../plan/plan';
import type { Forecast } from '../plan/types';
import type { OnProgress } from '../progress';
import { variantsOf, type Candidate } from './forecast';
import { compareFileSystems, type Comparison } from './same';
import { suppose } from './suppose';
import type { SourceLayer } from './types';
import { writeOptimized } from './write';

export interface MakeOptions {
  /** A new folder for the OCI layout. */
  readonly folder: string;
  readonly circumstances: Circumstances;
  readonly minLayerSize: number;
  /** Scans the layers of an image, as those of the source were. */
  readonly scan: (image: Image) => Promise<readonly LayerResult[]>;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export interface MadeImage {
  readonly image: Image;
  readonly comparison: Comparison;
  /** Of the image as it is now, with the index below. */
  readonly forecast: Forecast;
  /** Bytes; null for a layer that stays out of the index. */
  readonly spanSize: (layer: Descriptor) => number | null;
  /** What the layer's prefetch artifact lists; both ends included. */
  readonly prefetchSpans: (layer: Descriptor) => readonly { readonly start: number; readonly end: number }[];
}

/**
 * Makes the image of a candidate in an OCI layout. What it is worth is reckoned once more, from what compression has really
 * made of the new layers.
 *
 * @throws LensError `optimize/not-the-same` when the new image's file system is another one: then the layout is of no use
 */
export async function makeOptimized(
  image: Image,
  input: PlanInput,
  { recipe, index }: Candidate,
  options: MakeOptions,
): Promise<MadeImage> {
  const { folder, circumstances, minLayerSize, signal, onProgress } = options;
  if (!recipe) throw new RangeError('The image as it is needs no making.');
  const before = sourcesOf(
    image,
    input.layers.map(({ scan }) => scan),
  );
  await writeOptimized(image, before, recipe, await createLayout(folder), { signal, onProgress });
  const made = await openImage(`oci:${folder}`, { cacheDir: folder, platform: image.platform, signal });
  const results = await options.scan(made);
  const scans = results.map((result) => ('scan' in result ? result.scan : undefined));

  const comparison = await compareFileSystems(before, sourcesOf(made, scans), { signal, onProgress });
  if (!comparison.same) {
    const [first] = comparison.differences;
    throw new LensError(
      'optimize/not-the-same',
      `The optimized image is not the same to a container: ${first?.path ?? ''} ${first?.what ?? ''}.`,
      'Nothing was written. Use the image as it is, and report this with the image.',
    );
  }

  const supposed = suppose(input, recipe.layers);
  const planner = createPlanner({
    ...supposed,
    layers: supposed.layers.map((layer, at) => ({
      ...layer,
      descriptor: made.layers[at]?.descriptor ?? layer.descriptor,
      scan: scans[at],
    })),
  });
  const variant = variantsOf(planner, recipe, circumstances, minLayerSize)[index];
  const spans = planner.evaluator.prefetched(variant);
  const place = (layer: Descriptor): number =>
    made.layers.findLastIndex(({ descriptor }) => descriptor.digest === layer.digest);
  return {
    image: made,
    comparison,
    forecast: planner.evaluator.forecast(variant, circumstances),
    spanSize: (layer) => variant.spanSizes[place(layer)] ?? null,
    prefetchSpans: (layer) => (spans[place(layer)] ?? []).map((span) => ({ start: span, end: span })),
  };
}

function sourcesOf({ layers }: Image, scans: readonly SourceLayer['scan'][]): SourceLayer[] {
  return layers.map(({ descriptor, blob }, layer) => ({ descriptor, blob, scan: scans[layer] }));
}
