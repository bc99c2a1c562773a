import assert from 'node:assert/strict';
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { parseArgs } from 'node:util';
import { LensError } from '../../../src/errors';
import { openLayout } from '../../../src/image/layout';
import { createLayout } from '../../../src/image/layout-writer';
import type { LayerScan } from '../../../src/layer/types';
import { encodeIndex, encodeManifest } from '../../../src/oci/json';
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST } from '../../../src/oci/media-types';
import { parseIndex, parseManifest } from '../../../src/oci/parse';
import { formatPlatform, parsePlatform } from '../../../src/oci/platform';
import { type ConvertOptions, convertLayout } from '../../../src/soci/convert';
import { listIndexes } from '../../../src/soci/discover';
import type { BlobStore } from '../../../src/soci/store';
import { eventually } from '../../support/eventually';
import { temporaryFolder } from '../../support/folders';
import { goldenBlob, goldenImage, goldenImages, scanHere, writeGoldenLayout } from '../../support/golden';

const defaults: ConvertOptions = { spanSize: 65536, minLayerSize: 0, platforms: 'all', scan: scanHere };

describe('images that the soci CLI converted', () => {
  for (const image of goldenImages()) {
    test(image.name, { timeout: 900_000 }, async (t) => {
      const dir = await temporaryFolder(t);
      const { values } = parseArgs({
        args: [...image.args],
        options: {
          optimizations: { type: 'string', multiple: true },
          'prefetch-file': { type: 'string', multiple: true },
        },
      });
      const lines: string[] = [];
      const options: ConvertOptions = {
        ...defaults,
        spanSize: image.spanSize,
        minLayerSize: image.minLayerSize,
        optimizations: values.optimizations ? ['xattr'] : [],
        prefetchFiles: values['prefetch-file'] ?? [],
        onLine: (line) => lines.push(line),
      };
      let source = await writeGoldenLayout(path.join(dir, 'in'), image);
      const out = path.join(dir, 'out');
      const convert = async (to: string) => convertLayout(source, await createLayout(to), options);
      if (!image.out) {
        await assert.rejects(convert(out), (error) => error instanceof LensError && error.advice !== '');
        assert.deepEqual(await readdir(dir), ['in'], 'nothing is left of a failure');
        return;
      }
      const result = await convert(out);
      const own = image.output.filter((line) => !line.startsWith('time='));
      assert.deepEqual(lines.sort(), [...own].sort());
      const warnings = image.output.flatMap((line) => /prefetch file (.*) not found/.exec(line)?.[1] ?? []);
      assert.deepEqual(result.perPlatform[0]?.missingFiles, warnings);
      let final = out;
      if (image.twice) {
        source = await openLayout(out);
        final = path.join(dir, 'again');
        assert.deepEqual((await convert(final)).index, result.index, 'converting again changes nothing');
      }
      assert.deepEqual(JSON.parse(await readFile(path.join(final, 'index.json'), 'utf8')), image.out);
      assert.deepEqual(
        (await readdir(path.join(final, 'blobs/sha256'))).sort(),
        [...(image.blobs ?? [])].sort(),
      );
      const layout = await openLayout(final);
      for (const blob of await layout.blobs()) await layout.readBlob({ ...blob, mediaType: '' }, 1 << 30);
    });
  }
});

