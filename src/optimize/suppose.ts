/** The plan's input for an image that is not there yet: the recorded start laid on what a recipe will make. */
import { OCI_LAYER_GZIP } from '../oci/media-types';
import type { PlanInput, PlanInputLayer } from '../plan/plan';
import type { Touch, TraceMapping } from '../trace/types';
import { hypotheticalScan, newOrder } from './hypothetical';
import type { Recipe } from './types';

const START_LAYER = 'start layer: copies of what the start touches';

/** `input` as it will be: same files, same start, other places. */
export function suppose(input: PlanInput, layers: Recipe['layers']): PlanInput {
  const scans = input.layers.map(({ scan }) => scan);
  const places = new Map<string, { layer: number; entry: number }>();
  const kept = new Map<number, number>();
  const supposed = layers.map((one, layer): PlanInputLayer => {
    if (one.kind === 'kept') {
      kept.set(one.layer, layer);
      return input.layers[one.layer] ?? { descriptor: NOTHING };
    }
    newOrder(one.archive, scans).forEach((from, entry) =>
      places.set(`${from.layer}:${from.entry}`, { layer, entry }),
    );
    const scan = hypotheticalScan(one.archive, scans);
    return {
      descriptor: { mediaType: OCI_LAYER_GZIP, digest: scan.digest, size: scan.compressedSize },
      scan,
      instruction: one.replaces === undefined ? START_LAYER : input.layers[one.replaces]?.instruction,
    };
  });
  // A file that is left out altogether is not touched either.
  const move = (touch: Touch): Touch[] => {
    const layer = kept.get(touch.layer);
    const place =
      places.get(`${touch.layer}:${touch.entry}`) ?? (layer === undefined ? undefined : { layer });
    return place ? [{ ...touch, ...place }] : [];
  };
  const moved = (mapping: TraceMapping): TraceMapping => ({
    ...mapping,
    touches: mapping.touches.flatMap(move),
    requests: mapping.requests?.flatMap(move),
  });
  return {
    ...input,
    layers: supposed,
    mapping: input.mapping && moved(input.mapping),
    ...(input.runs && { runs: input.runs.map(moved) }),
  };
}

const NOTHING = { mediaType: OCI_LAYER_GZIP, digest: '', size: 0 };
