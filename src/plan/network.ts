import { LensError } from '../errors';
import type { Network } from './types';

/** Bytes per second in the megabytes per second that people write. */
const MB = 1e6;

/**
 * Networks by name, from the node's view. The figures are typical, not measured at the person's place: what a plan says
 * with them holds for such a network.
 */
export const NETWORKS: Readonly<Record<string, Network & { readonly label: string }>> = {
  local: { rttMs: 1, bytesPerSecond: 300 * MB, label: 'Registry on the same machine or rack' },
  region: {
    rttMs: 20,
    bytesPerSecond: 100 * MB,
    connections: 'tls',
    label: 'Cloud registry in the same region',
  },
  distant: { rttMs: 80, bytesPerSecond: 50 * MB, connections: 'tls', label: 'Registry in another region' },
  slow: { rttMs: 20, bytesPerSecond: 20 * MB, connections: 'tls', label: 'Office or edge link' },
};
export const DEFAULT_NETWORK = 'region';

const LIMITS = { rtt: [0, 60_000], bw: [0.01, 1_000_000], registry: [0, 60_000] } as const;
type Figure = keyof typeof LIMITS;
const CONNECTIONS = ['kept', 'tcp', 'tls'] as const;
const EXPECTED = `a network: ${Object.keys(NETWORKS).join(', ')}, or rtt=MS,bw=MBPS,registry=MS and one of ${CONNECTIONS.join(', ')}`;

/**
 * Reads `--network`: the name of a profile, or `rtt=MILLISECONDS,bw=MEGABYTES_PER_SECOND` with at least one of them; the
 * other comes from the default profile. `registry=MILLISECONDS` is what the registry takes to answer, and `kept`, `tcp`
 * or `tls` says whether connections have to be set up (`kept`: they stand).
 * @throws LensError `plan/bad-network`
 */
export function parseNetwork(text: string): Network {
  const profile = Object.hasOwn(NETWORKS, text) ? NETWORKS[text] : undefined;
  if (profile !== undefined) {
    const { rttMs, bytesPerSecond, connections } = profile;
    return { rttMs, bytesPerSecond, ...(connections !== undefined && { connections }) };
  }
  const figures: Partial<Record<Figure, number>> = {};
  let connections: Network['connections'];
  for (const part of text.split(',').map((one) => one.trim())) {
    const way = CONNECTIONS.find((one) => one === part);
    const [, key = '', digits] = /^([a-z]+)=(\d+(?:\.\d+)?)$/.exec(part) ?? [];
    if (way !== undefined) connections = way;
    else if (isFigure(key) && digits !== undefined) figures[key] = inLimits(key, Number(digits));
    else
      throw new LensError('plan/bad-network', `"${text}" does not describe a network.`, `Give ${EXPECTED}.`);
  }
  const fallback = parseNetwork(DEFAULT_NETWORK);
  return {
    rttMs: figures.rtt ?? fallback.rttMs,
    bytesPerSecond: figures.bw === undefined ? fallback.bytesPerSecond : figures.bw * MB,
    ...(figures.registry !== undefined && { registryMs: figures.registry }),
    ...(connections !== undefined && { connections }),
  };
}

/**
 * Refuses figures that no network has, so that no forecast ever divides by nothing.
 * @throws LensError `plan/bad-network`
 */
export function checkNetwork({ rttMs, bytesPerSecond, registryMs }: Network): void {
  inLimits('rtt', rttMs);
  inLimits('bw', bytesPerSecond / MB);
  if (registryMs !== undefined) inLimits('registry', registryMs);
}

function isFigure(key: string): key is Figure {
  return Object.hasOwn(LIMITS, key);
}

function inLimits(name: Figure, value: number): number {
  const [min, max] = LIMITS[name];
  if (value >= min && value <= max) return value;
  throw new LensError(
    'plan/bad-network',
    `${name}=${value} is out of range.`,
    `Give a value from ${min} to ${max}.`,
  );
}
