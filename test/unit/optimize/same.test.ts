import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { createLayout } from '../../../src/image/layout-writer';
import { memoryBytes } from '../../../src/layer/bytes';
import { readOrigin } from '../../../src/optimize/origin';
import { rePack } from '../../../src/optimize/re-pack';
import { compareFileSystems } from '../../../src/optimize/same';
import { startLayer } from '../../../src/optimize/start-layer';
import { touchedEntries } from '../../../src/optimize/touched';
import { writeOptimized } from '../../../src/optimize/write';
import { lensError } from '../../support/errors';
import { temporaryFolder } from '../../support/folders';
import { layerOf, openFolder, scannedLayers, type TestFile, writeImage } from '../../support/images';
import { touchOf } from '../../support/starts';

const FILES: readonly TestFile[] = [
  { name: 'etc/', type: 'dir' },
  { name: 'etc/conf', data: 'one' },
  { name: 'etc/link', type: 'symlink', linkname: 'conf' },
  { name: 'etc/hard', type: 'hardlink', linkname: 'etc/conf' },
  { name: 'etc/cap', data: 'c', pax: [['SCHILY.xattr.user.a', '1']] },
  { name: 'etc/null', type: 'char' },
];

describe('the checker', () => {
  const changes: readonly (readonly [
    what: string,
    change: (files: TestFile[]) => TestFile[],
    said: RegExp,
  ])[] = [
    ['a missing file', (files) => files.slice(0, -1), /etc\/null is missing/],
    ['one more file', (files) => [...files, { name: 'etc/new', data: '' }], /etc\/new was not there/],
    ['another content of the same size', set(1, { data: 'two' }), /etc\/conf has another content/],
    ['another mode', set(1, { mode: 0o600 }), /etc\/conf has another mode: 600 instead of 644/],
    ['another owner', set(1, { uid: 1 }), /another owner/],
    ['another time', set(0, { mtime: 5 }), /\/etc has another time/],
    ['another target of a link', set(2, { linkname: 'cap' }), /another target/],
    [
      'a copy in the place of a hard link',
      set(3, { type: 'reg', data: 'one', linkname: '' }),
      /another set of names/,
    ],
    ['another attribute', set(4, { pax: [['SCHILY.xattr.user.a', '2']] }), /another extended attribute/],
    ['another type', set(5, { type: 'fifo' }), /another type/],
  ];
  for (const [what, change, said] of changes) {
    test(`sees ${what}`, async () => {
      const { same, differences } = await compareFileSystems(
        [await layerOf(FILES)],
        [await layerOf(change([...FILES]))],
      );
      assert.equal(same, false);
      assert.match(differences.map((one) => `${one.path} ${one.what}`).join('\n'), said);
    });
  }

  test('sees what a whiteout hides, and takes one layer or two for the same', async () => {
    const two = [
      await layerOf(FILES.slice(0, 2)),
      await layerOf(FILES.slice(2).filter(({ type }) => type !== 'hardlink')),
    ];
    const one = [await layerOf(FILES.filter(({ type }) => type !== 'hardlink'))];
    assert.equal((await compareFileSystems(one, two)).same, true);
    const hidden = [...two, await layerOf([{ name: 'etc/.wh.conf' }])];
    assert.deepEqual((await compareFileSystems(two, hidden)).differences, [
      { path: '/etc/conf', what: 'is missing' },
    ]);
  });
});

function set(index: number, fields: Partial<TestFile>): (files: TestFile[]) => TestFile[] {
  return (files) => files.map((file, at) => (at === index ? { ...file, ...fields } : file));
}

describe('writing an optimized image', () => {
  const cold = { name: 'cold', data: 'c'.repeat(50_000) };
  const hot = { name: 'hot', data: 'h'.repeat(1000) };

  async function service(dir: string) {
    const image = await writeImage(dir, [await layerOf([cold, hot])], {
      config: { Cmd: ['/hot'], Labels: { keep: 'me' } },
      'moby.buildkit': 'something of the builder',
    });
    const layers = await scannedLayers(image);
    const scans = layers.map(({ scan }) => scan);
    return { image, layers, touched: touchedEntries([touchOf(0, 1, 1, 0, 1000)], scans) };
  }

  test('says what it comes from, and keeps all else of the config', async (t) => {
    const dir = await temporaryFolder(t);
    const { image, layers, touched } = await service(path.join(dir, 'in'));
    await writeOptimized(
      image,
      layers,
      startLayer(layers, touched),
      await createLayout(path.join(dir, 'out')),
    );
    const after = await openFolder(path.join(dir, 'out'));
    const expected = { way: 'start-layer', manifest: image.descriptor.digest, reference: undefined };
    assert.deepEqual(readOrigin(after.manifest.annotations), expected);
    assert.deepEqual(readOrigin(after.config.config?.Labels), expected);
    assert.equal(after.config.config?.Labels?.['keep'], 'me');
    const fields: unknown = JSON.parse(Buffer.from(after.configBytes).toString());
    assert.ok(typeof fields === 'object' && fields !== null && 'moby.buildkit' in fields);
    assert.equal(after.config.history?.length, 2);
    assert.equal(readOrigin(image.manifest.annotations), undefined);
  });

  test('an origin leads to a registry only, whatever an image says', () => {
    const reading = (reference: string): string | undefined =>
      readOrigin({
        'soci-lens.optimized.way': 'start-layer',
        'soci-lens.optimized.from': `sha256:${'0'.repeat(64)}`,
        'soci-lens.optimized.from-reference': reference,
      })?.reference;
    assert.equal(reading('docker://localhost:5000/shop:1'), 'docker://localhost:5000/shop:1');
    for (const told of [
      'docker-archive:/etc/shadow',
      'docker-daemon:x',
      'oci:.',
      'x',
      'docker://',
      'docker://A b',
    ])
      assert.equal(reading(told), undefined);
  });

  test('an abort leaves nothing', async (t) => {
    const dir = await temporaryFolder(t);
    const { image, layers, touched } = await service(path.join(dir, 'in'));
    const stop = new AbortController();
    const writing = writeOptimized(
      image,
      layers,
      rePack(layers, touched, 0),
      await createLayout(path.join(dir, 'out')),
      {
        signal: stop.signal,
        onProgress: () => {
          stop.abort();
        },
      },
    );
    await assert.rejects(writing, { name: 'AbortError' });
    assert.deepEqual(await readdir(dir), ['in']);
  });

  test('a layer that has changed since its scan is refused, and nothing is left', async (t) => {
    const dir = await temporaryFolder(t);
    const { image, layers, touched } = await service(path.join(dir, 'in'));
    const other = await layerOf([{ ...cold, data: 'd'.repeat(50_000) }, hot]);
    const cut = memoryBytes(new Uint8Array(5));
    for (const blob of [other.blob, cut]) {
      const changed = layers.map((layer) => ({ ...layer, blob }));
      const output = await createLayout(path.join(dir, 'out'));
      await assert.rejects(
        writeOptimized(image, changed, rePack(layers, touched, 0), output),
        lensError('optimize/changed-layer'),
      );
      assert.deepEqual(await readdir(dir), ['in']);
    }
  });
});
