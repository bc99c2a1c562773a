import { LensError, messageOf } from '../errors';
import type { Descriptor, Digest } from '../oci/types';
import { type Channel, isBroken } from './channel';
import { refusal } from './refusal';
import { type HttpResponse, isTransient } from './transport';

export interface PutBlobOptions {
  /** Another repository of the same registry that may have the blob. */
  readonly mountFrom?: string | undefined;
  /** Larger blobs are sent in pieces of this size, so that a broken upload goes on where it stopped. Bytes. */
  readonly pieceSize?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bytes that the registry has so far; it can go back when a part of them was lost. */
  readonly onProgress?: ((bytesSent: number) => void) | undefined;
}

/** The bytes of a blob, or `range` of them, at each call anew. */
export type OpenBlob = (range?: {
  readonly start: number;
  readonly end: number;
}) => AsyncIterable<Uint8Array>;

/** What is sent in one request. Proxies before registries often take 100 MB at most; each piece costs a round trip. */
const PIECE = 32 * 1024 * 1024;
/** No registry takes less (the smallest limit known is that of 4 MB). */
const SMALLEST_PIECE = 2 * 1024 * 1024;

/** An upload that the registry has begun (distribution-spec 1.1, "Pushing a blob in chunks"). */
interface UploadSession {
  readonly url: URL;
  /** The least that the registry takes as one piece, in bytes. */
  readonly leastPiece: number;
}

/** Begins an upload, or mounts: `undefined` says that the blob is there now. */
export async function beginUpload(
  channel: Channel,
  mount: { readonly digest: Digest; readonly from: string } | undefined,
  signal: AbortSignal | undefined,
): Promise<UploadSession | undefined> {
  const query = mount
    ? `?mount=${encodeURIComponent(mount.digest)}&from=${encodeURIComponent(mount.from)}`
    : '';
  const response = await channel.call({
    method: 'POST',
    path: `blobs/uploads/${query}`,
    headers: { 'content-length': '0' },
    scope: mount && `${channel.scope('pull,push')} ${channel.scope('pull', mount.from)}`,
    signal,
  });
  // Not being allowed to read the other repository is no reason not to upload.
  if (mount && (response.status === 401 || response.status === 403)) {
    await response.discard();
    return beginUpload(channel, undefined, signal);
  }
  await channel.expect(response, mount ? [201, 202] : [202], 'begin an upload');
  await response.discard();
  if (response.status === 201) return undefined;
  const url = locationOf(response);
  if (url) return { url, leastPiece: Number(response.header('oci-chunk-min-length') ?? 0) || 0 };
  throw new LensError(
    'registry/refused',
    `${channel.host} begins an upload without saying where to send the bytes.`,
    'It does not follow the OCI distribution specification; ask who runs it.',
  );
}

/**
 * Sends a blob that the registry does not have. One that fits into a piece goes in one request and begins again when that
 * breaks; a larger one goes piece by piece, and after a break from the byte that the registry names. Registries that take no
 * pieces get it whole, those that find them too large get smaller ones.
 *
 * @param isThere asks whether the registry has the blob by now: a connection can break after the last byte
 */
export function uploadBlob(
  channel: Channel,
  blob: Pick<Descriptor, 'digest' | 'size'>,
  open: OpenBlob,
  isThere: () => Promise<boolean>,
  options: PutBlobOptions,
): Promise<'mounted' | 'uploaded'> {
  return new Upload(channel, blob, open, isThere, options).run();
}

class Upload {
  private session: UploadSession | undefined;
  /** Bytes that the registry has, and that it will have when the piece under way has come. */
  private sent = 0;
  private pieceEnd = 0;
  /** `Infinity` once it takes no pieces. */
  private pieceSize: number;
  /** What the source cannot give is not the registry's fault. */
  private sourceError: Error | undefined;

  constructor(
    private readonly channel: Channel,
    private readonly blob: Pick<Descriptor, 'digest' | 'size'>,
    private readonly open: OpenBlob,
    private readonly isThere: () => Promise<boolean>,
    private readonly options: PutBlobOptions,
  ) {
    this.pieceSize = options.pieceSize ?? PIECE;
  }

  async run(): Promise<'mounted' | 'uploaded'> {
    const { mountFrom, signal } = this.options;
    const { digest } = this.blob;
    let failures = 0;
    let furthest = 0;
    for (;;) {
      const isLast = failures + 1 >= this.channel.transport.retry.attempts;
      let response: HttpResponse | undefined;
      try {
        this.session ??= await beginUpload(
          this.channel,
          mountFrom === undefined ? undefined : { digest, from: mountFrom },
          signal,
        );
        if (!this.session) return 'mounted';
        response = await this.sendNext(this.session);
      } catch (error) {
        if (this.sourceError) throw this.sourceError;
        if (isLast || !isBroken(error)) throw error;
      }
      if (response?.status === 201) {
        await response.discard();
        return 'uploaded';
      }
      if (response && this.takesOtherPieces(response)) {
        await response.discard();
      } else {
        if (response && (isLast || !(isTransient(response.status) || this.isLost(response))))
          throw await refusal(response, this.channel.host, `store the blob ${digest}`);
        await response?.discard();
        await this.channel.pause(failures++, response, signal);
        if (await this.isThere()) return 'uploaded';
        await this.resume(response && this.isLost(response));
      }
      // Only what was never reached before is progress: a registry that loses an upload at each break would hold us for ever.
      if (this.sent > furthest) [furthest, failures] = [this.sent, 0];
    }
  }

