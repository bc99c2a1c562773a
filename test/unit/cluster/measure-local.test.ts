/** A measure on this machine with a `ctr` that is played; test/engine has the real one. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { measureLocally } from '../../../src/cluster/measure/local';
import { lensError } from '../../support/errors';
import { temporaryFolder } from '../../support/folders';

/** Knows the plugins in the file `plugins`, and fails at the pulls of which the file `fail` has the number. */
const CTR = `#!/bin/sh
cd "$(dirname "$0")"
case "$*" in
  *"plugins ls"*) cat plugins;;
  *"images pull"*) echo x >> pulls; ! grep -qx "$(grep -c x pulls)" fail || { echo "connection reset" >&2; exit 1; };;
esac
`;

test('a start that fails is told of, and the rounds that are done count; without any it is thrown', async (t) => {
  const dir = await temporaryFolder(t);
  const [socket, before] = [path.join(dir, 'socket'), process.env['PATH']];
  await writeFile(socket, '');
  await writeFile(path.join(dir, 'ctr'), CTR, { mode: 0o755 });
  process.env['PATH'] = `${dir}:${before}`;
  t.after(() => (process.env['PATH'] = before));
  const image = (name: string) => `host.example/${name}@sha256:${'12'.repeat(32)}`;
  const measure = async (fail: string, plugins = '') => {
    await writeFile(path.join(dir, 'fail'), fail);
    await writeFile(path.join(dir, 'pulls'), '');
    await writeFile(path.join(dir, 'plugins'), plugins);
    const wish = { plain: image('a'), indexed: image('b'), rounds: 3, timeout: 600_000, socket };
    return measureLocally({ ...wish, plainHttp: false }, { signal: new AbortController().signal });
  };
  const { starts, failed } = await measure('2\n');
  assert.deepEqual(
    starts.map(({ round }) => round),
    [1, 3],
  );
  assert.deepEqual(
    failed.map(({ variant, round, error }) => [variant, round, error.code]),
    [
      ['with', 1, 'cluster/no-snapshotter'],
      ['without', 2, 'cluster/local-failed'],
    ],
  );
  await assert.rejects(measure('1\n2\n3\n'), lensError('cluster/local-failed', /connection reset/));

  // One that containerd was told of and does not reach is another matter than one that it does not know.
  const plugins = 'io.containerd.snapshotter.v1    soci    -    error\n';
  const { failed: unreached } = await measure('', plugins);
  assert.match(unreached[0]?.error.message ?? '', /"soci" is in state error/);
});
