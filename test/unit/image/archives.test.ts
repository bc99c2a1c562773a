import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { test, type TestContext } from 'node:test';
import zlib from 'node:zlib';
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import type { LensError } from '../../../src/errors';
import { createLayout } from '../../../src/image/layout-writer';
import { openImage } from '../../../src/image/open';
import { sha256 } from '../../../src/oci/digest';
import {
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER_GZIP,
  OCI_LAYER_TAR,
  OCI_MANIFEST,
} from '../../../src/oci/media-types';
import { lensError } from '../../support/errors';
import { temporaryFolder } from '../../support/folders';
import { blobFile, everythingIn, tarNames, unpackedDigest } from '../../support/layouts';

type Entry =
  readonly [name: string, content: Buffer | string] | readonly [name: string, target: string, 'symlink'];

async function tar(entries: readonly Entry[]): Promise<Buffer> {
  const archive = pack();
  for (const [name, content, type] of entries) {
    if (type === 'symlink') archive.entry({ name, type, linkname: String(content) });
    else archive.entry({ name, mtime: new Date(0) }, content);
  }
  archive.finalize();
  return buffer(Readable.from(archive, { objectMode: false }));
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const hex = (bytes: Buffer) => sha256(bytes).slice('sha256:'.length);
const other = (n: number) => `${n}`.repeat(64);

/** Two layers, the first of them twice, and their config. */
async function sample() {
  const [first, second] = await Promise.all([
    tar([['a.txt', 'a']]),
    tar([['b.txt', Buffer.alloc(200_000, 'b')]]),
  ]);
  const layers = [first, second, first];
  const config = json({
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => sha256(layer)) },
    history: [
      { created_by: 'one' },
      { created_by: 'empty', empty_layer: true },
      { created_by: 'two' },
      { created_by: 'three' },
    ],
  });
  return { first, second, layers, config };
}

const manifestJson = (config: string, layers: string[], tags: string[] | null = null) =>
  ['manifest.json', json([{ Config: config, RepoTags: tags, Layers: layers }])] as const;

type Sample = Awaited<ReturnType<typeof sample>>;

/** The shapes that the tools write. */
const classic: Record<string, (s: Sample) => Entry[]> = {
  'Docker before 25, one layer under two names': ({ first, second, config }) => [
    [`${other(3)}/VERSION`, '1.0'],
    [`${other(3)}/layer.tar`, `../${other(1)}/layer.tar`, 'symlink'],
    [`${other(1)}/json`, '{}'],
    [`${other(1)}/layer.tar`, first],
    [`${other(2)}/layer.tar`, second],
    [`${hex(config)}.json`, config],
    manifestJson(
      `${hex(config)}.json`,
      [1, 2, 3].map((n) => `${other(n)}/layer.tar`),
      ['x:y'],
    ),
    ['repositories', '{}'],
  ],
  'Docker 25 and newer, classic store': ({ first, second, layers, config }) => [
    [`blobs/sha256/${hex(first)}`, first],
    [`blobs/sha256/${hex(second)}`, second],
    [`blobs/sha256/${hex(config)}`, config],
    ['index.json', '{"schemaVersion":2,"manifests":[]}'],
    manifestJson(
      `blobs/sha256/${hex(config)}`,
      layers.map((layer) => `blobs/sha256/${hex(layer)}`),
    ),
    ['oci-layout', '{"imageLayoutVersion":"1.0.0"}'],
  ],
  'Podman and skopeo': ({ first, second, layers, config }) => [
    [`${hex(first)}.tar`, first],
    [`${other(1)}/layer.tar`, `../${hex(first)}.tar`, 'symlink'],
    [`${hex(second)}.tar`, second],
    [`${hex(config)}.json`, config],
    manifestJson(
      `${hex(config)}.json`,
      layers.map((layer) => `${hex(layer)}.tar`),
    ),
  ],
};

async function archive(t: TestContext, entries: readonly Entry[], name = 'image.tar') {
  const dir = await temporaryFolder(t);
  const file = path.join(dir, name);
  const bytes = await tar(entries);
  await writeFile(file, name.endsWith('.gz') ? zlib.gzipSync(bytes) : bytes);
  return { file, cacheDir: path.join(dir, 'cache') };
}

