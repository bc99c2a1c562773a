import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { createGunzip, gzipSync } from 'node:zlib';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzip } from '../../../src/image/gzip';
import { writeAndScan } from '../../../src/image/indexing';
import { createLayout } from '../../../src/image/layout-writer';
import { type Scanner, scanKey } from '../../../src/image/scan';
import { memoryBytes } from '../../../src/layer/bytes';
import { packScan } from '../../../src/layer/packed';
import { scanLayer } from '../../../src/layer/scan';
import type { LayerScan } from '../../../src/layer/types';
import { temporaryFolder } from '../../support/folders';
import { blobFile, everythingIn } from '../../support/layouts';
import { Random } from '../../support/random';
import { header, padded } from '../../support/tars';

/** A layer of 6 MB whose files compress about 2 : 1. */
function layer(): Buffer {
  const random = new Random(7);
  const files = Array.from({ length: 60 }, (_, i) => {
    const data = Buffer.concat([Buffer.from(random.bytes(50_000)), Buffer.alloc(50_000, `${i}`)]);
    return Buffer.concat([header({ name: `file-${i}`, size: data.length }), padded(data)]);
  });
  return Buffer.concat([...files, Buffer.alloc(1024)]);
}

const fresh = (packed: AsyncIterable<Uint8Array>) => ({ packed, isFresh: true });

const inThread: Scanner = { scan: (blob, compression, options) => scanLayer(blob, compression, options) };

function memoryStore() {
  const kept = new Map<string, LayerScan>();
  return {
    kept,
    get: (key: string) => Promise.resolve(kept.get(key)),
    put: (key: string, scan: LayerScan) => {
      kept.set(key, scan);
      return Promise.resolve();
    },
  };
}

test('a layer is scanned while it is written, as reading it again would', async (t) => {
  const dir = await temporaryFolder(t);
  const tar = layer();
  const writer = await createLayout(dir);
  const cache = memoryStore();
  const indexing = { pool: inThread, cache, spanSize: 1 << 20 };
  const write = (bytes: AsyncIterable<Uint8Array>) => writer.addBlob(bytes);
  const blob = await writeAndScan(fresh(gzip(memoryBytes(tar).read())), write, indexing, undefined);
  const bytes = await readFile(blobFile(dir, blob.digest));
  assert.deepEqual(await buffer(Readable.from([bytes]).pipe(createGunzip())), tar);

  const scan = cache.kept.get(scanKey(blob.digest, 'gzip'));
  assert.ok(scan);
  const again = await scanLayer(memoryBytes(bytes), 'gzip', { spanSize: 1 << 20 });
  assert.deepEqual(packScan(scan), packScan(again));
  assert.equal(scan.entries.length, 60);
  assert.equal((await everythingIn(dir)).filter((name) => name.startsWith('.')).length, 0);
});

test('a packed layer of somebody else has its CRC checked: a scan of a damaged one is not kept', async (t) => {
  const writer = await createLayout(await temporaryFolder(t));
  const bytes = gzipSync(layer());
  bytes.writeUInt32LE((bytes.readUInt32LE(bytes.length - 8) ^ 1) >>> 0, bytes.length - 8);
  for (const [isFresh, kept] of [
    [false, 0],
    [true, 1],
  ] as const) {
    const cache = memoryStore();
    await writeAndScan(
      { packed: memoryBytes(bytes).read(), isFresh },
      (packed) => writer.addBlob(packed),
      { pool: inThread, cache },
      undefined,
    );
    assert.equal(cache.kept.size, kept, `fresh: ${isFresh}`);
  }
});

test('the level is chosen, and each gives the same bytes on every run', async () => {
  const tar = layer();
  const packed = async (level: number) =>
    buffer(Readable.from(gzip(memoryBytes(tar).read(), level), { objectMode: false }));
  const sizes: number[] = [];
  for (const level of [0, 1, 9]) {
    const bytes = await packed(level);
    assert.deepEqual(await packed(level), bytes);
    sizes.push(bytes.length);
  }
  assert.deepEqual(
    sizes,
    [...sizes].sort((a, b) => b - a),
  );
});

test('what is no layer is written all the same, and nothing is kept of it', async (t) => {
  const dir = await temporaryFolder(t);
  const writer = await createLayout(dir);
  const cache = memoryStore();
  const write = (bytes: AsyncIterable<Uint8Array>) => writer.addBlob(bytes);
  // The scanner leaves at the first broken header; the writer must not wait for it.
  const junk = Buffer.alloc(8 << 20, 'no tar at all');
  const indexing = { pool: inThread, cache };
  const blob = await writeAndScan(fresh(gzip(memoryBytes(junk).read())), write, indexing, undefined);
  assert.equal((await readFile(blobFile(dir, blob.digest))).length, blob.size);
  assert.equal(cache.kept.size, 0);
});

test('a failure of the source, the disk or the scanner ends both, with its own error', async () => {
  const cache = memoryStore();
  const tar = layer();
  const broken = async function* (): AsyncGenerator<Uint8Array> {
    yield* memoryBytes(tar.subarray(0, 3 << 20)).read();
    throw new Error('the engine is gone');
  };
  const readAll = async (bytes: AsyncIterable<Uint8Array>) => {
    let size = 0;
    for await (const chunk of bytes) size += chunk.length;
    return { digest: `sha256:${size}` };
  };
  const full = async (bytes: AsyncIterable<Uint8Array>): Promise<{ digest: string }> => {
    for await (const chunk of bytes) if (chunk.length > 0) throw new Error('no space left');
    return { digest: '' };
  };
  const pool = inThread;
  await assert.rejects(
    writeAndScan(fresh(gzip(broken())), readAll, { pool, cache }, undefined),
    /engine is gone/,
  );
  const source = () => gzip(memoryBytes(tar).read());
  await assert.rejects(writeAndScan(fresh(source()), full, { pool, cache }, undefined), /no space left/);
  const defect: Scanner = { scan: () => Promise.reject(new TypeError('a defect')) };
  await assert.rejects(
    writeAndScan(fresh(source()), readAll, { pool: defect, cache }, undefined),
    /a defect/,
  );

  const controller = new AbortController();
  const aborting = async function* (): AsyncGenerator<Uint8Array> {
    yield* memoryBytes(tar.subarray(0, 1 << 20)).read();
    controller.abort();
    controller.signal.throwIfAborted();
  };
  await assert.rejects(writeAndScan(fresh(gzip(aborting())), readAll, { pool, cache }, controller.signal), {
    name: 'AbortError',
  });
  assert.equal(cache.kept.size, 0);
});
