import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Filling } from '../../../src/soci/flat-writer';
import {
  gzipZinfo,
  gzipZinfoSize,
  parseGzipZinfo,
  parseTarZinfo,
  tarZinfo,
  WINDOW_SIZE,
} from '../../../src/soci/zinfo';
import { lensError } from '../../support/errors';
import { Random } from '../../support/random';

function bytesOf(filling: Filling): Uint8Array {
  const bytes = new Uint8Array(filling.length);
  filling.fill(bytes);
  return bytes;
}

function randomCheckpoints(random: Random, length: number) {
  return {
    in: Float64Array.from({ length }, () => random.pick([10, 2 ** 40, random.int(0, 1e9)])),
    out: Float64Array.from({ length }, () => random.pick([0, 2 ** 41, random.int(0, 1e9)])),
    bits: Uint8Array.from({ length }, () => random.int(0, 7)),
  };
}

test('parse(encode(x)) = x', () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = new Random(seed);
    const length = random.int(1, 4);
    const checkpoints = randomCheckpoints(random, length);
    const windows = Array.from({ length }, () => random.bytes(WINDOW_SIZE));
    const spanSize = random.int(0, 2 ** 40);
    const bytes = bytesOf(gzipZinfo(spanSize, checkpoints, windows));
    assert.equal(bytes.length, gzipZinfoSize(length));
    const read = parseGzipZinfo(bytes);
    assert.deepEqual(
      { spanSize: read.spanSize, in: read.in, out: read.out, bits: read.bits },
      { spanSize, ...checkpoints },
    );
    windows.forEach((window, index) => {
      assert.deepEqual(read.window(index), window);
    });
    const size = random.int(0, 2 ** 45);
    assert.deepEqual(parseTarZinfo(bytesOf(tarZinfo(spanSize + 1, size))), {
      kind: 'tar',
      spanSize: spanSize + 1,
      size,
    });
  }
});

test('the older version leaves the first checkpoint out and means byte 10', () => {
  const random = new Random(7);
  const checkpoints = {
    in: Float64Array.of(10, 500),
    out: Float64Array.of(0, 70_000),
    bits: Uint8Array.of(0, 3),
  };
  const windows = [new Uint8Array(WINDOW_SIZE), random.bytes(WINDOW_SIZE)];
  const bytes = bytesOf(gzipZinfo(65536, checkpoints, windows));
  const old = Buffer.concat([bytes.subarray(0, gzipZinfoSize(0)), bytes.subarray(gzipZinfoSize(1))]);
  const read = parseGzipZinfo(old);
  assert.deepEqual([read.in, read.out, read.bits], [checkpoints.in, checkpoints.out, checkpoints.bits]);
  assert.deepEqual(read.window(0), windows[0]);
  assert.deepEqual(new Uint8Array(read.window(1)), windows[1]);
});

test('any other length is refused', () => {
  const checkpoints = { in: Float64Array.of(10), out: Float64Array.of(0), bits: Uint8Array.of(0) };
  const bytes = bytesOf(gzipZinfo(65536, checkpoints, [new Uint8Array(WINDOW_SIZE)]));
  for (const wrong of [
    bytes.subarray(0, 5),
    bytes.subarray(0, bytes.length - 1),
    Buffer.concat([bytes, Buffer.of(0)]),
  ]) {
    assert.throws(() => parseGzipZinfo(wrong), lensError('soci/bad-ztoc'));
  }
  const negative = bytes.slice();
  negative.fill(0xff, 12, 20);
  assert.throws(() => parseGzipZinfo(negative), lensError('soci/bad-ztoc', /offset in it is -1/));
  assert.throws(() => parseTarZinfo(bytesOf(tarZinfo(0, 10))), lensError('soci/bad-ztoc', /span size is 0/));
});
