import { appendFile, readFile } from 'node:fs/promises';
import { LensError, messageOf } from '../../errors';
import { isSystemError } from '../../image/disk';

/** What is done, line by line in a file, so that a run that was cut off goes on without asking anybody. */
export interface Journal {
  has(name: string): boolean;
  add(name: string): Promise<void>;
}

/**
 * Opens the journal of `--resume`, or begins one. Entries of runs with other options do not count, nor does a last line that
 * was cut off.
 *
 * @throws LensError `cli/bad-journal`
 */
export async function openJournal(file: string, options: string): Promise<Journal> {
  const done = new Set<string>();
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (isSystemError(error) && error.code === 'ENOENT') return '';
    throw unusable(file, error);
  });
  for (const line of text.split('\n').slice(0, -1)) {
    const [made, name] = line.split('\t');
    if (made === options && name !== undefined) done.add(name);
  }
  // What a cut-off line left must not run into the next one.
  const isCut = text !== '' && !text.endsWith('\n');
  await appendFile(file, isCut ? '\n' : '').catch((error: unknown) => {
    throw unusable(file, error);
  });
  return {
    has: (name) => done.has(name),
    async add(name) {
      done.add(name);
      await appendFile(file, `${options}\t${name}\n`);
    },
  };
}

function unusable(file: string, cause: unknown): LensError {
  return new LensError(
    'cli/bad-journal',
    `The journal ${file} cannot be used: ${messageOf(cause)}.`,
    'Name a file that can be written with --resume.',
    { cause },
  );
}
