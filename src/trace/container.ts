/**
 * A container with the tracer in it: made, started, asked and removed again. Only the engine's API is used, so it works
 * the same for an engine on another machine; nothing is mounted from this one, and no privileges are asked for beyond
 * what `Injection` names.
 */
import type Docker from 'dockerode';
import { Readable } from 'node:stream';
import tar from 'tar-stream';
import { LensError, messageOf } from '../errors';
import type { Engine } from '../image/engine';

/** On everything that we make in an engine, so that leftovers of a killed program can be found. */
const LABEL = 'soci-lens.trace';
const FOLDER = '/.trc';
const TRACER = `${FOLDER}/tracer`;
const OUTPUT = `${FOLDER}/out/trace.jsonl`;
/** Seconds that a container gets to end by itself. Its start has been recorded by then. */
const STOP_TIMEOUT = 2;

export interface Injection {
  /** The tracer for the engine's own kind of machine: under emulation a program of the image's kind cannot trace. */
  readonly tracer: Uint8Array;
  readonly imageId: string;
  /** As the engine names it, where the image is not of its own kind. */
  readonly platform: string | undefined;
  /** What the image would run, arguments included. */
  readonly command: readonly string[];
  readonly tracerFlags: readonly string[];
  readonly capabilities: readonly string[];
  /** Instead of the image's own. */
  readonly user: string | undefined;
  readonly env: readonly string[];
  readonly settings: ContainerSettings;
}

/** How the container differs from a plain `docker run`, at the person's wish. */
export interface ContainerSettings {
  readonly readOnly?: boolean | undefined;
  readonly memoryBytes?: number | undefined;
  readonly cpus?: number | undefined;
  readonly pids?: number | undefined;
  /** `none`, or the name of one of the engine's networks. */
  readonly network?: string | undefined;
  /** As for `docker run --security-opt`. */
  readonly securityOpt?: readonly string[] | undefined;
}

/** How a container stands. */
export interface ContainerState {
  readonly running: boolean;
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  /** Wall clock of the engine at the first successful health check, RFC 3339. */
  readonly healthySince: string | undefined;
}

export interface LogLine {
  /** Wall clock of the engine, nanoseconds since 1970. */
  readonly at: bigint;
  readonly text: string;
}

export class TracedContainer {
  readonly #container: Docker.Container;
  readonly #volume: string | undefined;
  /** Where the container's files are not the image's. */
  readonly mounts: readonly string[];

  private constructor(
    private readonly engine: Engine,
    container: Docker.Container,
    volume: string | undefined,
    mounts: readonly string[],
  ) {
    this.#container = container;
    this.#volume = volume;
    this.mounts = mounts;
  }

