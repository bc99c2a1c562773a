import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { exportImage } from '../../src/image/export';
import { readTrace, writeTrace } from '../../src/trace/file';
import { ensureImage, testEngine } from '../support/engine';
import { lensError } from '../support/errors';
import { temporaryFolder } from '../support/folders';
import { everythingIn } from '../support/layouts';
import { fixture } from '../support/paths';

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

test('the disk takes a part only of a trace: there is none, and the space is free again', async (t) => {
  const folder = await temporaryFolder(t);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', folder]);
  try {
    const trace = await readTrace(fixture('traces', 'py-l2new.jsonl.gz'));
    await assert.rejects(
      writeTrace(path.join(folder, 'a.soci-trace.jsonl'), trace),
      lensError('trace/cannot-write', /no space left/),
    );
    assert.deepEqual(await readdir(folder), []);
  } finally {
    execFileSync('umount', ['-l', folder]);
  }
});
