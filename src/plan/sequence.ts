/**
 * The fetches of a start over all layers in the order in which it makes them: worked out once, since each question about
 * another network or node walks through them again.
 */
import type { SpanTable } from '../layer/types';
import { COSTS } from './costs';
import { inOrder, lengthOf } from './spans';
import type { LayerFetches } from './spans';

const MIB = 1024 * 1024;

export interface Sequence {
  /** Requests that wait for one another. */
  readonly requests: number;
  /** Per fetch: its layer, and its place among that layer's fetches. */
  readonly layer: Uint16Array;
  readonly fetch: Uint32Array;
  /** Per fetch: 1 where it begins a request; those that follow without it run in parallel with it. */
  readonly begins: Uint8Array;
}

/** A layer that is undefined is not indexed: its reads fetch nothing. */
export function sequenceOf(layers: readonly (LayerFetches | undefined)[]): Sequence {
  const length = layers.reduce((sum, one) => sum + (one?.span.length ?? 0), 0);
  const sequence = {
    layer: new Uint16Array(length),
    fetch: new Uint32Array(length),
    begins: new Uint8Array(length),
  };
  let at = 0;
  let requests = 0;
  inOrder(layers, (layer, _, from, to) => {
    sequence.begins[at] = 1;
    requests++;
    for (let fetch = from; fetch < to; fetch++, at++) {
      sequence.layer[at] = layer;
      sequence.fetch[at] = fetch;
    }
  });
  return { ...sequence, requests };
}

/** Per span of a layer, whatever the start touches. */
export interface SpanCosts {
  /** Bytes as they travel. */
  readonly bytes: Float64Array;
  /** Milliseconds of a processor for inflating, checking and storing it. */
  readonly work: Float64Array;
}

const known = new WeakMap<SpanTable, SpanCosts>();

export function spanCosts(table: SpanTable): SpanCosts {
  const before = known.get(table);
  if (before) return before;
  const costs = { bytes: new Float64Array(table.length), work: new Float64Array(table.length) };
  for (let span = 0; span < table.length; span++) {
    costs.bytes[span] = lengthOf(table.compressed(span));
    costs.work[span] = spanWork(lengthOf(table.uncompressed(span)), table.compression);
  }
  known.set(table, costs);
  return costs;
}

/** Milliseconds of a processor for inflating, checking and storing one span. */
export function spanWork(inflated: number, compression: 'gzip' | 'tar'): number {
  const mib = inflated / MIB;
  const inflate = compression === 'gzip' ? COSTS.inflateMib * mib : 0;
  return inflate + COSTS.storeMib * mib * Math.min(1, mib / COSTS.storeLargeMib) ** COSTS.storeGrowth;
}
