/**
 * How long an image takes from the order to pull until its service is ready. The start is simulated event by event with
 * the request sequence, the serial fetches and the costs that were measured on the real snapshotter; docs/model.md holds
 * the evidence and the errors against recorded runs. TCP and TLS set-up are left out: connections are reused.
 */
import type { ByteRange } from '../layer/bytes';
import type { SpanTable } from '../layer/types';
import type { StartFetches } from './spans';
import type { Forecast, Network, Node, PullMode } from './types';

const MIB = 1024 * 1024;

/**
 * Measured on two processors with soci-snapshotter v0.15 and containerd 2.2 (docs/model.md, "Constants"); times in
 * milliseconds. They were fitted on one application (fx-py) and checked on another (fx-node).
 */
export const COSTS = {
  /** Registry, proxy and client, for each request beside the round trip. */
  request: 5,
  /** What the snapshotter takes at most, whatever the link gives: 3.4 ms for a megabyte. */
  intakeBytesPerSecond: 290e6,
  /** Resolving the image, unmarshalling its ztocs, mounts. */
  resolve: 200,
  /** One un-indexed layer beside its bytes: a directory, a mount, commit. */
  plainLayer: 20,
  /** Inserting one file into the metadata database; one writer at a time for all layers. */
  insertFile: 0.021,
  /** Creating the container and its task. */
  create: 120,
  /** Inflating a MiB of a span. */
  inflateMib: 3.7,
  /** Checking a MiB of a span and storing it in the span cache: 1.0 at 256 KiB, 1.75 at 1 MiB, 2.5 at 4 MiB. */
  storeMib: 2.5,
  /** How much slower each span gets when several are inflated at once, and reading a MiB back that was prefetched. */
  prefetchSlowdown: 1.3,
  readBackMib: 0.75,
  /** What each file of the start costs more through FUSE than on a local file system: lookups, open, reads. */
  fuseFile: 0.95,
  /** How much longer a start takes under the tracer, from a cold page cache. */
  tracerSlowdown: 3,
  /** Bytes per second that containerd takes in, hashes and writes when it pulls whole layers. */
  pullIntakeBytesPerSecond: 210e6,
  /** The application's own time where no trace tells. */
  unknownStart: 500,
} as const;

/** Round trips in series before the first mount (docs/model.md, "Requests"). */
const CLIENT_REQUESTS = 4;
const DAEMON_REQUESTS = 3;
/** Ztocs in parallel, probes in parallel, gzip headers in parallel. */
const RESOLVE_ROUNDS = 3;
/** HEAD tag, index, manifest, config. */
const WHOLE_PULL_REQUESTS = 4;

export interface ForecastLayer {
  /** Bytes of the blob. */
  readonly size: number;
  /** Bytes to unpack; where the layer was not scanned, the blob's own size stands in. */
  readonly unpackedSize: number;
  /** Set when the index covers the layer. */
  readonly indexed:
    { readonly table: SpanTable; readonly files: number; readonly ztocBytes: number } | undefined;
}

export interface ForecastInput {
  readonly layers: readonly ForecastLayer[];
  /** The fetches of the start; fetches of layers that are not indexed here are passed over. */
  readonly fetches: StartFetches;
  /** Distinct files that the start opened. */
  readonly files: number;
  /** Milliseconds to ready in the recorded run, under the tracer. */
  readonly tracedReadyMs: number | undefined;
  readonly network: Network;
  readonly node: Node;
}

/** One way to pull, forecast. All numbers are finite for networks that `checkNetwork` lets through. */
export function forecast(mode: PullMode, input: ForecastInput): Forecast {
  switch (mode) {
    case 'docker-pull':
    case 'parallel-pull':
      return wholePull(mode, input);
    case 'lazy':
    case 'lazy-prefetch':
      return lazyPull(mode, input);
  }
}

/** Fetches that wait for one another: what the start pays a round trip each for. */
export function serialFetches(input: Pick<ForecastInput, 'layers' | 'fetches'>): number {
  return groups(input).length;
}

/**
 * The machine that works off span fetches: a link that carries one byte after the other, and processors that inflate.
 * Times are milliseconds since the pull began.
 */
class Machine {
  private linkFree = 0;
  private readonly coreFree: number[];
  requests = 0;
  bytes = 0;

