import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LensError } from '../../../src/errors';
import { formatBytes, formatCount, formatSeconds, formatShare, formatSize } from '../../../src/plan/format';
import { checkNetwork, parseNetwork, parseNode } from '../../../src/plan/network';

describe('networks', () => {
  test('by name, and by figures', () => {
    assert.deepEqual(parseNetwork('slow'), { rttMs: 20, bytesPerSecond: 20e6 });
    assert.deepEqual(parseNetwork('rtt=5,bw=12.5'), { rttMs: 5, bytesPerSecond: 12.5e6 });
    assert.deepEqual(parseNetwork('bw=1'), { rttMs: 20, bytesPerSecond: 1e6 });
    assert.deepEqual(parseNetwork('rtt=0'), { rttMs: 0, bytesPerSecond: 100e6 });
  });

  for (const text of [
    '',
    'fast',
    'rtt=-1',
    'rtt=NaN',
    'bw=0',
    'bw=Infinity',
    'rtt=1e9',
    'rtt=99999999',
    'bw=5,',
    'rtt',
    'toString',
    'cores=2',
  ]) {
    test(`"${text}" is refused`, () => {
      assert.throws(
        () => parseNetwork(text),
        (error) => error instanceof LensError && error.code === 'plan/bad-network',
      );
    });
  }

  test('figures that no network has are refused wherever they come from', () => {
    for (const network of [
      { rttMs: NaN, bytesPerSecond: 1e6 },
      { rttMs: -1, bytesPerSecond: 1e6 },
      { rttMs: 10, bytesPerSecond: 0 },
      { rttMs: 10, bytesPerSecond: Infinity },
      { rttMs: Infinity, bytesPerSecond: 1e6 },
    ]) {
      assert.throws(
        () => {
          checkNetwork(network);
        },
        { code: 'plan/bad-network' },
      );
    }
  });
});

test('nodes', () => {
  assert.deepEqual(parseNode('cores=8'), { cores: 8, unpackBytesPerSecond: 130e6 });
  assert.deepEqual(parseNode('cores=4,disk=500'), { cores: 4, unpackBytesPerSecond: 500e6 });
  for (const text of ['', 'cores=0', 'disk=0', 'm5.large', 'rtt=5']) {
    assert.throws(() => parseNode(text), { code: 'plan/bad-node' });
  }
});

test('numbers as people read them', () => {
  assert.equal(formatSize(65536), '64 KiB');
  assert.equal(formatSize(4 * 1024 * 1024), '4 MiB');
  assert.equal(formatSize(3_000_000), '2.86 MiB');
  assert.equal(formatBytes(0), '0 B');
  assert.equal(formatBytes(999), '999 B');
  assert.equal(formatBytes(111_793_806), '112 MB');
  assert.equal(formatBytes(1_470_000_000), '1.47 GB');
  assert.equal(formatSeconds(0.123), '0.12 s');
  assert.equal(formatSeconds(5.35), '5.4 s');
  assert.equal(formatSeconds(132.4), '132 s');
  assert.equal(formatCount(37838), '37,838');
  assert.equal(formatShare(0), '0 %');
  assert.equal(formatShare(0.0001), '< 1 %');
  assert.equal(formatShare(0.123), '12 %');
});
