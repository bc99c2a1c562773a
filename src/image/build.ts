import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { LensError } from '../errors';
import type { OnProgress } from '../progress';
import { packContext } from './build-context';
import { parseBuildMessage } from './build-progress';
import { needsBuildKit, parseDockerfile } from './dockerfile';
import type { Engine } from './engine';
import { ask, dial, engineMessage, guarded, lines, unexpected } from './engine-connection';

export interface BuildOptions {
  readonly contextDir: string;
  /** Absolute, or relative to the context; it must lie in the context. */
  readonly dockerfile: string;
  readonly tag?: string | undefined;
  readonly target?: string | undefined;
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
  /** Of the RUN steps: `default`, `none`, `host` or a network's name. */
  readonly network?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
  /** The build's own output, line by line. */
  readonly onLog?: ((line: string) => void) | undefined;
}

/**
 * Builds an image from a Dockerfile. The context is streamed, and the image is the one that this very build reports, never
 * one that a tag happens to name.
 *
 * @throws LensError `image/build-failed`, `image/bad-context`, `image/engine-gone`
 */
export async function buildImage(engine: Engine, options: BuildOptions): Promise<{ imageId: string }> {
  const { contextDir, signal, onProgress, onLog } = options;
  const dockerfile = path
    .relative(contextDir, path.resolve(contextDir, options.dockerfile))
    .split(path.sep)
    .join('/');
  if (dockerfile.startsWith('../') || path.isAbsolute(dockerfile)) {
    throw new LensError(
      'image/bad-context',
      `The Dockerfile ${options.dockerfile} lies outside of its build context ${contextDir}.`,
      'Choose a context folder that holds the Dockerfile.',
    );
  }
  const query = new URLSearchParams({ dockerfile, rm: '1', forcerm: '1' });
  if (await usesBuildKit(engine, path.resolve(contextDir, dockerfile))) query.set('version', '2');
  if (options.tag) query.set('t', options.tag);
  if (options.target) query.set('target', options.target);
  if (options.network) query.set('networkmode', options.network);
  if (options.buildArgs) query.set('buildargs', JSON.stringify(options.buildArgs));

  onProgress?.({ step: 'Sending the build context' });
  const context = Readable.from(packContext(contextDir, dockerfile, signal), { objectMode: false });
  let contextError: unknown;
  context.on('error', (error: unknown) => (contextError = error));
  let imageId: string | undefined;
  try {
    const request = {
      method: 'POST',
      path: `/build?${query.toString()}&`,
      file: context,
      abortSignal: signal,
    } as const;
    const stream = await ask(engine, undefined, () => dial(engine.docker, request), signal);
    for await (const line of lines(guarded(engine, stream, signal))) {
      const message = parseBuildMessage(line);
      if (message.error !== undefined) throw buildFailed(message.error);
      imageId = message.imageId ?? imageId;
      for (const logged of message.lines) onLog?.(logged);
      if (message.step !== undefined) onProgress?.({ step: message.step });
    }
  } catch (error) {
    if (contextError instanceof LensError) throw contextError;
    // The classic builder refuses some Dockerfiles before it begins, with an HTTP error instead of a message.
    if (error instanceof LensError && error.code === 'image/engine-refused')
      throw buildFailed(engineMessage(error.cause));
    throw error;
  } finally {
    context.destroy();
  }
  if (imageId === undefined) throw unexpected(engine, 'the build ended without the ID of an image');
  return { imageId };
}

/** BuildKit where the engine prefers it, and where the Dockerfile asks for what only BuildKit can. */
async function usesBuildKit({ info }: Engine, dockerfile: string): Promise<boolean> {
  if (info.builder === 'own') return false;
  if (info.builder === 'buildkit') return true;
  // A Dockerfile that cannot be read is for the engine to complain about.
  const text = await readFile(dockerfile, 'utf8').catch(() => '');
  return needsBuildKit(parseDockerfile(text));
}

function buildFailed(why: string): LensError {
  return new LensError(
    'image/build-failed',
    `The build failed: ${why.trim().replace(/\.$/, '')}.`,
    'Read the lines of the build above; "docker build" shows the same.',
  );
}
