import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { LensError, messageOf } from '../errors';

/**
 * Writes a result that was asked for as a file: whole or not at all, its folders made where they are missing.
 *
 * @throws LensError `cli/cannot-write`
 */
export async function writeResult(file: string, text: string, signal: AbortSignal): Promise<void> {
  const temporary = `${file}.${randomUUID()}`;
  try {
    await mkdir(path.dirname(path.resolve(file)), { recursive: true });
    await writeFile(temporary, text, { signal });
    await rename(temporary, file);
  } catch (error) {
    signal.throwIfAborted();
    throw new LensError(
      'cli/cannot-write',
      `${file} cannot be written: ${messageOf(error)}.`,
      'Name a file in a folder that can be written.',
      { cause: error },
    );
  } finally {
    await rm(temporary, { force: true });
  }
}
