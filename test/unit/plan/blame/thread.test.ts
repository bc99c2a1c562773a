import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { fileBytes, readAll, type Bytes } from '../../../../src/layer/bytes';
import { findDuplicates } from '../../../../src/plan/blame/duplicates';
import { findOwners } from '../../../../src/plan/blame/packages';
import { findInThread } from '../../../../src/plan/blame/thread';
import type { Progress } from '../../../../src/progress';
import { lensError } from '../../../support/errors';
import { temporaryFolder } from '../../../support/folders';
import { layerOf, type TestLayer } from '../../../support/images';
import { repoRoot } from '../../../support/paths';

const workerFile = path.join(repoRoot, 'dist', 'findings-worker.js');

async function image(): Promise<TestLayer[]> {
  return [
    await layerOf([
      { name: 'lib/libc.so', data: 'c'.repeat(6000) },
      { name: 'lib/copy.so', data: 'c'.repeat(6000) },
      { name: 'lib/apk/db/installed', data: 'P:musl\nV:1.2\nF:lib\nR:libc.so\n' },
    ]),
    await layerOf([{ name: 'srv/copy.so', data: 'c'.repeat(6000) }]),
  ];
}

describe('findings in a thread', () => {
  test('are those of the calling thread, whether the blobs are files or only reached from here', async (t) => {
    const layers = await image();
    const folder = await temporaryFolder(t);
    const inFiles = await Promise.all(
      layers.map(async ({ scan, blob }, index) => {
        const file = path.join(folder, String(index));
        await writeFile(file, await readAll(blob, 1 << 20));
        return { scan, blob: await fileBytes(file) };
      }),
    );
    const [owners, duplicates] = [await findOwners(layers), await findDuplicates(layers)];
    assert.equal(owners.packages[0]?.name, 'musl');
    assert.equal(duplicates.bytes, 12_000);
    for (const readable of [layers, inFiles]) {
      assert.deepEqual(await findInThread('packages', readable, { workerFile }), owners);
      const steps: Progress[] = [];
      const onProgress = (progress: Progress): number => steps.push(progress);
      assert.deepEqual(await findInThread('duplicates', readable, { workerFile, onProgress }), duplicates);
      assert.ok(steps.length > 0 && steps.every(({ total }) => total === 18_000), JSON.stringify(steps));
    }
  });

  test('a layer that vanished fails as it does in the calling thread', async (t) => {
    const [{ scan }] = (await image()) as [TestLayer];
    const file = path.join(await temporaryFolder(t), 'short');
    await writeFile(file, 'no longer there');
    const layers = [{ scan, blob: await fileBytes(file, scan.compressedSize) }];
    await assert.rejects(findInThread('duplicates', layers, { workerFile }), lensError('layer/short-read'));
  });

  test('an abort ends it at once, with its own reason', async () => {
    const [{ scan }] = (await image()) as [TestLayer];
    const stop = new AbortController();
    // A blob whose bytes never come: only the abort can end this.
    const blob: Bytes = {
      size: scan.compressedSize,
      ranged: true,
      // eslint-disable-next-line require-yield -- it waits for ever
      async *read() {
        stop.abort(new Error('enough'));
        await new Promise(() => undefined);
      },
    };
    const work = findInThread('duplicates', [{ scan, blob }], { workerFile, signal: stop.signal });
    await assert.rejects(work, /^Error: enough$/);
    await assert.rejects(
      findInThread('packages', [], { workerFile, signal: AbortSignal.abort(new Error('before')) }),
      /^Error: before$/,
    );
  });

  test('a worker that cannot start is an error with advice', async () => {
    const work = findInThread('packages', [], { workerFile: path.join(repoRoot, 'dist', 'no-worker.js') });
    await assert.rejects(work, lensError('plan/worker-crashed'));
  });
});
