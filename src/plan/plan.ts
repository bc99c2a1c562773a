/** From the scans of an image's layers and the trace of its start to a decision: `Plan`. */
import { LensError } from '../errors';
import type { LayerScan, SpanTable } from '../layer/types';
import type { Descriptor } from '../oci/types';
import { DEFAULT_MIN_LAYER_SIZE } from '../soci/layers';
import { ztocSizer } from '../soci/ztoc';
import type { TraceMapping } from '../trace/types';
import { advise } from './advise';
import { bestOf } from './best';
import { choose } from './choice';
import { planTrace } from './coverage';
import { createEvaluator } from './evaluate';
import type { Circumstances, Evaluator, Variant } from './evaluate';
import { formatSize } from './format';
import { checkNetwork, DEFAULT_NETWORK, parseNetwork } from './network';
import { checkNode, DEFAULT_NODE, networkOf } from './node';
import { layerNotes, planNotes } from './notes';
import { spanRuns } from './spans';
import { layStart, tableOf } from './starts';
import type { LayerTouches } from './touches';
import type { Forecast, IndexWish, LayerSpans, Network, Node, Plan, PlanLayer, SpanSizeRow } from './types';

const KIB = 1024;

/** Span sizes that are compared when nobody says which. */
export const DEFAULT_SPAN_SIZES: readonly number[] = [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384].map(
  (kib) => kib * KIB,
);

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
  /** Missing without a trace; of several starts what any of them touched. */
  readonly mapping?: TraceMapping | undefined;
  /** Why a recorded start that there is is not among these, in a sentence or two. */
  readonly traceProblem?: string | undefined;
  /** Each of several starts, so that a choice holds for all of them. */
  readonly runs?: readonly TraceMapping[] | undefined;
}

export interface PlanOptions {
  /** Bytes; the rows of the table, in any order. */
  readonly spanSizes?: readonly number[] | undefined;
  readonly minLayerSize?: number | undefined;
  readonly network?: Network | undefined;
  readonly node?: Node | undefined;
  /** What the best index has to be. Where not given none is looked for: that takes longer than the rest of the plan. */
  readonly best?: IndexWish | undefined;
}

/** The spans of every scanned layer at one span size, and when the start touches each first. */
export interface Laid {
  readonly tables: readonly (SpanTable | undefined)[];
  readonly fetches: { readonly first: readonly (Float64Array | undefined)[] };
  readonly ztocBytes: readonly number[];
}

/** Answers for one image as often as asked: what does not depend on the question is worked out once. */
export interface Planner {
  readonly touches: readonly LayerTouches[];
  /** Forecasts of any way to index this image. */
  readonly evaluator: Evaluator;
  laid(spanSize: number): Laid;
  /** The spans that a start fetches of each layer the index covers: what an exact prefetch artifact lists. */
  prefetch(spanSize: number, minLayerSize: number): LayerSpans[];
  /** @throws LensError `plan/bad-span-size`, `plan/bad-network`, `plan/bad-node` */
  plan(options?: PlanOptions): Plan;
}

/**
 * Plans one image.
 * @throws LensError `plan/foreign-trace`, `plan/bad-span-size`, `plan/bad-network`, `plan/bad-node`
 */
export function planImage(input: PlanInput & PlanOptions): Plan {
  return createPlanner(input).plan(input);
}

