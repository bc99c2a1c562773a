import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';
import { LensError } from '../errors';

/**
 * Connects by TLS through a proxy (RFC 9110 §9.3.6). undici's own proxy agent connects anew for ever when a proxy hangs up, and
 * reports a refusal as an abort; with this each connection is one attempt that fails as others do.
 *
 * @param secure undici's own connector, which speaks TLS to the registry
 * @param timeout for the way through the proxy, in milliseconds
 */
export function tunnelThrough(
  proxy: URL,
  secure: buildConnector.connector,
  timeout: number,
): buildConnector.connector {
  return (target, callback) => {
    openTunnel(proxy, `${target.hostname}:${target.port || '443'}`, timeout).then(
      (httpSocket) => {
        secure({ ...target, httpSocket }, callback);
      },
      (error: unknown) => {
        callback(error instanceof Error ? error : new Error(String(error)), null);
      },
    );
  };
}

function openTunnel(proxy: URL, target: string, timeout: number): Promise<Socket> {
  const user = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return new Promise((resolve, reject) => {
    const request = (proxy.protocol === 'https:' ? https : http).request({
      method: 'CONNECT',
      hostname: proxy.hostname,
      port: proxy.port,
      path: target,
      agent: false,
      headers: {
        host: target,
        ...(user !== ':' && { 'proxy-authorization': `Basic ${Buffer.from(user).toString('base64')}` }),
      },
      timeout,
    });
    request.once('connect', (response, socket) => {
      if (response.statusCode === 200) {
        resolve(socket);
        return;
      }
      socket.destroy();
      reject(proxyError(`lets nothing through to ${target}: status ${response.statusCode ?? 0}`));
    });
    request.once('timeout', () => request.destroy(proxyError(`${proxy.host} does not answer`)));
    request.once('error', reject);
    request.end();
  });
}

/** @param what completes "the proxy …" */
export function proxyError(what: string, cause?: unknown): LensError {
  return new LensError(
    'registry/proxy',
    `The proxy ${what}.`,
    'Check http.proxy or HTTPS_PROXY (http://NAME:PASSWORD@HOST:PORT where it asks who you are), or name the registry in NO_PROXY.',
    { cause },
  );
}
