/** Which spans a prefetch artifact lists: exactly those that starts touch, as far as the mount can wait for them. */
import { inOrder } from './spans';
import type { LayerFetches } from './spans';

/**
 * Bytes of all lists of an image. A mount waits for its layer's list and is given up after 30 s (`mount_timeout_sec`):
 * this much takes half of that at 10 MB/s.
 */
export const PREFETCH_BUDGET = 150e6;

/** What belongs on the list: every span that the start touches, those that every recorded start touches, or none. */
export type PrefetchSet = 'none' | 'touched' | 'stable';

export interface PrefetchLimits {
  /** Compressed bytes of all layers together; the budget above where not given. */
  readonly budget?: number | undefined;
  /** Only spans touched before this time of the trace, in microseconds. */
  readonly until?: number | undefined;
}

/** By layer, ascending: the spans in the order of the start, as long as they are within the limits. */
export function touchedSpans(
  layers: readonly (LayerFetches | undefined)[],
  { budget = PREFETCH_BUDGET, until = Infinity }: PrefetchLimits = {},
): number[][] {
  const lists = layers.map((): number[] => []);
  let left = budget;
  inOrder(layers, (layer, { span, bytes, first }, from, to) => {
    for (let i = from; i < to; i++) {
      const one = span[i] ?? 0;
      left -= bytes[i] ?? 0;
      if (left >= 0 && (first[one] ?? Infinity) <= until) lists[layer]?.push(one);
    }
  });
  for (const list of lists) list.sort((a, b) => a - b);
  return lists;
}

/** The spans of `lists[0]` that are in all the others too. */
export function stableSpans(lists: readonly (readonly (readonly number[])[])[]): number[][] {
  const [first = [], ...others] = lists;
  return first.map((spans, layer) => {
    const sets = others.map((other) => new Set(other[layer]));
    return spans.filter((span) => sets.every((set) => set.has(span)));
  });
}
