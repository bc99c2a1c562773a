import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { exportImage } from '../../src/image/export';
import { ensureImage, testEngine } from '../support/engine';
import { lensError } from '../support/errors';
import { temporaryFolder } from '../support/folders';
import { everythingIn } from '../support/layouts';

test('the disk fills up in the middle of an export: one sentence, and the space is free again', async (t) => {
  const cacheDir = await temporaryFolder(t);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', cacheDir]);
  try {
    await ensureImage('fx-scratch');
    await assert.rejects(
      exportImage(await testEngine(), 'fx-scratch', { cacheDir }),
      lensError('image/cannot-write', /no room left/),
    );
    assert.deepEqual(await everythingIn(path.join(cacheDir, 'gzip-6', 'images')), []);
  } finally {
    execFileSync('umount', ['-l', cacheDir]);
  }
});
