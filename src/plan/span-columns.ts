/** The spans of a layer as plain arrays: what is asked of each of 10 000 spans, many times over, costs no object. */
import type { SpanTable } from '../layer/types';
import { COSTS } from './costs';

const MIB = 1024 * 1024;

/** Per span of a layer, whatever the start touches. */
export interface SpanColumns {
  /** Offsets in the tar, `[start, end)`. */
  readonly start: Float64Array;
  readonly end: Float64Array;
  /** Bytes as they travel, and those that they hold. */
  readonly bytes: Float64Array;
  readonly inflated: Float64Array;
  /** Milliseconds of a processor for inflating, checking and storing it. */
  readonly work: Float64Array;
}

const known = new WeakMap<SpanTable, SpanColumns>();

export function spanColumns(table: SpanTable): SpanColumns {
  const before = known.get(table);
  if (before) return before;
  const column = (): Float64Array => new Float64Array(table.length);
  const columns = { start: column(), end: column(), bytes: column(), inflated: column(), work: column() };
  for (let span = 0; span < table.length; span++) {
    const packed = table.compressed(span);
    const { start, end } = table.uncompressed(span);
    columns.start[span] = start;
    columns.end[span] = end;
    columns.bytes[span] = packed.end - packed.start;
    columns.inflated[span] = end - start;
    columns.work[span] = spanWork(end - start, table.compression);
  }
  known.set(table, columns);
  return columns;
}

/** Milliseconds of a processor for inflating, checking and storing one span. */
function spanWork(inflated: number, compression: 'gzip' | 'tar'): number {
  const mib = inflated / MIB;
  const inflate = compression === 'gzip' ? COSTS.inflateMib * mib : 0;
  return inflate + COSTS.storeMib * mib * Math.min(1, mib / COSTS.storeLargeMib) ** COSTS.storeGrowth;
}
