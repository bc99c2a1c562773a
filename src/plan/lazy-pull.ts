/** A lazy start in the simulator: manifests, ztocs, metadata database, prefetch, mounts, then the start itself. */
import { Background } from './background';
import { COSTS, ROUND_TRIPS } from './costs';
import type { ForecastInput, IndexedLayer, Outcome } from './forecast';
import { Processors } from './processors';
import { sequenceOf, spanCosts } from './sequence';
import type { SpanCosts } from './sequence';
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
  const queues: {
    free: number;
    layer: number;
    costs: SpanCosts;
    spans: readonly number[];
    next: { at: number };
  }[] = [];
  let inserted = at;
  for (const { layer, indexed, files } of order) {
    inserted += files * COSTS.insertFile;
    done.set(layer, inserted);
    if (!prefetch) continue;
    const spans = indexed.prefetch;
    const next = { at: 0 };
    for (let worker = 0; worker < Math.min(node.workers ?? node.cores, spans.length); worker++)
      queues.push({ free: inserted, layer, costs: spanCosts(indexed.fetches.table), spans, next });
  }
  // The worker that is free first takes its layer's next span.
  while (queues.length > 0) {
    let first = 0;
    for (let i = 1; i < queues.length; i++)
      if ((queues[i]?.free ?? 0) < (queues[first]?.free ?? 0)) first = i;
    const worker = queues[first];
    const span = worker?.spans[worker.next.at];
    if (worker === undefined || span === undefined) {
      queues.splice(first, 1);
      continue;
    }
    worker.next.at++;
    const { bytes, work } = worker.costs;
    const there = wire.get(worker.free, bytes[span] ?? 0, COSTS.intakeBytesPerSecond);
    worker.free = processors.work(there, (work[span] ?? 0) * COSTS.prefetchSlowdown);
    done.set(worker.layer, Math.max(done.get(worker.layer) ?? 0, worker.free));
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
  const parts = indexed.map(
    (layer) =>
      layer && {
        ...layer.fetches,
        work: spanCosts(layer.fetches.table).work,
        prefetched: prefetch ? marked(layer) : undefined,
      },
  );
  const background = new Background(mounted, indexed, wire);
  let now = started;
  let thought = 0;
  let begin = started;
  for (let at = 0; at < sequence.layer.length; at++) {
    const layer = sequence.layer[at] ?? 0;
    // A layer that was mounted too late is there whole.
    const part = parts[layer];
    if (part === undefined) continue;
    const fetch = sequence.fetch[at] ?? 0;
    const span = part.span[fetch] ?? 0;
    if (sequence.begins[at] === 1) {
      // Without a clock all of the own time comes at the end.
      const share = start.readyAt ? Math.min(1, (part.first[span] ?? 0) / start.readyAt) : 0;
      if (share * think > thought) {
        now += share * think - thought;
        thought = share * think;
      }
      begin = now;
    }
    if (part.prefetched?.[span] === 1) {
      now = Math.max(now, begin + ((part.inflated[fetch] ?? 0) / MIB) * COSTS.readBackMib);
      continue;
    }
    const there =
      background.fetched(layer, span, begin) ??
      wire.get(begin, part.bytes[fetch] ?? 0, COSTS.intakeBytesPerSecond);
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