  /**
   * Makes the container and puts the tracer into it. What fails leaves nothing behind.
   *
   * @throws LensError `trace/cannot-create`, `trace/engine-gone`
   */
  static async create(engine: Engine, injection: Injection): Promise<TracedContainer> {
    const { docker } = engine;
    const { settings } = injection;
    // Files cannot be copied into a read-only root, but they can into a volume.
    const volume = settings.readOnly
      ? await call(engine, 'make a volume', () => docker.createVolume({ Labels: { [LABEL]: '1' } }))
      : undefined;
    let container: Docker.Container | undefined;
    try {
      container = await call(engine, 'make the container', () =>
        docker.createContainer({
          Image: injection.imageId,
          ...(injection.platform !== undefined && { platform: injection.platform }),
          // With an Entrypoint of ours the engine forgets the image's Cmd, so both are given here.
          Entrypoint: [TRACER, '-o', OUTPUT, ...injection.tracerFlags, '--', ...injection.command],
          Cmd: [],
          ...(injection.env.length > 0 && { Env: [...injection.env] }),
          ...(injection.user !== undefined && { User: injection.user }),
          Labels: { [LABEL]: '1' },
          HostConfig: {
            CapAdd: [...injection.capabilities],
            // Other drivers cannot be read back.
            LogConfig: { Type: 'json-file', Config: {} },
            ...(volume && { Mounts: [{ Type: 'volume' as const, Source: volume.name, Target: FOLDER }] }),
            ...(settings.readOnly && { ReadonlyRootfs: true }),
            ...(settings.memoryBytes !== undefined && { Memory: settings.memoryBytes }),
            ...(settings.cpus !== undefined && { NanoCpus: Math.round(settings.cpus * 1e9) }),
            ...(settings.pids !== undefined && { PidsLimit: settings.pids }),
            ...(settings.network !== undefined && { NetworkMode: settings.network }),
            ...(settings.securityOpt && { SecurityOpt: [...settings.securityOpt] }),
          },
        }),
      );
      const made = container;
      const prefix = volume ? '' : `${FOLDER.slice(1)}/`;
      await call(engine, 'copy the tracer into the container', () =>
        made.putArchive(tracerArchive(injection.tracer, prefix), {
          path: volume ? FOLDER : '/',
          // An image that has something else of this name keeps it, and the copy fails.
          noOverwriteDirNonDir: 'true',
        }),
      );
      const { Mounts: mounts } = await call(engine, 'inspect the container', () => made.inspect());
      return new TracedContainer(
        engine,
        made,
        volume?.name,
        mounts.map((mount) => mount.Destination),
      );
    } catch (error) {
      await remove(engine, container, volume?.name);
      throw error;
    }
  }

  async start(): Promise<void> {
    await call(this.engine, 'start the container', () => this.#container.start());
  }

  async state(): Promise<ContainerState> {
    const { State: state } = await call(this.engine, 'inspect the container', () =>
      this.#container.inspect(),
    );
    return {
      running: state.Running,
      exitCode: state.ExitCode,
      outOfMemory: state.OOMKilled,
      healthySince:
        state.Health?.Status === 'healthy'
          ? state.Health.Log.find((check) => check.ExitCode === 0)?.Start
          : undefined,
    };
  }

  /** Resolves when the container has ended. */
  async ended(signal: AbortSignal): Promise<void> {
    await call(this.engine, 'wait for the container', () => this.#container.wait({ abortSignal: signal }));
  }

  /** The container's output from its beginning on, line by line. */
  async *log(signal: AbortSignal): AsyncGenerator<LogLine> {
    const stream = await call(this.engine, 'read the log of the container', () =>
      this.#container.logs({
        follow: true,
        stdout: true,
        stderr: true,
        timestamps: true,
        abortSignal: signal,
      }),
    );
    const rests = ['', '', ''];
    for await (const { channel, data } of frames(this.engine, asReadable(stream), signal)) {
      const lines = ((rests[channel] ?? '') + data.toString('utf8')).split('\n');
      rests[channel] = lines.pop() ?? '';
      for (const line of lines) {
        const space = line.indexOf(' ');
        yield { at: nanoseconds(line.slice(0, space)), text: line.slice(space + 1).replace(/\r$/, '') };
      }
    }
  }

  /** The trace as it grows, in the tracer's own format. */
  async *follow(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { stream } = await this.#exec(['-F', OUTPUT], signal);
    for await (const { channel, data } of frames(this.engine, stream, signal)) if (channel === 1) yield data;
  }

