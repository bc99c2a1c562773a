import { execFile as execFileCallback } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isAbort, LensError, messageOf } from '../../errors';
import type { OnProgress } from '../../progress';
import { pinned, type Variant } from '../manifests';
import type { FailedStart, Measurement, Start } from './types';

const execFile = promisify(execFileCallback);

export interface LocalWish {
  /** Both by digest. */
  readonly plain: string;
  readonly indexed: string;
  /** Where the image listens when it is ready; without one, running counts as ready. */
  readonly port?: number | undefined;
  readonly rounds: number;
  /** How long a start may take, in milliseconds. */
  readonly timeout: number;
  /** Containerd's socket. */
  readonly socket: string;
  /** The registry speaks HTTP. */
  readonly plainHttp: boolean;
}

interface Options {
  readonly signal: AbortSignal;
  readonly onProgress?: OnProgress;
}

/** Containerd's namespace of everything that is made here, so that nothing of anybody else's is touched. */
const NAMESPACE = 'soci-lens-measure';
const NODE = 'this machine';
/** Milliseconds between two knocks at a port. */
const KNOCK = 20;

/**
 * Starts an image with and without SOCI in this machine's containerd. Each start pulls anew: the image is removed after it,
 * also when it fails or is aborted. What the machine lacks for one variant becomes a failed start that says so; the other is
 * measured.
 *
 * @throws LensError `cluster/no-containerd`, `cluster/not-cold`, `cluster/port-taken`, and what the plain variant's starts fail with
 */
export async function measureLocally(wish: LocalWish, options: Options): Promise<Measurement> {
  const images = { without: pinned(wish.plain), with: pinned(wish.indexed) } as const;
  const ctr = tool('ctr', ['--address', wish.socket], options.signal);
  await checkContainerd(ctr, wish);
  const lacking = await whatSociLacks(ctr, options.signal);
  await checkCold(ctr, Object.values(images));
  if (wish.port !== undefined && (await answers(wish.port))) {
    throw new LensError(
      'cluster/port-taken',
      `Something listens on port ${wish.port} of this machine already, so nobody could tell when the image does.`,
      'Stop it, or have the image listen elsewhere.',
    );
  }
  const starts: Start[] = [];
  const failed: FailedStart[] = [];
  if (lacking) failed.push({ variant: 'with', round: 1, node: NODE, error: lacking });
  for (let round = 1; round <= wish.rounds; round++) {
    for (const variant of ['without', 'with'] as const) {
      if (variant === 'with' && lacking) continue;
      options.onProgress?.({ step: `Round ${round} of ${wish.rounds}, ${variant} SOCI` });
      starts.push(await startOnce(ctr, variant, round, images[variant], wish, options.signal));
    }
  }
  return { starts, failed, asksReady: wish.port !== undefined };
}

type Tool = (args: readonly string[], signal?: AbortSignal) => Promise<string>;

/** A program with the arguments that all its calls share; its complaints are errors of ours. */
function tool(program: string, shared: readonly string[], signal: AbortSignal): Tool {
  return async (args, own = signal) => {
    try {
      const all = [...shared, ...args];
      return (await execFile(program, all, { signal: own, maxBuffer: 64 * 1024 * 1024 })).stdout;
    } catch (error) {
      if (isAbort(error)) throw own.reason;
      const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      throw new LensError(
        isMissing ? 'cluster/no-program' : 'cluster/local-failed',
        isMissing ? `There is no ${program} on this machine.` : `${program} failed: ${lastLine(error)}.`,
        isMissing ? `Install ${program}, or measure on a cluster.` : 'See what it names.',
        { cause: error },
      );
    }
  };
}

function lastLine(error: unknown): string {
  const said =
    error instanceof Error && 'stderr' in error && typeof error.stderr === 'string' ? error.stderr : '';
  return said.trim() === '' ? messageOf(error) : (said.trim().split('\n').at(-1) ?? said);
}

async function checkContainerd(ctr: Tool, { socket }: LocalWish): Promise<void> {
  try {
    // Without a socket, ctr would look for ten seconds.
    await access(socket);
    await ctr(['version']);
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new LensError(
      'cluster/no-containerd',
      `No containerd answers at ${socket}: ${messageOf(error)}`,
      'Start it, name its socket (--containerd-socket), and run this as a user who may use it: root, as a rule.',
      { cause: error },
    );
  }
}

