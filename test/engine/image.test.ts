import assert from 'node:assert/strict';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { buildImage } from '../../src/image/build';
import {
  connectEngine,
  type Engine,
  imageHistory,
  inspectEngineImage,
  listImages,
} from '../../src/image/engine';
import { exportImage } from '../../src/image/export';
import { matchLayers, parseDockerfile } from '../../src/image/dockerfile';
import { openImage } from '../../src/image/open';
import { scanImage } from '../../src/image/scan';
import { openScanCache } from '../../src/layer/cache';
import { createScanPool } from '../../src/layer/pool';
import { readFile } from 'node:fs/promises';
import { ensureImage, testEngine } from '../support/engine';
import { lensError } from '../support/errors';
import { temporaryFolder } from '../support/folders';
import { blobFile, everythingIn, tarNames, unpackedDigest } from '../support/layouts';
import { fixture, repoRoot } from '../support/paths';

let engine: Engine;
before(async () => {
  engine = await testEngine();
});

describe('connecting', () => {
  test('the engine says who it is', () => {
    assert.equal(engine.info.os, 'linux');
    assert.match(engine.info.apiVersion, /^1\.\d+$/);
    assert.match(engine.info.architecture, /^(amd64|arm64)$/);
  });

  test('no socket: the error names what was tried', async (t) => {
    const host = `unix://${await temporaryFolder(t)}/docker.sock`;
    await assert.rejects(
      connectEngine({ host }),
      lensError('image/no-engine', /docker\.sock \(the setting\): nothing there/),
    );
    const home = await temporaryFolder(t);
    await assert.rejects(
      connectEngine({ env: { DOCKER_HOST: 'tcp://127.0.0.1:1' }, home }),
      lensError('image/no-engine', /127\.0\.0\.1:1 \(DOCKER_HOST\): nobody listens/),
    );
  });

  test('an image that is not there', async (t) => {
    const cacheDir = await temporaryFolder(t);
    await assert.rejects(
      inspectEngineImage(engine, 'soci-lens/none:x'),
      lensError('image/not-found', /soci-lens\/none:x/),
    );
    await assert.rejects(exportImage(engine, 'soci-lens/none', { cacheDir }), lensError('image/not-found'));
    assert.deepEqual(await everythingIn(cacheDir), []);
  });
});

