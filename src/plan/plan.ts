/** From the scans of an image's layers and the trace of its start to a decision: `Plan`. */
import { LensError } from '../errors';
import { spanTable } from '../layer/spans';
import type { LayerScan, SpanTable } from '../layer/types';
import type { Descriptor } from '../oci/types';
import { DEFAULT_MIN_LAYER_SIZE, DEFAULT_SPAN_SIZE } from '../soci/layers';
import { ztocSizer } from '../soci/ztoc';
import type { Touch, TraceMapping } from '../trace/types';
import { clientReads } from './client-reads';
import { COSTS, forecast, serialFetches } from './forecast';
import type { ForecastInput, ForecastLayer } from './forecast';
import { formatBytes, formatCount, formatSeconds, formatSize } from './format';
import { checkNetwork, DEFAULT_NETWORK, DEFAULT_NODE, parseNetwork } from './network';
import { spanRuns, startFetches, startReads } from './spans';
import type { StartFetches } from './spans';
import { layerTouches } from './touches';
import type { LayerTouches } from './touches';
import type { Forecast, LayerSpans, Network, Node, Plan, PlanLayer, PlanTrace, SpanSizeRow } from './types';

const KIB = 1024;

/** Span sizes that are compared when nobody says which. */
export const DEFAULT_SPAN_SIZES: readonly number[] = [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384].map(
  (kib) => kib * KIB,
);

/** Forecasts closer than this share of the time are as good as equal: the measured noise between equal runs is larger. */
const SAME_TIME = 0.02;
/** Below this share of a trace's paths found in the image, the trace is of another image. */
const FOREIGN_TRACE = 0.1;
const EXAMPLES = 10;

export interface PlanInputLayer {
  readonly descriptor: Descriptor;
  /** Missing when the layer could not be scanned or is not scanned yet. */
  readonly scan?: LayerScan | undefined;
  /** The step of the build that made it. */
  readonly instruction?: string | undefined;
  /** Why there is no scan, in a sentence. */
  readonly problem?: string | undefined;
}

export interface PlanInput {
  readonly image: { readonly reference: string; readonly digest: string; readonly platform: string };
  readonly layers: readonly PlanInputLayer[];
  /** Missing without a trace. */
  readonly mapping?: TraceMapping | undefined;
}

export interface PlanOptions {
  /** Bytes; the rows of the table, in any order. */
  readonly spanSizes?: readonly number[] | undefined;
  readonly minLayerSize?: number | undefined;
  readonly network?: Network | undefined;
  readonly node?: Node | undefined;
}

/** The spans of every scanned layer at one span size, and the start's fetches over all of them. */
export interface Laid {
  readonly tables: readonly (SpanTable | undefined)[];
  readonly fetches: StartFetches;
  readonly ztocBytes: readonly number[];
}

/** Answers for one image as often as asked: what does not depend on the question is worked out once. */
export interface Planner {
  readonly touches: readonly LayerTouches[];
  laid(spanSize: number): Laid;
  /** The spans that a start fetches of each layer the index covers: what an exact prefetch artifact lists. */
  prefetch(spanSize: number, minLayerSize: number): LayerSpans[];
  /** @throws LensError `plan/bad-span-size`, `plan/bad-network` */
  plan(options?: PlanOptions): Plan;
}

/**
 * Plans one image.
 * @throws LensError `plan/foreign-trace`, `plan/bad-span-size`, `plan/bad-network`
 */
export function planImage(input: PlanInput & PlanOptions): Plan {
  return createPlanner(input).plan(input);
}

