import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isAtLeast, parseRelease } from '../../../src/cluster/releases';

describe('releases of the snapshotter', () => {
  for (const [version, release] of [
    ['0.11.1', '0.11'],
    ['v0.9.0', '0.9'],
    ['0.15', '0.15'],
    ['v0.12.0-3-gabc', '0.12'],
    ['1.7.16', undefined],
    ['0.8.0', undefined],
    ['0.150', undefined],
  ] as const) {
    it(`reads ${version}`, () => {
      assert.equal(parseRelease(version), release);
    });
  }

  it('orders by number, not by letter', () => {
    assert.equal(isAtLeast('0.10', '0.9'), true);
    assert.equal(isAtLeast('0.9', '0.10'), false);
    assert.equal(isAtLeast('0.13', '0.13'), true);
  });
});
