import { existsSync } from 'node:fs';
import path from 'node:path';

/** The root of the checkout: tests run from a bundle in `out/test`, so it is found by its package.json. */
export const repoRoot = findRoot(__dirname);

/** A file or folder below `test/fixtures`. */
export function fixture(...names: string[]): string {
  return path.join(repoRoot, 'test', 'fixtures', ...names);
}

function findRoot(from: string): string {
  if (existsSync(path.join(from, 'package.json'))) return from;
  const parent = path.dirname(from);
  if (parent === from) throw new Error('package.json is not above the tests.');
  return findRoot(parent);
}
