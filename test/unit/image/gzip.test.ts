import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { gzip } from '../../../src/image/gzip';
import { Random } from '../../support/random';

const PIECE = 1 << 20;

async function* inChunks(data: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) {
    await Promise.resolve();
    yield data.subarray(at, at + size);
  }
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Half of it repeats, over the borders of the pieces as well. */
function sample(length: number): Uint8Array {
  const random = new Random(length + 1);
  const text = Buffer.from(random.bytes(5000));
  const data = Buffer.alloc(length);
  for (let at = 0; at < length;) {
    const part = random.next() < 0.5 ? text.subarray(random.int(0, 4000)) : Buffer.from(random.bytes(64));
    at += part.copy(data, at);
  }
  return data;
}

for (const length of [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 12_345]) {
  test(`${length} bytes: one member, the same however they come, and they come back`, async () => {
    const data = sample(length);
    const packed = await collect(gzip(inChunks(data, 65_536)));
    assert.deepEqual([...packed.subarray(0, 10)], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    assert.ok(zlib.gunzipSync(packed).equals(data));
    assert.ok(packed.equals(await collect(gzip(inChunks(data, 777)))));
    // One raw stream between header and trailer, so there is no second member.
    assert.equal(zlib.inflateRawSync(packed.subarray(10, -8)).length, length);
  });
}

test('pieces share their window: a repetition over the border costs next to nothing', async () => {
  const random = Buffer.from(new Random(3).bytes(30_000));
  const data = Buffer.concat([Buffer.alloc(PIECE - random.length), random, random]);
  const alone = await collect(gzip(inChunks(data.subarray(0, PIECE), 65_536)));
  const both = await collect(gzip(inChunks(data, 65_536)));
  assert.ok(both.length - alone.length < 1000, `${both.length} after ${alone.length}`);
});

test('levels', async () => {
  const data = sample(PIECE);
  const [fast, best] = await Promise.all([1, 9].map((level) => collect(gzip(inChunks(data, 65_536), level))));
  assert.ok(fast && best && fast.length > best.length);
});

test('a source that fails fails the whole', async () => {
  const broken = async function* () {
    yield sample(3 * PIECE);
    await Promise.resolve();
    throw new RangeError('no more');
  };
  await assert.rejects(collect(gzip(broken())), /no more/);
});
