/**
 * A container with the tracer in it: made, started, asked and removed again. Only the engine's API is used, so it works
 * the same for an engine on another machine; nothing is mounted from this one, and no privileges are asked for beyond
 * what `Injection` names.
 */
import type Docker from 'dockerode';
import { Readable } from 'node:stream';
import tar from 'tar-stream';
import { LensError } from '../errors';
import type { Engine } from '../image/engine';
import { asReadable, call, engineGone, failed, frames, nanoseconds, statusOf } from './engine-calls';
import { ended, FOLDER, OUTPUT, ownLabels, removeMade, TRACER } from './leftovers';
import { createOptions, type ContainerSettings } from './settings';

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
  /** Milliseconds since 1970 at which the recording is over, whatever happens. */
  readonly until: number;
}

/** How a container stands. */
export interface ContainerState {
  readonly running: boolean;
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  /** Wall clock of the engine, nanoseconds since 1970, at its end; meaningless while it runs. */
  readonly endedAt: bigint;
  /** The same at the beginning of the first successful health check. */
  readonly healthySince: bigint | undefined;
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
    const { HostConfig: hostConfig, ...options } = createOptions(settings);
    const labels = ownLabels(injection.until);
    // Files cannot be copied into a read-only root, but they can into a volume.
    const volume = settings.readOnly
      ? await call(engine, 'make a volume', () => docker.createVolume({ Labels: labels }))
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
          Labels: labels,
          ...options,
          HostConfig: {
            ...hostConfig,
            CapAdd: [...injection.capabilities],
            // Other drivers cannot be read back.
            LogConfig: { Type: 'json-file', Config: {} },
            Mounts: [
              ...(hostConfig.Mounts ?? []),
              ...(volume ? [{ Type: 'volume' as const, Source: volume.name, Target: FOLDER }] : []),
            ],
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
      await removeMade(engine, container, volume?.name);
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
    const healthy =
      state.Health?.Status === 'healthy'
        ? state.Health.Log.find((check) => check.ExitCode === 0)?.Start
        : undefined;
    return {
      running: state.Running,
      exitCode: state.ExitCode,
      outOfMemory: state.OOMKilled,
      endedAt: nanoseconds(state.FinishedAt),
      healthySince: healthy === undefined ? undefined : nanoseconds(healthy),
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
      yield* lines.map(logLine);
    }
    // What the program did not end with a newline.
    yield* rests.filter((rest) => rest !== '').map(logLine);
  }

  /** The trace as it grows, in the tracer's own format. */
  async *follow(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { stream } = await this.#exec(['-F', OUTPUT], signal);
    for await (const { channel, data } of frames(this.engine, stream, signal)) if (channel === 1) yield data;
  }

  /**
   * Records which pages are touched by now. False when the container has ended or the tracer does not answer until `signal`
   * is aborted.
   */
  async snapshot(signal: AbortSignal): Promise<boolean> {
    try {
      return (await this.#run(['-S', OUTPUT], signal)).code === 0;
    } catch (error) {
      // The engine runs nothing in a container that ended a moment ago, or that has no room for one more process.
      if (signal.aborted || (error instanceof LensError && error.code === 'trace/cannot-run')) return false;
      throw error;
    }
  }

  /**
   * Asks the program over HTTP, inside the container, until the answer is good; then gives the engine's wall clock, and
   * `undefined` where the container ended before.
   */
  async answers(port: number, path: string, signal: AbortSignal): Promise<bigint | undefined> {
    try {
      const { text } = await this.#run(['-H', `${port}/${path}`], signal);
      // Anything else is no time in nanoseconds: the program may have put another in the tracer's place.
      return /^\d{1,19}\n$/.test(text) ? BigInt(text.trim()) : undefined;
    } catch (error) {
      // The engine runs nothing in a container that ended a moment ago.
      const refused = error instanceof LensError && error.code === 'trace/cannot-run';
      if (!refused || (await this.state()).running) throw error;
      return undefined;
    }
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
    if (polite) {
      await ended(this.#container, STOP_TIMEOUT * 1000, () => this.#container.stop({ t: STOP_TIMEOUT }));
    }
    await removeMade(this.engine, this.#container, this.#volume);
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

/** A line of the log as the engine gives it: the time, a space, the text. */
function logLine(line: string): LogLine {
  const space = line.indexOf(' ');
  return { at: nanoseconds(line.slice(0, space)), text: line.slice(space + 1).replace(/\r$/, '') };
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
