import type { Bytes } from '../../../src/layer/bytes';
import { memoryBytes } from '../../../src/layer/bytes';
import { inflateSpan } from '../../../src/layer/pako-span';
import { scanLayer } from '../../../src/layer/scan';
import { checkpoints, checkpointWindows, readTar, spanDigests, spanTable } from '../../../src/layer/spans';
import { randomMember } from '../../support/deflate';
import { Random } from '../../support/random';
import { collect } from '../../support/streams';
import { header, padded } from '../../support/tars';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';

const ZEROS = new Uint8Array(1024);

/** A layer of random members; two blocks of zeros before all keep the tar reader content. */
function randomLayer(random: Random, size = 4000): Buffer {
  const members = random.list(0, 3, () => randomMember(random, size).packed);
  return Buffer.concat([randomMember(random, size, ZEROS).packed, ...members]);
}

/** A gzip of one file whose content compresses about 2 : 1. */
function textLayer(size: number): { blob: Buffer; tar: Buffer } {
  const random = new Random(3);
  const data = Buffer.from(Array.from({ length: size }, () => random.int(32, 48)));
  const tar = Buffer.concat([header({ name: 'text', size }), padded(data), Buffer.alloc(1024)]);
  return { blob: gzipSync(tar), tar };
}

/** Counts the bytes that are read. */
function counted(data: Uint8Array): { blob: Bytes; read: () => number } {
  let bytes = 0;
  const inner = memoryBytes(data);
  return {
    read: () => bytes,
    blob: {
      ...inner,
      async *read(range, signal) {
        for await (const chunk of inner.read(range, signal)) {
          bytes += chunk.length;
          yield chunk;
        }
      },
    },
  };
}

describe('spans', () => {
  it('tile the blob and the tar, for any span size', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = new Random(seed);
      const layer = randomLayer(random);
      const scan = await scanLayer(memoryBytes(layer), 'gzip');
      for (const spanSize of [0, 1, random.int(2, 500), random.int(500, 20_000), 1 << 22]) {
        const table = spanTable(scan, spanSize);
        const points = checkpoints(scan, spanSize);
        assert.ok(table.length > 0);
        for (let span = 0; span < table.length; span++) {
          const { start, end } = table.uncompressed(span);
          const next = span + 1 < table.length ? table.compressed(span + 1) : undefined;
          // The shared byte belongs to both.
          assert.equal(
            table.compressed(span).end,
            next ? next.start + (points.bits[span + 1] ? 1 : 0) : layer.length,
          );
          assert.equal(table.at(start), lastWith(points.out, start));
          if (next) assert.equal(end, table.uncompressed(span + 1).start);
          if (next && end > start) assert.ok(end - start > spanSize, 'strictly more than the span size');
        }
        assert.equal(table.at(2 ** 40), table.length - 1);
      }
    }
  });

  it('decode by pako from windows that were made again, whatever the scan kept', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = new Random(seed);
      const layer = randomLayer(random, 9000);
      const tar = gunzipSync(layer);
      const scan = await scanLayer(memoryBytes(layer), 'gzip', { spanSize: random.int(0, 20_000) });
      const spanSize = random.int(1, 5000);
      const points = checkpoints(scan, spanSize);
      const windows = await checkpointWindows(scan, spanSize, memoryBytes(layer));
      for (let i = 0; i < points.in.length; i++) {
        const out = points.out[i] ?? 0;
        const end = points.out[i + 1] ?? tar.length;
        const bits = points.bits[i] ?? 0;
        const expected = Buffer.concat([Buffer.alloc(32768), tar.subarray(0, out)]).subarray(-32768);
        assert.ok(expected.equals(windows[i] ?? ZEROS), `seed ${seed}, window ${i}`);
        const compressed = layer.subarray(
          (points.in[i] ?? 0) - (bits ? 1 : 0),
          points.in[i + 1] ?? layer.length,
        );
        const decoded = inflateSpan(compressed, expected, bits, end - out);
        assert.ok(tar.subarray(out, end).equals(decoded), `seed ${seed}, span ${i}`);
      }
    }
  });

  it('have the digests that reading their ranges gives', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = new Random(seed);
      const layer = randomLayer(random);
      const spanSize = random.int(0, 3000);
      const table = spanTable(await scanLayer(memoryBytes(layer), 'gzip'), spanSize);
      const expected = Array.from({ length: table.length }, (_, span) => {
        const { start, end } = table.compressed(span);
        return `sha256:${createHash('sha256').update(layer.subarray(start, end)).digest('hex')}`;
      });
      for (const kept of [spanSize, 1 << 22]) {
        const scan = await scanLayer(memoryBytes(layer), 'gzip', { spanSize: kept });
        assert.deepEqual(await spanDigests(scan, spanSize, memoryBytes(layer)), expected);
      }
    }
  });

  it('of a plain tar are cut by size', async () => {
    const tar = Buffer.concat([
      header({ name: 'f', size: 1000 }),
      padded(new Uint8Array(1000)),
      Buffer.alloc(1024),
    ]);
    const scan = await scanLayer(memoryBytes(tar), 'tar');
    const exact = spanTable(scan, 512);
    assert.deepEqual(
      [exact.length, exact.compressed(4), exact.at(512), exact.at(511)],
      [5, { start: 2048, end: 2560 }, 1, 0],
    );
    assert.deepEqual(spanTable(scan, 1000).uncompressed(2), { start: 2000, end: 2560 });
    assert.equal(checkpoints(scan, 1000).in.length, 0);
    assert.throws(() => spanTable(scan, 0), { code: 'layer/bad-span-size' });
    assert.throws(() => spanTable(scan, 1.5), { code: 'layer/bad-span-size' });
    await assert.rejects(scanLayer(memoryBytes(tar), 'tar', { spanSize: 0 }), {
      code: 'layer/bad-span-size',
    });
  });

  it('may be a byte each', async () => {
    const tar = Buffer.concat([header({ name: 'f', size: 2e5 }), padded(Buffer.alloc(2e5, 'x')), ZEROS]);
    const { kept } = await scanLayer(memoryBytes(tar), 'tar', { spanSize: 1 });
    assert.equal(kept.digests.length, 32 * tar.length);
    for (const span of [0, 512, tar.length - 1]) {
      const expected = createHash('sha256')
        .update(tar.subarray(span, span + 1))
        .digest();
      assert.deepEqual(Buffer.from(kept.digests.subarray(32 * span, 32 * span + 32)), expected);
    }
  });

  it('cannot be asked for beyond the last', async () => {
    const scan = await scanLayer(memoryBytes(textLayer(1000).blob), 'gzip');
    assert.throws(() => spanTable(scan, 100).compressed(1), RangeError);
    assert.throws(() => spanTable(scan, 100).uncompressed(-1), RangeError);
  });
});

