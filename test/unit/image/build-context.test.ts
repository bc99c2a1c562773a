import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { extract } from 'tar-stream';
import { packContext } from '../../../src/image/build-context';
import { temporaryFolder } from '../../support/folders';

const FILES = [
  'Dockerfile',
  'dist/app.js',
  'dist/deep/map.js',
  'docs/a/keep.md',
  'docs/b/drop.txt',
  'node_modules/x/index.js',
];

/** The files that go along, and the folders that were looked into. */
async function packed(rules: string, t: TestContext) {
  const dir = await temporaryFolder(t);
  for (const file of FILES) {
    await fs.mkdir(path.join(dir, path.dirname(file)), { recursive: true });
    await fs.writeFile(path.join(dir, file), 'x');
  }
  await fs.writeFile(path.join(dir, '.dockerignore'), rules);
  const readdir = t.mock.method(fs, 'readdir');
  const names: string[] = [];
  const tar = packContext(dir, 'Dockerfile').pipe(extract());
  for await (const entry of tar) {
    if (entry.header.type === 'file') names.push(entry.header.name);
    entry.resume();
  }
  const looked = readdir.mock.calls.map(({ arguments: [folder] }) => path.relative(dir, String(folder)));
  readdir.mock.restore();
  return { names, looked };
}

test('folders that are left out are not looked into, unless an exception leads there', async (t) => {
  const { names, looked } = await packed('*\n!dist/app.js\n! /docs/*/keep.md\n', t);
  assert.deepEqual(names, ['.dockerignore', 'Dockerfile', 'dist/app.js', 'docs/a/keep.md']);
  assert.deepEqual(looked, ['', 'dist', 'docs', 'docs/a', 'docs/b']);
});

test('an exception with a wildcard at its beginning may lead anywhere; one that names a folder, into all of it', async (t) => {
  const anywhere = await packed('*\n!**/index.js\n', t);
  assert.deepEqual(anywhere.names, ['.dockerignore', 'Dockerfile', 'node_modules/x/index.js']);
  const folder = await packed('*\n!dist\n', t);
  assert.deepEqual(folder.names, ['.dockerignore', 'Dockerfile', 'dist/app.js', 'dist/deep/map.js']);
  assert.ok(!folder.looked.includes('node_modules'));
});
