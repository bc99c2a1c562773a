import type Docker from 'dockerode';
import { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import { LensError } from '../errors';
import type { HistoryEntry } from '../oci/types';
import {
  ask,
  type Connection,
  dial,
  explain,
  guarded,
  lines,
  openDocker,
  unexpected,
} from './engine-connection';
import { type EngineChoice, engineHosts } from './engine-hosts';

/** The oldest API that we speak: that of Docker 20.10. */
const MIN_API = '1.41';
/** How long an engine may take to say its version before the next place is tried, in milliseconds. */
const CONNECT_TIMEOUT = 10_000;

/** A Docker engine, or one that speaks its API. */
export interface Engine extends Connection {
  readonly info: EngineInfo;
}

export interface EngineInfo {
  readonly version: string;
  readonly apiVersion: string;
  /** As Go names them: `linux`, `amd64`. */
  readonly os: string;
  readonly architecture: string;
  /** The containerd store keeps the real, compressed blobs; the classic one keeps plain tars. */
  readonly store: 'classic' | 'containerd';
  /** What it builds with when not told; Podman has one builder of its own for everything. */
  readonly builder: 'classic' | 'buildkit' | 'own';
}

/** One image of the engine's list. */
export interface EngineImage {
  readonly id: string;
  readonly tags: readonly string[];
  /** Seconds since 1970. */
  readonly created: number;
  /** Bytes, unpacked. */
  readonly size: number;
}

/** What the engine says about one image. */
export interface EngineImageDetails {
  readonly id: string;
  readonly tags: readonly string[];
  /** `HOST/NAME@DIGEST` of each repository that it was pulled from or pushed to. */
  readonly repoDigests: readonly string[];
  readonly diffIds: readonly string[];
  /** Bytes, unpacked. */
  readonly size: number;
  readonly os: string;
  readonly architecture: string;
  readonly variant: string | undefined;
}

/**
 * Finds the engine and asks it who it is. Nothing is started or changed.
 *
 * @throws LensError `image/no-engine` with every place tried, `image/old-engine`
 */
export async function connectEngine(choice: EngineChoice & { signal?: AbortSignal } = {}): Promise<Engine> {
  const failures: string[] = [];
  for (const host of engineHosts(choice)) {
    choice.signal?.throwIfAborted();
    try {
      const docker = await openDocker(host);
      return { docker, host, info: await identify(docker, choice.signal) };
    } catch (error) {
      choice.signal?.throwIfAborted();
      if (error instanceof LensError) throw error;
      failures.push(`${host.url} (${host.origin}): ${explain(error)}`);
    }
  }
  throw new LensError(
    'image/no-engine',
    `No Docker engine answers. Tried ${failures.join('; ')}.`,
    'Start Docker, Docker Desktop or Podman, set DOCKER_HOST or sociLens.engine.host, or open an image with oci: or docker:// instead.',
  );
}

/** The images that have a tag, newest first. */
export async function listImages(engine: Engine): Promise<EngineImage[]> {
  const images = await ask(engine, undefined, () => engine.docker.listImages());
  return images
    .map((image) => ({
      id: image.Id,
      // Old engines write a tag for images that have none.
      tags: (image.RepoTags ?? []).filter((tag) => tag !== '<none>:<none>'),
      created: image.Created,
      size: image.Size,
    }))
    .filter((image) => image.tags.length > 0)
    .sort((a, b) => b.created - a.created);
}

/**
 * Yields once it listens, and then whenever images of the engine come, go or change their names, for as long as the engine is
 * there and wanted.
 */
export async function* imageChanges(engine: Engine, signal: AbortSignal): AsyncGenerator<void> {
  const filters = JSON.stringify({
    type: ['image'],
    event: ['tag', 'untag', 'delete', 'load', 'import', 'pull'],
  });
  const request = {
    method: 'GET',
    path: `/events?${new URLSearchParams({ filters }).toString()}&`,
    abortSignal: signal,
  } as const;
  const stream = await ask(engine, undefined, () => dial(engine.docker, request), signal);
  yield;
  for await (const line of lines(guarded(engine, stream, signal))) if (line.trim() !== '') yield;
}

/** @throws LensError `image/not-found`, `image/engine-gone` */
export async function inspectEngineImage(engine: Engine, name: string): Promise<EngineImageDetails> {
  const image = await ask(engine, name, () => engine.docker.getImage(name).inspect());
  return {
    id: image.Id,
    tags: image.RepoTags,
    repoDigests: (image as Partial<Docker.ImageInspectInfo>).RepoDigests ?? [],
    diffIds: image.RootFS.Layers ?? [],
    size: image.Size,
    os: image.Os,
    architecture: image.Architecture,
    variant: image.Variant,
  };
}

/**
 * Takes a name from an image; with its last name goes the image. One that is gone already is no error.
 *
 * @throws LensError `image/engine-gone`, `image/engine-refused` while a container uses it
 */
export async function removeImage(engine: Engine, name: string): Promise<void> {
  try {
    await ask(engine, name, () => engine.docker.getImage(name).remove());
  } catch (error) {
    if (!(error instanceof LensError && error.code === 'image/not-found')) throw error;
  }
}

/**
 * The engine's own history of an image, oldest first. Images whose config is at hand have it there as well, and better:
 * the engine's list has no `empty_layer`, so it follows here from the size.
 *
 * @throws LensError `image/not-found`, `image/engine-gone`
 */
export async function imageHistory(engine: Engine, name: string): Promise<HistoryEntry[]> {
  const answer: unknown = await ask(engine, name, () => engine.docker.getImage(name).history());
  if (!Array.isArray(answer)) throw unexpected(engine, 'its history of an image is not a list');
  return answer
    .map((step: Record<string, unknown>) => ({
      created_by: text(step['CreatedBy']),
      comment: text(step['Comment']),
      ...(step['Size'] === 0 && { empty_layer: true }),
    }))
    .reverse();
}

/**
 * The image as `docker save` gives it: a tar, streamed, whose failures are already those of this room. It is the caller's
 * to destroy.
 *
 * @throws LensError `image/not-found`, `image/engine-gone`
 */
export async function saveImage(engine: Engine, name: string, signal?: AbortSignal): Promise<Readable> {
  const request = {
    method: 'GET',
    path: `/images/${encodeURIComponent(name)}/get`,
    abortSignal: signal,
  } as const;
  const stream = await ask(engine, name, () => dial(engine.docker, request), signal);
  return Readable.from(guarded(engine, stream, signal), { objectMode: false });
}

async function identify(docker: Docker, signal: AbortSignal | undefined): Promise<EngineInfo> {
  const timeout = AbortSignal.timeout(CONNECT_TIMEOUT);
  const abortSignal = signal ? AbortSignal.any([signal, timeout]) : timeout;
  const pong = await dial(docker, { method: 'GET', path: '/_ping', abortSignal });
  const { 'builder-version': builder, 'libpod-api-version': libpod } = pong.headers;
  pong.destroy();
  // dockerode's own calls cannot be aborted, and an engine that is in trouble answers some of them never.
  const read = async (path: string): Promise<unknown> =>
    json(await dial(docker, { method: 'GET', path, abortSignal: signal }));
  const version = (await read('/version')) as Partial<Docker.DockerVersion>;
  const { ApiVersion: apiVersion, Version: release = '', Os: os = '', Arch: architecture = '' } = version;
  if (typeof apiVersion !== 'string') throw new Error('what answers there is no Docker engine');
  if (compareVersions(apiVersion, MIN_API) < 0) {
    throw new LensError(
      'image/old-engine',
      `The engine speaks API ${apiVersion}, and ${MIN_API} is the oldest that works here.`,
      'Update to Docker 20.10 or newer, or Podman 4 or newer.',
    );
  }
  const info = await read('/info');
  const status = JSON.stringify(
    info !== null && typeof info === 'object' && 'DriverStatus' in info ? info.DriverStatus : [],
  );
  return {
    version: release,
    apiVersion,
    os,
    architecture,
    store: status.includes('io.containerd.snapshotter') ? 'containerd' : 'classic',
    builder: libpod !== undefined ? 'own' : builder === '2' ? 'buildkit' : 'classic',
  };
}

function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