describe('reading back', () => {
  it('gives any range of a layer', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = new Random(seed);
      const layer = randomLayer(random, 9000);
      const tar = gunzipSync(layer);
      const scan = await scanLayer(memoryBytes(layer), 'gzip', { spanSize: random.int(0, 9000) });
      for (let i = 0; i < 10; i++) {
        const start = random.int(0, tar.length);
        const end = random.int(start, tar.length + 10);
        const found = await collect(readTar(scan, memoryBytes(layer), { start, end }));
        assert.ok(tar.subarray(start, end).equals(found), `seed ${seed}, ${start} to ${end}`);
      }
    }
  });

  it('reads no more of the blob than the spans that hold the range', async () => {
    const { blob, tar } = textLayer(3_000_000);
    const scan = await scanLayer(memoryBytes(blob), 'gzip', { spanSize: 200_000 });
    const { blob: source, read } = counted(blob);
    const found = await collect(readTar(scan, source, { start: 1_500_000, end: 1_500_100 }));
    assert.ok(tar.subarray(1_500_000, 1_500_100).equals(found));
    assert.ok(read() > 0 && read() < blob.length / 8, `${read()} of ${blob.length} bytes were read`);
    const plain = counted(tar);
    const whole = await scanLayer(memoryBytes(tar), 'tar');
    assert.ok(
      tar.subarray(600, 700).equals(await collect(readTar(whole, plain.blob, { start: 600, end: 700 }))),
    );
    assert.equal(plain.read(), 100);
  });

  it('reads nothing for what the scan kept, and says when it needs the blob', async () => {
    const { blob } = textLayer(500_000);
    const scan = await scanLayer(memoryBytes(blob), 'gzip', { spanSize: 100_000 });
    assert.ok((await checkpointWindows(scan, 100_000, undefined)).length > 2);
    assert.ok((await spanDigests(scan, 100_000, undefined)).length > 2);
    await assert.rejects(checkpointWindows(scan, 60_000, undefined), { code: 'layer/needs-blob' });
    await assert.rejects(spanDigests(scan, 60_000, undefined), { code: 'layer/needs-blob' });
  });

  it('notices a blob that is not the one that was scanned', async () => {
    const { blob, tar } = textLayer(500_000);
    const scan = await scanLayer(memoryBytes(blob), 'gzip', { spanSize: 1 << 22 });
    const cut = memoryBytes(blob.subarray(0, 1000));
    const range = { start: tar.length - 2000, end: tar.length };
    await assert.rejects(collect(readTar(scan, cut, range)), { code: 'layer/changed-blob' });
    await assert.rejects(checkpointWindows(scan, 1000, cut), { code: 'layer/changed-blob' });
    await assert.rejects(spanDigests(scan, 1000, cut), { code: 'layer/changed-blob' });
  });

  it('checks what it reads again for an index, also where it would decode all the same', async () => {
    const stored = gzipSync(textLayer(500_000).tar, { level: 0 });
    const scan = await scanLayer(memoryBytes(stored), 'gzip', { spanSize: 1 << 22 });
    assert.ok((await checkpointWindows(scan, 70_000, memoryBytes(stored))).length > 3);
    // In the first span, in a later one, and behind the last checkpoint.
    for (const at of [1000, 250_000, stored.length - 1000]) {
      const other = memoryBytes(stored.map((byte, i) => (i === at ? byte ^ 1 : byte)));
      await assert.rejects(checkpointWindows(scan, 70_000, other), { code: 'layer/changed-blob' }, `${at}`);
      await assert.rejects(spanDigests(scan, 70_000, other), { code: 'layer/changed-blob' }, `${at}`);
    }
    const short = memoryBytes(stored.subarray(0, -1));
    await assert.rejects(checkpointWindows(scan, 70_000, short), { code: 'layer/changed-blob' });
  });

  it('keeps a bounded number of windows, and makes the others again', async () => {
    const members = Array.from({ length: 2500 }, (_, i) =>
      gzipSync(Buffer.alloc(512, i === 0 ? 0 : 1 + (i % 200))),
    );
    const layer = Buffer.concat([gzipSync(ZEROS), ...members]);
    const scan = await scanLayer(memoryBytes(layer), 'gzip', { spanSize: 100 });
    const wanted = checkpoints(scan, 100).in.length;
    assert.ok(wanted > 2000);
    assert.ok(scan.kept.boundary.length <= 512 && scan.kept.boundary.length > 250);
    const tar = gunzipSync(layer);
    const windows = await checkpointWindows(scan, 100, memoryBytes(layer));
    windows.forEach((window, i) => {
      const out = checkpoints(scan, 100).out[i] ?? 0;
      if (i % 97 === 0)
        assert.ok(
          Buffer.concat([Buffer.alloc(32768), tar.subarray(0, out)])
            .subarray(-32768)
            .equals(window),
        );
    });
    assert.equal(windows.length, wanted);
  });
});

