import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';

/** Files below `folder` whose base name matches, sorted; none when the folder is missing. */
export function globSync(folder, pattern) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}
