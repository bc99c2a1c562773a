import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { matchLayers, parseDockerfile } from '../../src/image/dockerfile';
import { buildImage } from '../../src/image/build';
import { inspectEngineImage, listImages } from '../../src/image/engine';
import { openImage } from '../../src/image/open';
import { lensError } from '../support/errors';
import { temporaryFolder } from '../support/folders';
import { blobFile, unpackedDigest } from '../support/layouts';
import { startPodman } from '../support/podman';

test("Podman's service is an engine: build, list, export, history", { timeout: 900_000 }, async (t) => {
  const engine = await startPodman(t);
  const [contextDir, cacheDir] = [await temporaryFolder(t), await temporaryFolder(t)];
  assert.equal(engine.info.builder, 'own');

  const text = 'FROM scratch\nCOPY f /f\nENV A=1\nCOPY f /g\nENTRYPOINT ["/f"]\n';
  await writeFile(path.join(contextDir, 'Dockerfile'), text);
  await writeFile(path.join(contextDir, 'f'), 'f');
  const log: string[] = [];
  const { imageId } = await buildImage(engine, {
    contextDir,
    dockerfile: 'Dockerfile',
    tag: 'soci-lens:podman',
    onLog: (line) => log.push(line),
  });
  assert.ok(
    log.some((line) => line.includes('STEP 5/5')),
    log.join('\n'),
  );
  assert.deepEqual(
    (await listImages(engine)).map(({ id }) => id),
    [imageId],
  );
  assert.equal((await inspectEngineImage(engine, 'soci-lens:podman')).id, imageId);
  await assert.rejects(inspectEngineImage(engine, 'none'), lensError('image/not-found'));

  const image = await openImage('docker-daemon:soci-lens:podman', {
    cacheDir,
    engine: () => Promise.resolve(engine),
  });
  assert.equal(image.manifest.config.digest, imageId);
  assert.equal(image.layers.length, 2);
  for (const { descriptor, diffId } of image.layers) {
    assert.equal(await unpackedDigest(blobFile(image.layout!, descriptor.digest)), diffId);
  }
  const steps = matchLayers(parseDockerfile(text), image.config.history ?? []);
  assert.deepEqual(
    steps.map((step) => step?.startLine),
    [1, 3],
  );
});
