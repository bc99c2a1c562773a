/** A lazy start in the simulator: manifests, ztocs, metadata database, prefetch, mounts, then the start itself. */
import { Background } from './background';
import { COSTS, ROUND_TRIPS } from './costs';
import type { ForecastInput, IndexedLayer, Outcome } from './forecast';
import { Processors } from './processors';
import { sequenceOf } from './sequence';
import { Soonest } from './soonest';
import { spanColumns } from './span-columns';
import { unpackAlone } from './whole-pull';
import { Wire } from './wire';

const MIB = 1024 * 1024;

export function simulateLazy(input: ForecastInput, prefetch: boolean): Outcome {
  const { layers, node, network } = input;
  const indexed = layers.map((layer) => layer.indexed);
  const covered = indexed.filter((one) => one !== undefined).length;
  // containerd's client and the snapshotter's daemon have connections of their own, and one link.
  const wire = new Wire(network);
  const processors = new Processors(node.cores);

  let pulled = wire.ask(0, ROUND_TRIPS.client);
  /** Layers that are fetched whole: those outside the index, and those whose mount takes too long. */
  const whole = new Set(layers.flatMap((layer, index) => (layer.indexed ? [] : [index])));
  if (covered > 0) {
    const asked =
      wire.ask(pulled, ROUND_TRIPS.daemon + (input.version === 1 ? ROUND_TRIPS.v1 : 0)) + COSTS.resolve;
    pulled = asked;
    for (const layer of indexed)
      if (layer) pulled = Math.max(pulled, wire.get(asked, layer.ztocBytes, COSTS.intakeBytesPerSecond));
    // The probe of every layer at once, then the gzip header of every layer at once.
    for (let round = 0; round < 2; round++) {
      const before = pulled;
      for (let i = 0; i < covered; i++) pulled = Math.max(pulled, wire.get(before, 0));
    }
    const resolved = resolveLayers(pulled, input, prefetch, wire, processors);
    pulled = resolved.at;
    for (const layer of resolved.late) whole.add(layer);
  }
  const mounted = pulled;
  for (const index of [...whole].sort((a, b) => a - b)) {
    const layer = layers[index];
    if (layer === undefined) continue;
    pulled = wire.get(pulled, layer.size) + COSTS.plainLayer + unpackAlone(layer, node);
  }

  const started = pulled + COSTS.create;
  const lazy = indexed.map((layer, index) => (layer && !whole.has(index) ? layer : undefined));
  const ready = replay(started, mounted, lazy, input, prefetch, wire, processors);
  return { pulled, started, ready, requests: wire.requests, bytes: wire.bytes };
}

/**
 * Files go into the metadata database layer by layer, small ztocs first; a layer's prefetch begins when its own files
 * are in, with as many workers as the snapshotter has processors, and its mount waits for them. A layer that takes longer
 * than the mount may is given up.
 */
function resolveLayers(
  at: number,
  { layers, node }: ForecastInput,
  prefetch: boolean,
  wire: Wire,
  processors: Processors,
): { at: number; late: number[] } {
  const order = layers
    .flatMap(({ indexed, files }, layer) => (indexed ? [{ layer, indexed, files }] : []))
    .sort((a, b) => a.indexed.ztocBytes - b.indexed.ztocBytes);
  const done = new Map<number, number>();
  /** The list of each worker; the workers of a layer share one. */
  const lists: {
    layer: number;
    spans: readonly number[];
    next: number;
    bytes: Float64Array;
    work: Float64Array;
  }[] = [];
  const free: number[] = [];
  let inserted = at;
  for (const { layer, indexed, files } of order) {
    inserted += files * COSTS.insertFile;
    done.set(layer, inserted);
    if (!prefetch) continue;
    const spans = indexed.prefetch;
    const list = { layer, spans, next: 0, ...spanColumns(indexed.fetches.table) };
    for (let worker = 0; worker < Math.min(node.workers ?? node.cores, spans.length); worker++) {
      lists.push(list);
      free.push(inserted);
    }
  }
  // The worker that is free first takes its layer's next span.
  const workers = new Soonest(Float64Array.from(free));
  for (let worker = workers.first; worker >= 0; worker = workers.first) {
    const list = lists[worker];
    const span = list?.spans[list.next];
    if (list === undefined || span === undefined) {
      workers.delay(Infinity);
      continue;
    }
    list.next++;
    const there = wire.get(workers.time, list.bytes[span] ?? 0, COSTS.intakeBytesPerSecond);
    const end = processors.work(there, (list.work[span] ?? 0) * COSTS.prefetchSlowdown);
    workers.delay(end);
    done.set(list.layer, Math.max(done.get(list.layer) ?? 0, end));
  }
  const late: number[] = [];
  let last = at;
  for (const [layer, end] of done) {
    if (end - at > COSTS.mountTimeout) late.push(layer);
    last = Math.max(last, Math.min(end, at + COSTS.mountTimeout));
  }
  return { at: last, late };
}

/**
 * The start: the application's own time and what FUSE adds to it, spread as the trace's clock tells, and between them
 * the fetches, each of which it waits for. Returns when the service is ready.
 */
function replay(
  started: number,
  mounted: number,
  indexed: readonly (IndexedLayer | undefined)[],
  { layers, start, sequence = sequenceOf(layers.map((layer) => layer.indexed?.fetches)) }: ForecastInput,
  prefetch: boolean,
  wire: Wire,
  processors: Processors,
): number {
  let opened = 0;
  indexed.forEach((layer, index) => (opened += layer ? (layers[index]?.opened ?? 0) : 0));
  const think = start.ownMs + opened * COSTS.fuseFile;
  // A layer that was mounted too late is there whole.
  const parts = indexed.map(
    (layer) =>
      layer && {
        fetches: layer.fetches,
        work: spanColumns(layer.fetches.table).work,
        prefetched: prefetch ? marked(layer) : undefined,
      },
  );
  const background = new Background(mounted, indexed, wire);
  let now = started;
  let thought = 0;
  let begin = started;
  for (let at = 0; at < sequence.layer.length; at++) {
    const layer = sequence.layer[at] ?? 0;
    const part = parts[layer];
    if (part === undefined) continue;
    const { fetches } = part;
    const fetch = sequence.fetch[at] ?? 0;
    const span = fetches.span[fetch] ?? 0;
    if (sequence.begins[at] === 1) {
      // Without a clock all of the own time comes at the end.
      const share = start.readyAt ? Math.min(1, (fetches.first[span] ?? 0) / start.readyAt) : 0;
      if (share * think > thought) {
        now += share * think - thought;
        thought = share * think;
      }
      begin = now;
    }
    if (part.prefetched?.[span] === 1) {
      now = Math.max(now, begin + ((fetches.inflated[fetch] ?? 0) / MIB) * COSTS.readBackMib);
      continue;
    }
    const there =
      background.fetched(layer, span, begin) ??
      wire.get(begin, fetches.bytes[fetch] ?? 0, COSTS.intakeBytesPerSecond);
    now = Math.max(now, processors.work(there, part.work[span] ?? 0));
  }
  return now + Math.max(0, think - thought);
}

/** One for each span of the layer's prefetch list. */
function marked({ fetches, prefetch }: IndexedLayer): Uint8Array {
  const marks = new Uint8Array(fetches.table.length);
  for (const span of prefetch) marks[span] = 1;
  return marks;
}
