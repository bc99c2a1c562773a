/** For which networks a choice holds, and where another one becomes better. */
import type { Circumstances, Evaluator, Variant } from './evaluate';
import type { Flip, Network } from './types';

/** The networks that a choice should stand: near to distant, slow to fast. */
const RTT_MS = [1, 5, 20, 50, 100] as const;
const BYTES_PER_SECOND = [10e6, 30e6, 100e6, 300e6, 1000e6] as const;
/** Equal runs on the real snapshotter differ by up to this share: a choice that loses less is as good. */
export const NOISE = 0.1;
/** Halvings of an interval: a break-even to 1 % of it. */
const HALVINGS = 7;

export interface Range {
  /** The most that the choice takes longer than the best other one, as a share of that; 0 when none is ever better. */
  readonly regret: number;
  /** Where that is. */
  readonly at: Network;
  readonly flips: readonly Flip[];
}

/** `others` are the ways that the choice is held against. */
export function rangeOf(
  evaluator: Evaluator,
  choice: Variant,
  others: readonly Variant[],
  circumstances: Circumstances,
): Range {
  const time = (variant: Variant, network: Network): number =>
    evaluator.forecast(variant, { ...circumstances, network }).totalSeconds;
  const bestOther = (network: Network): { variant: Variant; seconds: number } | undefined =>
    others
      .map((variant) => ({ variant, seconds: time(variant, network) }))
      .reduce<{ variant: Variant; seconds: number } | undefined>(
        (a, b) => (a && a.seconds <= b.seconds ? a : b),
        undefined,
      );

  let regret = 0;
  let at = circumstances.network;
  for (const rttMs of RTT_MS) {
    for (const bytesPerSecond of BYTES_PER_SECOND) {
      const network = { ...circumstances.network, rttMs, bytesPerSecond };
      const other = bestOther(network)?.seconds ?? Infinity;
      const loss = time(choice, network) / other - 1;
      if (loss > regret) [regret, at] = [loss, network];
    }
  }
  return { regret, at, flips: [...flips('rttMs', RTT_MS), ...flips('bytesPerSecond', BYTES_PER_SECOND)] };

  /** Along one axis, the other as it is: where the choice begins or ceases to be within the noise of the best. */
  function flips(axis: Flip['axis'], steps: readonly number[]): Flip[] {
    const loses = (value: number): { variant: Variant; seconds: number } | undefined => {
      const network = { ...circumstances.network, [axis]: value };
      const other = bestOther(network);
      return other && time(choice, network) > other.seconds * (1 + NOISE) ? other : undefined;
    };
    const found: Flip[] = [];
    for (let i = 1; i < steps.length; i++) {
      let [low = 0, high = 0] = [steps[i - 1], steps[i]];
      const [before, after] = [loses(low), loses(high)];
      const other = before ?? after;
      if ((before === undefined) === (after === undefined) || other === undefined) continue;
      for (let round = 0; round < HALVINGS; round++) {
        const middle = Math.sqrt(low * high);
        if ((loses(middle) === undefined) === (before === undefined)) low = middle;
        else high = middle;
      }
      found.push({
        axis,
        value: Number(high.toPrecision(2)),
        side: before ? 'below' : 'above',
        spanSizes: other.variant.spanSizes,
        prefetch: other.variant.prefetch !== 'none',
      });
    }
    return found;
  }
}
