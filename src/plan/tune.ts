/**
 * The best way to index an image that the simulator can find: span size (one for all, then one for each layer), smallest
 * layer to index, what is prefetched. Time to ready comes first; among ways that are as good as equally fast (equal runs
 * differ by more) the fewest bytes, then the smallest index.
 */
import { DEFAULT_MIN_LAYER_SIZE } from '../soci/layers';
import { SAME_TIME } from './choice';
import type { Circumstances, Evaluator, Variant } from './evaluate';
import type { PrefetchSet } from './prefetch';
import type { Forecast, IndexWish } from './types';

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

export interface TuneQuestion extends IndexWish {
  /** To choose from where none is wished for. */
  readonly spanSizes: readonly number[];
  readonly minLayerSizes?: readonly number[] | undefined;
  /** Several starts were recorded: listing only what all of them touch is compared too. */
  readonly severalRuns?: boolean | undefined;
}

export interface Tuning {
  readonly best: Candidate;
  /** What is done when nobody chooses. `best` is never slower, unless what was wished for leaves no choice. */
  readonly usual: Candidate;
  /** Candidates that no other one beats in time, bytes and index size together; fastest first. */
  readonly pareto: readonly Candidate[];
}

export function tune(evaluator: Evaluator, circumstances: Circumstances, question: TuneQuestion): Tuning {
  const judged = (variant: Variant): Candidate => ({
    variant,
    forecast: evaluator.forecast(variant, circumstances),
    indexBytes: evaluator.indexBytes(variant),
  });
  const usual = judged(evaluator.usual);
  // To make no index is an answer only where the default makes none either.
  const mayBeNone = !hasIndex(usual.variant);
  const uniforms = setsOf(question).flatMap((set) => {
    const variants = distinct(evaluator, question, set).filter((one) => mayBeNone || hasIndex(one));
    return variants.length > 0 ? [variants.map(judged)] : [];
  });
  const refined =
    question.byLayer === false || question.spanSize !== undefined
      ? []
      : uniforms.map((list) => refine(evaluator, judged, fastest(list), question.spanSizes));
  const found = [...uniforms.flat(), ...refined];
  const all = found.length === 0 || fitsWish(question) ? [usual, ...found] : found;
  /** Nodes that pass the lists over must not pay for those that do not. */
  const isSafe = ({ variant }: Candidate): boolean =>
    question.prefetch === 'always' ||
    variant.prefetch === 'none' ||
    evaluator.forecast({ ...variant, prefetch: 'none' }, circumstances).totalSeconds <=
      usual.forecast.totalSeconds;
  const limit = all.includes(usual) ? usual.forecast.totalSeconds : Infinity;
  return { best: fastest(all, limit, isSafe), usual, pareto: undominated(all) };
}

function hasIndex({ spanSizes }: Variant): boolean {
  return spanSizes.some((size) => size !== null);
}

/** True where what is done when nobody chooses is a possible answer. */
function fitsWish({ spanSize, minLayerSize, prefetch, version = 2 }: TuneQuestion): boolean {
  return spanSize === undefined && minLayerSize === undefined && prefetch !== 'always' && version === 2;
}

function setsOf({ prefetch, prefetchSet, severalRuns }: TuneQuestion): PrefetchSet[] {
  const lists: PrefetchSet[] =
    prefetchSet !== undefined ? [prefetchSet] : severalRuns ? ['touched', 'stable'] : ['touched'];
  if (prefetch === 'always') return lists;
  return prefetch === 'never' ? ['none'] : ['none', ...lists];
}

/** Every span size with every smallest layer that makes a difference. */
function distinct(evaluator: Evaluator, question: TuneQuestion, prefetch: PrefetchSet): Variant[] {
  const { minLayerSize, spanSize, version = 2, prefetchSeconds } = question;
  const { minLayerSizes = DEFAULT_MIN_LAYER_SIZES, spanSizes } = question;
  const variants = new Map<string, Variant>();
  for (const smallest of minLayerSize === undefined ? minLayerSizes : [minLayerSize]) {
    for (const size of spanSize === undefined ? spanSizes : [spanSize]) {
      const variant = evaluator.uniform(size, smallest, prefetch, version);
      variants.set(variant.spanSizes.join(), {
        ...variant,
        ...(prefetchSeconds !== undefined && { prefetchUntil: prefetchSeconds * 1e6 }),
      });
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

/**
 * The fastest that `isAllowed`; among those that are as good as equally fast, and not slower than `limit` seconds, the one
 * that moves the fewest bytes.
 */
export function fastest(
  candidates: readonly Candidate[],
  limit = Infinity,
  isAllowed: (one: Candidate) => boolean = () => true,
): Candidate {
  const sorted = [...candidates].sort((a, b) => a.forecast.totalSeconds - b.forecast.totalSeconds);
  const first = sorted.find(isAllowed) ?? sorted[0];
  if (first === undefined) throw new RangeError('There is nothing to choose from.');
  const longest = Math.min(limit, first.forecast.totalSeconds * (1 + SAME_TIME));
  return sorted
    .filter((one) => one.forecast.totalSeconds <= longest && isAllowed(one))
    .reduce((a, b) => (smaller(b, a) ? b : a), first);
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
