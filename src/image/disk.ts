import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { copyFile, link, open, rm } from 'node:fs/promises';
import { LensError } from '../errors';
import type { Digest } from '../oci/types';

export type FileHandle = Awaited<ReturnType<typeof open>>;

/** Writes a new file and has it on disk before it returns. */
export async function writeFile(file: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(file, 'wx', 0o644);
  try {
    await write(handle);
    // The rename that follows must never be on disk before the bytes.
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** `write` may take a part only, as a full disk does on its last block. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += (await handle.write(bytes, done)).bytesWritten;
}

/** Makes a file of the same bytes: cloned, else hard-linked, else copied. */
export async function cloneFile(
  source: string,
  target: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted();
  for (const attempt of [
    () => copyFile(source, target, constants.COPYFILE_FICLONE_FORCE),
    () => link(source, target),
  ]) {
    try {
      await attempt();
      return;
    } catch (error) {
      // No such feature here, another disk, or not ours to link: the next way. A missing source fails in the last one.
      if (!isSystemError(error)) throw error;
      await rm(target, { force: true });
    }
  }
  await writeFile(target, async (handle) => {
    for await (const chunk of createReadStream(source, { signal, highWaterMark: 1 << 20 }))
      await writeAll(handle, chunk as Buffer);
  });
}

/** @returns digest and size (bytes) of a file */
export async function hashFile(
  file: string,
  signal: AbortSignal | undefined,
): Promise<{ digest: Digest; size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of createReadStream(file, { signal, highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer);
    size += (chunk as Buffer).length;
  }
  return { digest: `sha256:${hash.digest('hex')}`, size };
}

/** True for what the operating system refuses. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}

/** The one sentence for a disk that is full or forbidden; `dir` is what was to be written. */
export function cannotWrite(dir: string, cause: NodeJS.ErrnoException): LensError {
  const full = cause.code === 'ENOSPC' || cause.code === 'EDQUOT' || cause.code === 'EFBIG';
  return new LensError(
    'image/cannot-write',
    full
      ? `There is no room left for the image in ${dir}.`
      : `The image cannot be written to ${dir}: ${cause.message}.`,
    full
      ? 'Free some space or name a folder on another disk.'
      : 'Check that the folder can be written, or name another one.',
    { cause },
  );
}
