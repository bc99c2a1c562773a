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
const IN_NAMESPACE = ['--namespace', NAMESPACE] as const;
/** Milliseconds between two knocks at a port. */
const KNOCK = 20;
/** Knocks between two looks whether the container still runs. */
const LOOK_EVERY = 25;
/** Milliseconds for all of the cleaning up. */
const CLEANING = 60_000;

/** What {@link measureLocally} is going to do, for the one who is asked. */
export function describeLocalMeasure({ plain, indexed, rounds, port, socket }: LocalWish): string {
  return [
    `Containerd  ${socket}, namespace ${NAMESPACE}`,
    '',
    `${rounds} ${rounds === 1 ? 'time' : 'times'} each, turn and turn about: pulls the image, starts it in this machine's network${port === undefined ? '' : `, waits for port ${port}`}, and removes container and image:`,
    `- without SOCI: ${pinned(plain)}, with the snapshotter overlayfs`,
    `- with SOCI: ${pinned(indexed)}, with the snapshotter soci`,
  ].join('\n');
}

/**
 * Starts an image with and without SOCI in this machine's containerd. Each start pulls anew: the image is removed after it,
 * also when it fails or is aborted, and so is what a measure left that was killed. What the machine lacks for one variant
 * becomes a failed start that says so; the other is measured. A single start that fails is told of, and the others count.
 *
 * @throws LensError `cluster/no-containerd`, `cluster/not-cold`, `cluster/port-taken`, `cluster/left-behind`, and the first error of
 * a variant that never came up: `cluster/local-failed`, `cluster/container-ended`, `cluster/not-ready-in-time`
 */
export async function measureLocally(wish: LocalWish, options: Options): Promise<Measurement> {
  const images = { without: pinned(wish.plain), with: pinned(wish.indexed) } as const;
  const { signal } = options;
  const ctr = tool('ctr', ['--address', wish.socket]);
  await checkContainerd(ctr, wish, signal);
  const lacking = await whatSociLacks(ctr, signal);
  await clearNamespace(ctr);
  await checkCold(ctr, Object.values(images), signal);
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
      try {
        starts.push(await startOnce(ctr, variant, round, images[variant], wish, signal));
      } catch (error) {
        // What is left behind would make the next start a warm one.
        if (!(error instanceof LensError) || error.code === 'cluster/left-behind') throw error;
        failed.push({ variant, round, node: NODE, error });
      }
    }
  }
  for (const { variant, error } of failed)
    if (error !== lacking && !starts.some((one) => one.variant === variant)) throw error;
  return {
    starts,
    failed,
    asksReady: wish.port !== undefined,
    figures: ['pulled', 'started', 'ready'],
  };
}

type Tool = (args: readonly string[], signal: AbortSignal) => Promise<string>;

