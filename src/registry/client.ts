import { setTimeout as sleep } from 'node:timers/promises';
import { LensError } from '../errors';
import { isDigest, sha256 } from '../oci/digest';
import { INDEX_TYPES, MANIFEST_TYPES, OCI_INDEX } from '../oci/media-types';
import { parseIndex } from '../oci/parse';
import type { Descriptor, Digest } from '../oci/types';
import { type Call, Channel, type RegistryOptions, wrongDigest } from './channel';
import { downloadBlob } from './download';
import { refusal } from './refusal';
import type { HttpResponse } from './transport';
import { beginUpload, type OpenBlob, type PutBlobOptions, uploadBlob } from './upload';

export type { RegistryOptions } from './channel';
export type { OpenBlob, PutBlobOptions } from './upload';

/** A manifest or an index, as the registry has it. */
export interface RegistryDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** How a blob came to be in the registry. */
export type BlobOutcome = 'present' | 'mounted' | 'uploaded';

/** Manifests above this are refused by registries (distribution-spec 1.1, "Pushing Manifests"), and not taken from them. */
const MANIFEST_LIMIT = 4 * 1024 * 1024;
const ACCEPT = [...MANIFEST_TYPES, ...INDEX_TYPES].join(', ');
/** More pages of a list than this are a registry that turns in a circle. */
const MAX_PAGES = 1000;
/** What storing a manifest may take a registry, in milliseconds. */
const STORING = 250;

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
  private readonly channel: Channel;
  private referrersApi: Promise<boolean> | undefined;

  constructor(
    readonly host: string,
    readonly repository: string,
    options: RegistryOptions,
  ) {
    this.channel = new Channel(host, repository, options);
  }

  /** What a tag or digest names, without fetching it; `undefined` when there is no such manifest. */
  async headManifest(reference: string, signal?: AbortSignal): Promise<Descriptor | undefined> {
    const response = await this.channel.call({
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
    const { response, bytes } = await this.channel.read(
      { method: 'GET', path: `manifests/${reference}`, headers: { accept: ACCEPT }, signal },
      MANIFEST_LIMIT,
      'read the image',
    );
    if (response.status === 404) return undefined;
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
    const response = await this.channel.call({
      method: 'PUT',
      path: `manifests/${reference}`,
      headers: { 'content-type': mediaType, 'content-length': String(bytes.length) },
      body: () => bytes,
      signal,
    });
    const digest = sha256(bytes);
    // distribution 2.8 refuses a manifest that another writer is storing at this moment: then it is there soon.
    if (response.status === 400 && reference === digest && (await this.isThereSoon(digest, signal))) {
      await response.discard();
      return { digest, subject: undefined };
    }
    await this.channel.expect(response, [201, 200, 202], `store the manifest ${reference}`);
    await response.discard();
    const told = response.header('docker-content-digest');
    if (told !== undefined && told !== digest) throw wrongDigest(this.host, digest, told);
    return { digest, subject: response.header('oci-subject') };
  }

  private async isThereSoon(digest: Digest, signal?: AbortSignal): Promise<boolean> {
    if (await this.headManifest(digest, signal)) return true;
    await sleep(STORING, undefined, { signal });
    return (await this.headManifest(digest, signal)) !== undefined;
  }

  /** Removes a manifest by its digest. One that is not there is no error. */
  async deleteManifest(digest: Digest, signal?: AbortSignal): Promise<void> {
    const response = await this.channel.call({ method: 'DELETE', path: `manifests/${digest}`, signal });
    if (response.status !== 404) await this.channel.expect(response, [202, 200, 204], `delete ${digest}`);
    await response.discard();
  }

  async hasBlob(digest: Digest, signal?: AbortSignal): Promise<boolean> {
    const response = await this.channel.call({ method: 'HEAD', path: `blobs/${digest}`, signal });
    await response.discard();
    if (response.status === 200) return true;
    if (response.status === 404) return false;
    throw await refusal(response, this.host, `see whether it has ${digest}`);
  }

  /** Streams a blob, or `range` of it; see `downloadBlob`. */
  getBlob(
    descriptor: Pick<Descriptor, 'digest' | 'size'>,
    range?: { readonly start: number; readonly end: number },
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    return downloadBlob(this.channel, descriptor, range, signal);
  }

  /** True when the registry gives a part of a blob that is asked for by its range, and not the whole. */
  async answersRanges({ digest }: Pick<Descriptor, 'digest'>, signal?: AbortSignal): Promise<boolean> {
    const headers = { range: 'bytes=0-1' };
    const response = await this.channel.call({ method: 'GET', path: `blobs/${digest}`, headers, signal });
    await response.discard();
    return response.status === 206;
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

  /** Brings a blob into the repository: nothing is sent when it is there or can be mounted, else see `uploadBlob`. */
  async putBlob(
    descriptor: Pick<Descriptor, 'digest' | 'size'>,
    open: OpenBlob,
    options: PutBlobOptions = {},
  ): Promise<BlobOutcome> {
    const isThere = () => this.hasBlob(descriptor.digest, options.signal);
    return (await isThere()) ? 'present' : uploadBlob(this.channel, descriptor, open, isThere, options);
  }

  /** Tries to take a blob over from another repository of the registry. False when the registry does not. */
  async mount(digest: Digest, from: string, signal?: AbortSignal): Promise<boolean> {
    const session = await beginUpload(this.channel, { digest, from }, signal);
    if (!session) return true;
    const response = await this.channel.call({ method: 'DELETE', url: session.url, signal });
    await response.discard();
    return false;
  }

  /** All tags of the repository, in the registry's order. */
  async tags(signal?: AbortSignal): Promise<string[]> {
    const tags: string[] = [];
    for await (const page of this.pages('tags/list?n=1000', signal)) {
      const answer: unknown = parseJson(page.bytes);
      const list: unknown =
        typeof answer === 'object' && answer !== null && 'tags' in answer ? answer.tags : undefined;
      if (Array.isArray(list)) tags.push(...list.filter((tag) => typeof tag === 'string'));
    }
    return tags;
  }

  /** All repositories of the registry, where it tells: `_catalog` is Docker's, not of the specification. */
  async repositories(signal?: AbortSignal): Promise<string[]> {
    const names: string[] = [];
    for await (const page of this.pages('/v2/_catalog?n=1000', signal, 'registry:catalog:*')) {
      await this.channel.expect(page.response, [200], 'list its repositories');
      const answer: unknown = parseJson(page.bytes);
      const list: unknown =
        typeof answer === 'object' && answer !== null && 'repositories' in answer
          ? answer.repositories
          : undefined;
      if (Array.isArray(list)) names.push(...list.filter((name) => typeof name === 'string'));
    }
    return names;
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
      api = isReferrersPage(page.response);
      // Any other answer than these two may be of the moment, or of who asks.
      if (api || page.response.status === 404) this.referrersApi = Promise.resolve(api);
      if (!api) break;
      manifests.push(...parseIndex(page.bytes).manifests);
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

  /** True when the registry has the Referrers API; asked by what refers to `digest`, once and only where no answer has told it. */
  hasReferrersApi(digest: Digest, signal?: AbortSignal): Promise<boolean> {
    this.referrersApi ??= this.channel
      .call({ method: 'GET', path: `referrers/${digest}`, signal })
      .then(async (response) => {
        // Who may not ask, or is not answered, does not know: a tag begun beside an API would not be seen there.
        const { status } = response;
        if (status === 401 || status === 403 || status >= 500)
          await this.channel.expect(response, [200], 'list what refers to an image');
        await response.discard();
        return isReferrersPage(response);
      });
    this.referrersApi.catch(() => (this.referrersApi = undefined));
    return this.referrersApi;
  }

  /** Ends idle connections. */
  close(): Promise<void> {
    return this.channel.transport.close();
  }

  /** The answers to a list, page by page (RFC 8288 `Link: <…>; rel="next"`). */
  private async *pages(
    first: string,
    signal: AbortSignal | undefined,
    scope?: string,
  ): AsyncGenerator<{ response: HttpResponse; bytes: Uint8Array }> {
    const seen = new Set<string>();
    let url = new URL(first, this.channel.base);
    for (;;) {
      seen.add(url.href);
      const request: Call = { method: 'GET', url, signal, ...(scope !== undefined && { scope }) };
      const { response, bytes } = await this.channel.read(request, MANIFEST_LIMIT, 'list what it has');
      yield { response, bytes };
      const next = /<([^>]*)>\s*;[^,]*rel="?next"?/.exec(response.header('link') ?? '')?.[1];
      if (next === undefined) return;
      const goesOn = URL.canParse(next, response.url.href) ? new URL(next, response.url) : undefined;
      // Half a list is none: what it leaves out would count as not there.
      if (goesOn?.origin !== response.url.origin || seen.has(goesOn.href) || seen.size === MAX_PAGES) {
        throw new LensError(
          'registry/refused',
          `${this.host} gives only a part of a list: where the rest is cannot be followed.`,
          'Ask who runs the registry: it may not know by which address it is reached through its proxy.',
        );
      }
      url = goesOn;
    }
  }
}

/** Without the API registries answer 404, or whatever their front page gives for an unknown path. */
function isReferrersPage(response: HttpResponse): boolean {
  return response.status === 200 && contentType(response) === OCI_INDEX;
}

/** The tag that stands for the Referrers API where a registry has none (distribution-spec 1.1, "Referrers Tag Schema"). */
export function fallbackTag(digest: Digest): string {
  return digest.replace(':', '-');
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