  /** Records which pages are touched by now. False when the container has ended or the tracer does not answer. */
  async snapshot(signal: AbortSignal): Promise<boolean> {
    try {
      return (await this.#run(['-S', OUTPUT], signal)).code === 0;
    } catch (error) {
      // The engine runs nothing in a container that ended a moment ago, or that has no room for one more process.
      if (error instanceof LensError && error.code === 'trace/cannot-run') return false;
      throw error;
    }
  }

  /** Asks the program over HTTP, inside the container, until the answer is good; then gives the engine's wall clock. */
  async answers(port: number, path: string, signal: AbortSignal): Promise<bigint> {
    const { text } = await this.#run(['-H', `${port}/${path}`], signal);
    if (!/^\d+\n$/.test(text)) throw engineGone(this.engine, new Error('the probe was ended'));
    return BigInt(text.trim());
  }

  /** The trace as it is now; works while the container runs and after it. `undefined` where there is none. */
  async trace(): Promise<AsyncIterable<Uint8Array> | undefined> {
    return this.#file(OUTPUT);
  }

  /** A small text file of the container, empty where there is none. */
  async readText(path: string): Promise<string> {
    const parts: Uint8Array[] = [];
    for await (const part of (await this.#file(path)) ?? []) parts.push(part);
    return Buffer.concat(parts).toString('utf8');
  }

  async #file(path: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    let archive: NodeJS.ReadableStream;
    try {
      archive = await this.#container.getArchive({ path });
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw failed(this.engine, `read ${path} from the container`, error);
    }
    return onlyFile(this.engine, asReadable(archive));
  }

  /** Ends the container politely, and removes it with everything that was made for it. Never fails. */
  async remove(polite: boolean): Promise<void> {
    if (polite) await this.#container.stop({ t: STOP_TIMEOUT }).catch(() => undefined);
    await remove(this.engine, this.#container, this.#volume);
  }

  async #exec(args: string[], signal: AbortSignal): Promise<{ exec: Docker.Exec; stream: Readable }> {
    const exec = await call(this.engine, 'run the tracer in the container', () =>
      this.#container.exec({
        Cmd: [TRACER, ...args],
        AttachStdout: true,
        AttachStderr: true,
        abortSignal: signal,
      }),
    );
    const stream = await call(this.engine, 'run the tracer in the container', () =>
      exec.start({ abortSignal: signal }),
    );
    return { exec, stream };
  }

  async #run(args: string[], signal: AbortSignal): Promise<{ code: number | null; text: string }> {
    const { exec, stream } = await this.#exec(args, signal);
    let text = '';
    for await (const { data } of frames(this.engine, stream, signal)) text += data.toString('utf8');
    const { ExitCode: code } = await call(this.engine, 'run the tracer in the container', () =>
      exec.inspect(),
    );
    return { code, text };
  }
}

/** What the engine says of an image, `undefined` where it has none of this name. */
export async function inspectImage(
  engine: Engine,
  name: string,
): Promise<Docker.ImageInspectInfo | undefined> {
  try {
    return await engine.docker.getImage(name).inspect();
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw failed(engine, 'inspect the image', error);
  }
}

/** What an earlier run of ours could not remove: its editor was killed, its engine was lost. */
export interface Leftovers {
  readonly containers: number;
  readonly volumes: number;
}

/** @throws LensError `trace/engine-gone` */
export async function findLeftovers(engine: Engine): Promise<Leftovers> {
  const { containers, volumes } = await leftovers(engine);
  return { containers: containers.length, volumes: volumes.length };
}

/** Removes what `findLeftovers` counts; also recordings that run at this moment. */
export async function removeLeftovers(engine: Engine): Promise<void> {
  const { containers, volumes } = await leftovers(engine);
  for (const id of containers) await remove(engine, engine.docker.getContainer(id), undefined);
  for (const name of volumes) await remove(engine, undefined, name);
}

async function leftovers(engine: Engine): Promise<{ containers: string[]; volumes: string[] }> {
  const filters = { label: [LABEL] };
  const containers = await call(engine, 'list containers', () =>
    engine.docker.listContainers({ all: true, filters }),
  );
  const { Volumes: volumes } = await call(engine, 'list volumes', () =>
    engine.docker.listVolumes({ filters }),
  );
  return { containers: containers.map(({ Id: id }) => id), volumes: volumes.map(({ Name: name }) => name) };
}

async function remove(
  engine: Engine,
  container: Docker.Container | undefined,
  volume: string | undefined,
): Promise<void> {
  // Where the engine is gone there is nobody to tell; the label finds it again.
  await container?.remove({ force: true, v: true }).catch(() => undefined);
  if (volume !== undefined)
    await engine.docker
      .getVolume(volume)
      .remove()
      .catch(() => undefined);
}

