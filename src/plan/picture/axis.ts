/** From bytes of the tar to bytes of the blob and back, as far as the spans tell. */
import type { ByteRange } from '../../layer/bytes';
import type { SpanTable } from '../../layer/types';
import type { Axis } from './types';

/** The span's stretch on the axis. */
export function extentOf(table: SpanTable, axis: Axis, span: number): ByteRange {
  return axis === 'compressed' ? table.compressed(span) : table.uncompressed(span);
}

/** The span that holds a place on the axis; the nearest one for places that no span holds. */
export function spanAt(table: SpanTable, axis: Axis, place: number): number {
  let low = 0;
  let high = table.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (extentOf(table, axis, middle).start <= place) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** A tar offset on the axis. Within a span the compressed axis knows no better than a straight line. */
export function fromTar(table: SpanTable, axis: Axis, offset: number): number {
  if (axis === 'uncompressed') return offset;
  const span = table.at(offset);
  return Math.round(onLine(offset, table.uncompressed(span), table.compressed(span)));
}

/** The tar offset of a place on the axis; the inverse of `fromTar`. */
export function toTar(table: SpanTable, axis: Axis, place: number): number {
  if (axis === 'uncompressed') return place;
  const span = spanAt(table, axis, place);
  return Math.round(onLine(place, table.compressed(span), table.uncompressed(span)));
}

function onLine(value: number, from: ByteRange, to: ByteRange): number {
  const share = (value - from.start) / Math.max(1, from.end - from.start);
  return to.start + Math.min(1, Math.max(0, share)) * (to.end - to.start);
}
