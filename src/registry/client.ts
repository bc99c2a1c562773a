import { createHash } from 'node:crypto';
import { isAbort, LensError, messageOf } from '../errors';
import { isDigest, sha256 } from '../oci/digest';
import { INDEX_TYPES, MANIFEST_TYPES, OCI_INDEX } from '../oci/media-types';
import { parseIndex } from '../oci/parse';
import type { Descriptor, Digest } from '../oci/types';
import { Authorizer } from './auth';
import { type Credentials, dockerCredentials } from './credentials';
import { refusal } from './refusal';
import {
  type HttpRequest,
  type HttpResponse,
  isLoopback,
  isTransient,
  readBody,
  Transport,
  type TransportOptions,
} from './transport';

export interface RegistryOptions extends TransportOptions {
  /** Without TLS. Where not set: on loopback addresses only, and there unless a `caFile` is named. */
  readonly plainHttp?: boolean | undefined;
  /** Who we are at a host; what `docker login` stored where not given. */
  readonly credentials?: ((host: string) => Promise<Credentials | undefined>) | undefined;
  /** Ends everything that the client does. */
  readonly signal?: AbortSignal | undefined;
}

/** A manifest or an index, as the registry has it. */
export interface RegistryDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

export interface PutBlobOptions {
  /** Another repository of the same registry that may have the blob. */
  readonly mountFrom?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bytes sent so far; it can go back when the upload begins again. */
  readonly onProgress?: ((bytesSent: number) => void) | undefined;
}

/** How a blob came to be in the registry. */
export type BlobOutcome = 'present' | 'mounted' | 'uploaded';

/** Manifests above this are refused by registries (distribution-spec 1.1, "Pushing Manifests"), and not taken from them. */
const MANIFEST_LIMIT = 4 * 1024 * 1024;
const ACCEPT = [...MANIFEST_TYPES, ...INDEX_TYPES].join(', ');
const DOCKER_HUB = { name: 'docker.io', api: 'registry-1.docker.io' };
/** More pages of a list than this are a registry that turns in a circle. */
const MAX_PAGES = 1000;

/**
 * A client for one repository of a registry (OCI distribution-spec 1.1). Nothing is sent before the first call. Transient
 * failures are tried again; what remains is a `LensError` of the code `registry/…`.
 *
 * @param host `host[:port]`; `docker.io` is Docker Hub
 */
export function connectRegistry(
  host: string,
  repository: string,
  options: RegistryOptions = {},
): RegistryClient {
  return new RegistryClient(host, repository, options);
}

export class RegistryClient {
  private readonly base: URL;
  private readonly transport: Transport;
  private readonly authorizer: Authorizer;
  private readonly signal: AbortSignal | undefined;

  constructor(
    readonly host: string,
    readonly repository: string,
    options: RegistryOptions,
  ) {
    const api = host === DOCKER_HUB.name ? DOCKER_HUB.api : host;
    const { hostname } = new URL(`https://${api}`);
    const plainHttp = options.plainHttp ?? (isLoopback(hostname) && options.caFile === undefined);
    this.base = new URL(`${plainHttp ? 'http' : 'https'}://${api}/v2/${repository}/`);
    this.transport = new Transport(options);
    // That the registry is on this machine says nothing about its token service.
    const { credentials = dockerCredentials, plainHttp: asked = false } = options;
    this.authorizer = new Authorizer(host, this.transport, credentials, asked);
    this.signal = options.signal;
  }

  /** What a tag or digest names, without fetching it; `undefined` when there is no such manifest. */
  async headManifest(reference: string, signal?: AbortSignal): Promise<Descriptor | undefined> {
    const response = await this.call({
      method: 'HEAD',
      path: `manifests/${reference}`,
      headers: { accept: ACCEPT },
      signal,
    });
    await response.discard();
    if (response.status === 404) return undefined;
    const size = Number(response.header('content-length') ?? NaN);
    const digest = isDigest(reference) ? reference : (response.header('docker-content-digest') ?? '');
    // Some registries answer HEAD without what it is for.
    if (response.status !== 200 || !isDigest(digest) || Number.isNaN(size)) {
      return (await this.findManifest(reference, signal))?.descriptor;
    }
    return { mediaType: contentType(response), digest, size };
  }