/** Why lazy starts cannot be measured here; undefined when they can. */
async function whatSociLacks(ctr: Tool, signal: AbortSignal): Promise<LensError | undefined> {
  const plugins = await ctr(['plugins', 'ls']);
  const [, state] = /^io\.containerd\.snapshotter\.v1\s+soci\s+\S+\s+(\w+)/m.exec(plugins) ?? [];
  if (state !== 'ok') {
    return new LensError(
      'cluster/no-snapshotter',
      state === undefined
        ? 'Containerd knows no snapshotter "soci", so there is nothing to measure with SOCI.'
        : `Containerd's snapshotter "soci" is in state ${state}.`,
      'Install soci-snapshotter-grpc, start it, and tell containerd of it: `soci-lens config --form containerd` writes that part.',
    );
  }
  try {
    await tool('nerdctl', [], signal)(['--version']);
    return undefined;
  } catch (error) {
    if (error instanceof LensError)
      return new LensError(
        'cluster/no-nerdctl',
        'A lazy pull needs nerdctl: ctr does not tell the snapshotter which image a layer is of.',
        'Install nerdctl, or measure on a cluster.',
        { cause: error },
      );
    throw error;
  }
}

/** Containerd shares the bytes of all its namespaces, so an image that any of them has would come without the network. */
async function checkCold(ctr: Tool, images: readonly string[]): Promise<void> {
  const namespaces = (await ctr(['namespaces', 'ls', '--quiet'])).split('\n').filter(Boolean);
  for (const namespace of namespaces) {
    const there = new Set((await ctr(['--namespace', namespace, 'content', 'ls', '--quiet'])).split('\n'));
    const image = images.find((one) => there.has(one.slice(one.indexOf('@') + 1)));
    if (image === undefined) continue;
    throw new LensError(
      'cluster/not-cold',
      `Containerd has ${image} already, in its namespace ${namespace}, so a start would show nothing.`,
      `Remove it: ctr --namespace ${namespace} images rm --sync …`,
    );
  }
}

async function startOnce(
  ctr: Tool,
  variant: Variant,
  round: number,
  image: string,
  wish: LocalWish,
  signal: AbortSignal,
): Promise<Start> {
  const id = `soci-measure-${randomBytes(4).toString('hex')}`;
  const inNamespace = ['--namespace', NAMESPACE];
  const http = (flag: string) => (wish.plainHttp ? [flag] : []);
  const nerdctl = tool(
    'nerdctl',
    ['--address', wish.socket, ...inNamespace, '--snapshotter', 'soci'],
    signal,
  );
  const [pull, run] =
    variant === 'with'
      ? [
          () => nerdctl([...http('--insecure-registry'), 'pull', '--quiet', image]),
          () => nerdctl(['run', '--detach', '--pull', 'never', '--net', 'host', '--name', id, image]),
        ]
      : [
          () =>
            ctr([
              ...inNamespace,
              'images',
              'pull',
              '--snapshotter',
              'overlayfs',
              ...http('--plain-http'),
              image,
            ]),
          () =>
            ctr([...inNamespace, 'run', '--detach', '--net-host', '--snapshotter', 'overlayfs', image, id]),
        ];
  const began = performance.now();
  const since = () => performance.now() - began;
  try {
    await pull();
    const pulled = since();
    await run();
    const started = since();
    if (wish.port !== undefined) await untilAnswers(wish.port, wish.timeout - started, signal);
    const seen = { pulling: 0, pulled, started, ready: since() };
    return { variant, round, node: NODE, seen, pullTook: pulled, clockAhead: undefined, gaps: false };
  } finally {
    await takeAway(ctr, inNamespace, id, image);
  }
}

/** Each of these may not have come to be; what aborted the start must not keep them from going. */
async function takeAway(ctr: Tool, inNamespace: readonly string[], id: string, image: string): Promise<void> {
  const signal = AbortSignal.timeout(60_000);
  for (const args of [
    ['tasks', 'rm', '--force', id],
    ['containers', 'rm', id],
    ['images', 'rm', '--sync', image],
  ]) {
    await ctr([...inNamespace, ...args], signal).catch(() => undefined);
  }
  const left = await ctr([...inNamespace, 'containers', 'ls', '--quiet'], signal);
  if (!left.includes(id)) return;
  throw new LensError(
    'cluster/left-behind',
    `The container ${id} could not be removed.`,
    `Remove it: ctr --namespace ${NAMESPACE} tasks rm --force ${id}`,
  );
}

async function untilAnswers(port: number, timeout: number, signal: AbortSignal): Promise<void> {
  const until = performance.now() + timeout;
  while (!(await answers(port))) {
    if (performance.now() > until) {
      throw new LensError(
        'cluster/not-ready-in-time',
        `Nothing listens on port ${port} in time.`,
        'Give it longer (--timeout), or see why the container does not serve.',
      );
    }
    await sleep(KNOCK, undefined, { signal });
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const say = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => {
      say(true);
    });
    socket.once('error', () => {
      say(false);
    });
  });
}
