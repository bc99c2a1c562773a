import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { createLayout } from '../../../src/image/layout-writer';
import type { Image } from '../../../src/image/types';
import type { LayerScan } from '../../../src/layer/types';
import { hypotheticalScan } from '../../../src/optimize/hypothetical';
import { rePack } from '../../../src/optimize/re-pack';
import { compareFileSystems } from '../../../src/optimize/same';
import { startLayer } from '../../../src/optimize/start-layer';
import { touchedEntries } from '../../../src/optimize/touched';
import type { Recipe } from '../../../src/optimize/types';
import { writeOptimized } from '../../../src/optimize/write';
import { OCI_LAYER_ZSTD } from '../../../src/oci/media-types';
import { lensError } from '../../support/errors';
import { temporaryFolder } from '../../support/folders';
import { goldenImages, writeGoldenLayout } from '../../support/golden';
import { layerOf, openFolder, scannedLayers, type TestFile, writeImage } from '../../support/images';
import { everythingIn, unpackedDigest } from '../../support/layouts';
import { Random } from '../../support/random';
import { randomStart, touchOf } from '../../support/starts';

async function bothWays(t: TestContext, image: Image, random: Random, share: number): Promise<number> {
  const layers = await scannedLayers(image);
  const touched = touchedEntries(
    randomStart(
      random,
      layers.map(({ scan }) => scan),
      share,
    ),
    layers.map(({ scan }) => scan),
  );
  const recipes: Recipe[] = [rePack(layers, touched, 0)];
  if (layers.every(({ scan }) => scan) && touched.length > 0) recipes.push(startLayer(layers, touched));
  let changed = 0;
  for (const recipe of recipes) {
    const dir = path.join(await temporaryFolder(t), 'out');
    const { manifest } = await writeOptimized(image, layers, recipe, await createLayout(dir));
    const after = await openFolder(dir, 'linux/' + image.platform.architecture);
    const afterLayers = await scannedLayers(after);
    const { same, differences, compared } = await compareFileSystems(layers, afterLayers);
    assert.deepEqual(differences, []);
    assert.equal(same, true);
    changed += compared;

    for (const [index, one] of recipe.layers.entries()) {
      if (one.kind === 'kept') {
        assert.equal(after.layers[index]?.descriptor.digest, image.layers[one.layer]?.descriptor.digest);
        continue;
      }
      // What was forecast is what came out, all but the compression.
      const scan = afterLayers[index]?.scan;
      const expected = hypotheticalScan(
        one.archive,
        layers.map((layer) => layer.scan),
      );
      assert.equal(expected.streamSize, scan?.streamSize);
      assert.deepEqual(offsetsOf(expected), scan && offsetsOf(scan));
      assert.equal(
        after.config.rootfs.diff_ids[index],
        await unpackedDigest(after.layers[index]?.blob.file ?? ''),
      );
    }
    // No file of ours is left, and the same again gives the same bytes.
    assert.ok((await everythingIn(dir)).every((name) => !name.includes('.soci-lens')));
    const again = await createLayout(path.join(await temporaryFolder(t), 'again'));
    assert.equal((await writeOptimized(image, layers, recipe, again)).manifest.digest, manifest.digest);
  }
  return changed;
}

function offsetsOf({ entries }: LayerScan): unknown[] {
  return Array.from({ length: entries.length }, (_, i) => [
    entries.name(i),
    entries.headerOffset(i),
    entries.offset(i),
  ]);
}

