import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { openLayout, type OciLayout } from '../../../src/image/layout';
import { createLayout } from '../../../src/image/layout-writer';
import { memoryBytes } from '../../../src/layer/bytes';
import { createScanPool } from '../../../src/layer/pool';
import { scanLayer } from '../../../src/layer/scan';
import { sha256 } from '../../../src/oci/digest';
import { encodeIndex, encodeManifest } from '../../../src/oci/json';
import { parseIndex, parseManifest } from '../../../src/oci/parse';
import { parsePlatform } from '../../../src/oci/platform';
import type { Descriptor, Manifest } from '../../../src/oci/types';
import { type ConvertOptions, convertLayout } from '../../../src/soci/convert';
import { ANNOTATIONS } from '../../../src/soci/index';
import { encodePrefetch } from '../../../src/soci/prefetch';
import { verifyLayout } from '../../../src/soci/verify';
import { checkZtoc, type InflateSpan } from '../../../src/soci/verify-ztoc';
import { buildZtoc, parseZtoc } from '../../../src/soci/ztoc';
import { temporaryFolder } from '../../support/folders';
import { goldenImage, goldenImages, scanHere, writeGoldenLayout } from '../../support/golden';
import { fixture, repoRoot } from '../../support/paths';

const options: ConvertOptions = { spanSize: 65536, minLayerSize: 0, platforms: 'all', scan: scanHere };

async function converted(dir: string, name: string, more: Partial<ConvertOptions> = {}): Promise<OciLayout> {
  const source = await writeGoldenLayout(path.join(dir, 'in'), goldenImage(name));
  await convertLayout(source, await createLayout(path.join(dir, 'out')), { ...options, ...more });
  return openLayout(path.join(dir, 'out'));
}

/** Rewrites one blob of the first SOCI index and everything that names it, so that all digests are right again. */
async function replaceBlob(
  dir: string,
  layout: OciLayout,
  change: (bytes: Uint8Array, blob: Descriptor) => Uint8Array,
  encode: (index: Manifest) => Uint8Array = encodeManifest,
): Promise<OciLayout> {
  const root = await layout.root();
  assert.ok(root.kind === 'index');
  const listed = root.index.manifests.findIndex(({ artifactType }) => artifactType !== undefined);
  const image = root.index.manifests[0];
  const soci = root.index.manifests[listed];
  assert.ok(image && soci);
  const writer = await createLayout(path.join(dir, 'changed'));
  for (const blob of await layout.blobs()) {
    await writer.addBlob(await layout.readBlob({ ...blob, mediaType: '' }, 1 << 30));
  }
  const add = async (descriptor: Descriptor, bytes: Uint8Array) => ({
    ...descriptor,
    ...(await writer.addBlob(bytes)),
  });
  const index = parseManifest(await layout.readBlob(soci));
  const layers: Descriptor[] = [];
  for (const blob of index.layers)
    layers.push(await add(blob, change((await layout.readBlob(blob, 1 << 30)).slice(), blob)));
  const newSoci = await add(soci, encode({ ...index, layers }));
  const manifest = parseManifest(await layout.readBlob(image));
  const annotations = { ...manifest.annotations, [ANNOTATIONS.indexDigest]: newSoci.digest };
  const newImage = await add({ ...image, annotations }, encodeManifest({ ...manifest, annotations }));
  const manifests = root.index.manifests.map((entry, at) =>
    at === 0
      ? newImage
      : at === listed
        ? { ...newSoci, annotations: { [ANNOTATIONS.imageDigest]: newImage.digest } }
        : entry,
  );
  await writer.finish([await add(root.descriptor, encodeIndex({ ...root.index, manifests }))]);
  return openLayout(writer.dir);
}

async function problemsOf(layout: OciLayout, sample?: number): Promise<string> {
  const report = await verifyLayout(layout, sample === undefined ? {} : { sample });
  assert.equal(report.ok, false);
  const all = report.platforms.flatMap(({ problems, layers }) => [
    ...problems,
    ...layers.flatMap((layer) => layer.problems),
  ]);
  return [...report.problems, ...all].join('\n');
}

/** Finds bytes in a ztoc and lets them be changed. */
function at(bytes: Uint8Array, text: string | Uint8Array): number {
  const found = Buffer.from(bytes).indexOf(text);
  assert.ok(found >= 0);
  return found;
}

