import { createInterface } from 'node:readline/promises';
import { UsageError } from './command';

/** Who can be asked: a terminal on both sides. */
export interface Asker {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly output: NodeJS.WritableStream;
}

/**
 * Asks before something is changed; only `y` or `yes` is a yes.
 *
 * @throws UsageError where nobody can be asked: then the flag has to say it
 */
export async function confirm(
  question: string,
  flag: string,
  { input, output }: Asker,
  signal: AbortSignal,
): Promise<boolean> {
  if (input.isTTY !== true)
    throw new UsageError(`Nobody can be asked here; look at it with --dry-run, then give ${flag}.`);
  const lines = createInterface({ input, output });
  try {
    return /^y(?:es)?$/i.test((await lines.question(`${question} [y/N] `, { signal })).trim());
  } finally {
    lines.close();
  }
}
