import { isAbort, LensError } from '../errors';
import { Authorizer } from './auth';
import { type Credentials, dockerCredentials } from './credentials';
import { isLoopback } from './proxy';
import { refusal } from './refusal';
import {
  type HttpRequest,
  type HttpResponse,
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

export interface Call extends Omit<HttpRequest, 'url' | 'body' | 'authorization'> {
  /** Relative to the repository, or `url`. */
  readonly path?: string;
  readonly url?: URL;
  /** Gives the body anew for each attempt. */
  readonly body?: () => Uint8Array | AsyncIterable<Uint8Array>;
  readonly scope?: string | undefined;
  readonly attempts?: number;
}

const DOCKER_HUB = { name: 'docker.io', api: 'registry-1.docker.io' };

/** Requests to one repository: who we are, and what is tried again. The protocol above is the client's. */
export class Channel {
  /** Where the repository's paths begin. */
  readonly base: URL;
  readonly transport: Transport;
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

  scope(actions: string, repository = this.repository): string {
    return `repository:${repository}:${actions}`;
  }

  /** Sends a request, signed in where that is asked for, again where that may help. The answer can have any status. */
  async call(request: Call): Promise<HttpResponse> {
    const { method, attempts = this.transport.retry.attempts } = request;
    const signal = this.joined(request.signal);
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
      // Another host, where a redirect or an upload has led, does not say to whom our credentials are shown.
      const isRegistry = response?.url.origin === this.base.origin;
      if (response?.status === 401 && isRegistry && mayAuthorize) {
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

  /**
   * A whole answer of at most `limit` bytes; one that breaks in its middle is asked for again. Of a 404 nothing is read.
   *
   * @param what completes "refuses to …" where the status is neither 200 nor 404
   */
  async read(
    request: Call,
    limit: number,
    what: string,
  ): Promise<{ response: HttpResponse; bytes: Uint8Array }> {
    for (let attempt = 0; ; attempt++) {
      const response = await this.call(request);
      if (response.status === 404) {
        await response.discard();
        return { response, bytes: new Uint8Array() };
      }
      await this.expect(response, [200], what);
      try {
        return { response, bytes: await readBody(response, limit) };
      } catch (error) {
        if (!isBroken(error) || attempt + 1 >= this.transport.retry.attempts) throw error;
        await this.pause(attempt, undefined, request.signal);
      }
    }
  }

  /** Throws what the registry says unless the answer has one of these statuses. `what` completes "refuses to …". */
  async expect(response: HttpResponse, statuses: readonly number[], what: string): Promise<void> {
    if (!statuses.includes(response.status)) throw await refusal(response, this.host, what);
  }

  /** Waits before attempt `attempt + 1`, as long as the answer asks for where it does. */
  pause(attempt: number, response: HttpResponse | undefined, signal: AbortSignal | undefined): Promise<void> {
    return this.transport.pause(attempt, response, this.joined(signal));
  }

  private joined(signal: AbortSignal | undefined): AbortSignal | undefined {
    return signal && this.signal ? AbortSignal.any([signal, this.signal]) : (signal ?? this.signal);
  }
}

/** True for failures of the way, not of the answer: the same again may succeed. */
export function isBroken(error: unknown): boolean {
  return (
    !isAbort(error) &&
    error instanceof LensError &&
    (error.code === 'registry/unreachable' || error.code === 'registry/unavailable')
  );
}

export function wrongDigest(host: string, expected: string, got: string): LensError {
  return new LensError(
    'registry/wrong-digest',
    `${host} sent other bytes than asked for: ${expected} was expected, ${got} came.`,
    'Do it again; if it stays, the registry or a proxy before it is damaged, or someone changes what you download.',
  );
}
