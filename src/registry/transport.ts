import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import tls from 'node:tls';
import type { Dispatcher } from 'undici';
import { isAbort, LensError, messageOf } from '../errors';
import { notTooSlow, watched } from './pace';
import { isProxyAddress, type ProxyChoice, proxyFor } from './proxy';
import type { Limit } from './rate';
import { proxyError, tunnelThrough } from './tunnel';

/** How often a request is made again before its failure counts, and how long the first pause is, in milliseconds. */
export interface RetryPolicy {
  readonly attempts: number;
  readonly pause: number;
}

export interface TransportOptions extends ProxyChoice {
  /** PEM file with certificate authorities to trust beside the usual ones. */
  readonly caFile?: string | undefined;
  readonly retry?: RetryPolicy | undefined;
  /** How long a transfer may stand still, or all but, before it counts as broken, in milliseconds. */
  readonly stallTimeout?: number | undefined;
  /** Waited for before each request. */
  readonly limit?: Limit | undefined;
  /** Called with one line per request, without secrets: method, host and path, status. */
  readonly onTrace?: ((line: string) => void) | undefined;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent to the origin of `url` only, never to where a redirect leads. */
  readonly authorization?: string | undefined;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly status: number;
  /** After redirects. */
  readonly url: URL;
  /** The first value of a header, by its lower-case name. */
  header(name: string): string | undefined;
  /** To be read to its end or given to `discard`. Breaks with `registry/unreachable`. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends the answer unread. */
  discard(): Promise<void>;
}

const DEFAULT_RETRY: RetryPolicy = { attempts: 5, pause: 500 };
const STALL_TIMEOUT = 60_000;
const CONNECT_TIMEOUT = 15_000;
const MAX_REDIRECTS = 5;
/** A registry that asks for more than this is not worth waiting for unasked, in milliseconds. */
const MAX_RETRY_AFTER = 120_000;

/** HTTP for the registry: own certificate authorities, proxies, redirects that leave credentials behind, and retries. */
export class Transport {
  readonly retry: RetryPolicy;
  private readonly dispatchers = new Map<string, Promise<Dispatcher>>();
  /** Hosts that have given an answer: they exist, so what breaks later may pass. */
  private readonly answered = new Set<string>();

  constructor(private readonly options: TransportOptions = {}) {
    this.retry = options.retry ?? DEFAULT_RETRY;
  }

  /**
   * One request, redirects followed. Any status is an answer; only no answer is an error: `registry/unreachable`,
   * `registry/absent`, `registry/tls`, `registry/proxy`.
   */
  async send(asked: HttpRequest): Promise<HttpResponse> {
    const { method, signal, url } = asked;
    let target = url;
    for (let hop = 0; ; hop++) {
      signal?.throwIfAborted();
      await this.options.limit?.(target.host, signal);
      const answer = await this.sendTo(target, asked);
      const next = answer.status >= 300 && answer.status < 400 && redirectTarget(method, answer);
      if (!next) return answer;
      await answer.discard();
      if (hop === MAX_REDIRECTS) throw unreachable(url, 'it redirects without end');
      if (target.protocol === 'https:' && next.protocol !== 'https:')
        throw unreachable(url, 'it redirects to plain http');
      target = next;
    }
  }

  private async sendTo(
    target: URL,
    { method, headers = {}, authorization, body, signal, url }: HttpRequest,
  ): Promise<Answer> {
    const own = target.origin === url.origin;
    const stall = this.options.stallTimeout ?? STALL_TIMEOUT;
    // Only what we send can stand still on the way there; undici watches what we get.
    const standstill = isStream(body) ? new AbortController() : undefined;
    const giveUp = () => standstill?.abort(unreachable(target, FAILURES['UND_ERR_BODY_TIMEOUT'] ?? ''));
    const signals = [signal, standstill?.signal].filter((one) => one !== undefined);
    try {
      const { request } = await import('undici');
      const response = await request(target, {
        method,
        headers: { ...headers, ...(own && authorization !== undefined && { authorization }) },
        body: isStream(body)
          ? Readable.from(watched(body, stall, giveUp), { objectMode: false })
          : (body ?? null),
        dispatcher: await this.dispatcher(target),
        bodyTimeout: stall,
        // After an upload the registry may have to read all of it once more before it answers: then undici's five minutes.
        ...(body === undefined && { headersTimeout: stall }),
        signal: signals.length > 1 ? AbortSignal.any(signals) : (signals[0] ?? null),
      });
      this.answered.add(target.host);
      this.options.onTrace?.(`${method} ${target.host}${target.pathname} ${response.statusCode}`);
      return new Answer(target, response, stall);
    } catch (error) {
      if (!signal?.aborted && standstill?.signal.aborted) throw standstill.signal.reason;
      const proxy = proxyFor(target, this.options);
      throw transportError(target, error, { signal, proxy, isNew: !this.answered.has(target.host) });
    }
  }

