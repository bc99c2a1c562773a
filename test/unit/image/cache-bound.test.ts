import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { link, mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { boundImages } from '../../../src/image/cache-bound';
import { keepCached } from '../../../src/image/cached-layout';
import { sha256 } from '../../../src/oci/digest';
import { temporaryFolder } from '../../support/folders';

const MB = 1 << 20;
const hexOf = (name: string) => sha256(Buffer.from(name)).slice('sha256:'.length);

/** A cache with images of one layer of a megabyte each, last used so many minutes ago. */
async function cache(
  t: TestContext,
  images: Record<string, { readonly layers: readonly string[]; readonly minutes: number }>,
) {
  const dir = await temporaryFolder(t);
  const layers = path.join(dir, 'gzip-6/layers');
  await mkdir(layers, { recursive: true });
  for (const [name, image] of Object.entries(images)) {
    const folder = path.join(dir, 'gzip-6/images', name);
    await mkdir(folder, { recursive: true });
    for (const layer of image.layers) {
      const blob = path.join(layers, `${hexOf(layer)}.blob`);
      await writeFile(blob, Buffer.alloc(MB), { flag: 'wx' }).catch(() => undefined);
      const digest = `sha256:${hexOf(layer)}`;
      await writeFile(
        path.join(layers, `${hexOf(`${layer} unpacked`)}.json`),
        JSON.stringify({ diffId: digest, digest, size: MB }),
      );
      await link(blob, path.join(folder, hexOf(layer)));
    }
    const used = new Date(Date.now() - image.minutes * 60_000);
    await utimes(folder, used, used);
  }
  return {
    dir,
    image: (name: string) => path.join(dir, 'gzip-6/images', name),
    images: () => readdir(path.join(dir, 'gzip-6/images')),
    /** Blobs and the names that lead to them. */
    layers: async () => {
      const names = await readdir(layers);
      return Object.fromEntries(
        ['.blob', '.json'].map((end) => [end, names.filter((name) => name.endsWith(end)).length]),
      );
    },
  };
}

test('what was not used for the longest time goes first, with the layers that only it has', async (t) => {
  const { dir, image, images, layers } = await cache(t, {
    oldest: { layers: ['base', 'a'], minutes: 300 },
    older: { layers: ['base', 'b', 'c'], minutes: 200 },
    fresh: { layers: ['base', 'd'], minutes: 100 },
  });
  // Five distinct layers: shared ones count once, so nothing has to go.
  await boundImages(dir, 5 * MB, image('fresh'));
  assert.deepEqual(await images(), ['fresh', 'older', 'oldest']);

  await boundImages(dir, 4 * MB, image('fresh'));
  assert.deepEqual(await images(), ['fresh', 'older']);
  assert.deepEqual(await layers(), { '.blob': 4, '.json': 4 });

  await boundImages(dir, 2 * MB, image('fresh'));
  assert.deepEqual(await images(), ['fresh']);
  assert.deepEqual(await layers(), { '.blob': 2, '.json': 2 });
});

test('the image that was just made stays however large, and so does what is in use', async (t) => {
  const { dir, image, images } = await cache(t, {
    made: { layers: ['a'], minutes: 500 },
    used: { layers: ['b'], minutes: 1 },
    old: { layers: ['c'], minutes: 60 },
  });
  await boundImages(dir, 0, image('made'));
  assert.deepEqual(await images(), ['made', 'used']);
});

test('an image that somebody still looks at counts as used; one that has gone is known to be gone', async (t) => {
  const { dir, image, images } = await cache(t, {
    watched: { layers: ['a'], minutes: 500 },
    old: { layers: ['b'], minutes: 60 },
  });
  for (const name of ['watched', 'old']) {
    await writeFile(path.join(image(name), 'index.json'), '{}');
    await utimes(image(name), new Date(0), new Date(0));
  }
  assert.equal(await keepCached(image('watched')), true);
  await boundImages(dir, 0, '');
  assert.deepEqual(await images(), ['watched']);
  assert.equal(await keepCached(image('old')), false);
  assert.deepEqual(await images(), ['watched']);
});

test('what a living process still writes stays, however long it takes; what a killed one left does not', async (t) => {
  const gone = spawnSync(process.execPath, ['-e', '']).pid;
  const [alive, dead] = [`.${process.pid}-a`, `.${gone}-b`];
  const { dir, images } = await cache(t, {
    [alive]: { layers: ['a'], minutes: 60 },
    [dead]: { layers: ['b'], minutes: 60 },
  });
  await boundImages(dir, 0, '');
  assert.deepEqual(await images(), [alive]);
});

test('a cache that is not there is none to bound', async (t) => {
  await boundImages(path.join(await temporaryFolder(t), 'none'), 0, '');
});
