import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { readCalibration } from '../../../src/cli/calibration';
import { temporaryFolder } from '../../support/folders';

test('what no forecast can take is left out, and the other registries stay', async (t) => {
  const cacheDir = await temporaryFolder(t);
  const near = { rttMs: 1, bytesPerSecond: 1e8, registryMs: 2, connections: 'tls', measured: '2026-11-22' };
  const registries = {
    near,
    slow: { ...near, bytesPerSecond: 1 },
    odd: { ...near, connections: 'x' },
    none: 7,
  };
  await writeFile(path.join(cacheDir, 'calibration.json'), JSON.stringify({ version: 1, registries }));
  assert.deepEqual(await readCalibration({ cacheDir }), { version: 1, registries: { near } });
});
