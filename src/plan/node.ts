import { LensError } from '../errors';
import { INSTANCE_FAMILIES, instanceOf, USUAL_VOLUME } from '../instances';
import type { Network, Node } from './types';

const MB = 1e6;
const GIB = 2 ** 30;

/** What one processor unpacks: a MiB inflated and written in 5.3 ms (docs/model.md, "Constants"). */
const UNPACK = 199 * MB;

/** The node of the measurements (docs/model.md): two processors, a disk and a network that were never the limit. */
export const DEFAULT_NODE: Node = { cores: 2, unpackBytesPerSecond: UNPACK, diskBytesPerSecond: 1000 * MB };

const EXPECTED = `an instance type of ${INSTANCE_FAMILIES.join(', ')} (m6i.xlarge), cores=N,memory=GIB,network=GBITPS,disk=MBPS,workers=N, or both`;

/** The figures of `--node`, with their limits. */
const LIMITS = {
  cores: [1, 1024],
  memory: [0.1, 100_000],
  network: [0.001, 100_000],
  disk: [1, 1_000_000],
  workers: [1, 4096],
} as const;
type Figure = keyof typeof LIMITS;

/**
 * Reads `--node`: an instance type, figures, or an instance type and figures that differ: `g5.2xlarge,disk=500`. The disk
 * of an instance is a volume for which nobody ordered more, where no figure says otherwise.
 * @throws LensError `plan/bad-node`
 */
export function parseNode(text: string): Node {
  const [head = '', ...rest] = text.split(',').map((part) => part.trim());
  const instance = instanceOf(head);
  const figures = new Map<string, number>();
  for (const part of instance ? rest : [head, ...rest]) {
    const [, key = '', digits] = /^([a-z]+)=(\d+(?:\.\d+)?)$/.exec(part) ?? [];
    if (!isFigure(key) || digits === undefined) {
      throw new LensError('plan/bad-node', `"${part}" does not describe a node.`, `Give ${EXPECTED}.`);
    }
    const [min, max] = LIMITS[key];
    const value = Number(digits);
    if (!(value >= min && value <= max)) {
      throw new LensError(
        'plan/bad-node',
        `${key}=${value} is out of range.`,
        `Give a value from ${min} to ${max}.`,
      );
    }
    figures.set(key, value);
  }
  const disk =
    figures.get('disk') ??
    (instance ? USUAL_VOLUME.megabytesPerSecond : DEFAULT_NODE.diskBytesPerSecond / MB);
  const memoryGib = figures.get('memory') ?? instance?.memoryGib;
  const gigabits = figures.get('network') ?? (instance && instance.networkMbps / 1000);
  const workers = figures.get('workers');
  return {
    ...(instance && { name: head }),
    cores: Math.floor(figures.get('cores') ?? instance?.vcpus ?? DEFAULT_NODE.cores),
    unpackBytesPerSecond: UNPACK,
    diskBytesPerSecond: disk * MB,
    ...(memoryGib !== undefined && { memoryBytes: memoryGib * GIB }),
    ...(gigabits !== undefined && { networkBytesPerSecond: (gigabits * 1e9) / 8 }),
    ...(workers !== undefined && { workers: Math.floor(workers) }),
  };
}

function isFigure(key: string): key is Figure {
  return Object.hasOwn(LIMITS, key);
}

/**
 * Refuses figures that no node has, wherever they come from.
 * @throws LensError `plan/bad-node`
 */
export function checkNode(node: Node): void {
  const figures: readonly (readonly [name: string, value: number | undefined])[] = [
    ['cores', node.cores],
    ['unpackBytesPerSecond', node.unpackBytesPerSecond],
    ['diskBytesPerSecond', node.diskBytesPerSecond],
    ['memoryBytes', node.memoryBytes],
    ['networkBytesPerSecond', node.networkBytesPerSecond],
    ['workers', node.workers],
  ];
  for (const [name, value] of figures) {
    if (value === undefined || (value >= 1 && Number.isFinite(value))) continue;
    throw new LensError(
      'plan/bad-node',
      `A node cannot have ${value} as ${name}.`,
      'Give a number from 1 on.',
    );
  }
}

/** The network as this node sees it: its own card may be the slower end. */
export function networkOf(network: Network, node: Node): Network {
  const card = node.networkBytesPerSecond ?? Infinity;
  return card < network.bytesPerSecond ? { ...network, bytesPerSecond: card } : network;
}
