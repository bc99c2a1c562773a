import { LensError } from '../errors';
import type { Network, Node } from './types';

/** Bytes per second in the megabytes per second that people write. */
const MB = 1e6;

/**
 * Networks by name, from the node's view. The figures are typical, not measured at the person's place: what a plan says
 * with them holds for such a network.
 */
export const NETWORKS: Readonly<Record<string, Network & { readonly label: string }>> = {
  local: { rttMs: 1, bytesPerSecond: 300 * MB, label: 'Registry on the same machine or rack' },
  region: { rttMs: 20, bytesPerSecond: 100 * MB, label: 'Cloud registry in the same region' },
  distant: { rttMs: 80, bytesPerSecond: 50 * MB, label: 'Registry in another region' },
  slow: { rttMs: 20, bytesPerSecond: 20 * MB, label: 'Office or edge link' },
};
export const DEFAULT_NETWORK = 'region';

/**
 * The node of the measurements (docs/model.md): two processors, and a disk that one stream of unpacking fills at
 * 130 MB/s (110–155 measured).
 */
export const DEFAULT_NODE: Node = { cores: 2, unpackBytesPerSecond: 130 * MB };

const LIMITS = { rtt: [0, 60_000], bw: [0.01, 1_000_000], cores: [1, 1024], disk: [1, 1_000_000] } as const;

/**
 * Reads `--network`: the name of a profile, or `rtt=MILLISECONDS,bw=MEGABYTES_PER_SECOND` with at least one of them;
 * the other comes from the default profile.
 * @throws LensError `plan/bad-network`
 */
export function parseNetwork(text: string): Network {
  const profile = Object.hasOwn(NETWORKS, text) ? NETWORKS[text] : undefined;
  if (profile !== undefined) return { rttMs: profile.rttMs, bytesPerSecond: profile.bytesPerSecond };
  const { rtt, bw } = parseFigures(
    text,
    ['rtt', 'bw'],
    'plan/bad-network',
    `a network: ${Object.keys(NETWORKS).join(', ')}, or rtt=MS,bw=MBPS`,
  );
  const fallback = parseNetwork(DEFAULT_NETWORK);
  return {
    rttMs: rtt ?? fallback.rttMs,
    bytesPerSecond: bw === undefined ? fallback.bytesPerSecond : bw * MB,
  };
}

/**
 * Reads `--node`: `cores=N,disk=MEGABYTES_PER_SECOND` with at least one of them.
 * @throws LensError `plan/bad-node`
 */
export function parseNode(text: string): Node {
  const { cores, disk } = parseFigures(text, ['cores', 'disk'], 'plan/bad-node', 'a node: cores=N,disk=MBPS');
  return {
    cores: Math.floor(cores ?? DEFAULT_NODE.cores),
    unpackBytesPerSecond: disk === undefined ? DEFAULT_NODE.unpackBytesPerSecond : disk * MB,
  };
}

/**
 * Refuses figures that no network has, so that no forecast ever divides by nothing.
 * @throws LensError `plan/bad-network`
 */
export function checkNetwork(network: Network): void {
  inLimits('rtt', network.rttMs, 'plan/bad-network');
  inLimits('bw', network.bytesPerSecond / MB, 'plan/bad-network');
}

type Figure = keyof typeof LIMITS;

function parseFigures<F extends Figure>(
  text: string,
  names: readonly F[],
  code: `${string}/${string}`,
  expected: string,
): Partial<Record<F, number>> {
  const figures: Partial<Record<F, number>> = {};
  for (const part of text.split(',')) {
    const [, key, digits] = /^([a-z]+)=(\d+(?:\.\d+)?)$/.exec(part.trim()) ?? [];
    const name = names.find((one) => one === key);
    if (name === undefined || digits === undefined) {
      throw new LensError(
        code,
        `"${text}" does not describe ${expected.split(':')[0] ?? expected}.`,
        `Give ${expected}.`,
      );
    }
    figures[name] = inLimits(name, Number(digits), code);
  }
  return figures;
}

function inLimits(name: Figure, value: number, code: `${string}/${string}`): number {
  const [min, max] = LIMITS[name];
  if (!(value >= min && value <= max)) {
    throw new LensError(code, `${name}=${value} is out of range.`, `Give a value from ${min} to ${max}.`);
  }
  return value;
}
