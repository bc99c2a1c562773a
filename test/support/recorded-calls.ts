import { readFile } from 'node:fs/promises';
import path from 'node:path';

/** The arguments of each run of a played program, which wrote them to `calls.jsonl` in its folder; none before its first run. */
export async function recordedCalls(folder: string): Promise<string[][]> {
  const text = await readFile(path.join(folder, 'calls.jsonl'), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as string[]);
}
