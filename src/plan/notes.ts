/** What is missing or assumed in a plan, in sentences. */
import type { LayerScan } from '../layer/types';
import { COSTS } from './costs';
import { SAME_TIME } from './choice';
import { formatBytes, formatCount, formatSeconds } from './format';
import type { Forecast, PlanLayer, PlanTrace } from './types';

/** What a scan warns of in layers of the index: valid, but not loaded lazily, or not everywhere (soci-format §1.6). */
export function layerNotes(
  layers: readonly PlanLayer[],
  scans: readonly (LayerScan | undefined)[],
): string[] {
  return layers
    .filter(({ indexed }) => indexed)
    .flatMap(({ index }) =>
      (scans[index]?.warnings ?? []).map(({ message }) => `About layer ${index}: ${message}`),
    );
}

export function planNotes(
  layers: readonly PlanLayer[],
  trace: PlanTrace | undefined,
  plain: Forecast,
  lazy: Forecast | undefined,
  wholeFiles = false,
): string[] {
  const result: string[] = [];
  if (trace === undefined) {
    result.push('Without a recorded start only sizes are known: nothing counts as touched.');
  } else {
    if (wholeFiles) {
      result.push(
        'The trace names files, but not which parts of them were read: each counts as read whole. Of the spans that are then forecast, fewer than half were fetched where that was measured; record the start with `soci-lens trace` to know them.',
      );
    }
    if (trace.readyMs === null) {
      result.push(
        `The trace does not say when the service was ready; ${formatSeconds(COSTS.unknownStart / 1000)} stand for the application's own time.`,
      );
    }
    const share = trace.unmapped / Math.max(1, trace.mapped + trace.unmapped);
    if (share > 0.05) {
      result.push(
        `${formatCount(trace.unmapped)} of ${formatCount(trace.mapped + trace.unmapped)} paths of the trace lead to no file of the image and are left out.`,
      );
    }
  }
  if (
    trace !== undefined &&
    lazy !== undefined &&
    lazy.totalSeconds >= plain.totalSeconds * (1 - SAME_TIME)
  ) {
    result.push(
      `On this network and node lazy loading gains nothing: ready after about ${formatSeconds(lazy.totalSeconds)}, a plain pull after ${formatSeconds(plain.totalSeconds)}.`,
    );
  }
  const unscanned = layers.filter((layer) => layer.uncompressedSize === null);
  if (unscanned.length > 0) {
    result.push(
      `${formatCount(unscanned.length)} of ${formatCount(layers.length)} layers could not be read and count as pulled whole.`,
    );
  }
  if (layers.length > 0 && !layers.some((layer) => layer.indexed)) {
    result.push('No layer is indexed: the image is pulled whole, and lazy loading gains nothing.');
  }
  const whole = layers.filter((layer) => !layer.indexed && layer.touchedFiles > 0);
  if (whole.length > 0 && layers.some((layer) => layer.indexed)) {
    const bytes = formatBytes(whole.reduce((sum, layer) => sum + layer.size, 0));
    result.push(
      whole.length === 1
        ? `The start also reads from 1 layer outside the index (${bytes}), pulled whole before it.`
        : `The start also reads from ${formatCount(whole.length)} layers outside the index (${bytes}), pulled whole before it.`,
    );
  }
  return result;
}
