/** Records the start of a container: runs the image with the tracer in it, waits until it is ready, brings the trace home. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { LensError, messageOf } from '../errors';
import type { Engine } from '../image/engine';
import { parseReference } from '../image/reference';
import type { Image } from '../image/types';
import { formatPlatform } from '../oci/platform';
import type { ImageConfig } from '../oci/types';
import type { OnProgress } from '../progress';
import { inspectImage, TracedContainer, type ContainerSettings, type Injection } from './container';
import { readySigns, type ReadyRule } from './ready';
import { Recording } from './recording';
import { resolveUser } from './users';
import type { StartupTrace, TraceHeader } from './types';

/** capabilities(7): the numbers, as the tracer takes them. */
const CAP_SYS_PTRACE = 19;
const CAP_SYS_ADMIN = 21;

/** An image of the engine; its config is the OCI one. */
export interface EngineSubject {
  readonly id: string;
  readonly config: ImageConfig;
}

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
 * @throws LensError `trace/no-tracer`, `trace/no-command`, `trace/other-image`, `trace/command-not-found`, `trace/denied`,
 *   `trace/cannot-run`, `trace/engine-gone`, `trace/bad-rule`
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
  const container = await create(engine, subject, tracer, options);
  let polite = false;
  try {
    signal?.throwIfAborted();
    const trace = await new Recording(container, subject, signs, options, isEmulated(engine, subject)).run();
    polite = trace.footer?.reason !== 'engine-lost';
    return trace;
  } finally {
    await container.remove(polite);
  }
}

/** What is going to be run, as the engine knows it. */
export interface Subject {
  readonly id: string;
  readonly image: NonNullable<TraceHeader['image']>;
  readonly architecture: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly user: string;
  readonly env: readonly string[];
  readonly hasHealthcheck: boolean;
  readonly exposedPorts: readonly number[];
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

async function findSubject(engine: Engine, image: Image | EngineSubject): Promise<Subject> {
  const { config } = image;
  const names =
    'id' in image
      ? [image.id]
      : [image.manifest.config.digest, image.descriptor.digest, ...engineName(image.reference)];
  for (const name of names) {
    const found = await inspectImage(engine, name);
    if (!found) continue;
    const layers = found.RootFS.Layers ?? [];
    if (layers.join() !== config.rootfs.diff_ids.join()) continue;
    const { Config: own } = found;
    const healthcheck: unknown = 'Healthcheck' in own ? own.Healthcheck : undefined;
    return {
      id: found.Id,
      image: {
        ref: 'id' in image ? image.id : image.reference,
        ...(!('id' in image) && { manifest: image.descriptor.digest, config: image.manifest.config.digest }),
        platform: formatPlatform(config),
        diff_ids: config.rootfs.diff_ids,
      },
      architecture: config.architecture,
      entrypoint: list(own.Entrypoint),
      cmd: list(own.Cmd),
      user: own.User,
      env: list(own.Env),
      hasHealthcheck: hasTest(healthcheck),
      // Docker API types allow null where an image exposes nothing.
      exposedPorts: Object.keys((own.ExposedPorts as object | null | undefined) ?? {}).flatMap((port) =>
        /^\d+(\/tcp)?$/.test(port) ? [parseInt(port, 10)] : [],
      ),
    };
  }
  throw new LensError(
    'trace/other-image',
    `The engine no longer has the image ${'id' in image ? image.id : image.reference} with the layers that were looked at.`,
    'Open the image again, and record then.',
  );
}

function engineName(reference: string): string[] {
  const parsed = parseReference(reference);
  return parsed.transport === 'docker-daemon' || parsed.transport === 'any' ? [parsed.name] : [];
}

/** Docker writes a text, a list or null, by its age. */
function list(value: string | readonly string[] | null | undefined): readonly string[] {
  return typeof value === 'string' ? [value] : (value ?? []);
}

/** A HEALTHCHECK that was switched off has the test `NONE`. */
function hasTest(healthcheck: unknown): boolean {
  if (typeof healthcheck !== 'object' || healthcheck === null || !('Test' in healthcheck)) return false;
  return Array.isArray(healthcheck.Test) && healthcheck.Test.length > 0 && healthcheck.Test[0] !== 'NONE';
}

function isEmulated(engine: Engine, subject: Subject): boolean {
  return subject.architecture !== engine.info.architecture;
}

async function create(
  engine: Engine,
  subject: Subject,
  tracer: Uint8Array,
  options: RecordOptions,
): Promise<TracedContainer> {
  const command = [...subject.entrypoint, ...(options.command ?? subject.cmd)];
  if (command.length === 0) {
    throw new LensError(
      'trace/no-command',
      'The image has neither ENTRYPOINT nor CMD, so there is nothing to start.',
      'Give the command to run, for example: soci-lens trace IMAGE -- /bin/server.',
    );
  }
  const flags = ['-l', String(options.level ?? 2), ...(options.tracerFlags ?? [])];
  const isRoot = /^(|0|root)(:.*)?$/.test(subject.user);
  const plain: Injection = {
    tracer,
    imageId: subject.id,
    platform: isEmulated(engine, subject) ? subject.image.platform : undefined,
    command,
    env: options.env ?? [],
    settings: options.settings ?? {},
    // A program of root's that changes its user could not be looked into any more. The program itself does not get it.
    capabilities: isRoot ? ['SYS_PTRACE'] : [],
    tracerFlags: [...flags, ...(isRoot ? ['-d', String(CAP_SYS_PTRACE)] : [])],
    user: undefined,
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
