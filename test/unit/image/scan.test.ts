import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { LensError } from '../../../src/errors';
import { scanImage, type Scanner, type ScanStore } from '../../../src/image/scan';
import type { Image, ImageLayer } from '../../../src/image/types';
import { memoryBytes } from '../../../src/layer/bytes';
import { scanLayer } from '../../../src/layer/scan';
import type { LayerScan } from '../../../src/layer/types';
import { sha256 } from '../../../src/oci/digest';
import { OCI_LAYER_GZIP, OCI_LAYER_TAR, OCI_LAYER_ZSTD } from '../../../src/oci/media-types';

const tar = Buffer.alloc(1024);
const packed = zlib.gzipSync(tar);

function layer(index: number, bytes: Buffer, mediaType: string, digest = sha256(bytes)): ImageLayer {
  const descriptor = { mediaType, digest, size: bytes.length };
  return { index, descriptor, diffId: undefined, blob: memoryBytes(bytes), history: undefined };
}

const image = (layers: ImageLayer[]) => ({ layers }) as unknown as Image;

test('each distinct blob once, in the order of the manifest; zstd skipped, damage kept to its layer', async () => {
  let scans = 0;
  const pool: Scanner = {
    scan: (...args) => {
      scans += 1;
      return scanLayer(...args);
    },
  };
  const progress: number[] = [];
  const layers = [
    layer(0, packed, OCI_LAYER_GZIP),
    layer(1, Buffer.from('zstd'), OCI_LAYER_ZSTD),
    layer(2, packed, OCI_LAYER_GZIP),
    layer(3, packed.subarray(0, -4), OCI_LAYER_GZIP),
    layer(4, tar, OCI_LAYER_TAR),
    layer(5, Buffer.from(packed), OCI_LAYER_GZIP, `sha256:${'0'.repeat(64)}`),
    layer(6, tar, 'application/json', `sha256:${'1'.repeat(64)}`),
  ];
  const known = new Map<number, unknown>();
  const results = await scanImage(image(layers), {
    pool,
    onLayer(result, index) {
      known.set(index, result);
    },
    onProgress: ({ done = 0, total = 0 }) => {
      assert.ok(done <= total);
      progress.push(done);
    },
  });
  assert.deepEqual(
    results.map(({ layer: { index } }) => index),
    [0, 1, 2, 3, 4, 5, 6],
  );
  assert.deepEqual(
    results.map((_, index) => known.get(index)),
    results,
  );
  const kinds = results.map((result) =>
    'scan' in result ? result.scan.compression : 'error' in result ? result.error.code : result.skipped,
  );
  assert.deepEqual(
    [kinds[0], kinds[2], kinds[4], kinds[5], kinds[6]],
    ['gzip', 'gzip', 'tar', 'layer/digest-mismatch', 'oci/bad-layer-type'],
  );
  assert.match(kinds[1] ?? '', /zstd/);
  assert.match(kinds[3] ?? '', /^layer\//);
  assert.equal(scans, 4);
  assert.ok(progress.length > 0);
});

test('what the cache has is not scanned again', async () => {
  const kept = new Map<string, LayerScan>();
  const cache: ScanStore = {
    get: (key) => Promise.resolve(kept.get(key)),
    put: (key, scan) => {
      kept.set(key, scan);
      return Promise.resolve();
    },
  };
  const [result] = await scanImage(image([layer(0, packed, OCI_LAYER_GZIP)]), {
    pool: { scan: scanLayer },
    cache,
  });
  assert.equal(kept.size, 1);
  const pool: Scanner = { scan: () => Promise.reject(new Error('scanned again')) };
  const [again] = await scanImage(image([layer(0, packed, OCI_LAYER_GZIP)]), { pool, cache });
  assert.ok(result && 'scan' in result && again && 'scan' in again);
  assert.equal(again.scan, result.scan);
});

test('an abort ends the whole, a defect is not hidden', async () => {
  const controller = new AbortController();
  const pool: Scanner = {
    scan: (_, __, { signal }) =>
      new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => {
          reject(signal.reason as Error);
        });
      }),
  };
  const layers = [layer(0, packed, OCI_LAYER_GZIP), layer(1, tar, OCI_LAYER_TAR)];
  const scanning = scanImage(image(layers), { pool, signal: controller.signal });
  controller.abort();
  await assert.rejects(scanning, { name: 'AbortError' });
  const defect: Scanner = { scan: () => Promise.reject(new TypeError('a bug')) };
  await assert.rejects(scanImage(image(layers), { pool: defect }), TypeError);
  const faulty: Scanner = {
    scan: () => Promise.reject(new LensError('layer/bad-gzip', 'It is broken.', 'Mend it.')),
  };
  assert.ok((await scanImage(image(layers), { pool: faulty })).every((result) => 'error' in result));
});
