/**
 * The fetches of a start over all layers in the order in which it makes them: worked out once, since each question about
 * another network or node walks through them again.
 */
import { inOrder } from './spans';
import type { LayerFetches } from './spans';

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