describe('what the golden images leave open', () => {
  const multi = goldenImage('multi-platform');

  test('a chosen platform keeps its name, and the others lose nothing', async (t) => {
    const dir = await temporaryFolder(t);
    const source = await writeGoldenLayout(path.join(dir, 'in'), multi);
    const output = await createLayout(path.join(dir, 'out'));
    const result = await convertLayout(source, output, {
      ...defaults,
      platforms: [parsePlatform('linux/arm64/v8')],
    });
    const root = await source.root();
    assert.ok(root.kind === 'index');
    const after = parseIndex(await (await openLayout(output.dir)).readBlob(result.index));
    assert.equal(after.manifests.length, root.index.manifests.length + 1);
    const soci = after.manifests.at(-1);
    assert.equal(soci?.platform && formatPlatform(soci.platform), 'linux/arm64/v8');
    assert.equal(result.perPlatform.length, 1);
  });

  test('a platform that the image does not have is named with those that it has', async (t) => {
    const dir = await temporaryFolder(t);
    const source = await writeGoldenLayout(path.join(dir, 'in'), multi);
    const output = await createLayout(path.join(dir, 'out'));
    await assert.rejects(
      convertLayout(source, output, { ...defaults, platforms: [parsePlatform('linux/s390x')] }),
      (error) =>
        error instanceof LensError &&
        error.code === 'soci/no-platform' &&
        error.message.includes('linux/s390x') &&
        error.advice.includes('linux/amd64, linux/arm64'),
    );
    assert.deepEqual(await readdir(dir), ['in']);
  });

  test('converting only one platform of a converted image leaves the SOCI index of the other one alone', async (t) => {
    const dir = await temporaryFolder(t);
    const source = await writeGoldenLayout(path.join(dir, 'in'), multi);
    const first = await convertLayout(source, await createLayout(path.join(dir, 'one')), defaults);
    const again = await convertLayout(
      await openLayout(path.join(dir, 'one')),
      await createLayout(path.join(dir, 'two')),
      {
        ...defaults,
        platforms: [parsePlatform('linux/amd64')],
      },
    );
    assert.equal(again.index.digest, first.index.digest);
  });

  test('a SOCI index whose type a copy has lost is no image, and is one again when it is made anew', async (t) => {
    const dir = await temporaryFolder(t);
    const source = await writeGoldenLayout(path.join(dir, 'in'), multi);
    const writer = await createLayout(path.join(dir, 'out'));
    const first = await convertLayout(source, writer, defaults);
    const { manifests, ...rest } = parseIndex(await (await openLayout(writer.dir)).readBlob(first.index));
    const bytes = encodeIndex({
      ...rest,
      manifests: manifests.map((entry) => ({ ...entry, artifactType: '' })),
    });
    await writer.finish([{ mediaType: OCI_INDEX, ...(await writer.addBlob(bytes)) }]);
    const copy = await openLayout(writer.dir);
    const images = await listIndexes(copy);
    assert.deepEqual(
      images.map(({ entry, indexes }) => [entry.digest, indexes[0]?.digest]),
      first.perPlatform.map(({ manifest, sociIndex }) => [manifest.digest, sociIndex.digest]),
    );
    const again = await convertLayout(copy, await createLayout(path.join(dir, 'again')), defaults);
    assert.equal(again.index.digest, first.index.digest);
  });

  test('an index within the index is kept with all that it names', async (t) => {
    const dir = await temporaryFolder(t);
    const image = await (await writeGoldenLayout(path.join(dir, 'in'), goldenImage('one-layer'))).root();
    const writer = await createLayout(path.join(dir, 'in'));
    const inner = await writer.addBlob(
      encodeManifest({
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config: { mediaType: OCI_CONFIG, ...(await writer.addBlob(Buffer.from('{"os":"wasi"}'))) },
        layers: [{ mediaType: OCI_LAYER_GZIP, ...(await writer.addBlob(Buffer.from('a layer'))) }],
      }),
    );
    const within = (platform: string, mediaType: string, blob: { digest: string; size: number }) =>
      encodeIndex({
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests: [
          { mediaType, ...blob, platform: parsePlatform(platform) },
          { ...image.descriptor, platform: parsePlatform('linux/amd64') },
        ],
      });
    const nested = await writer.addBlob(within('wasi/wasm', OCI_MANIFEST, inner));
    const outer = await writer.addBlob(within('wasi/wasm', OCI_INDEX, nested));
    const annotations = { 'org.opencontainers.image.ref.name': 'outer' };
    await writer.finish([{ mediaType: OCI_INDEX, ...outer, annotations }]);

    const output = await createLayout(path.join(dir, 'out'));
    const platforms = [parsePlatform('linux/amd64')];
    // Of a layout with a tag, as of a registry, only what the image needs is taken.
    await convertLayout(await openLayout(writer.dir), output, { ...defaults, platforms, tag: 'outer' });
    const result = await openLayout(output.dir);
    const { config, layers } = parseManifest(await result.readBlob({ mediaType: OCI_MANIFEST, ...inner }));
    assert.equal(parseIndex(await result.readBlob({ mediaType: OCI_INDEX, ...nested })).manifests.length, 2);
    for (const blob of [config, ...layers]) assert.ok((await result.readBlob(blob)).length > 0);
  });

  test('each layer can have a span size of its own', async (t) => {
    const dir = await temporaryFolder(t);
    const source = await writeGoldenLayout(path.join(dir, 'in'), goldenImage('docker-media-types'));
    const { perPlatform } = await convertLayout(source, await createLayout(path.join(dir, 'out')), {
      ...defaults,
      spanSize: ({ size }) => (size > 100_000 ? 262_144 : 65_536),
    });
    assert.deepEqual(
      perPlatform[0]?.ztocs.map(({ ztoc }) => ztoc.annotations?.['com.amazon.soci.span-size']),
      ['262144', '65536'],
    );
  });

  test('bytes are taken as checked only where an earlier scan kept what this span size needs', async (t) => {
    const dir = await temporaryFolder(t);
    const source = await writeGoldenLayout(path.join(dir, 'in'), goldenImage('docker-media-types'));
    const scans = new Map<string, LayerScan>();
    const convert = async (name: string, spanSize: number) => {
      let count = 0;
      const options: ConvertOptions = {
        ...defaults,
        spanSize,
        knownScan: ({ digest }) => Promise.resolve(scans.get(digest)),
        async scan(layer, ...rest) {
          count++;
          const scan = await scanHere(layer, ...rest);
          scans.set(layer.digest, scan);
          return scan;
        },
      };
      await convertLayout(source, await createLayout(path.join(dir, name)), options);
      return count;
    };
    assert.equal(await convert('first', 65_536), 2);
    assert.equal(await convert('again', 65_536), 0);
    assert.equal(await convert('other', 131_072), 2);
  });

  test('the largest layer is scanned first, however long it takes to find it', async (t) => {
    const dir = await temporaryFolder(t);
    const source = await writeGoldenLayout(path.join(dir, 'in'), goldenImage('convert-twice'));
    const sizes: number[] = [];
    const slowly: BlobStore = {
      ...source,
      blob: async (layer) => {
        for (let turn = 0; turn < layer.size / 100; turn++) await new Promise(setImmediate);
        return source.blob(layer);
      },
    };
    const { perPlatform } = await convertLayout(slowly, await createLayout(path.join(dir, 'out')), {
      ...defaults,
      scan(layer, ...rest) {
        sizes.push(layer.size);
        return scanHere(layer, ...rest);
      },
    });
    const inManifest = perPlatform[0]?.ztocs.map(({ layer }) => layer.size) ?? [];
    assert.deepEqual(
      [sizes, inManifest],
      [
        [541802, 2583],
        [2583, 541802],
      ],
    );
  });

  test('what is too small to be scanned is taken over while the others are scanned', async (t) => {
    const dir = await temporaryFolder(t);
    const source = await writeGoldenLayout(path.join(dir, 'in'), goldenImage('two-layers-one-below-min'));
    const output = await createLayout(path.join(dir, 'out'));
    const small = (await source.blobs()).find(({ size }) => size === 2583);
    assert.ok(small);
    const { perPlatform } = await convertLayout(source, output, {
      ...defaults,
      minLayerSize: 10_000,
      async scan(...args) {
        await eventually(async () => {
          assert.ok(await output.has(small.digest));
        });
        return scanHere(...args);
      },
    });
    assert.equal(perPlatform[0]?.ztocs.length, 1);
  });

  test('an attestation that is not here stays listed only when the rest is an index', async (t) => {
    const dir = await temporaryFolder(t);
    const image = goldenImage('multi-platform-attestation');
    const source = await writeGoldenLayout(path.join(dir, 'in'), image);
    const root = await source.root();
    assert.ok(root.kind === 'index');
    const attestation = root.index.manifests.find(({ platform }) => platform?.os === 'unknown');
    assert.ok(attestation);
    await rm(path.join(source.dir, 'blobs/sha256', attestation.digest.slice(7)));
    const result = await convertLayout(source, await createLayout(path.join(dir, 'out')), defaults);
    const after = parseIndex(await (await openLayout(path.join(dir, 'out'))).readBlob(result.index));
    assert.ok(after.manifests.every(({ platform }) => platform?.os === 'linux'));
    assert.equal(after.manifests.length, 2 * result.perPlatform.length);
  });

  test('without platforms named, the only one of a single image is taken', async (t) => {
    const dir = await temporaryFolder(t);
    const image = goldenImage('one-layer');
    const source = await writeGoldenLayout(path.join(dir, 'in'), image);
    const unnamed: ConvertOptions = { spanSize: 65536, minLayerSize: 0, scan: scanHere };
    const result = await convertLayout(source, await createLayout(path.join(dir, 'out')), unnamed);
    assert.deepEqual([result.index], image.out?.manifests);
  });

  test('of a layout with several images the tag chooses, and only its blobs are taken', async (t) => {
    const dir = await temporaryFolder(t);
    const [one, two] = [goldenImage('one-layer'), goldenImage('same-layer-twice')];
    const named = (image: typeof one, name: string) =>
      image.in.manifests.map((entry) => ({
        ...entry,
        annotations: { 'org.opencontainers.image.ref.name': name },
      }));
    const both = { ...one.in, manifests: [...named(one, 'one'), ...named(two, 'two')] };
    const source = await writeGoldenLayout(path.join(dir, 'in'), { in: both });
    const result = await convertLayout(source, await createLayout(path.join(dir, 'out')), {
      ...defaults,
      tag: 'one',
    });
    assert.deepEqual([result.index], one.out?.manifests);
    assert.deepEqual(
      (await readdir(path.join(dir, 'out/blobs/sha256'))).sort(),
      [...(one.blobs ?? [])].sort(),
    );
  });

  test('a damaged blob stops the image that needs it, and is left behind where none does', async (t) => {
    const dir = await temporaryFolder(t);
    const image = goldenImage('two-layers-one-below-min');
    const source = await writeGoldenLayout(path.join(dir, 'in'), image);
    const blobs = path.join(source.dir, 'blobs/sha256');
    await writeFile(path.join(blobs, 'f'.repeat(64)), 'rubbish');
    const options = { ...defaults, minLayerSize: image.minLayerSize };
    const result = await convertLayout(source, await createLayout(path.join(dir, 'out')), options);
    assert.deepEqual([result.index], image.out?.manifests);
    const small = result.perPlatform[0]?.skipped[0]?.layer.digest ?? '';
    const changed = goldenBlob(small);
    changed[100] = (changed[100] ?? 0) ^ 1;
    await writeFile(path.join(blobs, small.slice(7)), changed);
    await assert.rejects(
      convertLayout(source, await createLayout(path.join(dir, 'again')), options),
      (error) => error instanceof LensError && error.code === 'image/wrong-digest',
    );
    assert.deepEqual((await readdir(dir)).sort(), ['in', 'out']);
  });

  test('an abort in the middle leaves nothing', async (t) => {
    const dir = await temporaryFolder(t);
    const source = await writeGoldenLayout(path.join(dir, 'in'), multi);
    const stop = new AbortController();
    const options: ConvertOptions = {
      ...defaults,
      signal: stop.signal,
      onLine: () => {
        stop.abort();
      },
    };
    await assert.rejects(convertLayout(source, await createLayout(path.join(dir, 'out')), options), {
      name: 'AbortError',
    });
    assert.deepEqual(await readdir(dir), ['in']);
  });

  test('a failure in a layout that was there before brings the old state back', async (t) => {
    const dir = await temporaryFolder(t);
    const out = path.join(dir, 'out');
    await convertLayout(
      await writeGoldenLayout(path.join(dir, 'a'), goldenImage('one-layer')),
      await createLayout(out),
      defaults,
    );
    const before = (await readdir(out, { recursive: true })).sort();
    const bad = await writeGoldenLayout(path.join(dir, 'b'), goldenImage('one-bad-layer'));
    await assert.rejects(convertLayout(bad, await createLayout(out), defaults));
    assert.deepEqual((await readdir(out, { recursive: true })).sort(), before);
  });

  test('progress counts the bytes of all layers', async (t) => {
    const dir = await temporaryFolder(t);
    const source = await writeGoldenLayout(path.join(dir, 'in'), goldenImage('docker-media-types'));
    const root = await source.root();
    const size = parseManifest(root.bytes).layers.reduce((sum, layer) => sum + layer.size, 0);
    const seen: number[] = [];
    await convertLayout(source, await createLayout(path.join(dir, 'out')), {
      ...defaults,
      onProgress: ({ done, total }) => {
        assert.equal(total, size);
        seen.push(done ?? 0);
      },
    });
    assert.equal(seen.at(-1), size);
    assert.deepEqual(
      seen,
      [...seen].sort((a, b) => a - b),
    );
  });
});