for (const [tool, shape] of Object.entries(classic)) {
  test(`${tool}: layers are compressed, in their order, and unpack to their diff IDs`, async (t) => {
    const made = await sample();
    const { file, cacheDir } = await archive(t, shape(made));
    for (const reference of [file, `docker-archive:${file}`]) {
      const image = await openImage(reference, { cacheDir });
      assert.equal(image.source, 'archive');
      assert.match(image.bytesNote, /compressed here/);
      assert.equal(image.manifest.config.digest, sha256(made.config));
      assert.deepEqual(
        image.layers.map(({ diffId }) => diffId),
        made.layers.map((layer) => sha256(layer)),
      );
      assert.deepEqual(
        image.layers.map(({ history }) => history?.created_by),
        ['one', 'two', 'three'],
      );
      assert.ok(image.layout);
      for (const { descriptor, diffId } of image.layers) {
        assert.equal(descriptor.mediaType, OCI_LAYER_GZIP);
        assert.equal(await unpackedDigest(blobFile(image.layout, descriptor.digest)), diffId);
      }
      assert.deepEqual(image.layers[0]?.descriptor, image.layers[2]?.descriptor);
      assert.deepEqual(await tarNames(blobFile(image.layout, image.layers[1]!.descriptor.digest)), ['b.txt']);
    }
  });
}

test('the same image out of different tools becomes the same bytes, and out of the cache', async (t) => {
  const made = await sample();
  const digests = new Set<string>();
  const cacheDir = await temporaryFolder(t);
  const inodes = new Set<number>();
  for (const shape of Object.values(classic)) {
    const { file } = await archive(t, shape(made));
    const image = await openImage(file, { cacheDir });
    digests.add(image.descriptor.digest);
    inodes.add((await stat(blobFile(image.layout!, image.layers[1]!.descriptor.digest))).ino);
  }
  assert.equal(digests.size, 1);
  assert.equal(inodes.size, 1, 'a layer known by its diff ID is linked');
});

test('layers that are gzipped already stay as they are; the archive may be gzipped too', async (t) => {
  const made = await sample();
  const packed = made.layers.map((layer) => zlib.gzipSync(layer));
  const { file, cacheDir } = await archive(
    t,
    [
      ['config.json', made.config],
      ['0.tar.gz', packed[0]!],
      ['1.tar.gz', packed[1]!],
      manifestJson('config.json', ['0.tar.gz', '1.tar.gz', '0.tar.gz']),
    ],
    'image.tar.gz',
  );
  const image = await openImage(`docker-archive:${file}`, { cacheDir });
  assert.deepEqual(
    image.layers.map(({ descriptor }) => descriptor.digest),
    packed.map((layer) => sha256(layer)),
  );
});

test('an OCI layout in a tar is taken as it is, by its tag', async (t) => {
  const { first, config } = await sample();
  const blobs: Entry[] = [];
  const add = (bytes: Buffer, mediaType: string) => {
    blobs.push([`./blobs/sha256/${hex(bytes)}`, bytes]);
    return { mediaType, digest: sha256(bytes), size: bytes.length };
  };
  const one = json({
    ...(JSON.parse(config.toString()) as object),
    rootfs: { type: 'layers', diff_ids: [sha256(first)] },
  });
  const manifest = add(
    json({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: add(one, OCI_CONFIG),
      layers: [add(first, OCI_LAYER_TAR)],
    }),
    OCI_MANIFEST,
  );
  const annotations = { 'org.opencontainers.image.ref.name': 'v1' };
  const index = json({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [{ ...manifest, annotations }] });
  const { file, cacheDir } = await archive(t, [
    ['./oci-layout', '{"imageLayoutVersion":"1.0.0"}'],
    ['./index.json', index],
    ...blobs,
  ]);
  const image = await openImage(`oci-archive:${file}:v1`, { cacheDir });
  assert.equal(image.descriptor.digest, manifest.digest);
  assert.equal(image.layers[0]?.descriptor.mediaType, OCI_LAYER_TAR);
  assert.match(image.bytesNote, /as they are/);
  await assert.rejects(openImage(`oci-archive:${file}:v2`, { cacheDir }), lensError('image/no-tag', /v2/));
});

test('a layout of several names, for no platform, says which names it has', async (t) => {
  const { config, layers } = await sample();
  const dir = path.join(await temporaryFolder(t), 'layout');
  const writer = await createLayout(dir);
  const add = async (mediaType: string, bytes: Buffer) => ({ mediaType, ...(await writer.addBlob(bytes)) });
  const own = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: await add(OCI_CONFIG, config),
    layers: await Promise.all(layers.map((layer) => add(OCI_LAYER_TAR, layer))),
  };
  const entries = ['a:1', 'b:1'].map(async (name) => ({
    ...(await add(OCI_MANIFEST, json({ ...own, annotations: { name } }))),
    annotations: { 'org.opencontainers.image.ref.name': name },
  }));
  const [a, b] = await Promise.all(entries);
  await writer.finish([a!, b!]);
  const cacheDir = path.join(dir, 'cache');
  await assert.rejects(openImage(`oci:${dir}`, { cacheDir }), (error) => {
    lensError('image/no-tag', /holds 2 images/)(error);
    assert.match((error as LensError).advice, /a:1, b:1/);
    return true;
  });
  assert.equal((await openImage(`oci:${dir}:b:1`, { cacheDir })).descriptor.digest, b!.digest);
});