/** A program with the arguments that all its calls share; its complaints are errors of ours. */
function tool(program: string, shared: readonly string[]): Tool {
  return async (args, signal) => {
    try {
      const all = [...shared, ...args];
      return (await execFile(program, all, { signal, maxBuffer: 64 * 1024 * 1024 })).stdout;
    } catch (error) {
      if (isAbort(error)) throw signal.reason;
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

async function checkContainerd(ctr: Tool, { socket }: LocalWish, signal: AbortSignal): Promise<void> {
  try {
    // Without a socket, ctr would look for ten seconds.
    await access(socket);
    await ctr(['version'], signal);
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
  const plugins = await ctr(['plugins', 'ls'], signal);
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
    await tool('nerdctl', [])(['--version'], signal);
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
async function checkCold(ctr: Tool, images: readonly string[], signal: AbortSignal): Promise<void> {
  const namespaces = (await ctr(['namespaces', 'ls', '--quiet'], signal)).split('\n').filter(Boolean);
  for (const namespace of namespaces) {
    const content = await ctr(['--namespace', namespace, 'content', 'ls', '--quiet'], signal);
    const there = new Set(content.split('\n'));
    const image = images.find((one) => there.has(one.slice(one.indexOf('@') + 1)));
    if (image === undefined) continue;
    throw new LensError(
      'cluster/not-cold',
      `Containerd has ${image} already, in its namespace ${namespace}, so a start would show nothing.`,
      `Remove the image that holds it: ctr --namespace ${namespace} images rm --sync IMAGE.`,
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
  const until = AbortSignal.any([signal, AbortSignal.timeout(wish.timeout)]);
  const { pull, run, remove } = variant === 'with' ? lazily(image, id, wish) : plainly(ctr, image, id, wish);
  let step = 'pulled';
  const began = performance.now();
  const since = () => performance.now() - began;
  try {
    await pull(until);
    const pulled = since();
    step = 'started';
    await run(until);
    const started = since();
    step = `answering at port ${wish.port}`;
    if (wish.port !== undefined) await untilAnswers(ctr, wish.port, until);
    const seen = { pulled, started, ready: since() };
    return { variant, round, node: NODE, seen, pullTook: undefined, clockAhead: undefined, gaps: false };
  } catch (error) {
    if (signal.aborted || !until.aborted) throw error;
    throw new LensError(
      'cluster/not-ready-in-time',
      `${image} was not ${step} after ${wish.timeout / 1000} s.`,
      'Give it longer (--timeout), or see why it does not come so far.',
      { cause: error },
    );
  } finally {
    await remove?.(AbortSignal.timeout(CLEANING)).catch(() => undefined);
    await clearNamespace(ctr);
  }
}

/** How one variant is pulled and started, and what has to go by another way than containerd's own. */
interface Way {
  readonly pull: (signal: AbortSignal) => Promise<unknown>;
  readonly run: (signal: AbortSignal) => Promise<unknown>;
  readonly remove?: (signal: AbortSignal) => Promise<unknown>;
}

function plainly(ctr: Tool, image: string, id: string, { plainHttp }: LocalWish): Way {
  const http = plainHttp ? ['--plain-http'] : [];
  const snapshotter = ['--snapshotter', 'overlayfs'];
  // Nobody reads what the container says, and one that says much would stand still at a full pipe.
  const flags = ['--detach', '--null-io', '--net-host', ...snapshotter];
  return {
    pull: (signal) => ctr([...IN_NAMESPACE, 'images', 'pull', ...snapshotter, ...http, image], signal),
    run: (signal) => ctr([...IN_NAMESPACE, 'run', ...flags, image, id], signal),
  };
}

function lazily(image: string, id: string, { socket, plainHttp }: LocalWish): Way {
  const nerdctl = tool('nerdctl', ['--address', socket, ...IN_NAMESPACE, '--snapshotter', 'soci']);
  const http = plainHttp ? ['--insecure-registry'] : [];
  const flags = ['--detach', '--pull', 'never', '--net', 'host', '--name', id];
  return {
    pull: (signal) => nerdctl([...http, 'pull', '--quiet', image], signal),
    run: (signal) => nerdctl(['run', ...flags, image], signal),
    // It keeps a log and a record of names beside containerd.
    remove: (signal) => nerdctl(['rm', '--force', id], signal),
  };
}

/**
 * Removes everything in the namespace, and the namespace. The leases are those of pulls that were cut off: they hold what had
 * come. Takes its own time: what aborted a start must not keep it from being cleaned up.
 *
 * @throws LensError `cluster/left-behind`
 */
async function clearNamespace(ctr: Tool): Promise<void> {
  const signal = AbortSignal.timeout(CLEANING);
  const inside = (...args: string[]) => ctr([...IN_NAMESPACE, ...args], signal);
  const list = async (...args: string[]) => (await inside(...args, '--quiet')).split('\n').filter(Boolean);
  const isThere = async () =>
    (await ctr(['namespaces', 'ls', '--quiet'], signal)).split('\n').includes(NAMESPACE);
  try {
    for (const id of await list('containers', 'ls')) {
      // Not every container has a task.
      await inside('tasks', 'rm', '--force', id).catch(() => undefined);
      await inside('containers', 'rm', id);
    }
    for (const image of await list('images', 'ls')) await inside('images', 'rm', '--sync', image);
    for (const lease of await list('leases', 'ls')) await inside('leases', 'rm', '--sync', lease);
    if (await isThere()) await ctr(['namespaces', 'rm', NAMESPACE], signal);
  } catch (error) {
    throw new LensError(
      'cluster/left-behind',
      `Containerd's namespace ${NAMESPACE} could not be cleared: ${messageOf(error)}`,
      `See what is in it: ctr --namespace ${NAMESPACE} containers ls, images ls, leases ls.`,
      { cause: error },
    );
  }
}

/** @throws LensError `cluster/container-ended` when nobody is left who could answer */
async function untilAnswers(ctr: Tool, port: number, signal: AbortSignal): Promise<void> {
  for (let knocks = 1; !(await answers(port)); knocks++) {
    if (
      knocks % LOOK_EVERY === 0 &&
      !/\bRUNNING\b/.test(await ctr([...IN_NAMESPACE, 'tasks', 'ls'], signal))
    ) {
      throw new LensError(
        'cluster/container-ended',
        `The container ended before anything listened on port ${port}.`,
        'See what it says when it is run by hand, and whether it needs settings that an image does not carry.',
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
