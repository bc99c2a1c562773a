/** How a person may have the container differ from a plain `docker run`, as typed and as the engine takes it. */
import type Docker from 'dockerode';
import { LensError } from '../errors';

export interface ContainerSettings {
  readonly readOnly?: boolean | undefined;
  readonly memoryBytes?: number | undefined;
  readonly cpus?: number | undefined;
  readonly pids?: number | undefined;
  /** `none`, or the name of one of the engine's networks. */
  readonly network?: string | undefined;
  /** As for `docker run --security-opt`. */
  readonly securityOpt?: readonly string[] | undefined;
  readonly ports?: readonly PublishedPort[] | undefined;
  readonly mounts?: readonly Mount[] | undefined;
}

/** A TCP port of the container, reachable on the engine's machine and there only. */
export interface PublishedPort {
  readonly container: number;
  /** `undefined`: the engine chooses one. */
  readonly host: number | undefined;
}

/** A folder or file of the engine's machine, or a volume, in the place of what the image has. */
export interface Mount {
  readonly kind: 'bind' | 'volume';
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

/**
 * `CONTAINER` or `HOST:CONTAINER`, two port numbers.
 *
 * @throws LensError `trace/bad-setting`
 */
export function parsePublishedPort(text: string): PublishedPort {
  const [, host, container = ''] = /^(?:(\d{1,5}):)?(\d{1,5})$/.exec(text) ?? [];
  const port: PublishedPort = {
    container: Number(container),
    host: host === undefined ? undefined : Number(host),
  };
  const isPort = (number: number) => number >= 1 && number <= 65535;
  if (isPort(port.container) && isPort(port.host ?? 1)) return port;
  throw badSetting(`"${text}" is no port to publish`, 'Write CONTAINER or HOST:CONTAINER, such as 8080:80.');
}

/**
 * As for `docker run --volume`: `SOURCE:TARGET` or `SOURCE:TARGET:ro`. A source that is no path names a volume.
 *
 * @throws LensError `trace/bad-setting`
 */
export function parseMount(text: string): Mount {
  const [, source = '', target = '', mode] = /^(.+?):(\/[^:]+)(?::(ro|rw))?$/.exec(text) ?? [];
  if (source === '') {
    throw badSetting(
      `"${text}" is no mount`,
      'Write SOURCE:TARGET or SOURCE:TARGET:ro, TARGET from the root.',
    );
  }
  const isPath = /^(\/|[A-Za-z]:[\\/])/.test(source);
  if (!isPath && !/^[A-Za-z0-9][\w.-]*$/.test(source)) {
    throw badSetting(
      `"${source}" is neither a path from the root nor the name of a volume`,
      'Write the whole path of the folder.',
    );
  }
  return { kind: isPath ? 'bind' : 'volume', source, target, readOnly: mode === 'ro' };
}

function badSetting(what: string, advice: string): LensError {
  return new LensError('trace/bad-setting', `${what}.`, advice);
}

/** The part of "create a container" that the settings make. */
export function createOptions(
  settings: ContainerSettings,
): Pick<Docker.ContainerCreateOptions, 'ExposedPorts'> & { HostConfig: Docker.HostConfig } {
  const { ports = [], mounts = [] } = settings;
  const name = ({ container }: PublishedPort) => `${container}/tcp`;
  return {
    ...(ports.length > 0 && { ExposedPorts: Object.fromEntries(ports.map((port) => [name(port), {}])) }),
    HostConfig: {
      ...(ports.length > 0 && {
        PortBindings: Object.fromEntries(
          ports.map((port) => [name(port), [{ HostIp: '127.0.0.1', HostPort: String(port.host ?? '') }]]),
        ),
      }),
      Mounts: mounts.map(({ kind, source, target, readOnly }) => ({
        Type: kind,
        Source: source,
        Target: target,
        ReadOnly: readOnly,
      })),
      ...(settings.readOnly && { ReadonlyRootfs: true }),
      ...(settings.memoryBytes !== undefined && { Memory: settings.memoryBytes }),
      ...(settings.cpus !== undefined && { NanoCpus: Math.round(settings.cpus * 1e9) }),
      ...(settings.pids !== undefined && { PidsLimit: settings.pids }),
      ...(settings.network !== undefined && { NetworkMode: settings.network }),
      ...(settings.securityOpt && { SecurityOpt: [...settings.securityOpt] }),
    },
  };
}