  /**
   * A manifest or index by tag or digest, its digest checked.
   *
   * @throws LensError `registry/not-found`, `registry/wrong-digest`, `registry/not-a-manifest`, `registry/too-large`
   */
  async getManifest(reference: string, signal?: AbortSignal): Promise<RegistryDocument> {
    const found = await this.findManifest(reference, signal);
    if (found) return found;
    throw new LensError(
      'registry/not-found',
      `${this.host}/${this.repository} has no image ${reference}.`,
      'Check the name and the tag; for a private repository sign in first, since registries hide what one may not see.',
    );
  }

  /** As `getManifest`, but `undefined` when there is none. */
  async findManifest(reference: string, signal?: AbortSignal): Promise<RegistryDocument | undefined> {
    const response = await this.call({
      method: 'GET',
      path: `manifests/${reference}`,
      headers: { accept: ACCEPT },
      signal,
    });
    if (response.status === 404) {
      await response.discard();
      return undefined;
    }
    await this.expect(response, [200], 'read the image');
    const bytes = await readBody(response, MANIFEST_LIMIT);
    const digest = sha256(bytes);
    const promised = isDigest(reference) ? reference : response.header('docker-content-digest');
    if (promised !== undefined && promised !== digest) throw wrongDigest(this.host, promised, digest);
    const mediaType = manifestType(contentType(response), bytes);
    if (mediaType === undefined) {
      throw new LensError(
        'registry/not-a-manifest',
        `${this.host} answers for ${reference} with ${contentType(response) || 'an unnamed type'} instead of an image manifest.`,
        'Check that the host is a registry and not a web page in front of it; images in the old schema 1 cannot be used.',
      );
    }
    return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
  }

  /**
   * Stores a manifest under its digest or a tag. Returns the digest and, where the registry told so, that it takes care of
   * `subject` itself (distribution-spec 1.1, `OCI-Subject`).
   */
  async putManifest(
    reference: string,
    mediaType: string,
    bytes: Uint8Array,
    signal?: AbortSignal,
  ): Promise<{ digest: Digest; subject: string | undefined }> {
    const response = await this.call({
      method: 'PUT',
      path: `manifests/${reference}`,
      headers: { 'content-type': mediaType, 'content-length': String(bytes.length) },
      body: () => bytes,
      signal,
    });
    await this.expect(response, [201, 200, 202], `store the manifest ${reference}`);
    await response.discard();
    const digest = sha256(bytes);
    const told = response.header('docker-content-digest');
    if (told !== undefined && told !== digest) throw wrongDigest(this.host, digest, told);
    return { digest, subject: response.header('oci-subject') };
  }

  /** Removes a manifest by its digest. One that is not there is no error. */
  async deleteManifest(digest: Digest, signal?: AbortSignal): Promise<void> {
    const response = await this.call({ method: 'DELETE', path: `manifests/${digest}`, signal });
    if (response.status !== 404) await this.expect(response, [202, 200, 204], `delete ${digest}`);
    await response.discard();
  }

  async hasBlob(digest: Digest, signal?: AbortSignal): Promise<boolean> {
    const response = await this.call({ method: 'HEAD', path: `blobs/${digest}`, signal });
    await response.discard();
    if (response.status === 200) return true;
    if (response.status === 404) return false;
    throw await refusal(response, this.host, `see whether it has ${digest}`);
  }

  /**
   * Streams a blob, or `range` of it. A broken transfer goes on where it stopped. Of a whole blob the digest is checked: the
   * last chunk is followed by `registry/wrong-digest` if it does not match, so nothing counts before the end. Of a range only
   * the length can be.
   */
  async *getBlob(
    descriptor: Pick<Descriptor, 'digest' | 'size'>,
    range?: { readonly start: number; readonly end: number },
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const { digest } = descriptor;
    const [start, end] = [range?.start ?? 0, range?.end ?? descriptor.size];
    const hash = start === 0 && end === descriptor.size ? createHash('sha256') : undefined;
    let position = start;
    for (let attempt = 0; position < end; attempt++) {
      const before = position;
      const response = await this.requestBlob(descriptor, position, end, signal);
      try {
        for await (const chunk of this.blobPart(response, descriptor, position, end)) {
          hash?.update(chunk);
          position += chunk.length;
          yield chunk;
        }
        if (position < end) throw truncated(this.host, digest, position - start, end - start);
      } catch (error) {
        // Only a standstill uses up the attempts.
        if (position > before) attempt = -1;
        if (!isBroken(error) || attempt + 1 >= this.transport.retry.attempts) throw error;
        await this.transport.pause(Math.max(attempt, 0), undefined, signal ?? this.signal);
      }
    }
    if (hash && `sha256:${hash.digest('hex')}` !== digest) {
      throw wrongDigest(this.host, digest, 'another one');
    }
  }

