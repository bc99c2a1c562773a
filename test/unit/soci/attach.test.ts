import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { openLayout } from '../../../src/image/layout';
import { createLayout } from '../../../src/image/layout-writer';
import { attachLayout, type ConvertOptions, convertLayout } from '../../../src/soci/convert';
import { indexedLayers, listIndexes } from '../../../src/soci/discover';
import { SOCI_INDEX_V1 } from '../../../src/soci/index';
import { verifyLayout } from '../../../src/soci/verify';
import { temporaryFolder } from '../../support/folders';
import { goldenImage, scanHere, writeGoldenLayout } from '../../support/golden';
import { fixture } from '../../support/paths';

const options: ConvertOptions = { spanSize: 65536, minLayerSize: 0, platforms: 'all', scan: scanHere };

/** The image and flags of each folder of `golden/v1/`. */
const cases = [
  { folder: 'one-layer-65536', image: 'one-layer' },
  { folder: 'docker-media-types-65536', image: 'docker-media-types' },
  { folder: 'multi-platform-65536', image: 'multi-platform' },
  { folder: 'two-layers-one-below-min-65536', image: 'two-layers-one-below-min' },
];

describe('the v1 indexes of the soci CLI', () => {
  for (const { folder, image } of cases) {
    test(folder, async (t) => {
      const dir = await temporaryFolder(t);
      const source = await writeGoldenLayout(path.join(dir, 'in'), goldenImage(image));
      const result = await attachLayout(source, await createLayout(path.join(dir, 'out')), options);
      const layout = await openLayout(path.join(dir, 'out'));
      const golden = readdirSync(fixture('golden/v1', folder)).filter((name) =>
        /^index-[0-9a-f]{64}\.json$/.test(name),
      );
      const made = result.perPlatform.map(({ sociIndex }) => `index-${sociIndex.digest.slice(7)}.json`);
      assert.deepEqual(made.sort(), golden.sort());
      for (const { sociIndex } of result.perPlatform) {
        const name = `index-${sociIndex.digest.slice(7)}.json`;
        assert.deepEqual(await layout.readBlob(sociIndex), readFileSync(fixture('golden/v1', folder, name)));
      }
    });
  }
});

test('the image stays what it was, and its indexes are found as its referrers', async (t) => {
  const dir = await temporaryFolder(t);
  const source = await writeGoldenLayout(path.join(dir, 'in'), goldenImage('multi-platform'));
  const before = await source.root();
  const result = await attachLayout(source, await createLayout(path.join(dir, 'out')), options);
  const layout = await openLayout(path.join(dir, 'out'));
  assert.deepEqual((await layout.root()).descriptor, before.descriptor);
  assert.equal(result.index.digest, before.descriptor.digest);
  for (const { manifest, sociIndex } of result.perPlatform) {
    assert.deepEqual(await layout.referrers(manifest.digest, SOCI_INDEX_V1), [sociIndex]);
    assert.deepEqual(await layout.referrers(manifest.digest, 'other'), []);
  }
  const report = await verifyLayout(layout);
  assert.equal(report.ok, true, JSON.stringify(report));
  assert.deepEqual(
    report.platforms.map(({ sociIndex }) => sociIndex),
    result.perPlatform.map(({ sociIndex }) => sociIndex.digest),
  );
});

test('indexes of both versions are listed, with what they say of each layer', async (t) => {
  const dir = await temporaryFolder(t);
  const source = await writeGoldenLayout(path.join(dir, 'in'), goldenImage('docker-media-types'));
  assert.deepEqual(
    (await listIndexes(source)).map(({ indexes }) => indexes),
    [[]],
  );
  await convertLayout(source, await createLayout(path.join(dir, 'v2')), options);
  const v2 = await openLayout(path.join(dir, 'v2'));
  await attachLayout(v2, await createLayout(path.join(dir, 'both')), { ...options, spanSize: 131072 });
  const [image, ...others] = await listIndexes(await openLayout(path.join(dir, 'both')));
  assert.ok(image);
  assert.equal(others.length, 0);
  assert.deepEqual(
    image.indexes.map(({ version }) => version),
    [2, 1],
  );
  const spanSizes = image.indexes.map(({ manifest }) =>
    indexedLayers(manifest).map(({ spanSize }) => spanSize),
  );
  assert.deepEqual(spanSizes, [
    [65536, 65536],
    [131072, 131072],
  ]);
  assert.deepEqual(
    image.indexes.map(({ manifest }) => indexedLayers(manifest).map(({ layer }) => layer)),
    [image.manifest.layers.map(({ digest }) => digest), image.manifest.layers.map(({ digest }) => digest)],
  );
});

test('without copying, only what is new is written', async (t) => {
  const dir = await temporaryFolder(t);
  const image = goldenImage('one-layer');
  const source = await writeGoldenLayout(path.join(dir, 'in'), image);
  const lean = { ...options, copy: false };
  const result = await convertLayout(source, await createLayout(path.join(dir, 'out')), lean);
  assert.deepEqual([result.index], image.out?.manifests);
  const there = await readdir(path.join(dir, 'out/blobs/sha256'));
  const inputs = (await source.blobs()).filter(({ digest }) => digest !== image.in.manifests[0]?.digest);
  for (const { digest } of inputs) assert.ok(!there.includes(digest.slice(7)), digest);
  const { ztocs } = result.perPlatform[0] ?? { ztocs: [] };
  assert.ok(ztocs.length > 0 && ztocs.every(({ ztoc }) => there.includes(ztoc.digest.slice(7))));
});

test('the span size is left out for nodes with a soci before 0.12', async (t) => {
  const dir = await temporaryFolder(t);
  const source = await writeGoldenLayout(path.join(dir, 'in'), goldenImage('one-layer'));
  const old = { ...options, spanSizeAnnotation: false };
  const { perPlatform } = await convertLayout(source, await createLayout(path.join(dir, 'out')), old);
  const annotations = perPlatform[0]?.ztocs[0]?.ztoc.annotations ?? {};
  assert.deepEqual(Object.keys(annotations), [
    'com.amazon.soci.image-layer-digest',
    'com.amazon.soci.image-layer-mediaType',
  ]);
});