/** @throws LensError `plan/foreign-trace` */
export function createPlanner(input: PlanInput): Planner {
  const scans = input.layers.map((layer) => layer.scan);
  const trace = input.mapping && planTrace(input.mapping);
  const touches: readonly Touch[] = input.mapping ? [...clientReads(scans), ...input.mapping.touches] : [];
  const reads = startReads(touches, scans);
  const byLayer = layerTouches(touches, scans);
  const laidBySize = new Map<number, Laid>();

  function laid(spanSize: number): Laid {
    let found = laidBySize.get(spanSize);
    if (found === undefined) {
      const tables = scans.map((scan) => scan && spanTable(scan, spanSize));
      found = {
        tables,
        fetches: startFetches(reads, tables),
        ztocBytes: scans.map((scan) => (scan ? sizerOf(scan)(spanSize) : 0)),
      };
      laidBySize.set(spanSize, found);
    }
    return found;
  }

  function prefetch(spanSize: number, minLayerSize: number): LayerSpans[] {
    const { first } = laid(spanSize).fetches;
    return input.layers.flatMap(({ descriptor }, layer) => {
      const times = descriptor.size < minLayerSize ? undefined : first[layer];
      const spans = times ? spanRuns(times) : [];
      return spans.length > 0 ? [{ layer, digest: descriptor.digest, spans }] : [];
    });
  }

  function plan(options: PlanOptions = {}): Plan {
    const network = options.network ?? parseNetwork(DEFAULT_NETWORK);
    checkNetwork(network);
    const node = options.node ?? DEFAULT_NODE;
    const minLayerSize = options.minLayerSize ?? DEFAULT_MIN_LAYER_SIZE;
    const spanSizes = [...new Set(options.spanSizes ?? DEFAULT_SPAN_SIZES)].sort((a, b) => a - b);
    checkSpanSizes(spanSizes);

    const layers = input.layers.map((layer, index) => planLayer(layer, index, minLayerSize, byLayer[index]));
    const forecastInput = (spanSize: number): ForecastInput => {
      const { tables, fetches, ztocBytes } = laid(spanSize);
      return {
        layers: layers.map((layer, index): ForecastLayer => {
          const table = layer.indexed ? tables[index] : undefined;
          return {
            size: layer.size,
            unpackedSize: layer.uncompressedSize ?? layer.size,
            indexed: table && { table, files: layer.files ?? 0, ztocBytes: ztocBytes[index] ?? 0 },
          };
        }),
        fetches,
        files: input.mapping?.files ?? 0,
        tracedReadyMs: trace?.readyMs ?? undefined,
        network,
        node,
      };
    };
    const rows = spanSizes.map((spanSize) => spanSizeRow(spanSize, forecastInput(spanSize), layers));
    const choice = choose(
      rows,
      trace !== undefined,
      layers.some((layer) => layer.indexed),
    );
    const chosen = forecastInput(choice.spanSize);
    const chosenRow = rows.find((row) => row.spanSize === choice.spanSize);
    const lazy: readonly Forecast[] = chosenRow ? [chosenRow.lazy, chosenRow.prefetch] : [];
    return {
      version: 1,
      image: input.image,
      network,
      node,
      minLayerSize,
      layers,
      trace: trace ?? null,
      rows,
      choice,
      modes: [forecast('docker-pull', chosen), forecast('parallel-pull', chosen), ...(trace ? lazy : [])],
      prefetch: prefetch(choice.spanSize, minLayerSize),
      notes: notes(layers, trace, forecast('docker-pull', chosen), chosenRow?.lazy),
    };
  }

  return { touches: byLayer, laid, prefetch, plan };
}

/** Measuring the files of a ztoc takes time, and the same scan comes again in each new picture of a growing image. */
const sizers = new WeakMap<LayerScan, (spanSize: number) => number>();

function sizerOf(scan: LayerScan): (spanSize: number) => number {
  const sizer = sizers.get(scan) ?? ztocSizer(scan);
  sizers.set(scan, sizer);
  return sizer;
}

function checkSpanSizes(spanSizes: readonly number[]): void {
  const wrong = spanSizes.find((size) => !Number.isSafeInteger(size) || size < 1);
  if (wrong !== undefined || spanSizes.length === 0) {
    throw new LensError(
      'plan/bad-span-size',
      spanSizes.length === 0 ? 'There is no span size to compare.' : `${String(wrong)} is no span size.`,
      'Give span sizes in whole bytes, for example 1048576,4194304.',
    );
  }
}

function planTrace({ files, readyAt, coverage }: TraceMapping): PlanTrace {
  const { mapped, excluded, unmapped } = coverage;
  if (mapped < (mapped + unmapped.length) * FOREIGN_TRACE) {
    throw new LensError(
      'plan/foreign-trace',
      `The trace is of another image: of its ${formatCount(mapped + unmapped.length)} paths only ${formatCount(mapped)} lead to a file here.`,
      'Record a start of this image, or give the image that the trace was recorded from.',
    );
  }
  return {
    files,
    readyMs: readyAt === undefined ? null : readyAt / 1000,
    mapped,
    excluded,
    unmapped: unmapped.length,
    examples: unmapped.slice(0, EXAMPLES).map(({ path, reason }) => ({ path, reason: REASONS[reason] })),
  };
}

const REASONS = {
  'not-in-image': 'not in the image',
  'symlink-loop': 'its symbolic links run in a circle',
  'not-a-file': 'not a regular file',
} as const;

