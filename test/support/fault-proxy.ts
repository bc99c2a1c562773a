import { once } from 'node:events';
import http, { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How a request is passed on; empty means unharmed. */
export interface Harm {
  /** The connection to the client is reset after so many bytes of its body. */
  readonly cutRequestAt?: number;
  /** … of the answer's body. */
  readonly cutAnswerAt?: number;
  /** … closed there, as by a server that ends in good order. */
  readonly endAnswerAt?: number;
  /** The answer ends early, with a length that says so. */
  readonly shortenTo?: number;
  /** Every byte of the answer's body goes through this. */
  readonly change?: (chunk: Buffer) => Buffer;
  /** … and of the request's. */
  readonly changeRequest?: (chunk: Buffer) => Buffer;
  readonly requestHeaders?: Record<string, string | undefined>;
  readonly answerHeaders?: Record<string, string | undefined>;
  /** One byte of the answer, then nothing. */
  readonly stall?: boolean;
  /** The answer byte by byte, one every so many milliseconds: never silent, never done. */
  readonly drip?: number;
  /** Takes nothing of the request's body any more after so many bytes, and says nothing. */
  readonly stopReadingAt?: number;
}

export interface ProxiedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  /** How many requests of this method and kind of path came before. */
  readonly before: number;
}

/** What to do with a request: answer it with `status`, else pass it on, harmed or not. */
export interface Verdict extends Harm {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** Milliseconds before the request is passed on: a distant registry. */
  readonly delay?: number;
}

export interface FaultProxy {
  readonly host: string;
  /** `METHOD path`, in order. */
  readonly log: string[];
  /** Set anew by each test. */
  judge: (request: ProxiedRequest) => Verdict;
  stop(): Promise<void>;
}

/** A proxy before a registry that does to requests what networks, proxies and registries do on bad days. */
export async function startFaultProxy(upstream: string): Promise<FaultProxy> {
  const counts = new Map<string, number>();
  const agent = new http.Agent({ keepAlive: true });
  const proxy: Omit<FaultProxy, 'host' | 'stop'> = { log: [], judge: () => ({}) };

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const { method = 'GET', url = '/', headers } = request;
    const kind = `${method} ${/\/(manifests|blobs\/uploads|blobs|tags|referrers)\//.exec(url)?.[1] ?? ''}`;
    const before = counts.get(kind) ?? 0;
    counts.set(kind, before + 1);
    proxy.log.push(`${method} ${url}`);
    const verdict = proxy.judge({ method, url, headers, before });
    if (verdict.status !== undefined) {
      request.resume();
      response.writeHead(verdict.status, verdict.headers).end(verdict.body);
      return;
    }
    if (verdict.delay === undefined) pass(request, response, verdict);
    else setTimeout(pass, verdict.delay, request, response, verdict);
  };

  const pass = (request: IncomingMessage, response: ServerResponse, harm: Harm): void => {
    const reset = () => {
      request.socket.resetAndDestroy();
    };
    const { method, url: path, headers } = request;
    const kept = Object.fromEntries(
      Object.entries({ ...headers, ...harm.requestHeaders }).filter(([, value]) => value !== undefined),
    );
    const onward = http.request({
      agent,
      host: upstream.split(':')[0],
      port: upstream.split(':')[1],
      method,
      path,
      headers: kept,
    });
    onward.on('error', reset);
    response.on('close', () => onward.destroy());
    let received = 0;
    request.on('data', (data: Buffer) => {
      const chunk = harm.changeRequest?.(data) ?? data;
      received += chunk.length;
      if (harm.cutRequestAt !== undefined && received >= harm.cutRequestAt) {
        // What came before the break goes on: that is what registries keep.
        onward.write(chunk.subarray(0, chunk.length - (received - harm.cutRequestAt)), () => {
          onward.destroy();
          reset();
        });
      } else if (harm.stopReadingAt !== undefined && received >= harm.stopReadingAt) {
        request.pause();
      } else if (!onward.write(chunk)) {
        request.pause();
        onward.once('drain', () => request.resume());
      }
    });
    request.on('end', () => onward.end());
    onward.on('response', (answer) => {
      const fields: Record<string, unknown> = { ...answer.headers, ...harm.answerHeaders };
      if (harm.shortenTo !== undefined) fields['content-length'] = harm.shortenTo;
      for (const name of Object.keys(fields))
        if (fields[name] === undefined) Reflect.deleteProperty(fields, name);
      response.writeHead(answer.statusCode ?? 502, fields as http.OutgoingHttpHeaders);
      if (harm.cutAnswerAt === 0) {
        response.flushHeaders();
        setTimeout(reset, 20);
        return;
      }
      let sent = 0;
      if (harm.drip !== undefined) {
        const all: Buffer[] = [];
        let next = 0;
        answer.on('data', (chunk: Buffer) => all.push(chunk));
        const timer = setInterval(() => {
          response.write(Buffer.concat(all).subarray(next, ++next));
        }, harm.drip);
        response.on('close', () => {
          clearInterval(timer);
        });
        return;
      }
      answer.on('data', (chunk: Buffer) => {
        if (harm.stall) {
          if (sent === 0) response.write(chunk.subarray(0, 1));
          sent = 1;
          return;
        }
        const limit = harm.cutAnswerAt ?? harm.endAnswerAt ?? harm.shortenTo ?? Infinity;
        const part = (harm.change?.(chunk) ?? chunk).subarray(0, Math.max(0, limit - sent));
        sent += part.length;
        // The reset must come after the bytes before it.
        if (part.length > 0)
          response.write(
            part,
            () => harm.cutAnswerAt !== undefined && sent >= limit && setTimeout(reset, 20),
          );
      });
      answer.on('end', () => {
        if (harm.endAnswerAt !== undefined) response.end(() => request.socket.end());
        else if (harm.cutAnswerAt === undefined && !harm.stall) response.end();
      });
    });
  };

  const server = createServer(handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(proxy, {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.closeAllConnections();
      agent.destroy();
      server.close();
      await once(server, 'close');
    },
  });
}
