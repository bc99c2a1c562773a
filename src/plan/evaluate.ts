/** The forecast of one way to make the index, for the image at hand. */
import { DEFAULT_MIN_LAYER_SIZE, DEFAULT_SPAN_SIZE } from '../soci/layers';
import { forecast } from './forecast';
import type { ForecastInput, ForecastLayer } from './forecast';
import { stableSpans, touchedSpans } from './prefetch';
import type { PrefetchSet } from './prefetch';
import { sequenceOf } from './sequence';
import type { Sequence } from './sequence';
import type { LaidStart } from './starts';
import type { WholePull } from './whole-pull';
import type { Forecast, IndexVersion, Network, Node, PullMode } from './types';

/** One way to make the index of an image. */
export interface Variant {
  /** Bytes, by layer; null leaves the layer out of the index. */
  readonly spanSizes: readonly (number | null)[];
  /** What the prefetch artifacts list: a kind of set, or the spans by layer, ascending. */
  readonly prefetch: PrefetchSet | readonly (readonly number[])[];
  /** Of a kind of set only what is touched before this time of the start, in microseconds. */
  readonly prefetchUntil?: number | undefined;
  /** 2 where not given. */
  readonly version?: IndexVersion | undefined;
}

/** Where a forecast holds. */
export interface Circumstances {
  readonly network: Network;
  readonly node: Node;
  /** How `parallel-pull` is set up on the node; what upstream advises where not given. */
  readonly parallel?: WholePull | undefined;
}

/** What the evaluation needs to know of a layer, whatever the index. */
export interface LayerFacts {
  readonly size: number;
  /** Undefined when the layer was not scanned: it cannot be indexed. */
  readonly scanned: { readonly tarSize: number; readonly files: number } | undefined;
  readonly ztocBytes: (spanSize: number) => number;
}

export interface Evaluator {
  readonly layers: readonly LayerFacts[];
  /** Every layer of at least `minLayerSize` bytes with spans of one size. */
  uniform(spanSize: number, minLayerSize: number, prefetch?: PrefetchSet, version?: IndexVersion): Variant;
  /** What is done when nobody chooses: 4 MiB spans, layers from 10 MiB on, no prefetch. */
  readonly usual: Variant;
  /** By layer, ascending: the spans that the variant's prefetch artifacts list. */
  prefetched(variant: Variant): readonly (readonly number[])[];
  /** Spans of all layers that the index covers. */
  spans(variant: Variant): number;
  /** Bytes of all ztocs. */
  indexBytes(variant: Variant): number;
  /** Fetches that wait for one another in a lazy start. */
  serialFetches(variant: Variant): number;
  /**
   * A lazy start, with prefetch where the variant lists spans, unless another mode is asked for. Of several recorded
   * starts the times are the mean; requests and bytes are the largest.
   */
  forecast(variant: Variant, circumstances: Circumstances, mode?: PullMode): Forecast;
}

/**
 * @param united what any of the starts touches
 * @param runs each of them, where there are several
 */
