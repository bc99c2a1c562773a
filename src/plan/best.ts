/** The tuner's answer as the report gives it: what to make, what it wins, where it holds, and what that rests on. */
import type { Circumstances, Evaluator, Variant } from './evaluate';
import { formatBytes, formatCount, formatSeconds, formatShare, formatSize } from './format';
import { NOISE, rangeOf } from './range';
import type { Range } from './range';
import { tune } from './tune';
import type { Candidate, TuneQuestion, Tuning } from './tune';
import type { Best, BestRow, Flip, Forecast, LayerSpans, SpanRuns } from './types';

/** Corners of the range of networks: what is best there is what a choice has to stand against. */
const CORNERS = [
  [1, 10e6],
  [1, 1000e6],
  [100, 10e6],
  [100, 1000e6],
] as const;

export function bestOf(
  evaluator: Evaluator,
  circumstances: Circumstances,
  question: TuneQuestion,
  digests: readonly string[],
): Best {
  const tuning = tune(evaluator, circumstances, question);
  const { best, usual } = tuning;
  const corners = CORNERS.map(([rttMs, bytesPerSecond]) => {
    const network = { ...circumstances.network, rttMs, bytesPerSecond };
    return tune(evaluator, { ...circumstances, network }, question).best.variant;
  });
  const range = rangeOf(
    evaluator,
    best.variant,
    [...corners, ...tuning.pareto.map((one) => one.variant), usual.variant],
    circumstances,
  );
  const withoutPrefetch = evaluator.forecast({ ...best.variant, prefetch: 'none' }, circumstances);
  return {
    spanSizes: best.variant.spanSizes,
    minLayerSize: smallestIndexed(evaluator, best.variant),
    prefetch: listed(evaluator, best.variant, digests),
    indexVersion: best.variant.version ?? 2,
    spans: evaluator.spans(best.variant),
    indexBytes: best.indexBytes,
    forecast: best.forecast,
    withoutPrefetch,
    usual: usual.forecast,
    reason: [
      reasonOf(evaluator, tuning),
      ...(best.variant.prefetch === 'none' ? [] : [withoutSentence(withoutPrefetch)]),
      rangeSentence(range),
    ].join(' '),
    flips: range.flips,
    evidence: EVIDENCE,
    table: rowsOf(evaluator, tuning, circumstances),
  };
}

const EVIDENCE =
  'Simulated with the costs measured on soci-snapshotter v0.15. There an exact prefetch list brought 11.6 s to 7.5 s at 80 ms, and span sizes of their own for single layers another 8 % (docs/model.md, "The win").';

/** Bytes of the smallest layer that the index covers; 0 when it covers none. */
function smallestIndexed({ layers }: Evaluator, { spanSizes }: Variant): number {
  const sizes = layers.flatMap(({ size }, layer) => ((spanSizes[layer] ?? null) === null ? [] : [size]));
  return sizes.length > 0 ? Math.min(...sizes) : 0;
}

function listed(evaluator: Evaluator, variant: Variant, digests: readonly string[]): LayerSpans[] {
  return evaluator.prefetched(variant).flatMap((spans, layer) => {
    const digest = digests[layer];
    return spans.length > 0 && digest !== undefined ? [{ layer, digest, spans: runsOf(spans) }] : [];
  });
}

/** Ascending numbers as runs. */
function runsOf(spans: readonly number[]): SpanRuns {
  const runs: [number, number][] = [];
  for (const span of spans) {
    const last = runs.at(-1);
    if (last?.[1] === span - 1) last[1] = span;
    else runs.push([span, span]);
  }
  return runs;
}

/** What a variant is, in a few words. */
function nameOf({ spanSizes, prefetch }: Pick<Variant, 'spanSizes' | 'prefetch'>): string {
  const sizes = [...new Set(spanSizes.filter((size) => size !== null))].sort((a, b) => a - b);
  const spans =
    sizes.length === 0
      ? 'No index'
      : sizes.length === 1
        ? `Spans of ${formatSize(sizes[0] ?? 0)}`
        : `Spans of ${formatSize(sizes[0] ?? 0)} to ${formatSize(sizes.at(-1) ?? 0)} by layer`;
  const covered = spanSizes.every((size) => size !== null) ? `${spans}, all layers` : spans;
  if (prefetch === 'none') return covered;
  return prefetch === 'stable'
    ? `${covered}, stable spans prefetched`
    : `${covered}, touched spans prefetched`;
}

