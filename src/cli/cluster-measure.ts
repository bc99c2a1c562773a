import { describeLocalMeasure, type LocalWish, measureLocally } from '../cluster/measure/local';
import { measureNotes, measureTable, summarize } from '../cluster/measure/summary';
import type { Measurement } from '../cluster/measure/types';
import type { MeasureWish } from '../cluster/measure/plan';
import {
  defineCommand,
  type FlagValues,
  EXIT,
  parseCount,
  parsePortFlag,
  required,
  UsageError,
} from './command';
import { CLUSTER_FLAGS } from './cluster-flags';
import type { Session } from './session';
import { formatTable } from './terminal';

const MEASURE_FLAGS = {
  plain: { type: 'string', value: 'IMAGE', help: 'The image, as NAME@sha256:…' },
  indexed: { type: 'string', value: 'IMAGE', help: 'Its indexed self, as NAME@sha256:…' },
  port: { type: 'string', value: 'PORT', help: 'Where it listens when it is ready; else running counts.' },
  rounds: { type: 'string', value: 'N', help: 'Starts of each (3).' },
  timeout: { type: 'string', value: 'SECONDS', help: 'How long one start may take (900).' },
  'clear-with': {
    type: 'string',
    value: 'IMAGE',
    help: 'Use one node, and remove the image after each start with the crictl of this image; else each start takes a fresh node.',
  },
  node: { type: 'string', value: 'NODE', help: 'Which node, with --clear-with.' },
  'containerd-socket': {
    type: 'string',
    value: 'PATH',
    help: 'Where containerd listens (/run/containerd/containerd.sock).',
  },
  local: { type: 'boolean', help: 'Measure on this machine, with its containerd; needs root.' },
  'plain-http': { type: 'boolean', help: 'With --local: speak HTTP to the registry.' },
  yes: { type: 'boolean', short: 'y', help: 'Do not ask.' },
  'dry-run': { type: 'boolean', help: 'Show what would be done, and change nothing.' },
  ...CLUSTER_FLAGS,
} as const;
type Flags = FlagValues<typeof MEASURE_FLAGS>;

const SOCKET = '/run/containerd/containerd.sock';

export const clusterMeasureCommand = defineCommand({
  name: 'cluster measure',
  summary: 'Starts an image with and without SOCI on a cluster, and says how long each step took.',
  usage: 'cluster measure --plain IMAGE --indexed IMAGE [--port PORT] [flags]',
  positionals: 0,
  flags: MEASURE_FLAGS,
  async run(session, { flags }) {
    const { terminal } = session;
    const found = flags.local ? await measureHere(session, flags) : await measureThere(session, flags);
    if (!found) return EXIT.done;
    const { measurement, where } = found;
    if (flags.json) {
      const document = {
        version: 1 as const,
        ...where,
        starts: measurement.starts,
        failed: measurement.failed.map(({ error: { code, message, advice }, ...start }) => ({
          ...start,
          error: { code, message, advice },
        })),
        summary: summarize(measurement),
        notes: measureNotes(measurement),
      };
      terminal.json(document);
      return EXIT.done;
    }
    const { head, rows } = measureTable(measurement);
    terminal.result([formatTable(head, rows), '', ...measureNotes(measurement)].join('\n'));
    return EXIT.done;
  },
});

interface Found {
  readonly measurement: Measurement;
  readonly where: Readonly<Record<string, string>>;
}

/** Undefined when the person did not want it. */
async function measureThere(session: Session, flags: Flags): Promise<Found | undefined> {
  const { signal } = session;
  const wish: MeasureWish = {
    ...common(flags),
    clear:
      flags['clear-with'] === undefined
        ? undefined
        : {
            image: flags['clear-with'],
            node: flags.node,
            socket: flags['containerd-socket'] ?? SOCKET,
          },
  };
  if (flags.node !== undefined && !wish.clear)
    throw new UsageError('--node is for --clear-with; without it, each start takes a fresh node.');
  const { openCluster, planMeasure, describeMeasurePlan, runMeasure } = await import('../kubernetes');
  const cluster = openCluster(flags);
  const { context, server, namespace } = cluster;
  const plan = await planMeasure(cluster, wish, signal);
  const question = `Do this in ${context} at ${server}?`;
  if (!(await agree(session, flags, describeMeasurePlan(cluster, plan), question))) return undefined;
  const measurement = await runMeasure(cluster, plan, { signal, onProgress: session.terminal.progress });
  return { measurement, where: { context, server, namespace } };
}

/** Undefined when the person did not want it. */
async function measureHere(session: Session, flags: Flags): Promise<Found | undefined> {
  const { terminal, signal } = session;
  const wish: LocalWish = {
    ...common(flags),
    socket: flags['containerd-socket'] ?? SOCKET,
    plainHttp: flags['plain-http'] ?? false,
  };
  if (!(await agree(session, flags, describeLocalMeasure(wish), 'Do this on this machine?')))
    return undefined;
  const measurement = await measureLocally(wish, { signal, onProgress: terminal.progress });
  return { measurement, where: { socket: wish.socket } };
}

/** Shows what would be done, and asks, unless the flags have said it. */
async function agree(
  { terminal, signal }: Session,
  flags: Flags,
  what: string,
  question: string,
): Promise<boolean> {
  if (flags['dry-run']) {
    terminal.result(what);
    return false;
  }
  terminal.info(what);
  if (flags.yes) return true;
  const agreed = await terminal.confirm(question, '--yes', signal);
  if (!agreed) terminal.info('Nothing was done.');
  return agreed;
}

function common(flags: Flags): Pick<MeasureWish, 'plain' | 'indexed' | 'port' | 'rounds' | 'timeout'> {
  return {
    plain: required(flags.plain, 'plain'),
    indexed: required(flags.indexed, 'indexed'),
    port: flags.port === undefined ? undefined : parsePortFlag(flags.port, 'port'),
    rounds: flags.rounds === undefined ? 3 : parseCount(flags.rounds, 'rounds'),
    timeout: (flags.timeout === undefined ? 900 : parseCount(flags.timeout, 'timeout')) * 1000,
  };
}
