import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stability, uniteRuns } from '../../../src/trace/runs';
import type { Touch, TraceMapping } from '../../../src/trace/types';
import { Random } from '../../support/random';
import { fakeEntries } from '../../support/scans';

const touch = (entry: number, start: number, end: number, at = 0, kind: Touch['kind'] = 'read'): Touch => ({
  layer: 0,
  entry,
  start,
  end,
  at,
  pid: 1,
  kind,
  executable: false,
});
const run = (touches: Touch[], readyAt?: number): TraceMapping => ({
  touches,
  files: new Set(touches.map(({ entry }) => entry)).size,
  coverage: { mapped: 1, excluded: 0, unmapped: [] },
  processes: [],
  readyAt,
});
const brief = ({ touches }: TraceMapping) =>
  touches.map(({ entry, start, end, at }) => [entry, start, end, at]);

test('union, two of three, and what all have', () => {
  const runs = [
    run([touch(1, 0, 100, 5), touch(2, 0, 10, 9)], 300),
    run([touch(1, 50, 150, 4), touch(3, 0, 0, 7, 'open')], 100),
    run([touch(1, 90, 95, 6), touch(3, 0, 0, 2, 'open')], 200),
  ];
  const union = uniteRuns(runs);
  assert.deepEqual(brief(union.mapping), [
    [3, 0, 0, 2],
    [1, 0, 150, 4],
    [2, 0, 10, 9],
  ]);
  assert.equal(union.mapping.readyAt, 200);
  assert.deepEqual(
    union.files.map(({ entry, runs: count }) => [entry, count]),
    [
      [1, 3],
      [2, 1],
      [3, 2],
    ],
  );
  assert.deepEqual([union.stableBytes, union.anyBytes], [5, 160]);
  const two = uniteRuns(runs, 2);
  assert.deepEqual(brief(two.mapping), [
    [3, 0, 0, 2],
    [1, 50, 100, 4],
  ]);
  assert.equal(two.mapping.files, 2);
  assert.deepEqual(brief(uniteRuns(runs, 3).mapping), [[1, 90, 95, 4]]);
});

test('in how many runs files and spans were touched', () => {
  // Data at 512, 2048 and 3584 of the tar.
  const layers = [fakeEntries(['a', 'b', 'c'].map((name) => ({ name, size: 1000 })))];
  const runs = [
    run([touch(0, 0, 100), touch(1, 0, 600)]),
    run([touch(0, 0, 0, 0, 'open'), touch(1, 0, 10)]),
    run([touch(0, 90, 95), touch(2, 0, 10)]),
  ];
  // Spans of 512 bytes: 1 by two runs, 4 by two, 5 by one, 7 by one.
  assert.deepEqual(stability(runs, layers, 512), { files: [1, 1, 1], spans: [2, 2, 0] });
});

test('one run is itself; none, or more than there are, is a mistake', () => {
  const one = run([touch(1, 0, 5, 1), touch(1, 9, 12, 2)]);
  assert.deepEqual(uniteRuns([one]).mapping.touches, one.touches);
  assert.throws(() => uniteRuns([]), RangeError);
  assert.throws(() => uniteRuns([one], 2), RangeError);
});

test('byte by byte as counted', () => {
  const random = new Random(5);
  for (let round = 0; round < 200; round++) {
    const runs = random.list(1, 4, () =>
      run(
        random.list(0, 5, () => {
          const start = random.int(0, 30);
          return touch(random.int(0, 1), start, start + random.int(1, 10), random.int(0, 9));
        }),
      ),
    );
    const least = random.int(1, runs.length);
    const covers = (mapping: TraceMapping, entry: number, byte: number) =>
      mapping.touches.some((one) => one.entry === entry && one.start <= byte && byte < one.end);
    const united = uniteRuns(runs, least).mapping;
    for (const entry of [0, 1]) {
      for (let byte = 0; byte < 45; byte++) {
        const wanted = runs.filter((one) => covers(one, entry, byte)).length >= least;
        assert.equal(covers(united, entry, byte), wanted, `${round}: ${entry} ${byte}`);
      }
    }
  }
});
