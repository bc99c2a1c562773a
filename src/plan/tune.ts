/**
 * The best way to index an image that the simulator can find: span size (one for all, then one for each layer), smallest
 * layer to index, what is prefetched. Time to ready comes first; among ways that are as good as equally fast (equal runs
 * differ by more) the fewest bytes, then the smallest index.
 */
import { DEFAULT_MIN_LAYER_SIZE } from '../soci/layers';
import { SAME_TIME } from './choice';
import type { Circumstances, Evaluator, Variant } from './evaluate';
import type { PrefetchSet } from './prefetch';
import type { Forecast } from './types';

const MIB = 1024 * 1024;

/** Smallest layers to index that are compared when nobody says which. */
export const DEFAULT_MIN_LAYER_SIZES: readonly number[] = [0, MIB, 5 * MIB, DEFAULT_MIN_LAYER_SIZE, 20 * MIB];
/** Layers that get a span size of their own are tried by the size of their ztoc, and no more than these. */
const LAYERS_TRIED = 12;
/** Rounds over these layers; the second rarely finds anything. */
const ROUNDS = 2;
/** A span size of its own has to gain this share of the time, or to save bytes without losing it. */
const GAIN = 0.001;

export interface Candidate {
  readonly variant: Variant;
  readonly forecast: Forecast;
  /** Bytes of all ztocs. */
  readonly indexBytes: number;
}

export interface TuneQuestion {
  readonly spanSizes: readonly number[];
  readonly minLayerSizes?: readonly number[] | undefined;
  /** False where the nodes do not have `[prefetch] enable = true`: then nothing is listed. */
  readonly prefetch?: boolean | undefined;
  /** Several starts were recorded: listing only what all of them touch is compared too. */
  readonly severalRuns?: boolean | undefined;
}

export interface Tuning {
  readonly best: Candidate;
  /** What is done when nobody chooses. `best` is never slower. */
  readonly usual: Candidate;
  /** The fastest without prefetch, and the fastest of one span size: simpler to make. */
  readonly lazy: Candidate;
  readonly uniform: Candidate;
  /** Candidates that no other one beats in time, bytes and index size together; fastest first. */
  readonly pareto: readonly Candidate[];
}

export function tune(evaluator: Evaluator, circumstances: Circumstances, question: TuneQuestion): Tuning {
  const judged = (variant: Variant): Candidate => ({
    variant,
    forecast: evaluator.forecast(variant, circumstances),
    indexBytes: evaluator.indexBytes(variant),
  });
  const sets: PrefetchSet[] = ['none'];
  if (question.prefetch !== false) sets.push('touched');
  if (question.prefetch !== false && question.severalRuns) sets.push('stable');

  const usual = judged(evaluator.usual);
  const uniforms = sets.map((set) => distinct(evaluator, question, set).map(judged));
  const refined = uniforms.flatMap((list) =>
    list.length > 0 ? [refine(evaluator, judged, fastest(list), question.spanSizes)] : [],
  );
  const lazy = fastest([usual, ...(uniforms[0] ?? []), ...refined.slice(0, 1)]);
  const all = [usual, ...uniforms.flat(), ...refined];
  return {
    best: fastest(all),
    usual,
    lazy,
    uniform: fastest([usual, ...uniforms.flat()]),
    pareto: undominated(all),
  };
}

/** Every span size with every smallest layer that makes a difference. */
function distinct(
  evaluator: Evaluator,
  { spanSizes, minLayerSizes = DEFAULT_MIN_LAYER_SIZES }: TuneQuestion,
  prefetch: PrefetchSet,
): Variant[] {
  const variants = new Map<string, Variant>();
  for (const minLayerSize of minLayerSizes) {
    for (const spanSize of spanSizes) {
      const variant = evaluator.uniform(spanSize, minLayerSize, prefetch);
      variants.set(variant.spanSizes.join(), variant);
    }
  }
  return [...variants.values()];
}

/** Gives one layer after the other the span size that serves it best: fine for one read in parts, coarse for a cold one. */
function refine(
  evaluator: Evaluator,
  judged: (variant: Variant) => Candidate,
  start: Candidate,
  sizes: readonly number[],
): Candidate {
  const weight = (layer: number): number => evaluator.layers[layer]?.ztocBytes(MIB) ?? 0;
  const layers = start.variant.spanSizes
    .flatMap((size, layer) => (size === null ? [] : [layer]))
    .sort((a, b) => weight(b) - weight(a))
    .slice(0, LAYERS_TRIED);
  let best = start;
  for (let round = 0; round < ROUNDS; round++) {
    const before = best;
    for (const layer of layers) {
      for (const size of sizes) {
        if (best.variant.spanSizes[layer] === size) continue;
        const spanSizes = best.variant.spanSizes.with(layer, size);
        const next = judged({ ...best.variant, spanSizes });
        if (gains(next, best)) best = next;
      }
    }
    if (best === before) break;
  }
  return best;
}

function gains(next: Candidate, best: Candidate): boolean {
  const ratio = next.forecast.totalSeconds / best.forecast.totalSeconds;
  return ratio < 1 - GAIN || (ratio <= 1 && next.forecast.bytes < best.forecast.bytes);
}

/** The fastest; among those that are as good as equally fast the one that moves the fewest bytes. */
export function fastest(candidates: readonly Candidate[]): Candidate {
  const shortest = Math.min(...candidates.map((one) => one.forecast.totalSeconds));
  return candidates
    .filter((one) => one.forecast.totalSeconds <= shortest * (1 + SAME_TIME))
    .reduce((a, b) => (smaller(b, a) ? b : a));
}

function smaller(a: Candidate, b: Candidate): boolean {
  return (
    a.forecast.bytes < b.forecast.bytes ||
    (a.forecast.bytes === b.forecast.bytes && a.indexBytes < b.indexBytes)
  );
}

function undominated(candidates: readonly Candidate[]): Candidate[] {
  const figures = ({ forecast, indexBytes }: Candidate): number[] => [
    forecast.totalSeconds,
    forecast.bytes,
    indexBytes,
  ];
  const dominates = (a: Candidate, b: Candidate): boolean => {
    const [mine, theirs] = [figures(a), figures(b)];
    return (
      mine.every((value, i) => value <= (theirs[i] ?? 0)) && mine.some((value, i) => value < (theirs[i] ?? 0))
    );
  };
  return candidates
    .filter((one) => !candidates.some((other) => dominates(other, one)))
    .sort((a, b) => a.forecast.totalSeconds - b.forecast.totalSeconds);
}
