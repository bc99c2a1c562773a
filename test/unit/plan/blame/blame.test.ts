import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createBlame } from '../../../../src/plan/blame/blame';
import type { Costs, FolderCosts } from '../../../../src/plan/blame/types';
import { createPlanner, type PlanInput } from '../../../../src/plan/plan';
import { hostile, service, untraced } from '../../../support/pictures';
import { fakeScan } from '../../../support/scans';

const MIB = 1024 * 1024;
const SETTINGS = { spanSize: 4 * MIB, minLayerSize: 10 * MIB };

function blameOf(input: PlanInput) {
  return createBlame(input, createPlanner(input));
}

/** Rounding takes or adds half a byte for each part. */
function assertAddsUp(parts: readonly Costs[], whole: Costs, what: string): void {
  for (const key of [
    'files',
    'bytes',
    'packedBytes',
    'touchedBytes',
    'fetchedBytes',
    'unusedBytes',
  ] as const) {
    const sum = parts.reduce((all, part) => all + part[key], 0);
    assert.ok(Math.abs(sum - whole[key]) <= parts.length, `${what}: ${key} ${sum}, and ${whole[key]} in all`);
  }
}

function assertTree(folder: FolderCosts): void {
  if (folder.children.length === 0) return;
  assertAddsUp(folder.children, folder, folder.name);
  folder.children.forEach(assertTree);
}

describe('blame', () => {
  const input = service();
  const planner = createPlanner(input);
  const blame = createBlame(input, planner).blame(SETTINGS);
  const plan = planner.plan({ ...SETTINGS, spanSizes: [SETTINGS.spanSize] });

  test('every division adds up to the image', () => {
    assertAddsUp(blame.instructions, blame.total, 'instructions');
    assertTree(blame.folders);
    assert.equal(
      blame.total.packedBytes,
      input.layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0),
    );
    assert.equal(
      blame.total.touchedBytes,
      plan.layers.reduce((sum, layer) => sum + layer.touchedBytes, 0),
    );
  });

  test('what is fetched is what the plan fetches', () => {
    const [row] = plan.rows;
    const outside = plan.layers.reduce((sum, layer) => sum + (layer.indexed ? 0 : layer.size), 0);
    const expected = (row?.spanBytes ?? NaN) + outside;
    // Neighbouring spans may share a byte, which a GET counts twice.
    assert.ok(Math.abs(blame.total.fetchedBytes - expected) <= (row?.touchedSpans ?? 0) + 10);
    assert.ok(blame.total.unusedBytes < blame.total.fetchedBytes);
  });

  test('a smaller span size fetches less that nobody uses', () => {
    const fine = createBlame(input, planner).blame({ ...SETTINGS, spanSize: 256 * 1024 });
    assert.ok(fine.total.unusedBytes < blame.total.unusedBytes / 2);
    assert.ok(fine.total.fetchedBytes - fine.total.unusedBytes > 0);
  });

  test('a folder that is cut off can be asked for by itself', () => {
    const model = createBlame(input, planner);
    const whole = model.folder({ ...SETTINGS, path: '', limit: 5 });
    assert.ok(whole && whole.children.length <= 6);
    const lib = model.folder({ ...SETTINGS, path: 'usr/lib', limit: 50 });
    assert.ok(lib && lib.children.length > 10 && lib.name === 'lib');
    assertTree(lib);
    assert.equal(model.folder({ ...SETTINGS, path: 'no/such', limit: 50 }), undefined);
  });

  test('without a trace nothing is touched, and it says so', () => {
    const { total, notes } = blameOf(untraced()).blame(SETTINGS);
    assert.deepEqual([total.touchedBytes, total.touchedFiles], [0, 0]);
    assert.match(notes.join(), /Without a recorded start/);
  });

  test('a layer without a scan counts as a whole', () => {
    const layers = input.layers.map((layer, index) => (index === 1 ? { ...layer, scan: undefined } : layer));
    const one = blameOf({ ...input, layers }).blame(SETTINGS);
    assert.equal(one.total.packedBytes, blame.total.packedBytes);
    assert.equal(one.instructions[1]?.fetchedBytes, input.layers[1]?.descriptor.size);
    assert.match(one.notes.join(), /1 of 6 layers could not be read/);
  });

  test('what later layers hide is charged to the layer that brought it', () => {
    const scans = [
      fakeScan({
        entries: [
          { name: 'a/x', size: 9000 },
          { name: 'a/y', size: 100 },
        ],
      }),
      fakeScan({ entries: [{ name: 'a/.wh.x' }, { name: 'a/z', size: 7 }] }),
    ];
    const one = blameOf({
      image: input.image,
      layers: scans.map((scan) => ({
        descriptor: { mediaType: '', digest: scan.digest, size: scan.compressedSize },
        scan,
      })),
    }).blame(SETTINGS);
    assert.deepEqual(
      one.instructions.map(({ hiddenBytes }) => hiddenBytes),
      [9000, 0],
    );
    assert.deepEqual(one.hidden, [{ layer: 0, path: 'a/x', bytes: 9000, reason: 'removed' }]);
  });

  test('hostile names', () => {
    const { total, folders } = blameOf(hostile()).blame(SETTINGS);
    assert.ok(Object.values(total).every((value) => Number.isFinite(value) && value >= 0));
    assertTree(folders);
  });
});
