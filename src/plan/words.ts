/** Words that the page and the report share. */
import { formatBytes, formatCount } from './format';
import type { Forecast, Plan, PullMode } from './types';

export const MODE_NAMES: Readonly<Record<PullMode, string>> = {
  'docker-pull': 'Plain pull',
  'parallel-pull': 'Parallel pull',
  lazy: 'Lazy with this index',
  'lazy-prefetch': 'Lazy with prefetch of the touched spans',
};

/** What every forecast rests on, as a sentence. */
export function assumptions({ network, node }: Plan): string {
  return `Forecasts hold for a round trip of ${formatCount(network.rttMs)} ms, ${formatBytes(network.bytesPerSecond)}/s and a node with ${formatCount(node.cores)} processors; they are estimates of the time until the service is ready, not of the pull alone.`;
}

/**
 * Where single recorded runs lay against their forecast (docs/model.md, "Errors against recorded runs"): from the one
 * that was faster by most to the one that was slower by most. A test holds it to the recorded runs.
 */
const RECORDED = { shortest: 0.77, longest: 1.15 } as const;

/** A forecast as the range that runs fell into. */
export function rangeOf({ totalSeconds }: Pick<Forecast, 'totalSeconds'>): { low: number; high: number } {
  return { low: totalSeconds * RECORDED.shortest, high: totalSeconds * RECORDED.longest };
}
