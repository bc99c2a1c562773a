/** Records the start of a container: runs the image with the tracer in it, waits until it is ready, brings the trace home. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { LensError, messageOf } from '../errors';
import type { Engine } from '../image/engine';
import type { Image } from '../image/types';
import type { OnProgress } from '../progress';
import { TracedContainer, type Injection } from './container';
import { readySigns, type HttpTarget, type ReadyRule, type ReadySigns } from './ready';
import { longestMs, Recording } from './recording';
import type { ContainerSettings } from './settings';
import { commandOf, findSubject, isEmulated, isRoot, type EngineSubject, type Subject } from './subject';
import type { StartupTrace } from './types';
import { resolveUser } from './users';

/** capabilities(7): the numbers, as the tracer takes them. */
const CAP_SYS_PTRACE = 19;
const CAP_SYS_ADMIN = 21;

export interface RecordOptions {
  /** Where `tracer-amd64` and `tracer-arm64` are. */
  readonly tracerDir: string;
  /** In place of the image's Cmd, as behind `docker run IMAGE`. */
  readonly command?: readonly string[] | undefined;
  /** `NAME=VALUE`, beside the image's own. */
  readonly env?: readonly string[] | undefined;
  readonly ready: ReadyRule;
  /** The longest start, in milliseconds; three times as long under emulation. */
  readonly timeoutMs: number;
  /** 1: opens only, 2 (default): reads and mappings, 3: metadata too. */
  readonly level?: 1 | 2 | 3 | undefined;
  /**
   * Keeps setuid programs and file capabilities working: the tracer then runs as root with CAP_SYS_ADMIN and
   * CAP_SYS_PTRACE, and the program as the image's user without them.
   */
  readonly compat?: boolean | undefined;
  readonly settings?: ContainerSettings | undefined;
  /** Asked one after the other, inside the container, when it is ready; what they make it read belongs to the start. */
  readonly warmUp?: readonly HttpTarget[] | undefined;
  /** Starts it once more afterwards without tracing, to note how long it takes by itself (`untraced_ready`). */
  readonly timeUntraced?: boolean | undefined;
  /** Further flags of the tracer (tracer/main.c), for its own tests. */
  readonly tracerFlags?: readonly string[] | undefined;
  readonly graceMs?: number | undefined;
  /** Ends the recording and throws it away. */
  readonly signal?: AbortSignal | undefined;
  /** Ends the recording and keeps it. */
  readonly stop?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
  /** The container's own output, line by line. */
  readonly onLog?: ((line: string) => void) | undefined;
}

/**
 * Runs the image once, as `docker run` would, and gives what its start touched. A start that ends early or is never ready
 * gives the trace up to there, its footer tells how it ended. The container is removed whatever happens.
 *
 * @throws LensError `trace/no-tracer`, `trace/no-command`, `trace/other-image`, `trace/other-machine`,
 *   `trace/command-not-found`, `trace/denied`, `trace/cannot-run`, `trace/engine-gone`, `trace/bad-rule`
 */
export async function recordStart(
  engine: Engine,
  image: Image | EngineSubject,
  options: RecordOptions,
): Promise<StartupTrace> {
  const { signal } = options;
  signal?.throwIfAborted();
  const tracer = await readTracer(options.tracerDir, engine.info.architecture);
  const subject = await findSubject(engine, image);
  const signs = readySigns(options.ready, subject);
  const trace = await runOnce(engine, subject, tracer, signs, options, (recording) => recording.run());
  const reason = trace.footer?.reason ?? '';
  if (!options.timeUntraced || !(reason.startsWith('ready:') || reason === 'exit')) return trace;
  const untraced = await timeUntraced(engine, subject, tracer, signs, options);
  return untraced === undefined ? trace : { ...trace, header: { ...trace.header, untraced_ready: untraced } };
}

/** One container from its making to its removal. */
async function runOnce<T>(
  engine: Engine,
  subject: Subject,
  tracer: Uint8Array,
  signs: ReadySigns,
  options: RecordOptions,
  run: (recording: Recording) => Promise<T>,
): Promise<T> {
  const container = await create(engine, subject, tracer, options);
  const recording = new Recording(container, subject, signs, options, isEmulated(engine, subject));
  let polite = false;
  try {
    options.signal?.throwIfAborted();
    const result = await run(recording);
    polite = !recording.isEngineLost;
    return result;
  } finally {
    await container.remove(polite);
  }
}