  /** Waits before the next attempt: as long as the answer asks for, else twice as long each time. */
  async pause(
    attempt: number,
    response: HttpResponse | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const asked = retryAfter(response?.header('retry-after'));
    if (asked !== undefined && asked > MAX_RETRY_AFTER) {
      throw new LensError(
        'registry/too-many-requests',
        `${response?.url.host ?? 'The registry'} asks to come back in ${Math.ceil(asked / 1000)} seconds.`,
        'Wait that long, or sign in: registries allow more to those whom they know.',
      );
    }
    // A random part keeps many clients from coming back at the same moment.
    const backoff = this.retry.pause * 2 ** attempt * (0.75 + Math.random() / 2);
    await sleep(asked ?? backoff, signal);
  }

  async close(): Promise<void> {
    const dispatchers = [...this.dispatchers.values()];
    this.dispatchers.clear();
    await Promise.all(dispatchers.map(async (dispatcher) => (await dispatcher).close()));
  }

  private dispatcher(url: URL): Promise<Dispatcher> {
    const proxy = proxyFor(url, this.options);
    const key = proxy === undefined ? '' : `${url.protocol} ${proxy}`;
    let dispatcher = this.dispatchers.get(key);
    dispatcher ??= this.makeDispatcher(proxy, url.protocol === 'https:');
    this.dispatchers.set(key, dispatcher);
    return dispatcher;
  }

  private async makeDispatcher(proxy: string | undefined, isSecure: boolean): Promise<Dispatcher> {
    const { caFile } = this.options;
    let ca: string[] | undefined;
    if (caFile !== undefined) {
      try {
        ca = [...tls.rootCertificates, await readFile(caFile, 'utf8')];
      } catch (error) {
        throw new LensError(
          'registry/tls',
          `The file of certificate authorities ${caFile} cannot be read: ${messageOf(error)}.`,
          'Correct sociLens.registry.caFile or --ca-file.',
          { cause: error },
        );
      }
    }
    const { Agent, buildConnector, ProxyAgent } = await import('undici');
    const connect = { timeout: CONNECT_TIMEOUT, ...(ca && { ca }) };
    if (proxy === undefined) return new Agent({ connect });
    if (!isProxyAddress(proxy)) throw proxyError('that is set has no valid http:// or https:// address');
    if (isSecure)
      return new Agent({ connect: tunnelThrough(new URL(proxy), buildConnector(connect), CONNECT_TIMEOUT) });
    // Without TLS a proxy gets the request itself, as from curl: many open tunnels to port 443 alone.
    return new ProxyAgent({ uri: proxy, connect, proxyTunnel: false });
  }
}

function isStream(body: HttpRequest['body']): body is AsyncIterable<Uint8Array> {
  return body !== undefined && !(body instanceof Uint8Array);
}

/** Answers that a second try may change. */
export function isTransient(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501);
}