  /** A whole blob in memory, digest checked. */
  async readBlob(
    descriptor: Pick<Descriptor, 'digest' | 'size'>,
    limit = MANIFEST_LIMIT,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    if (descriptor.size > limit) {
      throw new LensError(
        'registry/too-large',
        `The document ${descriptor.digest} in ${this.host} has ${descriptor.size} bytes; at most ${limit} make sense.`,
        'See what was pushed under this name.',
      );
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.getBlob(descriptor, undefined, signal)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /**
   * Brings a blob into the repository: nothing is sent when it is there or can be mounted, else one upload, which begins again
   * when it breaks.
   *
   * @param open gives the bytes from their beginning, at each call anew
   */
  async putBlob(
    descriptor: Pick<Descriptor, 'digest' | 'size'>,
    open: () => AsyncIterable<Uint8Array>,
    options: PutBlobOptions = {},
  ): Promise<BlobOutcome> {
    const { mountFrom, signal, onProgress } = options;
    const { digest, size } = descriptor;
    if (await this.hasBlob(digest, signal)) return 'present';
    for (let attempt = 0; ; attempt++) {
      const session = await this.beginUpload(
        mountFrom === undefined ? undefined : { digest, from: mountFrom },
        signal,
      );
      if (!session) return 'mounted';
      session.searchParams.set('digest', digest);
      let sourceError: Error | undefined;
      const counted = async function* (): AsyncGenerator<Uint8Array> {
        let sent = 0;
        onProgress?.(0);
        try {
          for await (const chunk of open()) {
            sent += chunk.length;
            yield chunk;
            onProgress?.(sent);
          }
        } catch (error) {
          // What the source cannot give is not the registry's fault.
          sourceError = error instanceof Error ? error : new Error(messageOf(error));
          throw error;
        }
      };
      const isLast = attempt + 1 >= this.transport.retry.attempts;
      let response: HttpResponse | undefined;
      try {
        response = await this.call({
          method: 'PUT',
          url: session,
          headers: { 'content-type': 'application/octet-stream', 'content-length': String(size) },
          body: counted,
          signal,
          // A session that broke may hold half of the bytes: begin with a new one.
          attempts: 1,
        });
      } catch (error) {
        if (sourceError) throw sourceError;
        if (isLast || !isBroken(error)) throw error;
      }
      if (response?.status === 201) {
        await response.discard();
        return 'uploaded';
      }
      if (response && (isLast || !isTransient(response.status))) {
        throw await refusal(response, this.host, `store the blob ${digest}`);
      }
      await response?.discard();
      await this.transport.pause(attempt, response, signal ?? this.signal);
      // The connection may have broken after the last byte.
      if (await this.hasBlob(digest, signal)) return 'uploaded';
    }
  }

  /** Tries to take a blob over from another repository of the registry. False when the registry does not. */
  async mount(digest: Digest, from: string, signal?: AbortSignal): Promise<boolean> {
    const session = await this.beginUpload({ digest, from }, signal);
    if (!session) return true;
    const response = await this.call({ method: 'DELETE', url: session, signal });
    await response.discard();
    return false;
  }

  /** All tags of the repository, in the registry's order. */
  async tags(signal?: AbortSignal): Promise<string[]> {
    const tags: string[] = [];
    for await (const page of this.pages('tags/list?n=1000', signal)) {
      if (page.status === 404) return tags;
      const answer: unknown = parseJson(await readBody(page, MANIFEST_LIMIT));
      const list: unknown =
        typeof answer === 'object' && answer !== null && 'tags' in answer ? answer.tags : undefined;
      if (Array.isArray(list)) tags.push(...list.filter((tag) => typeof tag === 'string'));
    }
    return tags;
  }

  /**
   * What refers to a manifest (distribution-spec 1.1, "Listing Referrers"): by the Referrers API, else by the fallback tag
   * `sha256-<hex>`. `api` tells which.
   *
   * @param artifactType only those of this type
   */
  async referrers(
    digest: Digest,
    artifactType?: string,
    signal?: AbortSignal,
  ): Promise<{ api: boolean; manifests: Descriptor[] }> {
    const query = artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(artifactType)}`;
    const manifests: Descriptor[] = [];
    let api = true;
    for await (const page of this.pages(`referrers/${digest}${query}`, signal)) {
      // Without the API registries answer 404, or whatever their front page gives for an unknown path.
      if (page.status === 404 || contentType(page) !== OCI_INDEX) {
        await page.discard();
        api = false;
        break;
      }
      manifests.push(...parseIndex(await readBody(page, MANIFEST_LIMIT)).manifests);
    }
    if (!api) {
      const fallback = await this.findManifest(fallbackTag(digest), signal);
      if (fallback && INDEX_TYPES.has(fallback.descriptor.mediaType))
        manifests.push(...parseIndex(fallback.bytes).manifests);
    }
    const wanted = manifests.filter(
      (entry) => artifactType === undefined || entry.artifactType === artifactType,
    );
    return { api, manifests: wanted };
  }

  /** Ends idle connections. */
  close(): Promise<void> {
    return this.transport.close();
  }

  /** Begins an upload, or mounts: `undefined` says that the blob is there now. */
  private async beginUpload(
    mount: { digest: Digest; from: string } | undefined,
    signal: AbortSignal | undefined,
  ): Promise<URL | undefined> {
    const query = mount
      ? `?mount=${encodeURIComponent(mount.digest)}&from=${encodeURIComponent(mount.from)}`
      : '';
    const response = await this.call({
      method: 'POST',
      path: `blobs/uploads/${query}`,
      headers: { 'content-length': '0' },
      scope: mount && `${this.scope('pull,push')} repository:${mount.from}:pull`,
      signal,
    });
    // Not being allowed to read the other repository is no reason not to upload.
    if (mount && (response.status === 401 || response.status === 403)) {
      await response.discard();
      return this.beginUpload(undefined, signal);
    }
    await this.expect(response, mount ? [201, 202] : [202], 'begin an upload');
    await response.discard();
    if (response.status === 201) return undefined;
    const location = response.header('location');
    if (location !== undefined && URL.canParse(location, response.url.href))
      return new URL(location, response.url);
    throw new LensError(
      'registry/refused',
      `${this.host} begins an upload without saying where to send the bytes.`,
      'It does not follow the OCI distribution specification; ask who runs it.',
    );
  }

  private async requestBlob(
    { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
    start: number,
    end: number,
    signal: AbortSignal | undefined,
  ): Promise<HttpResponse> {
    const isPart = start > 0 || end < size;
    const headers = isPart ? { range: `bytes=${start}-${end - 1}` } : {};
    const response = await this.call({ method: 'GET', path: `blobs/${digest}`, headers, signal });
    await this.expect(response, isPart ? [206, 200] : [200], `give the blob ${digest}`);
    return response;
  }

  /** The bytes from `start` to `end` out of an answer that holds them, or the whole blob (200) where ranges are ignored. */
  private async *blobPart(
    response: HttpResponse,
    { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
    start: number,
    end: number,
  ): AsyncGenerator<Uint8Array> {
    let [from, to] = [start, end];
    if (response.status === 200) [from, to] = [0, size];
    else checkRange(response, this.host, start);
    try {
      for await (const chunk of response.body) {
        if (from + chunk.length > to) throw wrongDigest(this.host, digest, 'more bytes');
        const part = chunk.subarray(Math.max(0, start - from), Math.max(0, end - from));
        from += chunk.length;
        if (part.length > 0) yield part;
        if (from >= end) return;
      }
    } finally {
      await response.discard();
    }
  }

  /** The answers to a list, page by page (RFC 8288 `Link: <…>; rel="next"`). */
  private async *pages(first: string, signal: AbortSignal | undefined): AsyncGenerator<HttpResponse> {
    let url: URL | undefined = new URL(first, this.base);
    for (let page = 0; url && page < MAX_PAGES; page++) {
      const response = await this.call({ method: 'GET', url, signal });
      if (response.status !== 404) await this.expect(response, [200], 'list what it has');
      const next = /<([^>]*)>\s*;[^,]*rel="?next"?/.exec(response.header('link') ?? '')?.[1];
      url = next === undefined ? undefined : new URL(next, response.url);
      if (url && url.origin !== response.url.origin) url = undefined;
      yield response;
    }
  }

  private scope(actions: string): string {
    return `repository:${this.repository}:${actions}`;
  }

  private async call(request: Call): Promise<HttpResponse> {
    const { method, attempts = this.transport.retry.attempts } = request;
    const signal = joinSignals(this.signal, request.signal);
    const url = request.url ?? new URL(request.path ?? '', this.base);
    const actions =
      method === 'GET' || method === 'HEAD' ? 'pull' : method === 'DELETE' ? 'delete,pull,push' : 'pull,push';
    const scope = request.scope ?? this.scope(actions);
    let mayAuthorize = true;
    for (let attempt = 0; ; attempt++) {
      // The credentials are for the registry itself: an upload may have to go to another host.
      const authorization =
        url.origin === this.base.origin ? await this.authorizer.header(scope, signal) : undefined;
      let response: HttpResponse | undefined;
      try {
        const body = request.body?.();
        response = await this.transport.send({
          method,
          url,
          authorization,
          body,
          signal,
          ...(request.headers && { headers: request.headers }),
        });
      } catch (error) {
        if (!isBroken(error) || attempt + 1 >= attempts) throw error;
      }
      if (response?.status === 401 && mayAuthorize) {
        mayAuthorize = false;
        if (await this.authorizer.refused(response, scope, authorization)) {
          await response.discard();
          attempt--;
          continue;
        }
      }
      if (response && !(isTransient(response.status) && attempt + 1 < attempts)) return response;
      await response?.discard();
      await this.transport.pause(attempt, response, signal);
    }
  }

  private async expect(response: HttpResponse, statuses: readonly number[], what: string): Promise<void> {
    if (!statuses.includes(response.status)) throw await refusal(response, this.host, what);
  }
}

interface Call extends Omit<HttpRequest, 'url' | 'body' | 'authorization'> {
  /** Relative to the repository, or `url`. */
  readonly path?: string;
  readonly url?: URL;
  readonly body?: () => Uint8Array | AsyncIterable<Uint8Array>;
  readonly scope?: string | undefined;
  readonly attempts?: number;
}

/** The tag that stands for the Referrers API where a registry has none (distribution-spec 1.1, "Referrers Tag Schema"). */
export function fallbackTag(digest: Digest): string {
  return digest.replace(':', '-');
}

function joinSignals(a: AbortSignal | undefined, b: AbortSignal | undefined): AbortSignal | undefined {
  return a && b ? AbortSignal.any([a, b]) : (a ?? b);
}

function contentType(response: HttpResponse): string {
  return (response.header('content-type') ?? '').replace(/\s*;.*$/, '').toLowerCase();
}

/** The type that the answer has, or where a proxy put a wrong one on it, that the document gives itself. */
function manifestType(declared: string, bytes: Uint8Array): string | undefined {
  const isKnown = (type: unknown): type is string =>
    typeof type === 'string' && (MANIFEST_TYPES.has(type) || INDEX_TYPES.has(type));
  if (isKnown(declared)) return declared;
  const document = parseJson(bytes);
  const own: unknown =
    typeof document === 'object' && document !== null && 'mediaType' in document
      ? document.mediaType
      : undefined;
  return isKnown(own) ? own : undefined;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return undefined;
  }
}

/** True for failures of the way, not of the answer: the same again may succeed. */
function isBroken(error: unknown): boolean {
  return (
    !isAbort(error) &&
    error instanceof LensError &&
    (error.code === 'registry/unreachable' || error.code === 'registry/unavailable')
  );
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

function wrongDigest(host: string, expected: string, got: string): LensError {
  return new LensError(
    'registry/wrong-digest',
    `${host} sent other bytes than asked for: ${expected} was expected, ${got} came.`,
    'Do it again; if it stays, the registry or a proxy before it is damaged, or someone changes what you download.',
  );
}
