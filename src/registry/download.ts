import { createHash } from 'node:crypto';
import { LensError } from '../errors';
import type { Descriptor, Digest } from '../oci/types';
import { type Channel, isBroken, wrongDigest } from './channel';
import type { HttpResponse } from './transport';

/** Bytes that an attempt has to bring to count as progress; of small blobs a hundredth. */
const PROGRESS = 64 * 1024;

type Blob = Pick<Descriptor, 'digest' | 'size'>;

/**
 * Streams a blob, or `range` of it. A broken transfer goes on where it stopped. Of a whole blob the digest is checked: the
 * last chunk is followed by `registry/wrong-digest` if it does not match, so nothing counts before the end. Of a range only
 * the length can be.
 */
export async function* downloadBlob(
  channel: Channel,
  blob: Blob,
  range: { readonly start: number; readonly end: number } | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const { host } = channel;
  const [start, end] = [range?.start ?? 0, range?.end ?? blob.size];
  const hash = start === 0 && end === blob.size ? createHash('sha256') : undefined;
  let position = start;
  for (let attempt = 0; position < end; attempt++) {
    const before = position;
    const response = await request(channel, blob, position, end, signal);
    try {
      for await (const chunk of wantedPart(response, host, blob, position, end)) {
        hash?.update(chunk);
        position += chunk.length;
        yield chunk;
      }
      if (position < end) throw truncated(host, blob.digest, position - start, end - start);
    } catch (error) {
      // What broke after real progress uses up no attempt; a server that gives byte after byte does not hold us for ever.
      if (position - before >= Math.min(PROGRESS, (end - start) / 100)) attempt = -1;
      if (!isBroken(error) || attempt + 1 >= channel.transport.retry.attempts) throw error;
      await channel.pause(Math.max(attempt, 0), undefined, signal);
    }
  }
  if (hash && `sha256:${hash.digest('hex')}` !== blob.digest) {
    throw wrongDigest(host, blob.digest, 'another one');
  }
}

async function request(
  channel: Channel,
  { digest, size }: Blob,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): Promise<HttpResponse> {
  const isPart = start > 0 || end < size;
  const headers = isPart ? { range: `bytes=${start}-${end - 1}` } : {};
  const response = await channel.call({ method: 'GET', path: `blobs/${digest}`, headers, signal });
  await channel.expect(response, isPart ? [206, 200] : [200], `give the blob ${digest}`);
  return response;
}

/** The bytes from `start` to `end` out of an answer that holds them, or the whole blob (200) where ranges are ignored. */
async function* wantedPart(
  response: HttpResponse,
  host: string,
  { digest, size }: Blob,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  let [from, to] = [start, end];
  if (response.status === 200) [from, to] = [0, size];
  else checkRange(response, host, start);
  try {
    for await (const chunk of response.body) {
      if (from + chunk.length > to) throw wrongDigest(host, digest, 'more bytes');
      const part = chunk.subarray(Math.max(0, start - from), Math.max(0, end - from));
      from += chunk.length;
      if (part.length > 0) yield part;
      if (from >= end) return;
    }
  } finally {
    await response.discard();
  }
}

/** RFC 9110 §14.4. A wrong part would show in the digest only at the end of the blob, or never. */
function checkRange(response: HttpResponse, host: string, start: number): void {
  const told = /^bytes (\d+)-/.exec(response.header('content-range') ?? '')?.[1];
  if (told === undefined || Number(told) === start) return;
  throw new LensError(
    'registry/wrong-digest',
    `${host} sent a part from byte ${told} where byte ${start} was asked for.`,
    'The registry or a cache before it is damaged; ask who runs it.',
  );
}

function truncated(host: string, digest: Digest, got: number, expected: number): LensError {
  return new LensError(
    'registry/unreachable',
    `${host} sent ${got} of ${expected} bytes of ${digest}.`,
    'Do it again; if it stays, the blob in the registry is damaged and must be pushed anew.',
  );
}