function reasonOf(evaluator: Evaluator, { best, usual }: Tuning): string {
  const figures = ({ variant, forecast }: Candidate): string => {
    const waits = variant.prefetch === 'none' ? evaluator.serialFetches(variant) : 0;
    const [time, bytes] = [formatSeconds(forecast.totalSeconds), formatBytes(forecast.bytes)];
    return waits > 0
      ? `${time} (${bytes}, ${formatCount(waits)} fetches one after the other)`
      : `${time} (${bytes})`;
  };
  if (best.forecast.totalSeconds >= usual.forecast.totalSeconds * (1 - GAIN_WORTH_SAYING)) {
    return `Nothing beats the default by more than ${formatShare(GAIN_WORTH_SAYING)}: ready after ${figures(usual)}.`;
  }
  return `${nameOf(best.variant)}: ready after ${figures(best)}; the default takes ${figures(usual)}.`;
}
const GAIN_WORTH_SAYING = 0.02;

function withoutSentence({ totalSeconds }: Forecast): string {
  return `Nodes without [prefetch] enable = true pass the list over and are ready after ${formatSeconds(totalSeconds)}.`;
}

function rangeSentence({ regret, at, flips }: Range): string {
  if (regret <= NOISE) {
    return `From 1 to 100 ms and 10 to 1000 MB/s nothing that was tried is more than ${formatShare(NOISE)} faster.`;
  }
  const [flip] = flips;
  const where = flip
    ? flipText(flip)
    : `at ${formatCount(at.rttMs)} ms and ${formatBytes(at.bytesPerSecond)}/s another way is ${formatShare(regret)} faster`;
  return `It does not hold everywhere: ${where}.`;
}

function flipText({ axis, value, side, spanSizes, prefetch }: Flip): string {
  const name = nameOf({ spanSizes, prefetch: prefetch ? 'touched' : 'none' });
  if (axis === 'rttMs') {
    const trip = formatCount(value);
    return side === 'above'
      ? `with round trips above ${trip} ms this is better: ${name}`
      : `with round trips below ${trip} ms this is better: ${name}`;
  }
  const speed = formatBytes(value);
  return side === 'above'
    ? `with links above ${speed}/s this is better: ${name}`
    : `with links below ${speed}/s this is better: ${name}`;
}

/** The ways to choose from: those that no other beats, with the default and the other version beside them. */
function rowsOf(
  evaluator: Evaluator,
  { best, usual, pareto }: Tuning,
  circumstances: Circumstances,
): BestRow[] {
  const row = ({ variant, forecast, indexBytes }: Candidate, name = nameOf(variant)): BestRow => ({
    name,
    spanSizes: variant.spanSizes,
    prefetch: variant.prefetch !== 'none',
    indexVersion: variant.version ?? 2,
    totalSeconds: forecast.totalSeconds,
    bytes: forecast.bytes,
    requests: forecast.requests,
    indexBytes,
    best: variant === best.variant,
    undominated: pareto.some((one) => one.variant === variant),
  });
  const other = { ...best.variant, version: best.variant.version === 1 ? (2 as const) : (1 as const) };
  return [
    ...pareto.map((one) => row(one)),
    ...(pareto.some((one) => one.variant === best.variant) ? [] : [row(best)]),
    row(
      { variant: other, forecast: evaluator.forecast(other, circumstances), indexBytes: best.indexBytes },
      `${nameOf(other)}, as a v${other.version} index`,
    ),
    ...(pareto.some((one) => one.variant === usual.variant) || usual === best
      ? []
      : [row(usual, `${nameOf(usual.variant)}, the default`)]),
  ];
}