describe('building', () => {
  test('an image without layers is built, and the error says that it has none', async (t) => {
    const [contextDir, cacheDir] = [await temporaryFolder(t), await temporaryFolder(t)];
    const dockerfile = path.join(contextDir, 'Dockerfile');
    await writeFile(dockerfile, 'FROM scratch\nLABEL empty=1\n');
    const { imageId } = await buildImage(engine, { contextDir, dockerfile });
    t.after(() => engine.docker.getImage(imageId).remove({ force: true }));
    await assert.rejects(
      exportImage(engine, imageId, { cacheDir }),
      lensError('image/no-layers', /^sha256:[0-9a-f]+ has no layers/),
    );
    assert.deepEqual(
      (await everythingIn(cacheDir)).filter((name) => name.includes('sha') || name.endsWith('.json')),
      [],
    );
  });

  test('the image is the one of this very build, and .dockerignore holds', async (t) => {
    const dir = await temporaryFolder(t);
    await mkdir(path.join(dir, 'sub', 'deep'), { recursive: true });
    const files = {
      'a.txt': 'a',
      'b.log': 'b',
      'sub/kept.log': 'k',
      'sub/deep/c.txt': 'c',
      'sub/deep/d.txt': 'd',
      empty: '',
    };
    for (const [name, text] of Object.entries(files)) await writeFile(path.join(dir, name), text);
    await writeFile(path.join(dir, '.dockerignore'), '*.log\nsub/deep\n!sub/deep/d.txt\nDockerfile*\n');
    await writeFile(
      path.join(dir, 'Dockerfile.x'),
      'FROM scratch\nARG WHO=nobody\nLABEL who=$WHO\nCOPY . /ctx/\n',
    );
    const log: string[] = [];
    const build = (who: string) =>
      buildImage(engine, {
        contextDir: dir,
        dockerfile: path.join(dir, 'Dockerfile.x'),
        tag: 'soci-lens-test:build',
        buildArgs: { WHO: who },
        onLog: (line) => log.push(line),
      });
    const first = await build('one');
    const second = await build('two');
    t.after(async () => {
      for (const { imageId } of [first, second])
        await engine.docker.getImage(imageId).remove({ force: true });
    });
    assert.notEqual(first.imageId, second.imageId);
    assert.equal((await inspectEngineImage(engine, 'soci-lens-test:build')).id, second.imageId);
    assert.ok(
      (await listImages(engine)).some(
        ({ id, tags }) => id === second.imageId && tags.includes('soci-lens-test:build'),
      ),
    );
    assert.ok(
      log.some((line) => line.startsWith('Step 4/4 : COPY')),
      log.join('\n'),
    );
    assert.equal((await imageHistory(engine, second.imageId)).filter((step) => !step.empty_layer).length, 1);

    const cacheDir = await temporaryFolder(t);
    const image = await openImage(`docker-daemon:${first.imageId}`, {
      cacheDir,
      engine: () => Promise.resolve(engine),
    });
    assert.equal(image.descriptor.digest.length, 71);
    assert.equal(image.config.config?.Labels?.['who'], 'one');
    assert.equal(image.layers.length, 1);
    assert.ok(image.layout);
    const names = await tarNames(blobFile(image.layout, image.layers[0]!.descriptor.digest));
    assert.deepEqual(
      names.filter((name) => !name.endsWith('/')),
      ['ctx/.dockerignore', 'ctx/a.txt', 'ctx/empty', 'ctx/sub/deep/d.txt', 'ctx/sub/kept.log'],
    );
  });

  test('BuildKit where the Dockerfile needs it: its output, its image, its history', async (t) => {
    const dir = await temporaryFolder(t);
    const text =
      'FROM fx-scratch AS base\nARG WHO=nobody\nFROM base\nCOPY --chmod=600 f /f\nLABEL who=$WHO\n';
    await writeFile(path.join(dir, 'Dockerfile'), text);
    await writeFile(path.join(dir, 'f'), 'f');
    await ensureImage('fx-scratch');
    const log: string[] = [];
    const steps: string[] = [];
    const { imageId } = await buildImage(engine, {
      contextDir: dir,
      dockerfile: 'Dockerfile',
      onLog: (line) => log.push(line),
      onProgress: ({ step }) => steps.push(step),
    });
    t.after(() => engine.docker.getImage(imageId).remove({ force: true }));
    assert.ok(
      log.some((line) => line.includes('COPY --chmod=600 f /f')),
      log.join('\n'),
    );
    assert.ok(steps.length > 1);
    const history = await imageHistory(engine, imageId);
    assert.match(history.at(-1)?.comment ?? '', /^buildkit/);
    const lines = matchLayers(parseDockerfile(text), history).map((step) => step?.startLine);
    assert.deepEqual(lines, [0, 0, 0, 3]);

    await writeFile(path.join(dir, 'Dockerfile'), 'FROM fx-scratch\nCOPY --chmod=600 missing /f\n');
    const failing = buildImage(engine, { contextDir: dir, dockerfile: 'Dockerfile' });
    await assert.rejects(failing, lensError('image/build-failed', /missing/));
  });

  test('a failing step, an unknown instruction, a missing Dockerfile', async (t) => {
    const dir = await temporaryFolder(t);
    await writeFile(path.join(dir, 'fails'), 'FROM scratch\nCOPY missing /\n');
    await writeFile(path.join(dir, 'wrong'), 'FROM scratch\nCOPPY a /\n');
    const build = (dockerfile: string) => buildImage(engine, { contextDir: dir, dockerfile });
    await assert.rejects(build('fails'), lensError('image/build-failed', /missing/));
    await assert.rejects(build('wrong'), lensError('image/build-failed', /COPPY/));
    await assert.rejects(build('none'), lensError('image/build-failed', /none/));
    await assert.rejects(build('../elsewhere/Dockerfile'), lensError('image/bad-context', /outside/));
    await assert.rejects(
      buildImage(engine, { contextDir: path.join(dir, 'nowhere'), dockerfile: 'Dockerfile' }),
      lensError('image/bad-context', /nowhere/),
    );
  });

  test('cancelled', async (t) => {
    const dir = await temporaryFolder(t);
    await writeFile(path.join(dir, 'Dockerfile'), 'FROM scratch\nCOPY big /\n');
    await writeFile(path.join(dir, 'big'), Buffer.alloc(64 << 20));
    const controller = new AbortController();
    const building = buildImage(engine, {
      contextDir: dir,
      dockerfile: 'Dockerfile',
      signal: controller.signal,
    });
    setTimeout(() => {
      controller.abort();
    }, 30);
    await assert.rejects(building, { name: 'AbortError' });
  });
});