describe('an index that is right', () => {
  for (const { name, out, spanSize, minLayerSize } of goldenImages().filter(({ out }) => out)) {
    test(`${name} is found right`, { timeout: 900_000 }, async (t) => {
      assert.ok(out);
      const layout = await converted(await temporaryFolder(t), name, {
        spanSize,
        minLayerSize,
        prefetchFiles: ['app/main.py', 'app/data.bin'],
      });
      const report = await verifyLayout(layout);
      assert.deepEqual([report.ok, report.problems], [true, []], JSON.stringify(report));
      const layers = report.platforms.flatMap((platform) => platform.layers);
      assert.ok(
        layers.length > 0 && layers.every(({ spans, checkedSpans }) => spans > 0 && spans === checkedSpans),
      );
    });
  }

  test('only the platform asked for, and only a sample of spans', async (t) => {
    const layout = await converted(await temporaryFolder(t), 'multi-platform', { spanSize: 4096 });
    const report = await verifyLayout(layout, { platform: parsePlatform('linux/amd64'), sample: 2 });
    assert.equal(report.ok, true);
    assert.equal(report.platforms.length, 1);
    const layers = report.platforms[0]?.layers ?? [];
    assert.ok(layers.every(({ spans, checkedSpans }) => checkedSpans === Math.min(2, spans)));
    assert.ok(layers.some(({ spans }) => spans > 2));
    const none = await verifyLayout(layout, { platform: parsePlatform('linux/s390x') });
    assert.deepEqual([none.ok, none.problems.length], [false, 1]);
  });

  test('a checkpoint in the padding after the archive is no fault', async () => {
    const tar = Buffer.concat([readFileSync(fixture('golden/layers/vector-A.tar')), Buffer.alloc(300_000)]);
    const blob = memoryBytes(gzipSync(tar, { level: 0 }));
    const scan = await scanLayer(blob, 'gzip');
    const ztoc = parseZtoc(await buildZtoc({ scan, spanSize: 65536, blob }));
    assert.ok(ztoc.spanDigests.length > 2);
    const { signal } = new AbortController();
    for (const how of [{ scan, diffId: sha256(tar) }, {}]) {
      const problems: string[] = [];
      assert.equal(await checkZtoc(ztoc, blob, { ...how, problems, signal }), ztoc.spanDigests.length);
      assert.deepEqual(problems, []);
    }
  });

  test('an image without one is told apart from a broken one', async (t) => {
    const layout = await writeGoldenLayout(await temporaryFolder(t), goldenImage('one-layer'));
    assert.match(await problemsOf(layout), /has no SOCI index/);
  });
});

