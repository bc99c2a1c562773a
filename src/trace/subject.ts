/** What is going to be run: the image as the engine knows it, which must be the one that was looked at. */
import { LensError } from '../errors';
import type { Engine } from '../image/engine';
import { parseReference } from '../image/reference';
import type { Image } from '../image/types';
import { formatPlatform } from '../oci/platform';
import type { ImageConfig } from '../oci/types';
import { inspectImage } from './engine-calls';
import type { TraceHeader } from './types';

/** An image of the engine; its config is the OCI one. */
export interface EngineSubject {
  readonly id: string;
  readonly config: ImageConfig;
}

export interface Subject {
  readonly id: string;
  readonly image: NonNullable<TraceHeader['image']>;
  readonly architecture: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly user: string;
  readonly env: readonly string[];
  readonly workingDir: string;
  readonly stopSignal: string | undefined;
  /** Folders that every container gets a volume for. */
  readonly volumes: readonly string[];
  /** The test of its HEALTHCHECK, as Docker writes it; `undefined` where there is none or it is switched off. */
  readonly healthcheck: readonly string[] | undefined;
  readonly exposedPorts: readonly number[];
}

/** @throws LensError `trace/other-image` */
export async function findSubject(engine: Engine, image: Image | EngineSubject): Promise<Subject> {
  const { config } = image;
  const names =
    'id' in image
      ? [image.id]
      : [image.manifest.config.digest, image.descriptor.digest, ...engineName(image.reference)];
  for (const name of names) {
    const found = await inspectImage(engine, name);
    if (!found) continue;
    const layers = found.RootFS.Layers ?? [];
    if (layers.join() !== config.rootfs.diff_ids.join()) continue;
    const { Config: own } = found;
    return {
      id: found.Id,
      image: {
        ref: 'id' in image ? image.id : image.reference,
        ...(!('id' in image) && { manifest: image.descriptor.digest, config: image.manifest.config.digest }),
        platform: formatPlatform(config),
        diff_ids: config.rootfs.diff_ids,
      },
      architecture: config.architecture,
      entrypoint: list(own.Entrypoint),
      cmd: list(own.Cmd),
      user: own.User,
      env: list(own.Env),
      workingDir: own.WorkingDir,
      stopSignal: 'StopSignal' in own && typeof own.StopSignal === 'string' ? own.StopSignal : undefined,
      volumes: keys(own.Volumes),
      healthcheck: healthTest('Healthcheck' in own ? own.Healthcheck : undefined),
      exposedPorts: keys(own.ExposedPorts).flatMap((port) =>
        /^\d+(\/tcp)?$/.test(port) ? [parseInt(port, 10)] : [],
      ),
    };
  }
  throw new LensError(
    'trace/other-image',
    `The engine no longer has the image ${'id' in image ? image.id : image.reference} with the layers that were looked at.`,
    'Open the image again, and record then.',
  );
}

function engineName(reference: string): string[] {
  const parsed = parseReference(reference);
  return parsed.transport === 'docker-daemon' || parsed.transport === 'any' ? [parsed.name] : [];
}

/** Docker writes a text, a list or null, by its age. */
function list(value: string | readonly string[] | null | undefined): readonly string[] {
  return typeof value === 'string' ? [value] : (value ?? []);
}

/** Docker writes null where there is nothing, whatever dockerode's types say. */
function keys(value: unknown): string[] {
  return typeof value === 'object' && value !== null ? Object.keys(value) : [];
}

/** A HEALTHCHECK that was switched off has the test `NONE`. */
function healthTest(healthcheck: unknown): readonly string[] | undefined {
  if (typeof healthcheck !== 'object' || healthcheck === null || !('Test' in healthcheck)) return undefined;
  const { Test: test } = healthcheck;
  if (!Array.isArray(test) || test.length === 0 || test[0] === 'NONE') return undefined;
  return test.map(String);
}

export function isEmulated(engine: Engine, { architecture }: Pick<Subject, 'architecture'>): boolean {
  return architecture !== engine.info.architecture;
}

/** What its first process is going to be, `command` in place of the image's Cmd. Empty where there is nothing to run. */
export function commandOf(
  { entrypoint, cmd }: Pick<Subject, 'entrypoint' | 'cmd'>,
  command: readonly string[] | undefined,
): readonly string[] {
  return [...entrypoint, ...(command ?? cmd)];
}

export function isRoot(user: string): boolean {
  return /^(|0|root)(:.*)?$/.test(user);
}