function planLayer(
  { descriptor, scan, instruction, problem }: PlanInputLayer,
  index: number,
  minLayerSize: number,
  touched: LayerTouches | undefined,
): PlanLayer {
  const small = descriptor.size < minLayerSize;
  const notIndexed =
    scan === undefined
      ? (problem ?? 'It has not been scanned.')
      : small
        ? `It is smaller than ${formatSize(minLayerSize)}, the smallest layer to index.`
        : null;
  return {
    index,
    digest: descriptor.digest,
    mediaType: descriptor.mediaType,
    size: descriptor.size,
    uncompressedSize: scan?.tarSize ?? null,
    files: scan?.entries.length ?? null,
    instruction: instruction ?? null,
    indexed: notIndexed === null,
    notIndexed,
    touchedFiles: touched?.files ?? 0,
    touchedBytes: touched?.bytes ?? 0,
  };
}

function spanSizeRow(spanSize: number, input: ForecastInput, layers: readonly PlanLayer[]): SpanSizeRow {
  let [spans, touchedSpans, spanBytes, inflatedBytes, ztocBytes, usedBytes] = [0, 0, 0, 0, 0, 0];
  input.layers.forEach(({ indexed }, index) => {
    const first = input.fetches.first[index];
    if (indexed === undefined || first === undefined) return;
    spans += indexed.table.length;
    ztocBytes += indexed.ztocBytes;
    usedBytes += layers[index]?.touchedBytes ?? 0;
    for (let span = 0; span < first.length; span++) {
      if (first[span] === Infinity) continue;
      const compressed = indexed.table.compressed(span);
      const inflated = indexed.table.uncompressed(span);
      touchedSpans++;
      spanBytes += compressed.end - compressed.start;
      inflatedBytes += inflated.end - inflated.start;
    }
  });
  return {
    spanSize,
    spans,
    touchedSpans,
    spanBytes,
    inflatedBytes,
    waste: inflatedBytes === 0 ? 0 : Math.max(0, 1 - usedBytes / inflatedBytes),
    ztocBytes,
    serialFetches: serialFetches(input),
    lazy: forecast('lazy', input),
    prefetch: forecast('lazy-prefetch', input),
  };
}

/**
 * The cost of a span size is the forecast time to ready of a lazy start without prefetch, which is what a node does by
 * default. Among sizes within 2 % of the shortest time, the one that moves the fewest bytes wins.
 */
function choose(rows: readonly SpanSizeRow[], traced: boolean, anyIndexed: boolean): Plan['choice'] {
  const usual = closestTo(rows, DEFAULT_SPAN_SIZE);
  if (!traced || !anyIndexed) {
    const why = traced
      ? 'No layer is indexed, so the span size makes no difference'
      : 'No start was recorded, so nothing tells the span sizes apart';
    return { spanSize: usual.spanSize, reason: `${why}; ${formatSize(usual.spanSize)} stands.` };
  }
  const shortest = Math.min(...rows.map((row) => row.lazy.totalSeconds));
  const best = rows
    .filter((row) => row.lazy.totalSeconds <= shortest * (1 + SAME_TIME))
    .reduce((a, b) => (b.lazy.bytes < a.lazy.bytes ? b : a));
  const size = formatSize(best.spanSize);
  const ready = `${size} spans make the service ready after about ${describe(best)}`;
  const fastest = rows.reduce((a, b) => (b.lazy.totalSeconds < a.lazy.totalSeconds ? b : a));
  if (best !== fastest) {
    return {
      spanSize: best.spanSize,
      reason: `${ready}. ${formatSize(fastest.spanSize)} is hardly faster (${formatSeconds(fastest.lazy.totalSeconds)}) and moves ${formatBytes(fastest.lazy.bytes)}.`,
    };
  }
  const next = rows
    .filter((row) => row !== best)
    .sort((a, b) => a.lazy.totalSeconds - b.lazy.totalSeconds)[0];
  const other = best === usual ? next : usual;
  if (other === undefined) return { spanSize: best.spanSize, reason: `${ready}.` };
  const what = other === usual ? 'the default' : 'the next best';
  return {
    spanSize: best.spanSize,
    reason: `${ready}; ${what}, ${formatSize(other.spanSize)}, takes ${describe(other)}.`,
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

function notes(
  layers: readonly PlanLayer[],
  trace: PlanTrace | undefined,
  plain: Forecast,
  lazy: Forecast | undefined,
): string[] {
  const result: string[] = [];
  if (trace === undefined) {
    result.push('Without a recorded start only sizes are known: nothing counts as touched.');
  } else {
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
    result.push(
      `The start also reads from ${formatCount(whole.length)} ${whole.length === 1 ? 'layer' : 'layers'} outside the index (${formatBytes(whole.reduce((sum, layer) => sum + layer.size, 0))}), pulled whole before it.`,
    );
  }
  return result;
}
