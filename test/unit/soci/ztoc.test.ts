import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { LensError } from '../../../src/errors';
import { type Bytes, memoryBytes } from '../../../src/layer/bytes';
import { EntryTable, EntryWriter } from '../../../src/layer/entries';
import { scanLayer } from '../../../src/layer/scan';
import type { LayerScan, Slice } from '../../../src/layer/types';
import { sha256 } from '../../../src/oci/digest';
import { layerType } from '../../../src/oci/layer-type';
import { buildZtoc, parseZtoc, ztocSize, ztocSizer } from '../../../src/soci/ztoc';
import { fixture } from '../../support/paths';
import { Random } from '../../support/random';
import { scanOf as scanOfParts } from '../../support/scans';

interface GoldenZtoc {
  layer: string;
  mediaType: string;
  spanSize: number;
  ztoc?: { digest: string; size: number };
  error?: string;
}

/** A file of `decoded/`. */
interface Decoded {
  spanSize: number;
  compressedSize: number;
  uncompressedSize: number;
  buildTool: string;
  files: { name: string | { hex: string }; type: string; offset: number; size: number }[];
  checkpoints?: { in: number; out: number; bits: number; windowSha256: string }[];
  spanDigests: string[];
}

const golden = JSON.parse(readFileSync(fixture('golden/ztocs.json'), 'utf8')) as GoldenZtoc[];
const blobs = new Map<string, Bytes>();
const scans = new Map<string, Promise<LayerScan>>();

function blobOf(layer: string): Bytes {
  const blob = blobs.get(layer) ?? memoryBytes(readFileSync(fixture('golden/layers', layer)));
  blobs.set(layer, blob);
  return blob;
}

/** One scan serves every span size of a layer. */
function scanOf({ layer, mediaType }: GoldenZtoc): Promise<LayerScan> {
  const { compression } = layerType(mediaType);
  assert.ok(compression, mediaType);
  const scan = scans.get(`${layer} ${mediaType}`) ?? scanLayer(blobOf(layer), compression);
  scans.set(`${layer} ${mediaType}`, scan);
  return scan;
}

describe('the ztocs of the soci CLI', () => {
  const good = golden.filter(({ ztoc }) => ztoc);
  test('there are enough of them', () => {
    assert.equal(good.length, 133);
  });
  for (const row of good) {
    test(`${row.layer} at ${row.spanSize}`, { timeout: 900_000 }, async () => {
      const scan = await scanOf(row);
      const bytes = await buildZtoc({ scan, spanSize: row.spanSize, blob: blobOf(row.layer) });
      assert.deepEqual({ digest: sha256(bytes), size: bytes.length }, row.ztoc);
      assert.equal(ztocSize(scan, row.spanSize), bytes.length);
    });
  }
});

describe('layers that the soci CLI refuses', () => {
  for (const row of golden.filter(({ error, mediaType }) => error && !mediaType.endsWith('zstd'))) {
    test(`${row.layer} at ${row.spanSize}`, { timeout: 900_000 }, async () => {
      await assert.rejects(
        scanOf(row),
        (error) => error instanceof LensError && error.code.startsWith('layer/') && error.advice !== '',
      );
    });
  }

  test('zstd is not an error, only not for us', () => {
    assert.deepEqual(layerType('application/vnd.oci.image.layer.v1.tar+zstd'), { unsupported: 'zstd' });
  });
});

describe('reading a ztoc', () => {
  const layers = golden.filter(
    ({ ztoc, layer }, at) => ztoc && golden.findIndex((row) => row.layer === layer) === at,
  );
  for (const row of layers) {
    test(`${row.layer} says what the golden data say`, { timeout: 900_000 }, async () => {
      const expected = JSON.parse(
        readFileSync(fixture('golden/decoded', `${row.layer}.json`), 'utf8'),
      ) as Decoded;
      // The golden decoder read the span size of a plain tar from the wrong place; its digests are those of this row.
      const spanSize = expected.checkpoints ? expected.spanSize : row.spanSize;
      const scan = await scanOf(row);
      const ztoc = parseZtoc(await buildZtoc({ scan, spanSize, blob: blobOf(row.layer) }));
      assert.equal(ztoc.buildTool, expected.buildTool);
      assert.equal(ztoc.compressedSize, expected.compressedSize);
      assert.equal(ztoc.uncompressedSize, expected.uncompressedSize);
      assert.deepEqual(ztoc.spanDigests, expected.spanDigests);
      assert.deepEqual(
        ztoc.files.map(({ name, type, offset, size }) => ({
          name: Buffer.from(name).toString('hex'),
          type,
          offset,
          size,
        })),
        expected.files.map(({ name, type, offset, size }) => ({
          name: typeof name === 'string' ? Buffer.from(name).toString('hex') : name.hex,
          type,
          offset,
          size,
        })),
      );
      const { zinfo } = ztoc;
      assert.equal(zinfo.spanSize, spanSize);
      if (zinfo.kind === 'tar') return;
      const checkpoints = Array.from(zinfo.in, (start, index) => ({
        in: start,
        out: zinfo.out[index],
        bits: zinfo.bits[index],
        windowSha256: createHash('sha256').update(zinfo.window(index)).digest('hex'),
      }));
      assert.deepEqual(checkpoints, expected.checkpoints);
    });
  }

  test('every field of a file comes back as it was in the tar', async () => {
    for (const row of layers) {
      const scan = await scanOf(row);
      const ztoc = parseZtoc(await buildZtoc({ scan, spanSize: row.spanSize, blob: blobOf(row.layer) }));
      for (let index = 0; index < scan.entries.length; index++) {
        const entry = scan.entries.get(index);
        assert.deepEqual(
          { ...ztoc.files[index], headerOffset: entry.headerOffset },
          { ...entry, uid: entry.uid >>> 0, gid: entry.gid >>> 0 },
          `${row.layer} entry ${index}`,
        );
      }
    }
  });

  test('a ztoc with any byte wrong is read or refused, but nothing else happens', async () => {
    const row = layers.find(({ layer }) => layer === 'tar-xattrs.tar.gz');
    assert.ok(row);
    const bytes = await buildZtoc({ scan: await scanOf(row), spanSize: 4 << 20, blob: blobOf(row.layer) });
    let refused = 0;
    for (let seed = 0; seed < 3000; seed++) {
      const random = new Random(seed);
      const changed = bytes.slice(0, random.int(0, 9) === 0 ? random.int(0, bytes.length) : bytes.length);
      // Most of a ztoc is the window; what leads there is at both of its ends.
      for (let changes = random.int(1, 4); changes > 0; changes--) {
        const near = random.int(0, Math.min(900, changed.length));
        changed[random.int(0, 1) ? near : changed.length - near] = random.pick([
          0,
          1,
          0x7f,
          0x80,
          0xff,
          random.int(0, 255),
        ]);
      }
      try {
        parseZtoc(changed);
      } catch (error) {
        assert.ok(
          error instanceof LensError && error.code === 'soci/bad-ztoc',
          `seed ${seed}: ${String(error)}`,
        );
        refused++;
      }
    }
    assert.ok(refused > 100);
  });
});

