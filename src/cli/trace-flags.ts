/** The flags of `trace` that say how the container is run, and what they come to. */
import { parseMount, parsePublishedPort, type ContainerSettings } from '../trace/settings';
import { parseHttpTarget, parseReadyRule } from '../trace/ready';
import type { RecordOptions } from '../trace/record';
import type { RunSummary } from '../trace/summary';
import { parseBytes, parseCount, typed, UsageError, type FlagValues } from './command';

/** Seconds that a service may take until it counts as ready. */
const DEFAULT_TIMEOUT = 60;

export const RUN_FLAGS = {
  ready: {
    type: 'string',
    value: 'RULE',
    help: 'When it is ready: auto, log=REGEXP, health, listen[=PORT], http=PORT/PATH, quiet=SECONDS or exit.',
  },
  timeout: { type: 'string', value: 'SECONDS', help: `The longest start (${DEFAULT_TIMEOUT}).` },
  'warm-up': {
    type: 'string',
    multiple: true,
    value: 'PORT/PATH',
    help: 'Ask for this over HTTP, inside the container, once it is ready; what it reads then belongs to the start.',
  },
  'time-untraced': {
    type: 'boolean',
    help: 'Start it once more without the tracer, to know how long it takes by itself.',
  },
  compat: {
    type: 'boolean',
    help: 'Keep setuid programs and file capabilities working; needs more privileges.',
  },
  env: { type: 'string', multiple: true, value: 'NAME=VALUE', help: 'Set a variable of the container.' },
  publish: {
    type: 'string',
    short: 'p',
    multiple: true,
    value: '[HOST:]PORT',
    help: "Make a port of the container reachable on the engine's machine, and there only.",
  },
  volume: {
    type: 'string',
    multiple: true,
    value: 'SOURCE:TARGET[:ro]',
    help: "Put a folder of the engine's machine, or a volume, into the container.",
  },
  network: { type: 'string', value: 'NAME', help: "none, or one of the engine's networks." },
  memory: { type: 'string', value: 'BYTES', help: 'The most memory that it may use, such as 512M.' },
  cpus: { type: 'string', value: 'N', help: 'The most processors that it may use, such as 1.5.' },
  pids: { type: 'string', value: 'N', help: 'The most processes and threads that it may have.' },
  'read-only': { type: 'boolean', help: 'Make the root of the container read-only.' },
} as const;

/** @throws UsageError */
export function readRunFlags(
  flags: FlagValues<typeof RUN_FLAGS>,
): Pick<RecordOptions, 'ready' | 'timeoutMs' | 'warmUp' | 'timeUntraced' | 'compat' | 'env' | 'settings'> {
  const wrong = flags.env?.find((one) => !/^[^=]+=/.test(one));
  if (wrong !== undefined) throw new UsageError(`--env takes NAME=VALUE, not "${wrong}".`);
  const cpus = flags.cpus === undefined ? undefined : Number(flags.cpus);
  if (cpus !== undefined && !(cpus > 0 && Number.isFinite(cpus))) {
    throw new UsageError(`--cpus takes a positive number, not "${flags.cpus}".`);
  }
  const settings: ContainerSettings = {
    ports: flags.publish?.map((one) => typed(() => parsePublishedPort(one))),
    mounts: flags.volume?.map((one) => typed(() => parseMount(one))),
    network: flags.network,
    memoryBytes: flags.memory === undefined ? undefined : parseBytes(flags.memory, 'memory'),
    cpus,
    pids: flags.pids === undefined ? undefined : parseCount(flags.pids, 'pids'),
    readOnly: flags['read-only'],
  };
  return {
    ready: typed(() => parseReadyRule(flags.ready ?? 'auto')),
    timeoutMs: parseCount(flags.timeout ?? String(DEFAULT_TIMEOUT), 'timeout') * 1000,
    warmUp: flags['warm-up']?.map((one) => typed(() => parseHttpTarget(one))),
    timeUntraced: flags['time-untraced'],
    compat: flags.compat,
    env: flags.env,
    settings,
  };
}

/** What is told before an image is run. */
export function describeRun(summary: RunSummary, ready: string): string {
  const list = (words: readonly string[]) => (words.length === 0 ? undefined : words.join(', '));
  const rows: readonly (readonly [label: string, value: string | undefined])[] = [
    [
      'command',
      summary.command.map((word) => (/[^\w./:=@%+,-]/.test(word) ? JSON.stringify(word) : word)).join(' '),
    ],
    ['user', `${summary.user}, in ${summary.workingDir}${summary.emulated ? ', under an emulator' : ''}`],
    ['environment', list(summary.env)],
    ['network', summary.network],
    ['ports', list(summary.ports)],
    ['mounts', list(summary.mounts)],
    ['volumes', list(summary.volumes)],
    ['limits', list(summary.limits)],
    ['health check', summary.healthcheck?.join(' ')],
    ['stopped by', summary.stopSignal],
    [
      'beside it',
      `a tracer${summary.capabilities.length > 0 ? ` with ${summary.capabilities.join(' and ')}, which the program does not get` : ''}; never privileged${summary.keepsSetuid ? '' : '; setuid programs gain no rights'}`,
    ],
    ['ready', `${ready}, after ${summary.longestSeconds} s at the latest; then the container is removed`],
  ];
  return rows
    .flatMap(([label, value]) => (value === undefined ? [] : [`  ${`${label}:`.padEnd(14)}${value}`]))
    .join('\n');
}