export function createEvaluator(
  layers: readonly LayerFacts[],
  united: LaidStart,
  runs: readonly LaidStart[] = [],
): Evaluator {
  const starts = runs.length > 1 ? runs : [united];

  function fetchesOf(start: LaidStart, { spanSizes }: Variant): ReturnType<LaidStart['fetches']>[] {
    return layers.map(({ scanned }, layer) => {
      const spanSize = spanSizes[layer] ?? null;
      return scanned === undefined || spanSize === null ? undefined : start.fetches(layer, spanSize);
    });
  }

  const sequences = recent((start: LaidStart, variant: Variant) => sequenceOf(fetchesOf(start, variant)));
  const lists = recent((_: LaidStart, variant: Variant) => selected(variant));
  const parts = recent((start: LaidStart, variant: Variant) => forecastLayers(start, variant));
  const keyOf = ({ spanSizes }: Variant): string => spanSizes.join();

  function sequence(start: LaidStart, variant: Variant): Sequence {
    return sequences(`${starts.indexOf(start)} ${keyOf(variant)}`, start, variant);
  }

  function prefetched(variant: Variant): readonly (readonly number[])[] {
    const { prefetch, prefetchUntil } = variant;
    if (typeof prefetch !== 'string') return prefetch;
    return lists(`${prefetch} ${prefetchUntil} ${keyOf(variant)}`, united, variant);
  }

  function selected(variant: Variant): readonly (readonly number[])[] {
    switch (variant.prefetch) {
      case 'none':
        return [];
      case 'touched':
        return listed(united, variant);
      case 'stable':
        return stableSpans(starts.map((start) => listed(start, variant)));
      default:
        return variant.prefetch;
    }
  }

  function listed(start: LaidStart, variant: Variant): number[][] {
    return touchedSpans(fetchesOf(start, variant), { until: variant.prefetchUntil });
  }

  function forecastLayers(start: LaidStart, variant: Variant): ForecastLayer[] {
    const fetches = fetchesOf(start, variant);
    const lists = prefetched(variant);
    return layers.map(({ size, scanned, ztocBytes }, layer): ForecastLayer => {
      const laid = fetches[layer];
      return {
        size,
        unpackedSize: scanned?.tarSize ?? size,
        files: scanned?.files ?? 0,
        opened: start.touches[layer]?.entries.length ?? 0,
        indexed: laid && {
          fetches: laid,
          ztocBytes: ztocBytes(laid.table.spanSize),
          prefetch: lists[layer] ?? [],
        },
      };
    });
  }

  return {
    layers,
    prefetched,
    usual: uniform(DEFAULT_SPAN_SIZE, DEFAULT_MIN_LAYER_SIZE),
    uniform,
    spans: (variant) => fetchesOf(united, variant).reduce((sum, one) => sum + (one?.table.length ?? 0), 0),
    indexBytes: ({ spanSizes }) =>
      layers.reduce((sum, layer, index) => {
        const spanSize = spanSizes[index] ?? null;
        return spanSize === null || !layer.scanned ? sum : sum + layer.ztocBytes(spanSize);
      }, 0),
    serialFetches: (variant) => sequence(united, variant).requests,
    forecast(
      variant,
      { network, node, parallel },
      mode = variant.prefetch === 'none' ? 'lazy' : 'lazy-prefetch',
    ) {
      const each = starts.map((start, run) => {
        const listed = typeof variant.prefetch === 'string' ? variant.prefetch : undefined;
        const key = `${run} ${listed} ${variant.prefetchUntil} ${keyOf(variant)}`;
        const input: ForecastInput = {
          layers: listed ? parts(key, start, variant) : forecastLayers(start, variant),
          start: start.start,
          sequence: sequence(start, variant),
          network,
          node,
          version: variant.version,
          parallel,
        };
        return forecast(mode, input);
      });
      return mean(mode, each);
    },
  };

  function uniform(
    spanSize: number,
    minLayerSize: number,
    prefetch: PrefetchSet = 'none',
    version: IndexVersion = 2,
  ): Variant {
    const spanSizes = layers.map(({ size, scanned }) => (scanned && size >= minLayerSize ? spanSize : null));
    return { spanSizes, prefetch, version };
  }
}

/** Ways to index that are asked for again while a person moves a slider, or while networks are compared. */
const REMEMBERED = 128;

/** Remembers the answers that were asked for last. */
function recent<A extends readonly unknown[], T>(find: (...args: A) => T): (key: string, ...args: A) => T {
  const known = new Map<string, T>();
  return (key, ...args) => {
    const value = known.has(key) ? (known.get(key) as T) : find(...args);
    known.delete(key);
    known.set(key, value);
    for (const oldest of known.keys()) {
      if (known.size <= REMEMBERED) break;
      known.delete(oldest);
    }
    return value;
  };
}

function mean(mode: PullMode, forecasts: readonly Forecast[]): Forecast {
  const average = (of: (one: Forecast) => number): number =>
    forecasts.reduce((sum, one) => sum + of(one), 0) / forecasts.length;
  return {
    mode,
    pullSeconds: average((one) => one.pullSeconds),
    startSeconds: average((one) => one.startSeconds),
    totalSeconds: average((one) => one.totalSeconds),
    requests: Math.max(...forecasts.map((one) => one.requests)),
    bytes: Math.max(...forecasts.map((one) => one.bytes)),
  };
}