describe('both ways give the same file system', () => {
  const distinct = new Map(goldenImages().map((golden) => [JSON.stringify(golden.in), golden]));
  for (const golden of distinct.values()) {
    test(`golden image ${golden.name}`, async (t) => {
      const dir = await temporaryFolder(t);
      await writeGoldenLayout(dir, golden);
      const done = bothWays(t, await openFolder(dir), new Random(golden.name.length), 0.5);
      // Their configs list no layers, and one layer cannot be read: nobody can write a config for the new image.
      if (/zstd|bad-layer/.test(golden.name)) await assert.rejects(done, lensError('optimize/no-diff-id'));
      else await done;
    });
  }

  test('a layer that cannot be read stays as it is', async (t) => {
    const files = await layerOf([
      { name: 'cold', data: 'c'.repeat(2000) },
      { name: 'hot', data: 'h'.repeat(2000) },
    ]);
    const zstd = { ...files, descriptor: { ...files.descriptor, mediaType: OCI_LAYER_ZSTD } };
    const image = await writeImage(path.join(await temporaryFolder(t), 'in'), [zstd, files]);
    const layers = await scannedLayers(image);
    const touched = touchedEntries(
      [touchOf(1, 1, 5, 0, 2000)],
      layers.map(({ scan }) => scan),
    );
    const dir = path.join(await temporaryFolder(t), 'out');
    await writeOptimized(image, layers, rePack(layers, touched, 0), await createLayout(dir));
    const after = await openFolder(dir);
    assert.deepEqual(after.layers[0]?.descriptor, image.layers[0]?.descriptor);
    assert.notEqual(after.layers[1]?.descriptor.digest, image.layers[1]?.descriptor.digest);
    assert.ok((await compareFileSystems(layers, await scannedLayers(after))).same);
    assert.throws(() => startLayer(layers, touched), lensError('optimize/unread-layer'));
  });

  test('whiteouts, opaque folders, links of both kinds, twins, attributes, devices', async (t) => {
    const lower: TestFile[] = [
      { name: './', type: 'dir' },
      { name: './etc/', type: 'dir', mode: 0o750, uid: 7 },
      { name: './etc/passwd', data: 'root' },
      { name: './etc/removed', data: 'gone' },
      { name: './lib', type: 'symlink', linkname: 'usr/lib' },
      { name: './usr/', type: 'dir' },
      { name: './usr/lib/', type: 'dir', mtime: 1_000_000_000 },
      { name: './usr/lib/libx.so.1.2', data: 'x'.repeat(3000), mode: 0o755 },
      { name: './usr/lib/libx.so.1', type: 'symlink', linkname: 'libx.so.1.2' },
      { name: './usr/lib/hard', type: 'hardlink', linkname: './usr/lib/libx.so.1.2' },
      { name: './usr/lib/old/', type: 'dir' },
      { name: './usr/lib/old/a', data: 'a' },
      { name: './usr/lib/ping', data: 'p', pax: [['SCHILY.xattr.security.capability', 'cap']] },
      { name: './dev/', type: 'dir' },
      { name: './dev/fifo', type: 'fifo' },
      { name: './dev/null', type: 'char' },
      { name: `./usr/lib/${'n'.repeat(60)}/`, type: 'dir' },
    ];
    const upper: TestFile[] = [
      { name: 'etc/.wh.removed' },
      { name: 'usr/', type: 'dir', mode: 0o700 },
      { name: 'usr/lib/', type: 'dir', mode: 0o711 },
      { name: 'usr/lib/old/', type: 'dir' },
      { name: 'usr/lib/old/.wh..wh..opq' },
      { name: 'usr/lib/old/b', data: 'b' },
      { name: 'twice', data: 'first' },
      { name: 'other', data: 'between' },
      { name: 'twice', data: 'second' },
      { name: 'to', type: 'symlink', linkname: 'usr' },
      { name: 'to/odd', data: 'through a link' },
      { name: 'app', data: 'application', uid: 1234, gid: 5678, mode: 0o4755 },
      { name: 'app2', type: 'hardlink', linkname: 'app' },
    ];
    const image = await writeImage(path.join(await temporaryFolder(t), 'in'), [
      await layerOf(lower),
      await layerOf(upper),
    ]);
    for (let seed = 1; seed <= 6; seed++) {
      assert.ok((await bothWays(t, image, new Random(seed), seed / 6)) > 0);
    }
  });

  test('seeded images', async (t) => {
    for (let seed = 1; seed <= 12; seed++) {
      const random = new Random(seed);
      const layers = [];
      for (let layer = 0; layer < random.int(1, 4); layer++) layers.push(await layerOf(randomFiles(random)));
      const image = await writeImage(path.join(await temporaryFolder(t), 'in'), layers);
      await bothWays(t, image, random, random.next()).catch((error: unknown) => {
        throw new Error(`seed ${seed}`, { cause: error });
      });
    }
  });
});

const NAMES = ['a', 'b', 'c', 'd'] as const;

function randomFiles(random: Random): TestFile[] {
  const path = (): string => random.list(1, 3, () => random.pick([...NAMES])).join('/');
  return random.list(1, 30, (): TestFile => {
    const name = path();
    switch (random.int(0, 9)) {
      case 0:
        return { name: `${name}/`, type: 'dir', mode: random.int(0, 0o777) };
      case 1:
        return { name, type: 'symlink', linkname: random.pick([path(), `/${path()}`]) };
      case 2:
        return { name, type: 'hardlink', linkname: path() };
      case 3:
        return { name: name.replace(/[^/]*$/, (base) => random.pick([`.wh.${base}`, '.wh..wh..opq'])) };
      case 4:
        return { name, data: random.bytes(10), pax: [['SCHILY.xattr.user.x', String(random.int(0, 99))]] };
      default:
        return { name, data: random.bytes(random.pick([0, 1, 511, 512, 513, 5000])), uid: random.int(0, 3) };
    }
  });
}