/**
 * Microseconds from the start to the same sign of being ready. After the traced start, so that both find the image's files
 * in memory or neither does. Without such a time the trace is worth the same.
 */
async function timeUntraced(
  engine: Engine,
  subject: Subject,
  tracer: Uint8Array,
  signs: ReadySigns,
  options: RecordOptions,
): Promise<number | undefined> {
  const { onProgress, onLog, tracerFlags = [] } = options;
  onProgress?.({ step: 'Starting it once more without the tracer' });
  // Without a tracer nobody sees a pause in the reading.
  const seen = { ...signs, quietSeconds: undefined };
  const plain = { ...options, onProgress: undefined, onLog: undefined, tracerFlags: [...tracerFlags, '-n'] };
  try {
    return await runOnce(engine, subject, tracer, seen, plain, (recording) => recording.time());
  } catch (error) {
    if (!(error instanceof LensError)) throw error;
    onLog?.(`The start without the tracer could not be timed: ${error.message}`);
    return undefined;
  }
}

async function readTracer(folder: string, architecture: string): Promise<Uint8Array> {
  const file = path.join(folder, `tracer-${architecture}`);
  try {
    return await readFile(file);
  } catch (error) {
    throw new LensError(
      'trace/no-tracer',
      `There is no tracer for this engine's machine (${architecture}): ${messageOf(error)}.`,
      architecture === 'amd64' || architecture === 'arm64'
        ? 'Install Python 3 with its venv module, or musl-gcc, and run "npm run build" again; or import a trace of another tool.'
        : 'Record on an amd64 or arm64 engine, or import a trace of another tool.',
      { cause: error },
    );
  }
}

async function create(
  engine: Engine,
  subject: Subject,
  tracer: Uint8Array,
  options: RecordOptions,
): Promise<TracedContainer> {
  const command = commandOf(subject, options.command);
  if (command.length === 0) {
    throw new LensError(
      'trace/no-command',
      'The image has neither ENTRYPOINT nor CMD, so there is nothing to start.',
      'Give the command to run, for example: soci-lens trace IMAGE -- /bin/server.',
    );
  }
  const flags = ['-l', String(options.level ?? 2), ...(options.tracerFlags ?? [])];
  const asRoot = isRoot(subject.user);
  const plain: Injection = {
    tracer,
    imageId: subject.id,
    platform: isEmulated(engine, subject) ? subject.image.platform : undefined,
    command,
    env: options.env ?? [],
    settings: options.settings ?? {},
    // A program of root's that changes its user could not be looked into any more. The program itself does not get it.
    capabilities: asRoot ? ['SYS_PTRACE'] : [],
    tracerFlags: [...flags, ...(asRoot ? ['-d', String(CAP_SYS_PTRACE)] : [])],
    user: undefined,
    until: Date.now() + longestMs(options, isEmulated(engine, subject)),
  };
  if (!options.compat) return TracedContainer.create(engine, plain);

  const user = await userOf(engine, plain, subject.user);
  const env = [...subject.env, ...plain.env];
  return TracedContainer.create(engine, {
    ...plain,
    user: '0',
    capabilities: ['SYS_ADMIN', 'SYS_PTRACE'],
    // The engine would set HOME to root's.
    env: env.some((one) => one.startsWith('HOME=')) ? plain.env : [...plain.env, `HOME=${user.home}`],
    tracerFlags: [
      ...flags,
      '-c',
      '-d',
      `${CAP_SYS_PTRACE},${CAP_SYS_ADMIN}`,
      '-u',
      // The engine counts the main group among the others (moby, CVE-2022-36109).
      [user.uid, user.gid, [user.gid, ...user.groups].join(',')].join(':'),
    ],
  });
}

/** Reads the container's user files from one that is made for that and never started. */
async function userOf(engine: Engine, injection: Injection, spec: string) {
  const container = await TracedContainer.create(engine, injection);
  try {
    const user = resolveUser(
      spec,
      await container.readText('/etc/passwd'),
      await container.readText('/etc/group'),
    );
    if (user) return user;
  } finally {
    await container.remove(false);
  }
  throw new LensError(
    'trace/cannot-run',
    `The image's user "${spec}" is not in its /etc/passwd or /etc/group.`,
    'Correct the USER of the Dockerfile.',
  );
}