describe('an index that is wrong in one place', () => {
  const digest = (text: string) => Buffer.from(`sha256:${text}`);

  test('a span digest', async (t) => {
    const dir = await temporaryFolder(t);
    const wrong = await replaceBlob(dir, await converted(dir, 'one-layer'), (bytes) => {
      const place = at(bytes, digest('')) + 7;
      bytes[place] = bytes[place] === 0x30 ? 0x31 : 0x30;
      return bytes;
    });
    assert.match(await problemsOf(wrong), /Span \d: bytes .* are not those of its digest/);
    assert.match(await problemsOf(wrong, 9), /Span \d: bytes .* are not those of its digest/);
  });

  test('one bit of a window', async (t) => {
    const dir = await temporaryFolder(t);
    const layout = await converted(dir, 'docker-media-types');
    const wrong = await replaceBlob(dir, layout, (bytes) => {
      if (bytes.length > 100_000) bytes[50_000] = (bytes[50_000] ?? 0) ^ 1;
      return bytes;
    });
    assert.match(
      await problemsOf(wrong),
      /Span 1: its window is not the 32 KiB before byte 75211 of the tar/,
    );
  });

  test('the place of a file', async (t) => {
    const dir = await temporaryFolder(t);
    const wrong = await replaceBlob(dir, await converted(dir, 'one-layer'), (bytes) => {
      // The file `big` follows two blocks of pax header and its own: its data begin at byte 1536.
      const place = at(bytes, Buffer.from(BigUint64Array.of(1536n).buffer));
      bytes[place + 1] = 8;
      return bytes;
    });
    assert.match(await problemsOf(wrong), /"big", differs from the tar in its offset/);
    assert.match(await problemsOf(wrong, 100), /no header for "big" at byte 1536, where/);
  });

  test('the name of a file', async (t) => {
    const dir = await temporaryFolder(t);
    const wrong = await replaceBlob(dir, await converted(dir, 'one-layer'), (bytes) => {
      bytes[at(bytes, 'big\0')] = 0x70;
      return bytes;
    });
    assert.match(await problemsOf(wrong), /"pig", differs from the tar in its name/);
    assert.match(await problemsOf(wrong, 100), /no header for "pig" at byte 1024, where/);
  });

  test('the place of a checkpoint', async (t) => {
    const dir = await temporaryFolder(t);
    const wrong = await replaceBlob(dir, await converted(dir, 'one-layer'), (bytes) => {
      // soci-format §8, vector C: the second checkpoint is 120020/120000.
      const place = at(bytes, Buffer.from(BigUint64Array.of(120020n, 120000n).buffer));
      bytes[place] = (bytes[place] ?? 0) - 5;
      return bytes;
    });
    assert.match(
      await problemsOf(wrong),
      /Checkpoint 1 is not at byte 120020, where a block of the layer ends/,
    );
    assert.match(await problemsOf(wrong, 5), /Span 0/);
  });

  test('a layer that is not what the config says', async (t) => {
    const dir = await temporaryFolder(t);
    const layout = await converted(dir, 'one-layer');
    const { layer, ztoc } = await firstLayer(layout);
    const problems: string[] = [];
    const parsed = parseZtoc(await layout.readBlob(ztoc));
    const blob = await layout.blob(layer);
    const scan = await scanLayer(blob, 'gzip');
    const { signal } = new AbortController();
    const diffId = `sha256:${'0'.repeat(64)}`;
    assert.equal(
      await checkZtoc(parsed, blob, { scan, diffId, problems, signal }),
      parsed.spanDigests.length,
    );
    assert.match(problems.join(), /unpack to sha256:[0-9a-f]+, but the image's config says sha256:0+/);
  });

  test('offsets that claim a huge span', async (t) => {
    const dir = await temporaryFolder(t);
    const wrong = await replaceBlob(dir, await converted(dir, 'one-layer'), (bytes) => {
      bytes[at(bytes, Buffer.from(BigUint64Array.of(120000n).buffer)) + 5] = 0x10;
      return bytes;
    });
    assert.match(
      await problemsOf(wrong),
      /Span 0 of the ztoc cannot be: bytes 10–120020 of 202790 would hold bytes 0–\d+ of the tar/,
    );
  });

  test('a ztoc that is none', async (t) => {
    const dir = await temporaryFolder(t);
    const wrong = await replaceBlob(dir, await converted(dir, 'one-layer'), () =>
      new Uint8Array(100).fill(0xff),
    );
    assert.match(
      await problemsOf(wrong),
      /ztoc is damaged: it points to its bytes \d+ to \d+, and it has 100/,
    );
  });

  test('JSON that the snapshotter would encode otherwise', async (t) => {
    const dir = await temporaryFolder(t);
    const pretty = (index: Manifest) => new TextEncoder().encode(JSON.stringify(index, undefined, 2));
    const wrong = await replaceBlob(dir, await converted(dir, 'one-layer'), (bytes) => bytes, pretty);
    assert.match(await problemsOf(wrong), /not in canonical form/);
  });

  test('spans to prefetch that are not there', async (t) => {
    const dir = await temporaryFolder(t);
    const layout = await converted(dir, 'prefetch-one', { prefetchFiles: ['app/main.py'] });
    const wrong = await replaceBlob(dir, layout, (bytes, blob) =>
      blob.mediaType.includes('prefetch') ? encodePrefetch(blob, [{ start: 0, end: 4000 }]).bytes : bytes,
    );
    assert.match(await problemsOf(wrong), /lists spans that its layer does not have/);
  });

  test('a layer that changed on disk', async (t) => {
    const layout = await converted(await temporaryFolder(t), 'one-layer');
    const { layer } = await firstLayer(layout);
    const file = path.join(layout.dir, 'blobs/sha256', layer.digest.slice(7));
    const bytes = await readFile(file);
    bytes[5000] = (bytes[5000] ?? 0) ^ 0xff;
    await writeFile(file, bytes);
    assert.match(await problemsOf(layout), /digest/);
    assert.match(await problemsOf(layout, 10), /Span 0/);
  });

  test('an image index that does not list the SOCI index', async (t) => {
    const dir = await temporaryFolder(t);
    const layout = await converted(dir, 'one-layer');
    const root = await layout.root();
    const index = parseIndex(root.bytes);
    const bytes = encodeIndex({
      ...index,
      manifests: [...index.manifests.slice(0, 1), ...index.manifests.slice(0, 1)],
    });
    await writeFile(path.join(layout.dir, 'blobs/sha256', sha256(bytes).slice(7)), bytes);
    const only = { ...root.descriptor, digest: sha256(bytes), size: bytes.length };
    await writeFile(
      path.join(layout.dir, 'index.json'),
      encodeIndex({ schemaVersion: 2, manifests: [only] }),
    );
    assert.match(await problemsOf(await openLayout(layout.dir)), /does not list the SOCI index/);
  });
});

async function firstLayer(layout: OciLayout): Promise<{ layer: Descriptor; ztoc: Descriptor }> {
  const root = await layout.root();
  assert.ok(root.kind === 'index');
  const image = root.index.manifests[0];
  assert.ok(image);
  const { layers, annotations } = parseManifest(await layout.readBlob(image));
  const index = parseManifest(await layout.document(annotations?.[ANNOTATIONS.indexDigest] ?? ''));
  const [[layer], [ztoc]] = [layers, index.layers];
  assert.ok(layer && ztoc);
  return { layer, ztoc };
}

test('spans are decoded where the caller says, each once, and with the same verdict', async (t) => {
  const layout = await converted(await temporaryFolder(t), 'one-layer');
  const pool = createScanPool({ workerFile: path.join(repoRoot, 'dist/layer-worker.js') });
  t.after(() => pool.close());
  let decoded = 0;
  const inflate: InflateSpan = (span, signal) => {
    decoded++;
    return pool.inflate(span, signal);
  };
  const report = await verifyLayout(layout, { inflate });
  assert.deepEqual(report, await verifyLayout(layout));
  assert.equal(report.ok, true);
  assert.equal(decoded, report.platforms[0]?.layers[0]?.spans);
});