/** A save of two images, of three layers and of one, under these names. */
async function savedPair(t: TestContext, three: string, one: string): ReturnType<typeof archive> {
  const made = await sample();
  const single = json({
    ...(JSON.parse(made.config.toString()) as object),
    rootfs: { type: 'layers', diff_ids: [sha256(made.first)] },
    history: [],
  });
  const list = [
    { Config: 'a.json', RepoTags: [three], Layers: [1, 2, 1].map((n) => `${other(n)}/layer.tar`) },
    { Config: 'b.json', RepoTags: [one], Layers: [`${other(1)}/layer.tar`] },
  ];
  return archive(t, [
    ['a.json', made.config],
    ['b.json', single],
    [`${other(1)}/layer.tar`, made.first],
    [`${other(2)}/layer.tar`, made.second],
    ['manifest.json', json(list)],
  ]);
}

test('several images in a save: one is chosen by its tag', async (t) => {
  const { file, cacheDir } = await savedPair(t, 'a:1', 'b:2');
  await assert.rejects(
    openImage(`docker-archive:${file}`, { cacheDir }),
    lensError('image/no-tag', /2 images/),
  );
  await assert.rejects(openImage(`docker-archive:${file}:3`, { cacheDir }), lensError('image/no-tag', /"3"/));
  assert.equal((await openImage(`docker-archive:${file}:b:2`, { cacheDir })).layers.length, 1);
  assert.equal((await openImage(`docker-archive:${file}:2`, { cacheDir })).layers.length, 1);
  assert.equal((await openImage(`docker-archive:${file}:1`, { cacheDir })).layers.length, 3);
});

test('several images of one tag are not guessed at; the whole name, or its end, chooses', async (t) => {
  const { file, cacheDir } = await savedPair(t, 'reg.example/a:latest', 'b:latest');
  await assert.rejects(
    openImage(`docker-archive:${file}:latest`, { cacheDir }),
    lensError('image/no-tag', /2 images named "latest"/),
  );
  const layersOf = async (name: string) =>
    (await openImage(`docker-archive:${file}:${name}`, { cacheDir })).layers.length;
  assert.deepEqual(
    [await layersOf('b:latest'), await layersOf('a:latest'), await layersOf('reg.example/a:latest')],
    [1, 3, 3],
  );
});

test('what is damaged is refused with a reason, and leaves nothing', async (t) => {
  const made = await sample();
  const good = classic['Docker before 25, one layer under two names']!(made);
  const without = (name: RegExp) => good.filter(([entry]) => !name.test(entry));
  const cases: [Entry[], RegExp][] = [
    [without(/manifest\.json/), /no manifest\.json/],
    [without(new RegExp(hex(made.config))), /config .* is missing/],
    [without(/^2+\/layer/), /layer 2+\/layer\.tar is missing/],
    [
      good.map((entry) => (entry[0] === `${other(2)}/layer.tar` ? [entry[0], made.first] : entry)),
      /is not the sha256/,
    ],
    [
      good.map((entry) =>
        entry[0].startsWith(other(3)) ? [entry[0], `../${other(3)}/layer.tar`, 'symlink'] : entry,
      ),
      /is missing/,
    ],
    [[...without(/manifest\.json/), ['manifest.json', '[{"Config":1}]']], /does not describe images/],
    [[...without(/manifest\.json/), ['manifest.json', '[']], /not JSON/],
    [
      [...without(/manifest\.json/), manifestJson(`${hex(made.config)}.json`, [`${other(1)}/layer.tar`])],
      /1 layers and its config 3/,
    ],
  ];
  for (const [entries, why] of cases) {
    const { file, cacheDir } = await archive(t, entries);
    await assert.rejects(openImage(file, { cacheDir }), lensError('image/bad-save', why));
    const left = (await everythingIn(cacheDir)).filter((name) => !/layers|^gzip-6$|archives$/.test(name));
    assert.deepEqual(left, []);
  }
  const { file, cacheDir } = await archive(t, good);
  await writeFile(file, (await tar(good)).subarray(0, 100_000));
  await assert.rejects(openImage(file, { cacheDir }), lensError('image/bad-save'));
  await writeFile(file, Buffer.alloc(5000, 'x'));
  await assert.rejects(openImage(file, { cacheDir }), lensError('image/bad-save'));
  await assert.rejects(openImage(`docker-archive:${file}x`, { cacheDir }), lensError('image/no-archive'));
  await assert.rejects(
    openImage(`oci-archive:${path.dirname(file)}`, { cacheDir }),
    lensError('image/no-archive', /not a file/),
  );
});
