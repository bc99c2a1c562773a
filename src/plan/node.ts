import { LensError } from '../errors';
import type { Network, Node } from './types';

const MB = 1e6;
const GIB = 2 ** 30;

/** What one processor unpacks: a MiB inflated and written in 5.3 ms (docs/model.md, "Constants"). */
const UNPACK = 199 * MB;

/** The node of the measurements (docs/model.md): two processors, a disk and a network that were never the limit. */
export const DEFAULT_NODE: Node = { cores: 2, unpackBytesPerSecond: UNPACK, diskBytesPerSecond: 1000 * MB };

/**
 * Virtual processors, memory in GiB, network in Gbit/s and the most that volumes transfer in MB/s, bursts included.
 * Written down in 2026-11 without the provider's tables at hand (EC2 User Guide, "Amazon EC2 instance types" and "Amazon
 * EBS-optimized instances"): good enough to tell types apart; who needs more gives the figures themselves.
 */
const INSTANCES: Readonly<
  Record<string, readonly [cores: number, memory: number, network: number, volumes: number]>
> = {
  't3.medium': [2, 4, 5, 260],
  't3.large': [2, 8, 5, 347],
  'm5.large': [2, 8, 10, 593],
  'm5.xlarge': [4, 16, 10, 593],
  'm5.2xlarge': [8, 32, 10, 593],
  'm5.4xlarge': [16, 64, 10, 593],
  'm6i.large': [2, 8, 12.5, 1250],
  'm6i.xlarge': [4, 16, 12.5, 1250],
  'm6i.2xlarge': [8, 32, 12.5, 1250],
  'm6i.4xlarge': [16, 64, 12.5, 1250],
  'm7i.large': [2, 8, 12.5, 1250],
  'm7i.xlarge': [4, 16, 12.5, 1250],
  'm7i.2xlarge': [8, 32, 12.5, 1250],
  'c6i.large': [2, 4, 12.5, 1250],
  'c6i.xlarge': [4, 8, 12.5, 1250],
  'c6i.2xlarge': [8, 16, 12.5, 1250],
  'g4dn.xlarge': [4, 16, 25, 437],
  'g5.xlarge': [4, 16, 10, 437],
  'g5.2xlarge': [8, 32, 10, 437],
  'g5.4xlarge': [16, 64, 25, 593],
  'g5.12xlarge': [48, 192, 40, 2000],
  'g6.xlarge': [4, 16, 10, 625],
  'g6.2xlarge': [8, 32, 10, 625],
  'g6.4xlarge': [16, 64, 25, 1000],
  'p4d.24xlarge': [96, 1152, 400, 2375],
  'p5.48xlarge': [192, 2048, 3200, 10_000],
};
/** MB/s of a gp3 volume for which nobody ordered more. */
const USUAL_VOLUME = 125;

const EXPECTED = `an instance type (${Object.keys(INSTANCES).slice(0, 4).join(', ')} …), cores=N,memory=GIB,network=GBITPS,disk=MBPS,workers=N, or both`;

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
 * is never faster than the instance lets volumes be.
 * @throws LensError `plan/bad-node`
 */
export function parseNode(text: string): Node {
  const [head = '', ...rest] = text.split(',').map((part) => part.trim());
  const instance = Object.hasOwn(INSTANCES, head) ? INSTANCES[head] : undefined;
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
  const [cores, memory, network, volumes] = instance ?? [DEFAULT_NODE.cores, undefined, undefined, Infinity];
  const disk = figures.get('disk') ?? (instance ? USUAL_VOLUME : DEFAULT_NODE.diskBytesPerSecond / MB);
  const memoryGib = figures.get('memory') ?? memory;
  const gigabits = figures.get('network') ?? network;
  const workers = figures.get('workers');
  return {
    ...(instance && { name: head }),
    cores: Math.floor(figures.get('cores') ?? cores),
    unpackBytesPerSecond: UNPACK,
    diskBytesPerSecond: Math.min(disk, volumes) * MB,
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
