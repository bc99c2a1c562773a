/** The span size for a node that does what the snapshotter does by default: lazy, without prefetch. */
import { DEFAULT_SPAN_SIZE } from '../soci/layers';
import { formatBytes, formatCount, formatSeconds, formatSize } from './format';
import type { Plan, SpanSizeRow } from './types';

/** Forecasts closer than this share of the time are as good as equal: the measured noise between equal runs is larger. */
export const SAME_TIME = 0.02;

/**
 * The cost of a span size is the forecast time to ready of a lazy start without prefetch, which is what a node does by
 * default. Among sizes within 2 % of the shortest time, the one that moves the fewest bytes wins.
 */
export function choose(rows: readonly SpanSizeRow[], traced: boolean, anyIndexed: boolean): Plan['choice'] {
  const usual = closestTo(rows, DEFAULT_SPAN_SIZE);
  if (!traced || !anyIndexed) {
    const stands = formatSize(usual.spanSize);
    return {
      spanSize: usual.spanSize,
      reason: traced
        ? `No layer is indexed, so the span size makes no difference; ${stands} stands.`
        : `No start was recorded, so nothing tells the span sizes apart; ${stands} stands.`,
    };
  }
  const shortest = Math.min(...rows.map((row) => row.lazy.totalSeconds));
  const best = rows
    .filter((row) => row.lazy.totalSeconds <= shortest * (1 + SAME_TIME))
    .reduce((a, b) => (b.lazy.bytes < a.lazy.bytes ? b : a));
  const size = formatSize(best.spanSize);
  const fastest = rows.reduce((a, b) => (b.lazy.totalSeconds < a.lazy.totalSeconds ? b : a));
  if (best !== fastest) {
    return {
      spanSize: best.spanSize,
      reason: `${size} spans make the service ready after about ${describe(best)}. ${formatSize(fastest.spanSize)} is hardly faster (${formatSeconds(fastest.lazy.totalSeconds)}) and moves ${formatBytes(fastest.lazy.bytes)}.`,
    };
  }
  const next = rows
    .filter((row) => row !== best)
    .sort((a, b) => a.lazy.totalSeconds - b.lazy.totalSeconds)[0];
  const other = best === usual ? next : usual;
  if (other === undefined)
    return {
      spanSize: best.spanSize,
      reason: `${size} spans make the service ready after about ${describe(best)}.`,
    };
  return {
    spanSize: best.spanSize,
    reason:
      other === usual
        ? `${size} spans make the service ready after about ${describe(best)}; the default, ${formatSize(other.spanSize)}, takes ${describe(other)}.`
        : `${size} spans make the service ready after about ${describe(best)}; the next best, ${formatSize(other.spanSize)}, takes ${describe(other)}.`,
  };
}

function describe({ lazy, serialFetches }: SpanSizeRow): string {
  return `${formatSeconds(lazy.totalSeconds)} (${formatCount(serialFetches)} fetches one after the other, ${formatBytes(lazy.bytes)} in all)`;
}

/** The row of a span size, or of the nearest one by ratio. */
function closestTo(rows: readonly SpanSizeRow[], spanSize: number): SpanSizeRow {
  return rows.reduce((a, b) =>
    Math.abs(Math.log(b.spanSize / spanSize)) < Math.abs(Math.log(a.spanSize / spanSize)) ? b : a,
  );
}
