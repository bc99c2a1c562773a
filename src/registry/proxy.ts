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

/** `example.org` (with all below it), `.example.org`, `*.example.org`, `*`, each with a port or not. */
function excepts(entry: string, url: URL): boolean {
  const [host = '', port] = entry.replace(/^\*?\./, '').split(':');
  const matches =
    host === '*' || (host !== '' && (url.hostname === host || url.hostname.endsWith(`.${host}`)));
  return matches && (port === undefined || port === url.port);
}

/** `localhost`, 127.0.0.0/8 and ::1, as in a URL. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || /^127(?:\.\d{1,3}){3}$/.test(hostname) || hostname === '[::1]';
}