describe('exporting', () => {
  test("its layers unpack to the diff IDs, its config is the engine's", async (t) => {
    const cacheDir = await temporaryFolder(t);
    const name = await ensureImage('fx-scratch');
    const details = await inspectEngineImage(engine, name);
    const image = await openImage(name, { cacheDir, engine: () => Promise.resolve(engine) });
    assert.equal(image.source, 'engine');
    assert.match(image.bytesNote, /compressed here/);
    assert.equal(image.manifest.config.digest, details.id);
    assert.deepEqual(image.config.rootfs.diff_ids, details.diffIds);
    assert.equal(image.layers.length, details.diffIds.length);
    assert.ok(image.layout);
    for (const { descriptor, diffId } of image.layers) {
      assert.equal(await unpackedDigest(blobFile(image.layout, descriptor.digest)), diffId);
      assert.equal((await stat(blobFile(image.layout, descriptor.digest))).size, descriptor.size);
    }
  });

  test('the same bytes on every run; a second export does nothing; a shared layer is compressed once', async (t) => {
    const [cacheDir, other] = [await temporaryFolder(t), await temporaryFolder(t)];
    await ensureImage('fx-scratch');
    const pool = createScanPool({ workerFile: path.join(repoRoot, 'dist/layer-worker.js') });
    t.after(() => pool.close());
    const cache = openScanCache(path.join(await temporaryFolder(t), 'scans'));
    const layout = await exportImage(engine, 'fx-scratch', { cacheDir, indexing: { pool, cache } });
    const written = (await stat(path.join(layout, 'index.json'))).mtimeMs;
    assert.equal(await exportImage(engine, 'fx-scratch', { cacheDir }), layout);
    assert.equal((await stat(path.join(layout, 'index.json'))).mtimeMs, written);
    assert.deepEqual(
      await everythingIn(layout),
      await everythingIn(await exportImage(engine, 'fx-scratch', { cacheDir: other })),
    );

    // Its layers were scanned while they were compressed: nothing of them is read again.
    const nobody = { scan: () => Promise.reject(new Error('A layer is scanned twice.')) };
    const scanned = await scanImage(await openImage(`oci:${layout}`, { cacheDir }), { pool: nobody, cache });
    assert.ok(scanned.length > 0 && scanned.every((result) => 'scan' in result));

    // Another image with the same layers: what was compressed is linked.
    const dir = await temporaryFolder(t);
    await writeFile(path.join(dir, 'Dockerfile'), 'FROM fx-scratch\nLABEL a=b\n');
    const { imageId } = await buildImage(engine, { contextDir: dir, dockerfile: 'Dockerfile' });
    t.after(() => engine.docker.getImage(imageId).remove({ force: true }));
    const open = (name: string) => openImage(name, { cacheDir, engine: () => Promise.resolve(engine) });
    const [first, second] = [await open('fx-scratch'), await open(imageId)];
    assert.ok(first.layout && second.layout && first.layout !== second.layout);
    for (const [index, { descriptor }] of first.layers.entries()) {
      assert.deepEqual(second.layers[index]?.descriptor, descriptor);
      // Docker before 25 names the topmost layer of an image by the image, so that one is not recognised.
      if (index === first.layers.length - 1) continue;
      const files = await Promise.all(
        [first, second].map(({ layout: dir }) => stat(blobFile(dir!, descriptor.digest))),
      );
      assert.equal(files[0]!.ino, files[1]!.ino);
    }
  });

  test('cancelled in the middle: nothing is left', async (t) => {
    const cacheDir = await temporaryFolder(t);
    await ensureImage('fx-scratch');
    const controller = new AbortController();
    let seen = 0;
    const exporting = exportImage(engine, 'fx-scratch', {
      cacheDir,
      signal: controller.signal,
      onProgress: ({ done = 0 }) => {
        seen = done;
        if (done > 4 << 20) controller.abort();
      },
    });
    await assert.rejects(exporting, { name: 'AbortError' });
    assert.ok(seen > 4 << 20);
    assert.deepEqual(await everythingIn(path.join(cacheDir, 'gzip-6', 'images')), []);
  });

  test('a platform that the image does not have', async (t) => {
    const cacheDir = await temporaryFolder(t);
    await ensureImage('fx-scratch');
    const platform = { os: 'linux', architecture: 's390x' };
    await assert.rejects(
      openImage('fx-scratch', { cacheDir, platform, engine: () => Promise.resolve(engine) }),
      lensError('image/no-platform', /linux\/s390x/),
    );
  });

  test('the layers of fx-py match its Dockerfile', async (t) => {
    const cacheDir = await temporaryFolder(t);
    await ensureImage('fx-py');
    const history = await imageHistory(engine, 'fx-py');
    const text = await readFile(fixture('images', 'pyapp', 'Dockerfile'), 'utf8');
    const keywords = matchLayers(parseDockerfile(text), history).map((step) => step?.keyword);
    assert.deepEqual(keywords, ['FROM', 'RUN', 'RUN', 'RUN', 'RUN', 'COPY', 'RUN']);
    assert.deepEqual(await everythingIn(cacheDir), []);
  });
});