  constructor(private readonly input: ForecastInput) {
    this.coreFree = new Array<number>(input.node.cores).fill(0);
  }

  /** Milliseconds that one request waits before its first byte. */
  get wait(): number {
    return this.input.network.rttMs + COSTS.request;
  }

  /** `count` requests after one another that carry next to nothing; returns when the last is done. */
  ask(at: number, count: number): number {
    this.requests += count;
    return at + count * this.wait;
  }

  /** One request for `bytes`; returns when the last byte is there. */
  get(at: number, bytes: number, intake: number = COSTS.intakeBytesPerSecond): number {
    this.requests++;
    this.bytes += bytes;
    const begin = Math.max(at + this.wait, this.linkFree);
    this.linkFree = begin + (bytes / Math.min(this.input.network.bytesPerSecond, intake)) * 1000;
    return this.linkFree;
  }

  /** Work of `milliseconds` on the processor that is free first; returns when it is done. */
  work(at: number, milliseconds: number): number {
    let core = 0;
    for (let i = 1; i < this.coreFree.length; i++)
      if ((this.coreFree[i] ?? 0) < (this.coreFree[core] ?? 0)) core = i;
    const done = Math.max(at, this.coreFree[core] ?? 0) + milliseconds;
    this.coreFree[core] = done;
    return done;
  }

  /** Fetches one span, inflates and stores it; `slowdown` is for others that do the same meanwhile. */
  span(at: number, table: SpanTable, span: number, slowdown = 1): number {
    const mib = lengthOf(table.uncompressed(span)) / MIB;
    const there = this.get(at, lengthOf(table.compressed(span)));
    const inflate = table.compression === 'gzip' ? COSTS.inflateMib * mib : 0;
    const store = COSTS.storeMib * mib * Math.min(1, mib / LARGE_SPAN_MIB) ** STORE_GROWTH;
    return this.work(there, (inflate + store) * slowdown);
  }
}

/** The storing cost of a MiB grows with the span up to this size, by this power. */
const LARGE_SPAN_MIB = 4;
const STORE_GROWTH = 0.3;

/** The start's fetches of indexed layers, by group. */
function groups({
  layers,
  fetches,
}: Pick<ForecastInput, 'layers' | 'fetches'>): { table: SpanTable; span: number; layer: number }[][] {
  const result: { table: SpanTable; span: number; layer: number }[][] = [];
  let last = -1;
  for (let i = 0; i < fetches.span.length; i++) {
    const layer = fetches.layer[i] ?? 0;
    const table = layers[layer]?.indexed?.table;
    if (table === undefined) continue;
    const group = fetches.group[i] ?? 0;
    const fetch = { table, span: fetches.span[i] ?? 0, layer };
    if (group === last) result.at(-1)?.push(fetch);
    else result.push([fetch]);
    last = group;
  }
  return result;
}

/** The application's own time to ready, on local files. */
function ownTime(input: ForecastInput): number {
  return input.tracedReadyMs === undefined ? COSTS.unknownStart : input.tracedReadyMs / COSTS.tracerSlowdown;
}

function lazyPull(mode: 'lazy' | 'lazy-prefetch', input: ForecastInput): Forecast {
  const { layers, node } = input;
  const machine = new Machine(input);
  const fetches = groups(input);
  const indexed = layers.map((layer) => layer.indexed);

  let pulled = machine.ask(0, CLIENT_REQUESTS);
  if (indexed.some(Boolean)) {
    pulled = machine.ask(pulled, DAEMON_REQUESTS) + COSTS.resolve;
    const asked = pulled;
    for (const layer of indexed) if (layer) pulled = Math.max(pulled, machine.get(asked, layer.ztocBytes));
    // Probe and gzip header of every layer: all layers at the same time, so two rounds of waiting.
    machine.requests += 2 * indexed.filter(Boolean).length;
    pulled += (RESOLVE_ROUNDS - 1) * machine.wait;
    pulled = resolveLayers(machine, pulled, input, mode === 'lazy-prefetch' ? fetches.flat() : []);
  }
  // Layers outside the index are fetched and unpacked one after the other, before the container can be created.
  for (const layer of layers) {
    if (layer.indexed) continue;
    pulled =
      machine.get(pulled, layer.size) +
      COSTS.plainLayer +
      (layer.unpackedSize / node.unpackBytesPerSecond) * 1000;
  }

  const started = pulled + COSTS.create;
  let ready = started + ownTime(input) + (indexed.some(Boolean) ? input.files * COSTS.fuseFile : 0);
  for (const group of fetches) {
    const begin = ready;
    for (const { table, span } of group) {
      if (mode === 'lazy') ready = Math.max(ready, machine.span(begin, table, span));
      else ready += (lengthOf(table.uncompressed(span)) / MIB) * COSTS.readBackMib;
    }
  }
  return result(mode, pulled, started, ready, machine);
}

