/** Talking to the engine's API: its streams, its clock, and its refusals as errors that a person can act on. */
import type Docker from 'dockerode';
import { Readable } from 'node:stream';
import { LensError, messageOf } from '../errors';
import type { Engine } from '../image/engine';

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

/** dockerode's streams are Node's own; its types say less. */
export function asReadable(stream: NodeJS.ReadableStream): Readable {
  return stream instanceof Readable ? stream : new Readable().wrap(stream);
}

/** Docker Engine API, "Attach to a container", stream format: a byte of channel, three of nothing, four of length. */
export async function* frames(
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

export async function call<T>(engine: Engine, what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') throw error;
    throw failed(engine, what, error);
  }
}

export function statusOf(error: unknown): unknown {
  return error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
}

export function failed(engine: Engine, what: string, error: unknown): LensError {
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

export function engineGone(engine: Engine, cause: unknown): LensError {
  return new LensError(
    'trace/engine-gone',
    `The engine at ${engine.host.url} stopped answering while the start was recorded (${messageOf(cause)}).`,
    'See whether it still runs, then record again; what was left in it is offered for removal next time.',
    { cause },
  );
}
