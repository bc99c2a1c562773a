import { LensError } from '../../../src/errors';
import { fileBytes, memoryBytes, readAll, readRange, type Bytes } from '../../../src/layer/bytes';
import { packScan } from '../../../src/layer/packed';
import { GzipPass } from '../../../src/layer/gzip-pass';
import { InlineDigester, type Cut } from '../../../src/layer/digests';
import wasm from '../../../src/layer/inflate/inflate.wasm';
import { crc32ByEngine } from '../../../src/layer/inflate/crc32';
import { Inflater } from '../../../src/layer/inflate/inflater';
import { scanLayer } from '../../../src/layer/scan';
import { spanDigests } from '../../../src/layer/spans';
import { chunked } from '../../support/layer-fuzz';
import { fixture } from '../../support/paths';
import { Random } from '../../support/random';
import { header, padded } from '../../support/tars';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { crc32, gzipSync } from 'node:zlib';

const golden = (name: string): string => fixture('golden', 'layers', name);
const END = Buffer.alloc(1024);
const file = (name: string, data = new Uint8Array()): Buffer =>
  Buffer.concat([header({ name, size: data.length }), padded(data)]);

const scanTar = (...parts: Uint8Array[]): ReturnType<typeof scanLayer> =>
  scanLayer(memoryBytes(gzipSync(Buffer.concat(parts))), 'gzip');

