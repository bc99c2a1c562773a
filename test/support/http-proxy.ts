import { once } from 'node:events';
import http, { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';

/** A host that the proxy hangs up on. */
export const DROP = 'drop';

export interface HttpProxy {
  /** `host:port` */
  readonly host: string;
  /** `CONNECT host:port` and `METHOD url`, in order. */
  readonly log: string[];
  stop(): Promise<void>;
}

/**
 * A forward proxy as companies have one (RFC 9110 §9.3.6, RFC 9112 §3.2.2): tunnels for TLS, whole requests for plain HTTP. It knows
 * the names in `hosts`, which nobody else does, so what arrives there has come through it.
 *
 * @param user `NAME:PASSWORD` that it asks for
 */
export async function startHttpProxy(
  hosts: Readonly<Record<string, string>>,
  user?: string,
): Promise<HttpProxy> {
  const log: string[] = [];
  const expected = user === undefined ? undefined : `Basic ${Buffer.from(user).toString('base64')}`;
  const isKnown = (headers: http.IncomingHttpHeaders) =>
    expected === undefined || headers['proxy-authorization'] === expected;
  const server = createServer((request, response) => {
    log.push(`${request.method ?? ''} ${request.url ?? ''}`);
    if (!isKnown(request.headers)) {
      response.writeHead(407, { 'proxy-authenticate': 'Basic realm="proxy"' }).end();
      return;
    }
    const url = new URL(request.url ?? '');
    const [host, port] = (hosts[url.host] ?? '').split(':');
    const headers = new Map(Object.entries(request.headers));
    headers.delete('proxy-authorization');
    const onward = http.request({
      host,
      port,
      path: url.pathname + url.search,
      method: request.method,
      headers: Object.fromEntries(headers),
    });
    onward.on('error', () => response.destroy());
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    request.pipe(onward);
  });
  server.on('connect', (request, socket) => {
    log.push(`CONNECT ${request.url ?? ''}`);
    const target = hosts[request.url ?? ''];
    if (target === DROP) {
      socket.destroy();
      return;
    }
    if (!isKnown(request.headers) || target === undefined) {
      socket.end(`HTTP/1.1 ${isKnown(request.headers) ? 502 : 407} No\r\n\r\n`);
      return;
    }
    const [host, port] = target.split(':');
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    onward.on('error', () => socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'));
    socket.on('error', () => onward.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    log,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
