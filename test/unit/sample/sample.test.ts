import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { temporaryFolder } from '../../support/folders';
import { repoRoot } from '../../support/paths';

test('the sample image comes out with the committed digests, made anew', { timeout: 900_000 }, async (t) => {
  const dir = path.join(await temporaryFolder(t), 'oci');
  const { stdout } = await promisify(execFile)(process.execPath, ['scripts/sample.mjs', '--output', dir], {
    cwd: repoRoot,
  });
  const expected: unknown = JSON.parse(await readFile(path.join(repoRoot, 'sample/digests.json'), 'utf8'));
  assert.deepEqual(JSON.parse(stdout), expected);

  const blobs = path.join(dir, 'blobs/sha256');
  const names = await readdir(blobs);
  assert.equal(names.length, 8, 'six layers, a config and a manifest');
  for (const name of names) {
    assert.equal(
      createHash('sha256')
        .update(await readFile(path.join(blobs, name)))
        .digest('hex'),
      name,
    );
  }
});
