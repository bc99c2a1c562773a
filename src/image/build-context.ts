import dockerignore from '@balena/dockerignore';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack, type Header, type Pack } from 'tar-stream';
import { isAbort, LensError, messageOf } from '../errors';

/**
 * The tar of a build context, streamed, with what `.dockerignore` leaves out. As the Docker CLI does, the Dockerfile and
 * `.dockerignore` always go along, modification times are kept, and owner and group are 0.
 *
 * @param dockerfile relative to `contextDir`, with `/`
 */
export function packContext(contextDir: string, dockerfile: string, signal?: AbortSignal): Pack {
  const tar = pack();
  addContext(tar, contextDir, dockerfile, signal).then(
    () => {
      tar.finalize();
    },
    (error: unknown) => {
      tar.destroy(error instanceof Error && isAbort(error) ? error : unreadable(contextDir, error));
    },
  );
  return tar;
}

async function addContext(
  tar: Pack,
  contextDir: string,
  dockerfile: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const rules = await readIgnore(contextDir, dockerfile);
  const walk = async (folder: string): Promise<void> => {
    const names = await readdir(path.join(contextDir, folder));
    for (const name of names.sort()) {
      signal?.throwIfAborted();
      const relative = folder === '' ? name : `${folder}/${name}`;
      const absolute = path.join(contextDir, relative);
      const stats = await lstat(absolute);
      const kept = !rules.ignores(relative);
      if (kept) await addEntry(tar, relative, absolute, stats, signal);
      if (stats.isDirectory() && (kept || rules.mayKeepIn(relative))) await walk(relative);
    }
  };
  await walk('');
}

async function addEntry(
  tar: Pack,
  name: string,
  file: string,
  stats: Awaited<ReturnType<typeof lstat>>,
  signal: AbortSignal | undefined,
): Promise<void> {
  // Windows has no mode bits; Docker's CLI makes everything executable there.
  const mode = process.platform === 'win32' ? 0o755 : Number(stats.mode) & 0o7777;
  const header: Partial<Header> & Pick<Header, 'name'> = { name, mode, mtime: stats.mtime, uid: 0, gid: 0 };
  if (stats.isSymbolicLink()) {
    tar.entry({ ...header, type: 'symlink', linkname: await readlink(file) });
  } else if (stats.isDirectory()) {
    tar.entry({ ...header, type: 'directory' });
  } else if (stats.isFile()) {
    const entry = tar.entry({ ...header, type: 'file', size: Number(stats.size) });
    // A file that grows while it is read must not break the tar: its size is written already.
    const source = stats.size === 0 ? [] : createReadStream(file, { end: Number(stats.size) - 1 });
    await pipeline(source, entry, signal ? { signal } : {});
  }
  // Sockets, pipes and devices are left out: no COPY can use them.
}

interface IgnoreRules {
  ignores(name: string): boolean;
  /** An exception (`!folder/file`) can bring back what lies in a folder that is itself left out. */
  mayKeepIn(folder: string): boolean;
}

/** The ignore file of the Dockerfile (`Dockerfile.dockerignore`) if there is one, else that of the context. */
async function readIgnore(contextDir: string, dockerfile: string): Promise<IgnoreRules> {
  for (const name of [`${dockerfile}.dockerignore`, '.dockerignore']) {
    const rules = await readFile(path.join(contextDir, name), 'utf8').catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (rules === undefined) continue;
    const matcher = dockerignore({ ignorecase: false }).add(rules.replace(/^\uFEFF/, ''));
    const always = new Set([dockerfile, name]);
    const exceptions = [...rules.matchAll(/^\s*!\s*(.*?)\s*$/gm)].map(([, pattern = '']) =>
      path.posix
        .normalize(pattern)
        .replace(/^\/|\/$/g, '')
        .split('/'),
    );
    return {
      ignores: (file) => !always.has(file) && matcher.ignores(file),
      mayKeepIn: (folder) => exceptions.some((exception) => meets(exception, folder.split('/'))),
    };
  }
  return { ignores: () => false, mayKeepIn: () => false };
}

/** True unless a pattern leads elsewhere than into a folder, by the names before its first wildcard. */
function meets(pattern: readonly string[], folder: readonly string[]): boolean {
  for (const [depth, name] of folder.entries()) {
    const part = pattern[depth];
    if (part === undefined || /[*?[\\]/.test(part)) return true;
    if (part !== name) return false;
  }
  return true;
}

function unreadable(contextDir: string, error: unknown): LensError {
  return new LensError(
    'image/bad-context',
    `The build context ${contextDir} cannot be sent: ${messageOf(error)}.`,
    'Make its files readable, or list in .dockerignore what the build does not need.',
    { cause: error },
  );
}