describe('span sizes', () => {
  test('the size of a ztoc is known without making it, for any span size', async () => {
    for (const layer of [
      'mixed-gzip6.tar.gz',
      'mixed.tar',
      'tar-pax.tar.gz',
      'members-3.tar.gz',
      'tar-nothing.tar.gz',
    ]) {
      const row = golden.find((other) => other.layer === layer);
      assert.ok(row);
      const scan = await scanOf(row);
      const sizeAt = ztocSizer(scan);
      for (const spanSize of [1, 1000, 32768, 65536, 100_001, 1 << 20, 1 << 30]) {
        const bytes = await buildZtoc({ scan, spanSize, blob: blobOf(layer) });
        assert.equal(sizeAt(spanSize), bytes.length, `${layer} at ${spanSize}`);
      }
    }
  });

  test('it is known whatever the texts and the numbers of its files are', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = new Random(seed);
      const length = (): number => random.pick([0, 0, 1, 3, 4, 7, 8, 9, 31, 300]);
      const text = (): Slice => ({ bytes: new Uint8Array(300).fill(97), from: 0, to: length() });
      const number = (): number => random.pick([0, 0, 1, 255, 2 ** 31, 2 ** 32]);
      const writer = new EntryWriter();
      for (let file = 0; file < 60; file++) {
        writer.add({
          type: random.pick(['reg', 'hardlink', 'symlink', 'char', 'block', 'dir', 'fifo']),
          ...{ headerOffset: 0, offset: number(), size: number(), prefix: text(), name: text() },
          ...{ linkname: text(), uname: text(), gname: text(), uid: number(), gid: number() },
          ...{ mode: random.pick([0, 0o644, -1n]), seconds: number(), nanoseconds: random.pick([0, 5]) },
          ...{ devMajor: random.pick([0, 8, -1n]), devMinor: number() },
          pax: random.int(0, 9) === 0 ? new Map([['key', new Uint8Array(length())]]) : undefined,
        });
      }
      const size = 10_000;
      const blob = new Uint8Array(size);
      const scan = scanOfParts({
        ...{ digest: sha256(blob), compression: 'tar', compressedSize: size, tarSize: size, boundaries: [] },
        entries: new EntryTable(writer.finish()),
      });
      const bytes = await buildZtoc({ scan, spanSize: 3000, blob: memoryBytes(blob) });
      assert.equal(ztocSize(scan, 3000), bytes.length, `seed ${seed}`);
    }
  });

  test('one that is impossible is refused in a sentence', async () => {
    const refused = (error: unknown) => error instanceof LensError && error.code === 'soci/bad-span-size';
    const [gzip, tar] = ['mixed-gzip6.tar.gz', 'mixed.tar'].map((name) =>
      golden.find(({ layer }) => layer === name),
    );
    assert.ok(gzip && tar);
    for (const spanSize of [-1, 1.5, NaN, 2 ** 60]) {
      await assert.rejects(
        buildZtoc({ scan: await scanOf(gzip), spanSize, blob: blobOf(gzip.layer) }),
        refused,
      );
    }
    await assert.rejects(
      buildZtoc({ scan: await scanOf(tar), spanSize: 0, blob: blobOf(tar.layer) }),
      refused,
    );
    await buildZtoc({ scan: await scanOf(gzip), spanSize: 0, blob: blobOf(gzip.layer) });
  });
});

test('a ztoc that its format has no room for is refused before its windows are made', async () => {
  const scan = await scanLayer(memoryBytes(gzipSync(new Uint8Array(1024))), 'gzip');
  const length = 66_000;
  const positions = Float64Array.from({ length }, (_, index) => index + 1);
  const boundaries = { length, in: positions, out: positions, bits: new Uint8Array(length) };
  // No byte of the blob is there to make a window of.
  const blob = memoryBytes(new Uint8Array());
  await assert.rejects(
    buildZtoc({ scan: { ...scan, boundaries }, spanSize: 0, blob }),
    (error) => error instanceof LensError && error.code === 'soci/ztoc-too-large',
  );
});
