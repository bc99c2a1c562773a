import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import tls from 'node:tls';
import { Agent, type Dispatcher, ProxyAgent, request } from 'undici';
import { isAbort, LensError, messageOf } from '../errors';

/** How often a request is made again before its failure counts, and how long the first pause is, in milliseconds. */
export interface RetryPolicy {
  readonly attempts: number;
  readonly pause: number;
}

export interface TransportOptions {
  /** PEM file with certificate authorities to trust beside the usual ones. */
  readonly caFile?: string | undefined;
  /** `http://host:port` of a proxy; else the environment decides (`HTTPS_PROXY`, `NO_PROXY`). */
  readonly proxy?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly retry?: RetryPolicy | undefined;
  /** How long a transfer may stand still before it counts as broken, in milliseconds. */
  readonly stallTimeout?: number | undefined;
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
const MAX_REDIRECTS = 5;
/** A registry that asks for more than this is not worth waiting for unasked, in milliseconds. */
const MAX_RETRY_AFTER = 120_000;

/** HTTP for the registry: own certificate authorities, proxies, redirects that leave credentials behind, and retries. */
export class Transport {
  readonly retry: RetryPolicy;
  private readonly dispatchers = new Map<string, Promise<Dispatcher>>();

  constructor(private readonly options: TransportOptions = {}) {
    this.retry = options.retry ?? DEFAULT_RETRY;
  }

  /** One request, redirects followed. Any status is an answer; only no answer is an error: `registry/unreachable`, `registry/tls`. */
  async send({ method, headers = {}, authorization, body, signal, url }: HttpRequest): Promise<HttpResponse> {
    let target = url;
    for (let hop = 0; ; hop++) {
      const own = target.origin === url.origin;
      try {
        signal?.throwIfAborted();
        const response = await request(target, {
          method,
          headers: { ...headers, ...(own && authorization !== undefined && { authorization }) },
          body:
            body === undefined || body instanceof Uint8Array
              ? (body ?? null)
              : Readable.from(body, { objectMode: false }),
          dispatcher: await this.dispatcher(target),
          bodyTimeout: this.options.stallTimeout ?? STALL_TIMEOUT,
          ...(signal && { signal }),
        });
        this.options.onTrace?.(`${method} ${target.host}${target.pathname} ${response.statusCode}`);
        const answer = new Answer(target, response);
        const next =
          response.statusCode >= 300 && response.statusCode < 400 && redirectTarget(method, answer);
        if (!next) return answer;
        await answer.discard();
        if (hop === MAX_REDIRECTS) throw unreachable(url, 'it redirects without end');
        if (target.protocol === 'https:' && next.protocol !== 'https:')
          throw unreachable(url, 'it redirects to plain http');
        target = next;
      } catch (error) {
        throw transportError(target, error, signal);
      }
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
    const proxy = isLoopback(url.hostname)
      ? undefined
      : (this.options.proxy ?? proxyFromEnv(url, this.options.env ?? process.env));
    let dispatcher = this.dispatchers.get(proxy ?? '');
    dispatcher ??= this.makeDispatcher(proxy);
    this.dispatchers.set(proxy ?? '', dispatcher);
    return dispatcher;
  }

  private async makeDispatcher(proxy: string | undefined): Promise<Dispatcher> {
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
    const connect = { timeout: 15_000, ...(ca && { ca }) };
    return proxy === undefined
      ? new Agent({ connect })
      : new ProxyAgent({ uri: proxy, connect, requestTls: connect });
  }
}

/** Answers that a second try may change. */
export function isTransient(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501);
}

/** `localhost`, 127.0.0.0/8 and ::1, as in a URL. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || /^127(?:\.\d{1,3}){3}$/.test(hostname) || hostname === '[::1]';
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
      yield* this.response.body as AsyncIterable<Uint8Array>;
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
  return location !== undefined && (method === 'GET' || method === 'HEAD')
    ? new URL(location, answer.url)
    : undefined;
}

/** RFC 9110 §10.2.3: seconds or a date. In milliseconds. */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

/** The proxy that curl and Go would take. */
function proxyFromEnv(url: URL, env: NodeJS.ProcessEnv): string | undefined {
  const get = (name: string) => env[name.toLowerCase()] ?? env[name];
  const proxy = get(url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY') ?? get('ALL_PROXY');
  const exceptions = (get('NO_PROXY') ?? '').split(/[\s,]+/).filter(Boolean);
  const excepted = exceptions.some((entry) => {
    const [host = '', port] = entry.replace(/^\*?\./, '').split(':');
    const matches = host === '*' || url.hostname === host || url.hostname.endsWith(`.${host}`);
    return matches && (port === undefined || port === url.port);
  });
  return proxy === undefined || proxy === '' || excepted ? undefined : proxy;
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

function transportError(url: URL, error: unknown, signal?: AbortSignal): unknown {
  if (signal?.aborted) return signal.reason;
  if (error instanceof LensError || isAbort(error)) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
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
