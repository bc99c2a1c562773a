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
  /** The span of a byte of the tar, without the search of the table's own `at`. */
  readonly at: (offset: number) => number;
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
  const found = { ...columns, at: finder(columns) };
  known.set(table, found);
  return found;
}

/** Looks up the span at the beginning of a byte's stretch of the tar, as many stretches as spans; it is hardly ever further. */
function finder({ start, end }: Pick<SpanColumns, 'start' | 'end'>): SpanColumns['at'] {
  const { length } = start;
  const stretch = Math.max(1, Math.ceil((end[length - 1] ?? 0) / Math.max(1, length)));
  const spans = new Uint32Array(length);
  const from = (span: number, offset: number): number => {
    let last = span;
    while (last + 1 < length && (start[last + 1] ?? 0) <= offset) last++;
    return last;
  };
  for (let i = 0; i < length; i++) spans[i] = from(spans[i - 1] ?? 0, i * stretch);
  return (offset) => from(spans[Math.min(length - 1, Math.floor(offset / stretch))] ?? 0, offset);
}

/** Milliseconds of a processor for inflating, checking and storing one span. */
function spanWork(inflated: number, compression: 'gzip' | 'tar'): number {
  const mib = inflated / MIB;
  const inflate = compression === 'gzip' ? COSTS.inflateMib * mib : 0;
  return inflate + COSTS.storeMib * mib * Math.min(1, mib / COSTS.storeLargeMib) ** COSTS.storeGrowth;
}
