/** What each way to optimize an image wins and costs, before anything is written. */
import { LensError } from '../errors';
import type { Circumstances, Variant } from '../plan/evaluate';
import { createPlanner, type PlanInput, type Planner } from '../plan/plan';
import type { Forecast } from '../plan/types';
import { rePack } from './re-pack';
import { startLayer } from './start-layer';
import { suppose } from './suppose';
import { touchedEntries } from './touched';
import type { OptimizeWay, Recipe } from './types';

const MIB = 1 << 20;
/** What a layer's spans may be: fine for one that is read in parts, coarse for a cold one with many files. */
const SPAN_SIZES = [MIB, 4 * MIB, 16 * MIB];

/**
 * How the image is indexed. `usual`: as when nobody chooses. `exact`: prefetch artifacts list the touched spans. `tuned`: the
 * same, with a span size for each layer. The last two help nodes that have prefetch switched on.
 */
export type IndexKind = 'usual' | 'exact' | 'tuned';

export interface WayForecast {
  readonly way: OptimizeWay | 'as-is';
  readonly index: IndexKind;
  readonly forecast: Forecast;
  /** Bytes of all ztocs. */
  readonly indexBytes: number;
  /** Bytes of layers that no other image shares: they are pushed, kept and pulled for this one. */
  readonly newBytes: number;
  /** By how much the image grows in the registry, in bytes. */
  readonly grownBytes: number;
}

/** One way, ready to be gone. */
export interface Candidate extends WayForecast {
  readonly recipe: Recipe | undefined;
  readonly variant: Variant;
}

export interface Ways {
  /** The image as it is with the usual index comes first; then by way and index. */
  readonly candidates: readonly Candidate[];
  /** The one with the shortest time to ready that changes the image. */
  readonly best: Candidate;
  readonly notes: readonly string[];
}

/**
 * Forecasts every way for one image.
 *
 * @throws LensError `optimize/no-trace`, `optimize/nothing-to-do`, and what a plan throws
 */
export function forecastWays(
  input: PlanInput,
  circumstances: Circumstances,
  { minLayerSize, ways }: { readonly minLayerSize: number; readonly ways: readonly OptimizeWay[] },
): Ways {
  if (!input.mapping) {
    throw new LensError(
      'optimize/no-trace',
      'Without a recorded start nobody knows which files to put first.',
      'Record one with `soci-lens trace`, and give it with --trace.',
    );
  }
  const touched = touchedEntries(
    input.mapping.touches,
    input.layers.map(({ scan }) => scan),
  );
  const notes: string[] = [];
  const candidates = candidatesOf(input, undefined, circumstances, minLayerSize);
  for (const way of ways) {
    try {
      const recipe =
        way === 're-pack' ? rePack(input.layers, touched, minLayerSize) : startLayer(input.layers, touched);
      notes.push(...recipe.notes);
      if (recipe.layers.some(({ kind }) => kind === 'new')) {
        candidates.push(...candidatesOf(input, recipe, circumstances, minLayerSize));
      } else {
        notes.push(
          'Nothing is to be re-packed: no indexed layer that the start reads from is out of its order.',
        );
      }
    } catch (error) {
      if (!(error instanceof LensError) || ways.length === 1) throw error;
      notes.push(error.message);
    }
  }
  const changed = candidates.filter(({ recipe }) => recipe !== undefined);
  const [first] = changed;
  if (!first) {
    throw new LensError(
      'optimize/nothing-to-do',
      'There is nothing to optimize: the start reads from no layer that could be made better.',
      'Index the image as it is with `soci-lens index`, or lower --min-layer-size.',
    );
  }
  const best = changed.reduce((a, b) => (b.forecast.totalSeconds < a.forecast.totalSeconds ? b : a), first);
  return { candidates, best, notes: [...new Set(notes)] };
}

function candidatesOf(
  input: PlanInput,
  recipe: Recipe | undefined,
  circumstances: Circumstances,
  minLayerSize: number,
): Candidate[] {
  const image = recipe ? suppose(input, recipe.layers) : input;
  const planner = createPlanner(image);
  const variants = variantsOf(planner, recipe, circumstances, minLayerSize);
  const sizeOf = ({ layers }: PlanInput): number =>
    layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
  const newBytes = (recipe?.layers ?? []).reduce(
    (sum, one, layer) => sum + (one.kind === 'new' ? (image.layers[layer]?.descriptor.size ?? 0) : 0),
    0,
  );
  return Object.entries(variants).map(([index, variant]) => ({
    way: recipe?.way ?? 'as-is',
    index: index as IndexKind,
    recipe,
    variant,
    forecast: planner.evaluator.forecast(variant, circumstances),
    indexBytes: planner.evaluator.indexBytes(variant),
    newBytes,
    grownBytes: sizeOf(image) - sizeOf(input),
  }));
}

/** The ways to index the image that `planner` is of. A start layer stays out of the index, however large it is. */
export function variantsOf(
  { evaluator }: Planner,
  recipe: Recipe | undefined,
  circumstances: Circumstances,
  minLayerSize: number,
): Record<IndexKind, Variant> {
  const uniform = evaluator.uniform(4 * MIB, minLayerSize);
  const isStartLayer = (layer: number): boolean =>
    recipe?.way === 'start-layer' && recipe.layers[layer]?.kind === 'new';
  const usual = {
    ...uniform,
    spanSizes: uniform.spanSizes.map((size, layer) => (isStartLayer(layer) ? null : size)),
  };
  const exact = { ...usual, prefetch: 'touched' as const };
  // Layer by layer: what is best for one depends little on the others.
  let tuned: Variant = exact;
  let shortest = evaluator.forecast(exact, circumstances).totalSeconds;
  for (const layer of exact.spanSizes.keys()) {
    if (exact.spanSizes[layer] === null) continue;
    for (const size of SPAN_SIZES) {
      const spanSizes = tuned.spanSizes.map((other, at) => (at === layer ? size : other));
      const seconds = evaluator.forecast({ ...tuned, spanSizes }, circumstances).totalSeconds;
      if (seconds >= shortest) continue;
      shortest = seconds;
      tuned = { ...tuned, spanSizes };
    }
  }
  return { usual, exact, tuned };
}
