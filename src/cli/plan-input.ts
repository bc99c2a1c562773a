/** What every verb that plans reads: the image with its recorded starts, and the flags that say where it is to start. */
import type { LayerResult } from '../image/scan';
import type { Image } from '../image/types';
import { formatPlatform } from '../oci/platform';
import { formatBytes, formatCount } from '../plan/format';
import { parseNetwork } from '../plan/network';
import { parseNode } from '../plan/node';
import type { PlanInput, PlanOptions } from '../plan/plan';
import type { IndexWish, Network } from '../plan/types';
import { readTrace } from '../trace/file';
import { mapTrace } from '../trace/map';
import { uniteRuns } from '../trace/runs';
import { readCalibration, registryOf, type MeasuredNetwork } from './calibration';
import { typed, UsageError } from './command';
import type { Session } from './session';

/** What the planner needs to know of an image and, where there is one, of its recorded start. */
export async function planInput(
  image: Image,
  results: readonly LayerResult[],
  options: {
    readonly traceFiles?: readonly string[] | undefined;
    readonly steps?: readonly (string | undefined)[];
  },
): Promise<PlanInput> {
  const scans = results.map((result) => ('scan' in result ? result.scan : undefined));
  const target = { layers: scans.map((scan) => scan?.entries), config: image.config };
  const mappings = await Promise.all(
    (options.traceFiles ?? []).map(async (file) => mapTrace(await readTrace(file), target)),
  );
  return {
    image: {
      reference: image.reference,
      digest: image.descriptor.digest,
      platform: formatPlatform(image.platform),
    },
    layers: results.map((result, index) => ({
      descriptor: result.layer.descriptor,
      scan: scans[index],
      instruction: options.steps?.[index],
      problem: 'skipped' in result ? result.skipped : 'error' in result ? result.error.message : undefined,
    })),
    // Several starts of one image: what any of them touched.
    mapping: mappings.length > 1 ? uniteRuns(mappings).mapping : mappings[0],
    runs: mappings,
  };
}

/** What a forecast depends on beside the image. */
export const CIRCUMSTANCE_FLAGS = {
  network: {
    type: 'string',
    value: 'NET',
    help: 'local, region, distant, slow, or rtt=MS,bw=MBPS (as calibrated, else region).',
  },
  node: {
    type: 'string',
    value: 'NODE',
    help: 'The machine that pulls: an instance type, or cores=N,disk=MBPS,memory=GIB,network=GBITPS.',
  },
} as const;

/**
 * Where no flag says, what `soci-lens calibrate` measured of the registry that is named first, and the node given there;
 * that it does is said on stderr.
 *
 * @param places references of the image and of where it goes
 */
export async function readCircumstances(
  session: Session,
  { network, node }: { readonly network: string | undefined; readonly node: string | undefined },
  places: readonly (string | undefined)[],
): Promise<Pick<PlanOptions, 'network' | 'node'>> {
  const asked = {
    network: network === undefined ? undefined : typed(() => parseNetwork(network)),
    node: node === undefined ? undefined : typed(() => parseNode(node)),
  };
  if (asked.network && asked.node) return asked;
  const { registries, node: usual } = await readCalibration(session);
  const known = places.flatMap((place) => (place === undefined ? [] : (registryOf(place) ?? [])));
  const host = known.find((one) => Object.hasOwn(registries, one));
  const measured = host === undefined ? undefined : registries[host];
  if (!asked.network && measured) {
    session.terminal.info(
      `Network of ${host} as measured on ${measured.measured.slice(0, 10)}: an answer after ${formatCount(measured.rttMs + measured.registryMs)} ms, ${formatBytes(measured.bytesPerSecond)}/s.`,
    );
  }
  return {
    network: asked.network ?? (measured && networkPart(measured)),
    node: asked.node ?? (usual === undefined ? undefined : typed(() => parseNode(usual))),
  };
}

function networkPart({ rttMs, bytesPerSecond, registryMs, connections }: MeasuredNetwork): Network {
  return { rttMs, bytesPerSecond, registryMs, connections };
}

/** What a prefetch list of the tuner may hold. */
export const LIST_FLAGS = {
  'prefetch-set': {
    type: 'string',
    value: 'SET',
    help: 'Of several starts, list spans of any of them (touched) or of all (stable).',
  },
  'prefetch-seconds': {
    type: 'string',
    value: 'N',
    help: 'List only what is touched in the first N seconds of the start.',
  },
  'no-prefetch': { type: 'boolean', help: 'For nodes without prefetch: list nothing.' },
} as const;

export interface ListFlags {
  readonly trace?: readonly string[] | undefined;
  readonly 'prefetch-set'?: string | undefined;
  readonly 'prefetch-seconds'?: string | undefined;
  readonly 'no-prefetch'?: boolean | undefined;
}

/** What the list flags ask for. */
export function readListWish(flags: ListFlags): IndexWish {
  const { trace = [], 'prefetch-set': set, 'prefetch-seconds': seconds, 'no-prefetch': none } = flags;
  if (set !== undefined && set !== 'touched' && set !== 'stable')
    throw new UsageError(`--prefetch-set takes touched or stable, not "${set}".`);
  if (set === 'stable' && trace.length < 2)
    throw new UsageError('--prefetch-set stable needs several starts: give --trace more than once.');
  if (seconds !== undefined && !(Number(seconds) > 0 && Number.isFinite(Number(seconds))))
    throw new UsageError(`--prefetch-seconds takes a number above 0, not "${seconds}".`);
  if (none && (set !== undefined || seconds !== undefined))
    throw new UsageError('--no-prefetch lists nothing: leave --prefetch-set and --prefetch-seconds out.');
  return {
    ...(none && { prefetch: 'never' }),
    ...(set !== undefined && { prefetchSet: set }),
    ...(seconds !== undefined && { prefetchSeconds: Number(seconds) }),
  };
}