  private get isWhole(): boolean {
    return this.sent === 0 && this.blob.size <= Math.max(this.pieceSize, this.session?.leastPiece ?? 0);
  }

  /** All of it, the next piece, or that this was the last one. */
  private async sendNext(session: UploadSession): Promise<HttpResponse> {
    const { digest, size } = this.blob;
    const isEnd = this.isWhole || this.sent === size;
    const end = isEnd ? size : Math.min(size, this.sent + Math.max(this.pieceSize, session.leastPiece));
    this.pieceEnd = end;
    const url = new URL(session.url);
    if (isEnd) url.searchParams.set('digest', digest);
    return this.channel.call({
      method: isEnd ? 'PUT' : 'PATCH',
      url,
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': String(end - this.sent),
        ...(!isEnd && { 'content-range': `${this.sent}-${end - 1}` }),
      },
      ...(end > this.sent && { body: () => this.read(this.sent, end) }),
      signal: this.options.signal,
      // What a broken request left there decides how it goes on.
      attempts: 1,
    });
  }

  private async *read(start: number, end: number): AsyncGenerator<Uint8Array> {
    let at = start;
    this.options.onProgress?.(at);
    try {
      const isAll = start === 0 && end === this.blob.size;
      for await (const chunk of this.open(isAll ? undefined : { start, end })) {
        at += chunk.length;
        yield chunk;
        this.options.onProgress?.(at);
      }
      if (at !== end) throw shortSource(this.blob.digest, at - start, end - start);
    } catch (error) {
      this.sourceError = error instanceof Error ? error : new Error(messageOf(error));
      throw error;
    }
  }

  /** Takes in the answer to a piece. True when the upload goes on at once: with the next piece, or with pieces of another size. */
  private takesOtherPieces(response: HttpResponse): boolean {
    if (this.isWhole || this.sent === this.blob.size) return false;
    if (response.status === 202) {
      const received = receivedOf(response) ?? this.pieceEnd;
      if (received <= this.sent || received > this.blob.size) return false;
      this.sent = received;
      if (this.session) this.session = { ...this.session, url: locationOf(response) ?? this.session.url };
      return true;
    }
    const isTooLarge = response.status === 413 && this.pieceSize > SMALLEST_PIECE;
    const isNotTaken = this.sent === 0 && [400, 404, 405, 411, 415, 501].includes(response.status);
    if (!isTooLarge && !isNotTaken) return false;
    this.pieceSize = isTooLarge ? Math.max(SMALLEST_PIECE, this.pieceSize / 4) : Infinity;
    this.session = undefined;
    this.sent = 0;
    return true;
  }

  /** The session has ended, or stands at another byte than we think. */
  private isLost({ status }: HttpResponse): boolean {
    return this.sent > 0 && (status === 404 || status === 416);
  }

  /** Asks the registry how far it has come; where it cannot tell, or nothing was kept, all begins anew. */
  private async resume(isLost = false): Promise<void> {
    const { session } = this;
    if (session && !this.isWhole) {
      const response = await this.channel.call({
        method: 'GET',
        url: session.url,
        signal: this.options.signal,
      });
      await response.discard();
      const received = response.status === 204 || response.status === 202 ? receivedOf(response) : undefined;
      if (received !== undefined && received <= this.blob.size && !(isLost && received === this.sent)) {
        this.sent = received;
        this.session = { ...session, url: locationOf(response) ?? session.url };
        return;
      }
    }
    this.session = undefined;
    this.sent = 0;
  }
}

/** `Range: 0-LAST`, how much of an upload has come. `0-0` is said of one byte and of none, so it tells nothing. */
function receivedOf(response: HttpResponse): number | undefined {
  const last = /^(?:bytes=)?0-(\d+)$/.exec(response.header('range') ?? '')?.[1];
  return last === undefined || last === '0' ? undefined : Number(last) + 1;
}

function locationOf(response: HttpResponse): URL | undefined {
  const location = response.header('location');
  return location !== undefined && URL.canParse(location, response.url.href)
    ? new URL(location, response.url)
    : undefined;
}

function shortSource(digest: Digest, got: number, expected: number): LensError {
  return new LensError(
    'registry/short-source',
    `The blob ${digest} could not be sent: its source gave ${got} bytes of ${expected}.`,
    'Export the image again; its copy is damaged.',
  );
}