describe('a scan', () => {
  it('does not depend on how the bytes arrive', async () => {
    for (const name of [
      'mixed-docker.tar.gz',
      'members-3.tar.gz',
      'tar-sparse10.tar.gz',
      'header-all-fields.tar.gz',
    ]) {
      const data = Buffer.from(await readAll(await fileBytes(golden(name)), 1 << 24));
      const whole = packScan(await scanLayer(memoryBytes(data), 'gzip', { spanSize: 30_000, diffId: true }));
      for (let seed = 1; seed <= 5; seed++) {
        const cut = await scanLayer(chunked(new Random(seed), data), 'gzip', {
          spanSize: 30_000,
          diffId: true,
        });
        assert.deepEqual(packScan(cut), whole);
      }
    }
  });

  it('leaves a chunk alone once it is decoded, however long a header lies across it', async () => {
    // RFC 1952 §2.3.1: all optional fields, as long as they may be.
    const tar = Buffer.concat([file('a', Buffer.from(new Random(1).bytes(100_000))), END]);
    const fields = Buffer.from([0x1f, 0x8b, 8, 4 + 8 + 16 + 2, 0, 0, 0, 0, 0, 255, 0xff, 0xff]);
    const text = Buffer.concat([Buffer.alloc(511, 'n'), Buffer.alloc(1)]);
    const start = Buffer.concat([fields, Buffer.alloc(65535, 'x'), text, text]);
    const check = Buffer.alloc(2);
    check.writeUInt16LE(crc32(start) & 0xffff);
    const data = new Uint8Array(Buffer.concat([start, check, gzipSync(tar).subarray(10)]));
    const options = { spanSize: 30_000, diffId: true };
    const whole = packScan(await scanLayer(memoryBytes(data), 'gzip', options));
    for (let seed = 1; seed <= 20; seed++) {
      const cut = await scanLayer(chunked(new Random(seed), data), 'gzip', options, (memory, wanted) => {
        class Overwriting extends InlineDigester {
          override add(chunk: Uint8Array, cuts: readonly Cut[]): void {
            super.add(chunk.slice(), cuts);
            chunk.fill(0xff);
            if (chunk.buffer === memory.buffer) memory.chunks.give(chunk.byteOffset);
          }
        }
        return new Overwriting(memory, wanted);
      });
      assert.deepEqual(packScan(cut), whole, `seed ${seed}`);
    }
  });

  it('reads a file into the same few buffers over and over', async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'soci-lens-scan-'));
    try {
      const tar = Buffer.concat([file('a', Buffer.from(new Random(3).bytes(6_300_000))), END]);
      await writeFile(path.join(dir, 'layer.tar'), tar);
      const blob = await fileBytes(path.join(dir, 'layer.tar'));
      const buffers = new Set<ArrayBufferLike>();
      const watched: Bytes = {
        ...blob,
        async *read(...args) {
          for await (const chunk of blob.read(...args)) {
            buffers.add(chunk.buffer);
            yield chunk;
          }
        },
      };
      const scan = await scanLayer(watched, 'tar', { spanSize: 1_000_000 });
      const sha256 = (bytes: Uint8Array): string =>
        `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      assert.equal(scan.digest, sha256(tar));
      assert.deepEqual(
        await spanDigests(scan, 1_000_000, undefined),
        [0, 1, 2, 3, 4, 5, 6].map((i) => sha256(tar.subarray(i * 1e6, (i + 1) * 1e6))),
      );
      assert.ok(buffers.size <= 3, `${buffers.size} buffers for a file of 7 chunks`);
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it('tells a damaged copy from a broken layer', async () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    for (const name of [
      'vector-B.tar.gz',
      'bad-crc.tar.gz',
      'bad-not-tar.tar.gz',
      'bad-truncated-body.tar.gz',
    ]) {
      const scan = scanLayer(await fileBytes(golden(name)), 'gzip', { expectedDigest: digest });
      await assert.rejects(scan, { code: 'layer/digest-mismatch' }, name);
    }
  });

  it('names the gzip stream rather than the tar when both are broken', async () => {
    const broken = gzipSync(Buffer.alloc(4096, 1));
    broken[broken.length - 1] = 1;
    await assert.rejects(scanLayer(memoryBytes(broken), 'gzip'), { code: 'layer/bad-gzip' });
  });

  it('says at which byte of the blob and of the tar a layer is broken', async () => {
    const tar = Buffer.concat([file('a', new Uint8Array(3000)), Buffer.alloc(512, 1)]);
    await assert.rejects(scanTar(tar), (error: unknown) => {
      assert.ok(error instanceof LensError);
      assert.match(error.message, /at byte 3584 of the tar \(near byte \d+ of the blob\)/);
      return true;
    });
    // In a plain tar the two are the same, however late it is noticed.
    await assert.rejects(
      scanLayer(memoryBytes(Buffer.concat([tar, Buffer.alloc(5000)])), 'tar'),
      /at byte 3584 of the tar \(near byte 3584 of the blob\)/,
    );
    const gz = gzipSync(Buffer.concat([file('a'), END]), { level: 0 });
    const wrong = Buffer.from(gz);
    wrong[13] = 0;
    await assert.rejects(
      scanLayer(memoryBytes(wrong), 'gzip'),
      /at byte 15 of the blob \(byte 0 of its tar\)/,
    );
  });

  it('stops on an abort, with the reason given', async () => {
    const abort = new AbortController();
    const reason = new Error('enough');
    let chunks = 0;
    const endless: Bytes = {
      size: undefined,
      ranged: false,
      async *read() {
        for (;;) {
          if (++chunks === 3) abort.abort(reason);
          yield new Uint8Array(1000);
          await new Promise(setImmediate);
        }
      },
    };
    const scan = scanLayer(endless, 'tar', { signal: abort.signal });
    await assert.rejects(scan, (error: unknown) => error === reason);
    assert.equal(chunks, 3);
  });

  it('warns of what indexes well and does not load', async () => {
    const codes = async (...parts: Uint8Array[]): Promise<unknown[]> =>
      (await scanTar(...parts)).warnings.map(({ code, entry }) => [code, entry]);
    assert.deepEqual(await codes(file('a'), END), []);
    assert.deepEqual(await codes(file('a')), [['short-archive', undefined]]);
    const bigDir = header({ name: 'd/', flag: '5', size: 513 });
    assert.deepEqual(await codes(bigDir, file('a'), END), [['toc-overlap', 1]]);
    const smallDir = header({ name: 'd/', flag: '5', size: 1 });
    assert.match(
      (await scanTar(smallDir, file('a'), END)).warnings[0]?.message ?? '',
      /^Reading "a" fails at run time/,
    );
    const link = (linkname: string): Buffer => header({ name: 'l', flag: '1', linkname });
    assert.deepEqual(await codes(link('a'), file('a'), END), [['hardlink-not-earlier', 0]]);
    assert.deepEqual(await codes(file('./d//a'), link('/d/x/../a'), END), []);
    assert.deepEqual(await codes(file('a\xff'), link('../a\xff'), END), []);
    assert.deepEqual(await codes(file('a\xff'), link('a\xfe'), END), [['hardlink-not-earlier', 1]]);
    assert.deepEqual(await codes(file('a/..'), link('/'), link('a'), END), [['hardlink-not-earlier', 2]]);
    const gz = gzipSync(Buffer.concat([file('a'), END]));
    const many = await scanLayer(memoryBytes(Buffer.concat([gzipSync(''), gz])), 'gzip');
    assert.deepEqual(
      many.warnings.map(({ code }) => code),
      ['non-monotonic', 'multi-member'],
    );
  });

  it('finds the targets of many hard links', async () => {
    const names = Array.from({ length: 3000 }, (_, i) => `./objects/${i % 100}/${i.toString(36)}`);
    const forward = names.flatMap((linkname, i) => [
      header({ name: `l${i}`, flag: '1', linkname: linkname.slice(1) }),
      header({ name: linkname }),
    ]);
    const [warning, ...others] = (await scanTar(...forward, END)).warnings;
    assert.deepEqual(others, []);
    assert.match(warning?.message ?? '', /the hard link "l0" and 2999 more/);
    const { warnings } = await scanTar(...forward.toReversed(), END);
    assert.deepEqual(warnings, []);
  });

  it('refuses a stream of more pieces than an index could describe', async () => {
    const empty = Buffer.from([0, 0, 0, 0xff, 0xff]);
    const stream = Buffer.concat([
      Buffer.from('1f8b08000000000000ff', 'hex'),
      ...new Array<Buffer>(70_000).fill(empty),
    ]);
    await assert.rejects(scanLayer(memoryBytes(stream), 'gzip'), { code: 'layer/too-many-blocks' });
  });

  it('counts beyond 4 GiB on both sides, in little memory', { timeout: 900_000 }, () => {
    // Stored blocks of one member: 4.3 GB go in, and nearly as many come out.
    const block = Buffer.concat([Buffer.from('00ffff0000', 'hex'), Buffer.alloc(65_535, 7)]);
    const blocks = 65_700;
    const perChunk = 3;
    const inflater = new Inflater();
    const digester = new InlineDigester(inflater.shared, { blob: false, spans: false, diffId: false });
    const pass = new GzipPass(2 ** 32, inflater, digester, false);
    // The first block makes the tar end at once.
    pass.write(Buffer.from('1f8b08000000000000ff' + '000004fffb', 'hex'));
    pass.write(END);
    const chunk = Buffer.concat(new Array<Buffer>(perChunk).fill(block));
    let crc = crc32(END);
    const body = Buffer.alloc(65_535 * perChunk, 7);
    const before = process.memoryUsage.rss();
    for (let i = 0; i < blocks; i += perChunk) {
      pass.write(chunk);
      crc = crc32(body, crc);
    }
    const trailer = Buffer.from('010000ffff0000000000000000', 'hex');
    const out = 1024 + blocks * 65_535;
    trailer.writeUInt32LE(crc, 5);
    trailer.writeUInt32LE(out % 2 ** 32, 9);
    pass.write(trailer);
    pass.end();
    assert.equal(pass.fault, undefined);
    assert.equal(pass.streamSize, out);
    const boundaries = pass.boundaries();
    const last = boundaries.length - 1;
    assert.equal(boundaries.out[last], out);
    assert.equal(boundaries.in[last], 10 + 5 + 1024 + blocks * 65_540);
    assert.deepEqual(pass.takeCuts().at(-1), { at: 10 + 5 + 1024 + 65_537 * 65_540, shared: false });
    const grown = process.memoryUsage.rss() - before;
    assert.ok(grown < 100e6, `memory grew by ${grown} bytes`);
  });

  it('keeps many entries compactly', async () => {
    const count = 50_000;
    const headers = Array.from({ length: count }, (_, i) =>
      header({ name: `usr/share/doc/package-${i}/copyright`, uname: 'root', gname: 'root' }),
    );
    const scan = await scanTar(...headers, END);
    assert.equal(scan.entries.length, count);
    assert.equal(scan.entries.name(count - 1), `usr/share/doc/package-${count - 1}/copyright`);
    const { headerOffset, offset, size, type, record, records } = packScan(scan).entries;
    const bytes = [headerOffset, offset, size, type, record, records].reduce(
      (sum, column) => sum + column.byteLength,
      0,
    );
    assert.ok(bytes / count < 120, `${bytes / count} bytes for each entry`);
  });
});

describe('the engine', () => {
  it('is its code and its tables, without the memory that it begins with: each bundle holds it', () => {
    assert.ok(wasm.length < 16_384, `${wasm.length} bytes`);
  });
});

describe('the CRC of the engine', () => {
  it('is that of Node', () => {
    const random = new Random(1);
    const data = random.bytes(1_000_000);
    // From 14 400 bytes on it is taken in another way, that has room for 16 KiB at a time.
    const lengths = [10, 4800, 14_399, 14_400, 14_415, 16_384 + 9600, 2 * 16_384 + 4800, 400_000] as const;
    for (let i = 0; i < 400; i++) {
      const from = random.int(0, 100);
      const part = data.subarray(from, from + random.pick(lengths) + random.int(0, 40));
      const before = random.int(0, 2 ** 32 - 1);
      assert.equal(crc32ByEngine(part, before), crc32(part, before), `${part.length} bytes`);
    }
  });
});

describe('bytes', () => {
  it('of a file are read in ranges, and a file that became shorter is noticed', async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'soci-lens-bytes-'));
    try {
      const name = path.join(dir, 'blob');
      const data = Buffer.from(new Random(1).bytes(600_000));
      await writeFile(name, data);
      const blob = await fileBytes(name);
      assert.ok(data.equals(await readAll(blob, 600_000)));
      assert.ok(data.subarray(5, 300_000).equals(await readRange(blob, { start: 5, end: 300_000 })));
      await assert.rejects(readAll(blob, 599_999), { code: 'layer/too-large' });
      await truncate(name, 400_000);
      await assert.rejects(readAll(blob, 600_000), { code: 'layer/short-read' });
      await assert.rejects(readRange(memoryBytes(data), { start: 0, end: 600_001 }), {
        code: 'layer/short-read',
      });
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