/** `.trc/` with the tracer and a folder for its output that every user of the container may write to. */
function tracerArchive(tracer: Uint8Array, prefix: string): NodeJS.ReadableStream {
  const pack = tar.pack();
  if (prefix !== '') pack.entry({ name: prefix, type: 'directory', mode: 0o755 });
  pack.entry({ name: `${prefix}tracer`, mode: 0o755 }, Buffer.from(tracer));
  pack.entry({ name: `${prefix}out/`, type: 'directory', mode: 0o1777 });
  pack.finalize();
  return Readable.from(pack);
}

/** dockerode's streams are Node's own; its types say less. */
function asReadable(stream: NodeJS.ReadableStream): Readable {
  return stream instanceof Readable ? stream : new Readable().wrap(stream);
}

/** The content of an archive of one regular file; `undefined` for a link or a folder in its place. */
async function onlyFile(engine: Engine, archive: Readable): Promise<AsyncIterable<Uint8Array> | undefined> {
  const extract = tar.extract();
  archive.on('error', (error) => {
    extract.destroy(error);
  });
  archive.pipe(extract);
  const end = () => {
    archive.destroy();
    extract.destroy();
  };
  const first = await extract[Symbol.asyncIterator]().next();
  if (first.done || first.value.header.type !== 'file') {
    end();
    return undefined;
  }
  const content = first.value;
  return (async function* () {
    try {
      // An archive streams bytes; the type of its chunks is unknown to tar-stream.
      yield* content as AsyncIterable<Uint8Array>;
    } catch (error) {
      throw engineGone(engine, error);
    } finally {
      end();
    }
  })();
}

/** Docker Engine API, "Attach to a container", stream format: a byte of channel, three of nothing, four of length. */
async function* frames(
  engine: Engine,
  stream: Readable,
  signal: AbortSignal,
): AsyncGenerator<{ channel: number; data: Buffer }> {
  let rest: Buffer = Buffer.alloc(0);
  const end = () => stream.destroy();
  signal.addEventListener('abort', end, { once: true });
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      while (rest.length >= 8 && rest.length >= 8 + rest.readUInt32BE(4)) {
        const end = 8 + rest.readUInt32BE(4);
        yield { channel: rest[0] ?? 0, data: rest.subarray(8, end) };
        rest = rest.subarray(end);
      }
    }
  } catch (error) {
    // Our own destroy() above ends the iteration with an error that says nothing.
    if (!signal.aborted) throw engineGone(engine, error);
  } finally {
    signal.removeEventListener('abort', end);
    stream.destroy();
  }
}

/** RFC 3339 with nanoseconds, as the engine writes it. */
export function nanoseconds(time: string): bigint {
  const [, whole = '', fraction = '', zone = 'Z'] = /^(.*?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(time) ?? [];
  const milliseconds = Date.parse(whole + zone);
  if (Number.isNaN(milliseconds)) return 0n;
  return BigInt(milliseconds) * 1_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9));
}

async function call<T>(engine: Engine, what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') throw error;
    throw failed(engine, what, error);
  }
}

function statusOf(error: unknown): unknown {
  return error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
}

function failed(engine: Engine, what: string, error: unknown): LensError {
  if (statusOf(error) === undefined) return engineGone(engine, error);
  const why = messageOf(error)
    .replace(/^\(HTTP code \d+\) [^-]*- /, '')
    .trim()
    .replace(/\.$/, '');
  return new LensError(
    'trace/cannot-run',
    `The engine refused to ${what}: ${why}.`,
    /no such image/i.test(why)
      ? 'Build or pull the image again.'
      : 'See whether "docker run" starts the image with the same settings.',
    { cause: error },
  );
}

function engineGone(engine: Engine, cause: unknown): LensError {
  return new LensError(
    'trace/engine-gone',
    `The engine at ${engine.host.url} stopped answering while the start was recorded (${messageOf(cause)}).`,
    'See whether it still runs, then record again; what was left in it is offered for removal next time.',
    { cause },
  );
}
