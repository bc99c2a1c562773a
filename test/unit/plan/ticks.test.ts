/** The figures of an axis. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ticks } from '../../../src/plan/ticks';
import { seeded } from '../../support/scans';

test('figures stand at round places', () => {
  assert.deepEqual(ticks(0, 1330, 8), [0, 200, 400, 600, 800, 1000, 1200]);
  assert.deepEqual(ticks(0, 171e6, 9), [0, 2e7, 4e7, 6e7, 8e7, 1e8, 1.2e8, 1.4e8, 1.6e8]);
  assert.deepEqual(ticks(1_234_567, 1_234_999, 4), [1_234_600, 1_234_800]);
  assert.deepEqual(ticks(0, 1000, 10), [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]);
});

test('they lie on the axis, at equal distances, not too many and not too few', () => {
  const random = seeded(11);
  for (let round = 0; round < 500; round++) {
    const start = Math.floor(random() * 10 ** Math.floor(random() * 12));
    const end = start + 64 + Math.floor(random() * 10 ** Math.floor(random() * 12));
    const most = 2 + Math.floor(random() * 12);
    const found = ticks(start, end, most);
    const [first = NaN, second = NaN] = found;
    assert.ok(
      found.length <= most + 1 && found.length >= Math.floor(most / 2.5) - 1,
      `${found.length} of ${most}`,
    );
    assert.ok(found.every((at) => start <= at && at <= end));
    for (let at = 1; at < found.length; at++)
      assert.equal(found[at]! - found[at - 1]!, second - first, `${start} to ${end}`);
  }
});

test('an axis without length has at most its one place', () => {
  assert.ok(ticks(0, 0, 5).length <= 1);
  assert.ok(ticks(7, 7, 0).length <= 1);
});
