/** How an image is going to be run, for the person who is to allow it. */
import type { Engine } from '../image/engine';
import type { Image } from '../image/types';
import type { RecordOptions } from './record';
import { commandOf, findSubject, isEmulated, isRoot, type EngineSubject } from './subject';

export interface RunSummary {
  /** The first process with its arguments; empty where there is nothing to run. */
  readonly command: readonly string[];
  readonly user: string;
  readonly workingDir: string;
  /** `NAME=VALUE` beside the image's own. */
  readonly env: readonly string[];
  /** `none`, a name, or the engine's usual one. */
  readonly network: string;
  /** `HOST → CONTAINER`; reachable on the engine's machine only. */
  readonly ports: readonly string[];
  /** `SOURCE → TARGET`, with `(read only)`. */
  readonly mounts: readonly string[];
  /** Folders for which the engine makes a volume, which is removed with the container. */
  readonly volumes: readonly string[];
  /** In words; empty for none. */
  readonly limits: readonly string[];
  /** What the tracer gets beyond the engine's defaults; the program does not. */
  readonly capabilities: readonly string[];
  /** Whether setuid programs keep their rights. */
  readonly keepsSetuid: boolean;
  readonly healthcheck: readonly string[] | undefined;
  readonly stopSignal: string | undefined;
  /** The image is of another machine's kind, and runs under an emulator. */
  readonly emulated: boolean;
  readonly longestSeconds: number;
}

/** @throws LensError `trace/other-image`, `trace/engine-gone` */
export async function summariseRun(
  engine: Engine,
  image: Image | EngineSubject,
  options: Pick<RecordOptions, 'command' | 'env' | 'settings' | 'compat' | 'timeoutMs'>,
): Promise<RunSummary> {
  const subject = await findSubject(engine, image);
  const { settings = {} } = options;
  const { memoryBytes, cpus, pids } = settings;
  return {
    command: commandOf(subject, options.command),
    user: isRoot(subject.user) ? 'root' : subject.user,
    workingDir: subject.workingDir === '' ? '/' : subject.workingDir,
    env: options.env ?? [],
    network: settings.network ?? "the engine's usual one",
    ports: (settings.ports ?? []).map(({ host, container }) => `127.0.0.1:${host ?? 'any'} → ${container}`),
    mounts: (settings.mounts ?? []).map(
      ({ source, target, readOnly }) => `${source} → ${target}${readOnly ? ' (read only)' : ''}`,
    ),
    volumes: subject.volumes,
    limits: [
      ...(memoryBytes === undefined ? [] : [`${Math.round(memoryBytes / (1 << 20))} MiB of memory`]),
      ...(cpus === undefined ? [] : [`${cpus} processors`]),
      ...(pids === undefined ? [] : [`${pids} processes`]),
      ...(settings.readOnly ? ['a read-only root'] : []),
    ],
    capabilities: options.compat ? ['SYS_ADMIN', 'SYS_PTRACE'] : isRoot(subject.user) ? ['SYS_PTRACE'] : [],
    keepsSetuid: options.compat === true,
    healthcheck: subject.healthcheck,
    stopSignal: subject.stopSignal,
    emulated: isEmulated(engine, subject),
    longestSeconds: options.timeoutMs / 1000,
  };
}
