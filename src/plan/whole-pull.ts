/**
 * Pulling an image whole in the simulator: downloads and unpacking that share the link, the processors and the disk. Time
 * goes from one event (a layer is there, a layer is unpacked) to the next; in between every task runs at a steady rate.
 */
import { COSTS, ROUND_TRIPS } from './costs';
import type { ForecastInput, ForecastLayer, Outcome } from './forecast';
import type { Node } from './types';
import { Wire } from './wire';

export interface WholePull {
  /** Downloads at a time. */
  readonly downloads: number;
  /** Whether one layer is fetched by several requests at once, so that one download can fill more than one processor. */
  readonly chunks: boolean;
  /** Layers unpacked at a time; one layer is a single stream. */
  readonly unpacks: number;
  /** Whether unpacking waits until every layer is there. */
  readonly unpackAfterAll: boolean;
}

interface Task {
  readonly kind: 'download' | 'unpack';
  readonly layer: ForecastLayer;
  /** The part that is left, 1 to 0. */
  left: number;
}

/** Bytes of a chunk; the usual advice is 8 to 16 MB (soci-format §6.7). */
const CHUNK = 8e6;

export function simulateWhole({ layers, node, network, start }: ForecastInput, way: WholePull): Outcome {
  const wire = new Wire({ ...network, bytesPerSecond: Number.MAX_VALUE });
  let now = wire.ask(0, ROUND_TRIPS.client);
  // The probe of parallel pulls, or the first byte of the layers: one more round of waiting.
  now = wire.ask(now, 1);
  const unpacked = layers.reduce((sum, layer) => sum + layer.size + layer.unpackedSize, 0);
  // Layers that wait to be unpacked leave the page cache where the image does not fit into it.
  const readBack = way.unpacks === 1 && unpacked > (node.memoryBytes ?? Infinity);
  const waiting = layers.map((layer): Task => ({ kind: 'download', layer, left: 1 }));
  const packed: Task[] = [];
  const running: Task[] = [];
  let downloading = 0;
  let unpacking = 0;
  for (;;) {
    while (downloading < way.downloads && waiting.length > 0) {
      running.push(...waiting.splice(0, 1));
      downloading++;
    }
    const mayUnpack = !way.unpackAfterAll || (waiting.length === 0 && downloading === 0);
    while (mayUnpack && unpacking < way.unpacks && packed.length > 0) {
      running.push(...packed.splice(0, 1));
      unpacking++;
    }
    if (running.length === 0) break;
    const speeds = speedsOf(running, way, network.bytesPerSecond, node, readBack);
    let step = Infinity;
    running.forEach((task, i) => (step = Math.min(step, task.left / (speeds[i] ?? 0))));
    now += step;
    for (let i = running.length - 1; i >= 0; i--) {
      const task = running[i];
      if (task === undefined) continue;
      task.left -= step * (speeds[i] ?? 0);
      if (task.left > 1e-9) continue;
      running.splice(i, 1);
      if (task.kind === 'unpack') unpacking--;
      else {
        downloading--;
        packed.push({ kind: 'unpack', layer: task.layer, left: 1 });
      }
    }
  }
  const started = now + COSTS.create;
  const bytes = layers.reduce((sum, layer) => sum + layer.size, 0);
  const requests = layers.reduce(
    (sum, { size }) => sum + (way.chunks ? Math.max(1, Math.ceil(size / CHUNK)) : 1),
    0,
  );
  return {
    pulled: now,
    started,
    ready: started + start.ownMs,
    requests: wire.requests + requests,
    bytes,
  };
}

/** The part of each task that is done per millisecond. */
function speedsOf(
  tasks: readonly Task[],
  way: WholePull,
  link: number,
  node: Node,
  readBack: boolean,
): number[] {
  const downloads = tasks.filter((task) => task.kind === 'download').length;
  const wants = tasks.map(({ kind, layer }) => {
    if (kind === 'unpack') {
      // One processor as long as nothing else is in the way.
      const ms = Math.max(unpackMs(layer, node), 1e-6);
      return { speed: 1 / ms, processors: 1, disk: ((readBack ? layer.size : 0) + layer.unpackedSize) / ms };
    }
    const cores = way.chunks ? node.cores : 1;
    const rate = Math.min(link / downloads, cores * COSTS.pullBytesPerSecondAndCore) / 1000;
    const size = Math.max(layer.size, 1);
    return { speed: rate / size, processors: (rate * 1000) / COSTS.pullBytesPerSecondAndCore, disk: rate };
  });
  const sum = (of: (want: (typeof wants)[number]) => number): number =>
    wants.reduce((total, want) => total + of(want), 0);
  const scale = Math.min(
    1,
    node.cores / sum((want) => want.processors),
    node.diskBytesPerSecond / 1000 / sum((want) => want.disk),
  );
  return wants.map((want) => want.speed * scale);
}

/** Milliseconds that unpacking takes one processor; the disk may take longer. */
function unpackMs({ unpackedSize, files }: ForecastLayer, { unpackBytesPerSecond }: Node): number {
  return (unpackedSize / unpackBytesPerSecond) * 1000 + files * COSTS.unpackFile;
}

/** Milliseconds that unpacking takes with the disk for itself. */
export function unpackAlone(layer: ForecastLayer, node: Node): number {
  return Math.max(unpackMs(layer, node), (layer.unpackedSize / node.diskBytesPerSecond) * 1000);
}
