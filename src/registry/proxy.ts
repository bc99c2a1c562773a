import { BlockList, isIP } from 'node:net';

/** The proxies that VS Code's settings or the environment name. */
export interface ProxyChoice {
  /** `http://[user:password@]host:port`; else the environment decides (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`). */
  readonly proxy?: string | undefined;
  /** Hosts that are reached without a proxy, as in `NO_PROXY`, which holds where this is not given. */
  readonly noProxy?: readonly string[] | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
}

/** The proxy for a URL as curl and Go choose it; this machine is never reached through one. */
export function proxyFor(url: URL, { proxy, noProxy, env = process.env }: ProxyChoice): string | undefined {
  const get = (name: string) => env[name.toLowerCase()] ?? env[name];
  const chosen =
    proxy ?? get(url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY') ?? get('ALL_PROXY') ?? '';
  const exceptions = noProxy ?? (get('NO_PROXY') ?? '').split(/[\s,]+/);
  if (chosen === '' || isLoopback(url.hostname) || exceptions.some((entry) => excepts(entry, url)))
    return undefined;
  // Both curl and VS Code take an address without a scheme.
  return /^\w+:\/\//.test(chosen) ? chosen : `http://${chosen}`;
}

/** `example.org` (with all below it), `.example.org`, `*.example.org`, `*`, an address, each with a port or not; `10.0.0.0/8`. */
function excepts(entry: string, url: URL): boolean {
  const [net = '', prefix] = entry.split('/');
  if (prefix !== undefined) return isWithin(unbracketed(url.hostname), unbracketed(net), Number(prefix));
  const name = isIP(entry) === 6 ? `[${entry}]` : entry.replace(/^\*?\./, '');
  const [, host = '', port] = /^(\[.*\]|[^:]*)(?::(.*))?$/.exec(name) ?? [];
  const matches =
    host === '*' || (host !== '' && (url.hostname === host || url.hostname.endsWith(`.${host}`)));
  return matches && (port === undefined || port === (url.port || (url.protocol === 'https:' ? '443' : '80')));
}

/** Whether an address lies in a network; `prefix` counts its leading bits. */
function isWithin(address: string, net: string, prefix: number): boolean {
  const family = isIP(address);
  const isNet = Number.isInteger(prefix) && prefix >= 0 && prefix <= (family === 4 ? 32 : 128);
  if (family === 0 || isIP(net) !== family || !isNet) return false;
  const type = family === 4 ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  list.addSubnet(net, prefix, type);
  return list.check(address, type);
}

function unbracketed(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

/** True for a proxy that can be used: spoken to by http or https, with name and password as a URL has them. */
export function isProxyAddress(text: string): boolean {
  try {
    const { protocol, username, password } = new URL(text);
    decodeURIComponent(`${username}${password}`);
    return protocol === 'http:' || protocol === 'https:';
  } catch {
    return false;
  }
}

/** `localhost`, 127.0.0.0/8 and ::1, as in a URL. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || /^127(?:\.\d{1,3}){3}$/.test(hostname) || hostname === '[::1]';
}
