/** What recordings left in a real engine, and an image that was built there: in the list of `clean`, and gone one by one. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { buildImage } from '../../src/image/build';
import { inspectEngineImage } from '../../src/image/engine';
import { ownLabels } from '../../src/trace/leftovers';
import { runInProcess } from '../support/cli';
import { testEngine } from '../support/engine';
import { lensError } from '../support/errors';
import { temporaryFolder } from '../support/folders';

interface Item {
  readonly id: string;
  readonly size: number | null;
  readonly removed: boolean;
}

/** Runs `clean` and gives what it says of the things of this test; others may be on the engine. */
async function clean(ids: readonly string[], ...argv: string[]) {
  const { code, stdout, stderr } = await runInProcess(['clean', ...argv, '--json']);
  assert.notEqual(stdout, '', stderr);
  const { items, failed } = JSON.parse(stdout) as { items: Item[]; failed: { id: string; code: string }[] };
  return { code, items: items.filter(({ id }) => ids.includes(id)), failed };
}

test('leftovers and images of an engine are listed with their sizes, and go one by one', async (t) => {
  const engine = await testEngine();
  const repo = `soci-lens-clean-${process.pid}`;
  const [name, other] = [`${repo}:1`, `${repo}:2`];
  const contextDir = await temporaryFolder(t);
  await writeFile(path.join(contextDir, 'data'), Buffer.alloc(50_000, 'x'));
  await writeFile(path.join(contextDir, 'Dockerfile'), 'FROM scratch\nCOPY data /data\nCMD ["/data"]\n');
  const { imageId } = await buildImage(engine, { contextDir, dockerfile: 'Dockerfile', tag: name });
  t.after(() =>
    engine.docker
      .getImage(imageId)
      .remove({ force: true })
      .catch(() => undefined),
  );
  await engine.docker.getImage(name).tag({ repo, tag: '2' });
  // As a recording marks what it makes; its time is over.
  const Labels = ownLabels(0);
  const container = await engine.docker.createContainer({ Image: name, Labels });
  t.after(() => container.remove({ force: true }).catch(() => undefined));
  const volume = await engine.docker.createVolume({ Name: repo, Labels });
  t.after(() =>
    engine.docker
      .getVolume(volume.name)
      .remove()
      .catch(() => undefined),
  );

  const ids = [
    `docker-daemon:${name}`,
    `docker-daemon:${other}`,
    `container/${container.id.slice(0, 12)}`,
    `volume/${volume.name}`,
  ] as const;
  const [first, last, left, kept] = ids;
  const dry = await clean(ids, first, last, '--engine', '--dry-run');
  assert.equal(dry.code, 0);
  assert.deepEqual(
    dry.items.map(({ id, size, removed }) => [id, size, removed]),
    [
      [first, 50_000, false],
      [last, 50_000, false],
      [left, 0, false],
      [kept, 0, false],
    ],
  );

  // One of two names goes, and the image stays with the other.
  assert.equal((await clean(ids, first, '--yes')).code, 0);
  await assert.rejects(inspectEngineImage(engine, name), lensError('image/not-found'));
  assert.equal((await inspectEngineImage(engine, other)).id, imageId);

  // A container holds the last name; what can go goes all the same.
  const held = await clean(ids, last, '--engine', '--only', last, '--only', kept, '--yes');
  assert.equal(held.code, 1);
  assert.deepEqual(
    held.items.map(({ id, removed }) => [id, removed]),
    [
      [last, false],
      [kept, true],
    ],
  );
  assert.deepEqual(
    held.failed.map(({ id, code }) => [id, code]),
    [[last, 'image/engine-refused']],
  );

  assert.deepEqual(
    (await clean(ids, '--engine', '--only', left, '--yes')).items.map(({ removed }) => removed),
    [true],
  );
  assert.equal((await clean(ids, last, '--yes')).code, 0);
  await assert.rejects(inspectEngineImage(engine, imageId), lensError('image/not-found'));
  assert.deepEqual((await clean(ids, '--engine', '--dry-run')).items, []);
});