/**
 * Files go into the metadata database layer by layer, small ztocs first; a layer's prefetch begins when its own files
 * are in, with as many workers as there are processors, and its mount waits for them.
 */
function resolveLayers(
  machine: Machine,
  at: number,
  input: ForecastInput,
  spans: readonly { table: SpanTable; span: number; layer: number }[],
): number {
  const order = input.layers
    .flatMap(({ indexed }, layer) => (indexed ? [{ layer, indexed }] : []))
    .sort((a, b) => a.indexed.ztocBytes - b.indexed.ztocBytes);
  const workers: { free: number; queue: { table: SpanTable; span: number }[] }[] = [];
  let inserted = at;
  for (const { layer, indexed } of order) {
    inserted += indexed.files * COSTS.insertFile;
    const queue = spans.filter((span) => span.layer === layer).sort((a, b) => a.span - b.span);
    for (let worker = 0; worker < Math.min(input.node.cores, queue.length); worker++)
      workers.push({ free: inserted, queue });
  }
  let done = inserted;
  // The worker that is free first takes its layer's next span.
  while (workers.length > 0) {
    let next = 0;
    for (let i = 1; i < workers.length; i++)
      if ((workers[i]?.free ?? 0) < (workers[next]?.free ?? 0)) next = i;
    const worker = workers[next];
    const job = worker?.queue.shift();
    if (worker === undefined || job === undefined) {
      workers.splice(next, 1);
      continue;
    }
    worker.free = machine.span(worker.free, job.table, job.span, COSTS.prefetchSlowdown);
    done = Math.max(done, worker.free);
  }
  return done;
}

/**
 * `docker-pull`: three downloads at a time, then every layer unpacked after the other, as containerd does.
 * `parallel-pull`: unpacking begins while other layers are still on their way; the disk takes one stream for every two
 * processors (12 s against 15.7 s on the two processors of the measurements).
 */
function wholePull(mode: 'docker-pull' | 'parallel-pull', input: ForecastInput): Forecast {
  const { layers, node } = input;
  const machine = new Machine(input);
  const asked = machine.ask(0, WHOLE_PULL_REQUESTS);
  let pulled = asked;
  if (mode === 'docker-pull') {
    for (const layer of layers)
      pulled = Math.max(pulled, machine.get(asked, layer.size, COSTS.pullIntakeBytesPerSecond));
    for (const layer of layers) pulled += (layer.unpackedSize / node.unpackBytesPerSecond) * 1000;
  } else {
    const streams = new Array<number>(Math.max(1, Math.floor(node.cores / 2))).fill(asked);
    for (const layer of [...layers].sort((a, b) => a.size - b.size)) {
      const there = machine.get(asked, layer.size, COSTS.pullIntakeBytesPerSecond);
      streams.sort((a, b) => a - b);
      streams[0] = Math.max(there, streams[0] ?? 0) + (layer.unpackedSize / node.unpackBytesPerSecond) * 1000;
    }
    pulled = Math.max(...streams);
  }
  const started = pulled + COSTS.create;
  return result(mode, pulled, started, started + ownTime(input), machine);
}

function lengthOf(range: ByteRange): number {
  return range.end - range.start;
}

function result(mode: PullMode, pulled: number, started: number, ready: number, machine: Machine): Forecast {
  return {
    mode,
    pullSeconds: pulled / 1000,
    startSeconds: (ready - started) / 1000,
    totalSeconds: ready / 1000,
    requests: machine.requests,
    bytes: machine.bytes,
  };
}