describe('pako', () => {
  it('refuses a span in which the header of a member does not end', () => {
    // An empty block, a trailer, and a header with a name, extra bytes or a checksum that the span does not hold.
    for (const flags of [8, 16, 4, 2]) {
      const header = [0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 0, ...(flags === 2 ? [1] : [0xff, 0xff])];
      const span = Uint8Array.of(3, 0, ...new Uint8Array(8), ...header);
      assert.throws(() => inflateSpan(span, new Uint8Array(32768), 0, 10), /header .* is cut off/);
    }
  });

  it('refuses a span that is damaged, or shorter than promised', async () => {
    const { blob } = textLayer(100_000);
    const scan = await scanLayer(memoryBytes(blob), 'gzip');
    const { start, end } = spanTable(scan, 1 << 22).compressed(0);
    const window = new Uint8Array(32768);
    const bytes = Uint8Array.from(blob.subarray(start, end));
    assert.throws(() => inflateSpan(bytes.subarray(0, 1000), window, 0, scan.tarSize), {
      code: 'layer/bad-span',
    });
    assert.throws(() => inflateSpan(bytes, window, 0, scan.streamSize + 1), { code: 'layer/bad-span' });
    bytes[0] = (bytes[0] ?? 0) | 6;
    assert.throws(() => inflateSpan(bytes, window, 0, scan.tarSize), { code: 'layer/bad-span' });
  });
});

function lastWith(values: Float64Array, limit: number): number {
  let found = 0;
  values.forEach((value, i) => {
    if (value <= limit) found = i;
  });
  return found;
}