/** @throws LensError `plan/foreign-trace` */
export function createPlanner(input: PlanInput): Planner {
  const scans = input.layers.map((layer) => layer.scan);
  const trace = input.mapping && planTrace(input.mapping);
  const united = layStart(input.mapping, scans);
  const runs = (input.runs ?? []).map((mapping) => layStart(mapping, scans));
  const ztocBytes = (layer: number, spanSize: number): number => {
    const scan = scans[layer];
    return scan ? sizerOf(scan)(spanSize) : 0;
  };
  const evaluator = createEvaluator(
    input.layers.map(({ descriptor, scan }, layer) => ({
      size: descriptor.size,
      scanned: scan && { tarSize: scan.tarSize, files: scan.entries.length },
      ztocBytes: (spanSize) => ztocBytes(layer, spanSize),
    })),
    united,
    runs,
  );

  function laid(spanSize: number): Laid {
    return {
      tables: scans.map((scan) => scan && tableOf(scan, spanSize)),
      fetches: { first: scans.map((_, layer) => united.fetches(layer, spanSize)?.first) },
      ztocBytes: scans.map((_, layer) => ztocBytes(layer, spanSize)),
    };
  }

  function prefetch(spanSize: number, minLayerSize: number): LayerSpans[] {
    return input.layers.flatMap(({ descriptor }, layer) => {
      const times = descriptor.size < minLayerSize ? undefined : united.fetches(layer, spanSize)?.first;
      const spans = times ? spanRuns(times) : [];
      return spans.length > 0 ? [{ layer, digest: descriptor.digest, spans }] : [];
    });
  }

  function spanSizeRow(spanSize: number, minLayerSize: number, circumstances: Circumstances): SpanSizeRow {
    const lazy = evaluator.uniform(spanSize, minLayerSize);
    let [spans, touchedSpans, spanBytes, inflatedBytes, usedBytes] = [0, 0, 0, 0, 0];
    lazy.spanSizes.forEach((size, layer) => {
      const fetches = size === null ? undefined : united.fetches(layer, size);
      if (fetches === undefined) return;
      spans += fetches.table.length;
      usedBytes += united.touches[layer]?.bytes ?? 0;
      touchedSpans += fetches.span.length;
      for (let i = 0; i < fetches.span.length; i++) {
        spanBytes += fetches.bytes[i] ?? 0;
        inflatedBytes += fetches.inflated[i] ?? 0;
      }
    });
    return {
      spanSize,
      spans,
      touchedSpans,
      spanBytes,
      inflatedBytes,
      waste: inflatedBytes === 0 ? 0 : Math.max(0, 1 - usedBytes / inflatedBytes),
      ztocBytes: evaluator.indexBytes(lazy),
      serialFetches: evaluator.serialFetches(lazy),
      lazy: evaluator.forecast(lazy, circumstances),
      prefetch: evaluator.forecast({ ...lazy, prefetch: 'touched' }, circumstances),
    };
  }

  function plan(options: PlanOptions = {}): Plan {
    const network = options.network ?? parseNetwork(DEFAULT_NETWORK);
    checkNetwork(network);
    const node = options.node ?? DEFAULT_NODE;
    checkNode(node);
    const circumstances = { network: networkOf(network, node), node };
    const minLayerSize = options.minLayerSize ?? DEFAULT_MIN_LAYER_SIZE;
    const spanSizes = [...new Set(options.spanSizes ?? DEFAULT_SPAN_SIZES)].sort((a, b) => a - b);
    checkSpanSizes(spanSizes);

    const layers = input.layers.map((layer, index) =>
      planLayer(layer, index, minLayerSize, united.touches[index]),
    );
    const rows = spanSizes.map((spanSize) => spanSizeRow(spanSize, minLayerSize, circumstances));
    const anyIndexed = layers.some((layer) => layer.indexed);
    const choice = choose(rows, trace !== undefined, anyIndexed);
    const chosenRow = rows.find((row) => row.spanSize === choice.spanSize);
    const chosen: Variant = evaluator.uniform(choice.spanSize, minLayerSize);
    const plain = evaluator.forecast(chosen, circumstances, 'docker-pull');
    const parallel = evaluator.forecast(chosen, circumstances, 'parallel-pull');
    const lazy: readonly Forecast[] = chosenRow ? [chosenRow.lazy, chosenRow.prefetch] : [];
    const modes = [plain, parallel, ...(trace ? lazy : [])];
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
      modes,
      advice: advise({
        layers,
        input: input.layers,
        touches: united.touches,
        modes,
        node,
        spans: chosenRow?.spans ?? 0,
      }),
      best:
        options.best && trace && layers.some((layer) => layer.uncompressedSize !== null)
          ? bestOf(
              evaluator,
              circumstances,
              { ...options.best, spanSizes, severalRuns: runs.length > 1 },
              input.layers.map(({ descriptor }) => descriptor.digest),
            )
          : null,
      build: null,
      prefetch: prefetch(choice.spanSize, minLayerSize),
      notes: [
        ...(input.traceProblem === undefined
          ? []
          : [`The recorded start is left out: ${input.traceProblem}`]),
        ...layerNotes(layers, scans),
        ...planNotes(layers, trace, plain, chosenRow?.lazy, input.mapping?.wholeFiles),
      ],
    };
  }

  return { touches: united.touches, evaluator, laid, prefetch, plan };
}

/** Measuring the files of a ztoc takes time, and the same scan comes again in each new picture of a growing image. */
const sizers = new WeakMap<LayerScan, (spanSize: number) => number>();

function sizerOf(scan: LayerScan): (spanSize: number) => number {
  const known = sizers.get(scan);
  if (known !== undefined) return known;
  const measure = ztocSizer(scan);
  const sizes = new Map<number, number>();
  const sizer = (spanSize: number): number => {
    const size = sizes.get(spanSize) ?? measure(spanSize);
    sizes.set(spanSize, size);
    return size;
  };
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
