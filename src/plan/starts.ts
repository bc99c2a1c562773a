/** Recorded starts laid on an image's layers, for any span size: worked out once for each, however often it is asked for. */
import { spanTable } from '../layer/spans';
import type { LayerScan, SpanTable } from '../layer/types';
import type { Touch, TraceMapping } from '../trace/types';
import { clientReads } from './client-reads';
import { COSTS } from './costs';
import type { Start } from './forecast';
import { layerFetches, startReads } from './spans';
import type { LayerFetches } from './spans';
import { layerTouches } from './touches';
import type { LayerTouches } from './touches';

/** One start, or several laid over each other, on the layers of an image. */
export interface LaidStart {
  readonly touches: readonly LayerTouches[];
  readonly start: Start;
  /** What it fetches of a layer with spans of `spanSize` bytes; undefined for a layer without a scan. */
  fetches(layer: number, spanSize: number): LayerFetches | undefined;
}

/** The spans of a layer, made once for all starts and pictures: the same scan comes again in each picture of a growing image. */
export function tableOf(scan: LayerScan, spanSize: number): SpanTable {
  let sizes = tables.get(scan);
  if (sizes === undefined) tables.set(scan, (sizes = new Map<number, SpanTable>()));
  let table = sizes.get(spanSize);
  if (table === undefined) sizes.set(spanSize, (table = spanTable(scan, spanSize)));
  return table;
}

const tables = new WeakMap<LayerScan, Map<number, SpanTable>>();

export function layStart(
  mapping: TraceMapping | undefined,
  scans: readonly (LayerScan | undefined)[],
): LaidStart {
  const client = mapping ? clientReads(scans) : [];
  const withClient = (touches: readonly Touch[]): Touch[] => client.concat(touches);
  const touches = withClient(mapping?.touches ?? []);
  const reads = startReads(withClient(mapping?.requests ?? mapping?.touches ?? []), scans);
  return {
    touches: layerTouches(touches, scans),
    start: { ownMs: ownTime(mapping), readyAt: mapping?.readyAt },
    fetches: remembered((layer, spanSize) => {
      const scan = scans[layer];
      return scan && layerFetches(reads, layer, tableOf(scan, spanSize));
    }),
  };
}

/** Milliseconds: measured without a tracer, else told by the trace's clock, else assumed. */
function ownTime(mapping: TraceMapping | undefined): number {
  const own = mapping?.untracedReadyAt ?? mapping?.ownReadyAt;
  return own === undefined ? COSTS.unknownStart : own / 1000;
}

function remembered<T>(find: (layer: number, spanSize: number) => T): (layer: number, spanSize: number) => T {
  const known = new Map<number, Map<number, T>>();
  return (layer, spanSize) => {
    let sizes = known.get(layer);
    if (sizes === undefined) known.set(layer, (sizes = new Map<number, T>()));
    if (!sizes.has(spanSize)) sizes.set(spanSize, find(layer, spanSize));
    // It has just been set; T may include undefined.
    return sizes.get(spanSize) as T;
  };
}
