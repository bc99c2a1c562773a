import type Docker from 'dockerode';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { LensError, messageOf } from '../errors';
import type { EngineHost } from './engine-hosts';
import { sshAgent } from './ssh-agent';

/** A way to an engine. */
export interface Connection {
  readonly docker: Docker;
  /** Where it was found. */
  readonly host: EngineHost;
}

/** Opens no connection yet. Throws `image/no-engine` for a scheme that Docker does not have. */
export async function openDocker(host: EngineHost): Promise<Docker> {
  if (!URL.canParse(host.url)) throw new Error('not an address');
  const { default: Docker } = await import('dockerode');
  const url = new URL(host.url);
  // docker-modem mixes its options with those of DOCKER_HOST; naming each of them keeps the environment out.
  const none = {
    host: undefined,
    port: undefined,
    socketPath: undefined,
    ca: undefined,
    cert: undefined,
    key: undefined,
  };
  switch (url.protocol) {
    case 'unix:':
      return new Docker({ ...none, protocol: 'http', socketPath: decodeURIComponent(url.pathname) });
    case 'npipe:':
      return new Docker({ ...none, protocol: 'http', socketPath: host.url.slice('npipe://'.length) });
    case 'ssh:':
      // Through the person's own ssh program, so that its known hosts, keys and config hold.
      return new Docker({ ...none, protocol: 'http', host: 'docker', port: 80, ...{ agent: sshAgent(url) } });
    case 'tcp:':
    case 'http:':
    case 'https:': {
      const protocol = host.tls || url.protocol === 'https:' ? 'https' : 'http';
      const port = url.port || (protocol === 'https' ? '2376' : '2375');
      return new Docker({ ...none, ...host.tls, protocol, host: url.hostname, port });
    }
    default:
      throw new LensError(
        'image/no-engine',
        `The engine address ${host.url} from ${host.origin} begins with a scheme that Docker does not have.`,
        'Use unix://, npipe://, tcp:// or ssh://.',
      );
  }
}

interface Dial {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly file?: Readable;
  readonly abortSignal?: AbortSignal | undefined;
}

/** docker-modem as far as we use it beyond dockerode, whose `get()` and `buildImage()` cannot be aborted before the answer. */
interface Modem {
  dial(options: unknown, callback: (error: unknown, stream: IncomingMessage) => void): void;
}

/** Sends a request whose answer is a stream. The signal aborts the request and, later, the stream. */
export function dial(docker: Docker, request: Dial): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const modem = docker.modem as Modem;
    modem.dial({ ...request, isStream: true, statusCodes: { 200: true } }, (error, stream) => {
      if (error) reject(error instanceof Error ? error : new Error(messageOf(error)));
      else resolve(stream);
    });
  });
}

/**
 * Makes one call, and turns what comes of it into errors that a person can act on.
 *
 * @param image what the call is about, where it is about an image
 * @throws LensError `image/not-found`, `image/engine-gone`, `image/engine-refused`
 */
export async function ask<T>(
  engine: Connection,
  image: string | undefined,
  call: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  signal?.throwIfAborted();
  try {
    return await call();
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof LensError) throw error;
    const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
    if (status === undefined) throw gone(engine, error);
    if (
      image !== undefined &&
      (status === 404 || /no such image|reference does not exist/i.test(messageOf(error)))
    ) {
      throw new LensError(
        'image/not-found',
        `The engine has no image "${image}".`,
        'Build or pull it first, or name it as "docker image ls" shows it.',
        { cause: error },
      );
    }
    const about = image === undefined ? 'what was asked' : `what was asked about "${image}"`;
    throw new LensError(
      'image/engine-refused',
      `The engine refused ${about}: ${engineMessage(error)}.`,
      'Look into the log of the engine.',
      { cause: error },
    );
  }
}

/** The stream's own bytes; what breaks it becomes an error that a person can act on, and aborts pass. */
export async function* guarded(
  engine: Connection,
  stream: Readable,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    yield* stream as AsyncIterable<Uint8Array>;
  } catch (error) {
    signal?.throwIfAborted();
    throw gone(engine, error);
  } finally {
    stream.destroy();
  }
}

/** The lines of a stream, decoded as UTF-8. */
export async function* lines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream) {
    const found = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = found.pop() ?? '';
    yield* found;
  }
  yield rest + decoder.decode();
}

/** What the engine said, without docker-modem's frame around it. */
export function engineMessage(error: unknown): string {
  const message = messageOf(error);
  const [, status, said = message] = /^\(HTTP code (\d+)\) [^-]*-(.*)$/s.exec(message) ?? [];
  // Neither a server that is no engine nor Node's error of several addresses need say anything.
  return said.trim() || (status === undefined ? (errorCode(error) ?? 'no reason given') : `status ${status}`);
}

function gone(engine: Connection, cause: unknown): LensError {
  return new LensError(
    'image/engine-gone',
    `The engine at ${engine.host.url} stopped answering in the middle of the work (${explain(cause)}).`,
    'See whether it still runs, then do it again; nothing half-written was left.',
    { cause },
  );
}

export function unexpected(engine: Connection, what: string): LensError {
  return new LensError(
    'image/engine-error',
    `The engine at ${engine.host.url} answered what no Docker engine answers: ${what}.`,
    'See whether it is a Docker engine, or an update of it is due.',
  );
}

const CONNECTION_FAILURES: ReadonlyMap<string | undefined, string> = new Map([
  ['ENOENT', 'nothing there'],
  ['EACCES', 'no permission'],
  ['ECONNREFUSED', 'nobody listens'],
  ['ECONNRESET', 'the connection broke'],
]);

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/** What went wrong, in a few words. */
export function explain(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError') return 'no answer in time';
  return CONNECTION_FAILURES.get(errorCode(error)) ?? engineMessage(error);
}
