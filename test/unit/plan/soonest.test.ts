import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Soonest } from '../../../src/plan/soonest';
import { seeded } from '../../support/scans';

test('turns come in the order of their time, equal ones in the order of their numbers, until nobody has one', () => {
  const random = seeded(7);
  for (const count of [0, 1, 2, 3, 17, 200]) {
    // Few different times: many are equal.
    const times = Float64Array.from({ length: count }, () => Math.floor(random() * 8));
    const plain = times.slice();
    const turns = new Soonest(times);
    for (let left = 5 * count; ; left--) {
      const soonest = Math.min(Infinity, ...plain);
      if (soonest === Infinity) break;
      const first = plain.indexOf(soonest);
      assert.deepEqual([turns.first, turns.time], [first, soonest]);
      plain[first] = left > 0 ? soonest + Math.floor(random() * 4) : Infinity;
      turns.delay(plain[first] ?? Infinity);
    }
    assert.equal(turns.first, -1);
  }
});
