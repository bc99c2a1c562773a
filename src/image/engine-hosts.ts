import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { LensError, messageOf } from '../errors';

/** One place where an engine may listen. */
export interface EngineHost {
  /** `unix://…`, `npipe://…`, `tcp://…`, `https://…` or `ssh://…`, as Docker writes it. */
  readonly url: string;
  /** Who named it, for messages: `DOCKER_HOST`, `the Docker context "work"`, `a default socket`. */
  readonly origin: string;
  readonly tls?: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
}

export interface EngineChoice {
  /** An address, before everything else. */
  readonly host?: string | undefined;
  /** The name of a Docker context. */
  readonly context?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly home?: string | undefined;
  readonly platform?: NodeJS.Platform | undefined;
}

/**
 * Where to look for the engine, in the Docker CLI's own order: what was asked for, `DOCKER_HOST`, the chosen context, and
 * only when none of them is set the default sockets of Docker, rootless Docker, Docker Desktop, Rancher Desktop, Colima
 * and Podman.
 *
 * @throws LensError `image/no-engine` when a context is named that does not exist
 */
export function engineHosts(choice: EngineChoice = {}): EngineHost[] {
  const env = choice.env ?? process.env;
  const home = choice.home ?? os.homedir();
  const configDir = env['DOCKER_CONFIG'] ?? path.join(home, '.docker');
  if (choice.host)
    return [
      { url: withScheme(choice.host), origin: 'the setting', ...tlsFromEnv(choice.host, env, configDir) },
    ];
  if (choice.context)
    return [contextHost(choice.context, configDir) ?? defaultHosts(env, home, choice.platform)].flat();
  const host = env['DOCKER_HOST'];
  if (host) return [{ url: withScheme(host), origin: 'DOCKER_HOST', ...tlsFromEnv(host, env, configDir) }];
  const context = env['DOCKER_CONTEXT'] ?? currentContext(configDir);
  const chosen = context ? contextHost(context, configDir) : undefined;
  return chosen ? [chosen] : defaultHosts(env, home, choice.platform);
}

function withScheme(host: string): string {
  if (host.includes('://')) return host;
  return host.startsWith('/') ? `unix://${host}` : `tcp://${host}`;
}

/** The Docker CLI's rule: TLS for tcp when `DOCKER_TLS_VERIFY` is set, with the files of `DOCKER_CERT_PATH`. */
function tlsFromEnv(host: string, env: NodeJS.ProcessEnv, configDir: string): Pick<EngineHost, 'tls'> {
  if (!env['DOCKER_TLS_VERIFY'] || /^(unix|npipe|ssh):/.test(withScheme(host))) return {};
  return { tls: tlsFiles(env['DOCKER_CERT_PATH'] ?? configDir) };
}

function tlsFiles(folder: string): NonNullable<EngineHost['tls']> {
  const read = (name: string) => {
    const file = path.join(folder, name);
    return existsSync(file) ? readFileSync(file) : undefined;
  };
  const [ca, cert, key] = [read('ca.pem'), read('cert.pem'), read('key.pem')];
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

function currentContext(configDir: string): string | undefined {
  try {
    const config: unknown = JSON.parse(readFileSync(path.join(configDir, 'config.json'), 'utf8'));
    const name = isRecord(config) ? config['currentContext'] : undefined;
    return typeof name === 'string' ? name : undefined;
  } catch {
    // No config, or one that Docker itself would complain about: then there is no context in it to obey.
    return undefined;
  }
}

/** The endpoint of a context (docker/cli, `cli/context/store`: the folder is the SHA-256 of the name). */
function contextHost(name: string, configDir: string): EngineHost | undefined {
  if (name === 'default') return undefined;
  const id = createHash('sha256').update(name).digest('hex');
  const file = path.join(configDir, 'contexts', 'meta', id, 'meta.json');
  let url: unknown;
  try {
    const meta: unknown = JSON.parse(readFileSync(file, 'utf8'));
    const endpoints = isRecord(meta) ? meta['Endpoints'] : undefined;
    const docker = isRecord(endpoints) ? endpoints['docker'] : undefined;
    url = isRecord(docker) ? docker['Host'] : undefined;
  } catch (error) {
    throw noContext(name, messageOf(error));
  }
  if (typeof url !== 'string' || url === '') throw noContext(name, 'it names no Docker endpoint');
  const tls = tlsFiles(path.join(configDir, 'contexts', 'tls', id, 'docker'));
  return { url, origin: `the Docker context "${name}"`, ...(Object.keys(tls).length > 0 && { tls }) };
}

function noContext(name: string, why: string): LensError {
  return new LensError(
    'image/no-engine',
    `The Docker context "${name}" cannot be used: ${why}.`,
    'Choose one of those that "docker context ls" lists.',
  );
}

function defaultHosts(
  env: NodeJS.ProcessEnv,
  home: string,
  platform: NodeJS.Platform = process.platform,
): EngineHost[] {
  if (platform === 'win32') {
    return ['docker_engine', 'dockerDesktopLinuxEngine', 'podman-machine-default'].map((pipe) => ({
      url: `npipe:////./pipe/${pipe}`,
      origin: 'a default pipe',
    }));
  }
  const runtime = env['XDG_RUNTIME_DIR'];
  const sockets = [
    '/var/run/docker.sock',
    runtime && `${runtime}/docker.sock`,
    `${home}/.docker/run/docker.sock`,
    `${home}/.docker/desktop/docker.sock`,
    `${home}/.rd/docker.sock`,
    `${home}/.colima/default/docker.sock`,
    runtime && `${runtime}/podman/podman.sock`,
    '/run/podman/podman.sock',
    platform === 'darwin' && `${home}/.local/share/containers/podman/machine/podman.sock`,
  ];
  return sockets.flatMap((socket) =>
    socket ? [{ url: `unix://${socket}`, origin: 'a default socket' }] : [],
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