/** Reads an answer whole. Throws `registry/too-large` instead of taking more than `limit` bytes. */
export async function readBody(response: HttpResponse, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    if (size > limit) {
      throw new LensError(
        'registry/too-large',
        `The answer to ${response.url.pathname} from ${response.url.host} is longer than ${limit} bytes.`,
        'An image document of that size is not usable; see what was pushed under this name.',
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

class Answer implements HttpResponse {
  readonly status: number;

  constructor(
    readonly url: URL,
    private readonly response: Dispatcher.ResponseData,
    private readonly stallTimeout: number,
  ) {
    this.status = response.statusCode;
    // An answer that is discarded may break without anybody listening.
    response.body.on('error', () => undefined);
  }

  get body(): AsyncIterable<Uint8Array> {
    return this.read();
  }

  private async *read(): AsyncGenerator<Uint8Array> {
    try {
      yield* notTooSlow(this.response.body as AsyncIterable<Uint8Array>, this.stallTimeout, () =>
        unreachable(this.url, FAILURES['UND_ERR_BODY_TIMEOUT'] ?? ''),
      );
    } catch (error) {
      throw transportError(this.url, error);
    }
  }

  header(name: string): string | undefined {
    const value = this.response.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  async discard(): Promise<void> {
    try {
      // A short rest is cheaper to read than a new connection is to make.
      await this.response.body.dump({ limit: 64 * 1024 });
    } catch {
      this.response.body.destroy();
    }
  }
}

function redirectTarget(method: string, answer: Answer): URL | undefined {
  const location = answer.header('location');
  if (location === undefined || (method !== 'GET' && method !== 'HEAD')) return undefined;
  if (!URL.canParse(location, answer.url.href))
    throw unreachable(answer.url, 'it redirects to what is no address');
  return new URL(location, answer.url);
}

/** RFC 9110 §10.2.3: seconds or a date. In milliseconds. */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, milliseconds);
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}

interface Circumstances {
  readonly signal?: AbortSignal | undefined;
  /** Through which the request went. */
  readonly proxy?: string | undefined;
  /** Nothing has ever come from that host. */
  readonly isNew?: boolean;
}

function transportError(url: URL, error: unknown, { signal, proxy, isNew }: Circumstances = {}): unknown {
  if (signal?.aborted) return signal.reason;
  // undici reports a proxy that refuses as an abort.
  const refused = /^Proxy response \((\d+)\)/.exec(messageOf(error))?.[1];
  if (refused !== undefined)
    return proxyError(`lets nothing through to ${url.host}: status ${refused}`, error);
  if (error instanceof LensError || isAbort(error)) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const isNobody = isNew && (code === 'ECONNREFUSED' || code === 'ENOTFOUND');
  if (isNobody && proxy !== undefined) {
    // Its address may hold a password; the host alone does not.
    const host = URL.canParse(proxy) ? new URL(proxy).host : 'of the settings';
    return proxyError(`${host} cannot be reached: ${FAILURES[code] ?? code}`, error);
  }
  // Where nothing ever answered, trying again would only make a person with a wrong name wait.
  if (isNobody) {
    return new LensError(
      'registry/absent',
      `There is no registry at ${url.host}: ${FAILURES[code] ?? code}.`,
      'Check the name and the port, and whether it has to be reached through a proxy.',
      { cause: error },
    );
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME/.test(code)) {
    return new LensError(
      'registry/tls',
      `${url.host} shows a certificate that is not trusted: ${messageOf(error)}.`,
      'If it is signed by your own authority, name its file in sociLens.registry.caFile or --ca-file.',
      { cause: error },
    );
  }
  if (code === 'EPROTO' || code === 'ERR_SSL_WRONG_VERSION_NUMBER') {
    return new LensError(
      'registry/tls',
      `${url.host} does not speak TLS.`,
      'If it is meant to be reached without encryption, set sociLens.registry.plainHttp or --plain-http.',
      { cause: error },
    );
  }
  return unreachable(url, FAILURES[code] ?? messageOf(error), error);
}

const FAILURES: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name cannot be looked up now',
  ECONNREFUSED: 'it refuses connections',
  ECONNRESET: 'the connection broke',
  EPIPE: 'the connection broke',
  EHOSTUNREACH: 'no way leads to it',
  ENETUNREACH: 'no way leads to it',
  ETIMEDOUT: 'it does not answer',
  UND_ERR_SOCKET: 'the connection broke',
  UND_ERR_CONNECT_TIMEOUT: 'it does not answer',
  UND_ERR_HEADERS_TIMEOUT: 'it takes too long to answer',
  UND_ERR_BODY_TIMEOUT: 'the transfer stands still',
};

function unreachable(url: URL, why: string, cause?: unknown): LensError {
  return new LensError(
    'registry/unreachable',
    `The registry at ${url.host} cannot be reached: ${why}.`,
    'Check the name, the network and the proxy, then do it again; what is complete is kept.',
    { cause },
  );
}
