/** What was measured of the person's own registries, and the node they named: kept between runs, used by every plan. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseReference } from '../image/reference';
import { checkNetwork } from '../plan/network';
import type { Network } from '../plan/types';
import { writeResult } from './output';
import type { Session } from './session';

/** The way to one registry, as measured from this machine. */
export interface MeasuredNetwork extends Required<Network> {
  /** When, in the form of ISO 8601. */
  readonly measured: string;
}

export interface Calibration {
  readonly version: 1;
  /** By `host[:port]`. */
  readonly registries: Readonly<Record<string, MeasuredNetwork>>;
  /** As `--node` takes it. */
  readonly node?: string;
}

const EMPTY: Calibration = { version: 1, registries: {} };

function fileOf({ cacheDir }: Pick<Session, 'cacheDir'>): string {
  return path.join(cacheDir, 'calibration.json');
}

/** What is kept; nothing where there is none, or where it is damaged: it can be measured again. */
export async function readCalibration(session: Pick<Session, 'cacheDir'>): Promise<Calibration> {
  try {
    return checked(JSON.parse(await readFile(fileOf(session), 'utf8')));
  } catch {
    return EMPTY;
  }
}

export async function keepCalibration(session: Session, calibration: Calibration): Promise<string> {
  const file = fileOf(session);
  await writeResult(file, `${JSON.stringify(calibration, undefined, 2)}\n`, session.signal);
  return file;
}

/** The registry of a reference or destination, where it has one. */
export function registryOf(text: string): string | undefined {
  try {
    const reference = parseReference(text);
    return reference.transport === 'docker' ? reference.registry.host : undefined;
  } catch {
    return undefined;
  }
}

function checked(value: unknown): Calibration {
  if (!isRecord(value) || value['version'] !== 1 || !isRecord(value['registries'])) return EMPTY;
  const registries: Record<string, MeasuredNetwork> = {};
  for (const [host, one] of Object.entries(value['registries'])) {
    const network = measuredNetwork(one);
    if (network) registries[host] = network;
  }
  const { node } = value;
  return { version: 1, registries, ...(typeof node === 'string' && { node }) };
}

function measuredNetwork(value: unknown): MeasuredNetwork | undefined {
  if (!isRecord(value)) return undefined;
  const { rttMs, bytesPerSecond, registryMs, connections, measured } = value;
  if (typeof rttMs !== 'number' || typeof bytesPerSecond !== 'number' || typeof registryMs !== 'number')
    return undefined;
  if ((connections !== 'tcp' && connections !== 'tls') || typeof measured !== 'string') return undefined;
  const network = { rttMs, bytesPerSecond, registryMs, connections, measured } as const;
  try {
    checkNetwork(network);
  } catch {
    // One that no forecast takes is as good as none, and says nothing of the others.
    return undefined;
  }
  return network;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
