import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createPlanner, planImage } from '../../../src/plan/plan';
import type { PlanInput } from '../../../src/plan/plan';
import type { Forecast, Plan } from '../../../src/plan/types';
import { DEFAULT_SPAN_SIZE } from '../../../src/soci/layers';
import { empty, manyLayers, service, untraced } from '../../support/pictures';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Every number of a value, with where it stands. */
function numbersOf(value: unknown, where = ''): [string, number][] {
  if (typeof value === 'number') return [[where, value]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) => numbersOf(one, `${where}.${key}`));
}

function assertSound(plan: Plan): void {
  for (const [where, number] of numbersOf(plan))
    assert.ok(Number.isFinite(number) && number >= 0, `${where} is ${number}`);
  assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan, 'survives JSON');
}

describe('the plan of a service', () => {
  const planner = createPlanner(service());
  const plan = planner.plan();

  test('is sound', () => {
    assertSound(plan);
    assert.equal(plan.version, 1);
  });

  test('has one row per span size, ascending, and each fetches what the trace needs', () => {
    assert.deepEqual(
      plan.rows.map((row) => row.spanSize),
      [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384].map((kib) => kib * KIB),
    );
    for (const row of plan.rows) {
      assert.ok(row.touchedSpans > 0 && row.touchedSpans <= row.spans);
      assert.ok(row.serialFetches <= row.touchedSpans);
      assert.equal(
        row.lazy.bytes - row.ztocBytes - row.spanBytes,
        plan.layers.reduce((sum, layer) => sum + (layer.indexed ? 0 : layer.size), 0),
      );
    }
  });

  test('bigger spans are fewer, waste more and need smaller ztocs', () => {
    for (let i = 1; i < plan.rows.length; i++) {
      const [small, big] = [plan.rows[i - 1], plan.rows[i]];
      assert.ok(small && big && big.touchedSpans <= small.touchedSpans && big.ztocBytes < small.ztocBytes);
      assert.ok(big.waste > small.waste);
    }
  });

  test('chooses the row of least time, and of fewest bytes among those within 2 %', () => {
    const shortest = Math.min(...plan.rows.map((row) => row.lazy.totalSeconds));
    const near = plan.rows.filter((row) => row.lazy.totalSeconds <= shortest * 1.02);
    const fewest = near.reduce((a, b) => (b.lazy.bytes < a.lazy.bytes ? b : a));
    assert.equal(plan.choice.spanSize, fewest.spanSize);
    assert.match(plan.choice.reason, /\d+(\.\d+)? s \(\d+ fetches/);
  });

  test('a distant registry wants bigger spans than a near one', () => {
    const at = (rttMs: number): number =>
      planner.plan({ network: { rttMs, bytesPerSecond: 1e9 } }).choice.spanSize;
    assert.ok(at(1) < at(200), `${at(1)} at 1 ms, ${at(200)} at 200 ms`);
  });

  test('a slower network never makes anything ready sooner', () => {
    const totals = (network: { rttMs: number; bytesPerSecond: number }): Forecast[] =>
      planner.plan({ network, spanSizes: [MIB] }).modes.slice();
    const base = totals({ rttMs: 10, bytesPerSecond: 1e8 });
    for (const worse of [
      totals({ rttMs: 50, bytesPerSecond: 1e8 }),
      totals({ rttMs: 10, bytesPerSecond: 1e7 }),
    ]) {
      worse.forEach((mode, index) => {
        assert.ok(mode.totalSeconds > (base[index]?.totalSeconds ?? Infinity), mode.mode);
      });
    }
  });

  test('min-layer-size decides what is indexed; equal is kept', () => {
    const sizes = plan.layers.map((layer) => layer.size);
    const limit = sizes[4] ?? 0;
    const { layers } = planner.plan({ minLayerSize: limit });
    assert.deepEqual(
      layers.map((layer) => layer.indexed),
      sizes.map((size) => size >= limit),
    );
    assert.match(layers[3]?.notIndexed ?? '', /smaller than/);
    assert.ok(planner.plan({ minLayerSize: 0 }).layers.every((layer) => layer.indexed));
  });

  test('the prefetch list is that of the chosen span size', () => {
    const row = plan.rows.find((one) => one.spanSize === plan.choice.spanSize);
    const listed = plan.prefetch
      .flatMap(({ spans }) => spans)
      .reduce((sum, [from, to]) => sum + to - from + 1, 0);
    assert.equal(listed, row?.touchedSpans);
  });

  test('extreme but possible networks give finite forecasts', () => {
    for (const network of [
      { rttMs: 0, bytesPerSecond: 1e12 },
      { rttMs: 60_000, bytesPerSecond: 1e4 },
    ]) {
      assertSound(planner.plan({ network }));
    }
  });
});

describe('less than everything', () => {
  test('no trace: sizes only, the default stands and says why', () => {
    const plan = planImage(untraced());
    assertSound(plan);
    assert.equal(plan.trace, null);
    assert.equal(plan.choice.spanSize, DEFAULT_SPAN_SIZE);
    assert.match(plan.choice.reason, /No start was recorded/);
    assert.deepEqual(
      plan.modes.map((mode) => mode.mode),
      ['docker-pull', 'parallel-pull'],
    );
    assert.deepEqual(plan.prefetch, []);
  });

  test('no layer', () => {
    const plan = planImage(empty());
    assertSound(plan);
    assert.deepEqual(plan.layers, []);
  });

  test('127 layers', () => {
    const plan = planImage(manyLayers());
    assertSound(plan);
    assert.equal(plan.layers.length, 127);
  });

  test('nothing large enough to index', () => {
    const plan = planImage({ ...service(), minLayerSize: 2 ** 40 });
    assertSound(plan);
    assert.ok(plan.rows.every((row) => row.spans === 0 && row.ztocBytes === 0));
    assert.ok(plan.notes.some((note) => note.includes('No layer is indexed')));
  });

  test('what a scan warns of in a layer of the index is a note, and of no other layer', () => {
    const input = service();
    const warning = { code: 'multi-member', message: 'It has members.' } as const;
    const layers = input.layers.map((layer) => ({
      ...layer,
      scan: layer.scan && { ...layer.scan, warnings: [warning] },
    }));
    const plan = planImage({ ...input, layers });
    const indexed = plan.layers.filter((layer) => layer.indexed);
    assert.ok(indexed.length > 0 && indexed.length < plan.layers.length);
    assert.deepEqual(
      plan.notes.filter((note) => note.includes('members')),
      indexed.map(({ index }) => `About layer ${index}: It has members.`),
    );
  });

  test('a layer whose scan failed counts as pulled whole, and the plan says so', () => {
    const input = service();
    const layers = input.layers.map((layer, index) =>
      index === 1 ? { ...layer, scan: undefined, problem: 'Its gzip is damaged.' } : layer,
    );
    const plan = planImage({ ...input, layers });
    assertSound(plan);
    assert.equal(plan.layers[1]?.notIndexed, 'Its gzip is damaged.');
    assert.equal(plan.layers[1].uncompressedSize, null);
    assert.ok(plan.notes.some((note) => note.startsWith('1 of 6 layers')));
    assert.ok(plan.prefetch.every(({ layer }) => layer !== 1));
  });

  test('a trace of another image is refused', () => {
    const input = service();
    assert.ok(input.mapping);
    const unmapped = Array.from({ length: 500 }, (_, i) => ({
      path: `/other/${i}`,
      reason: 'not-in-image' as const,
    }));
    const foreign: PlanInput = {
      ...input,
      mapping: { ...input.mapping, coverage: { mapped: 20, excluded: 0, unmapped } },
    };
    assert.throws(() => planImage(foreign), { code: 'plan/foreign-trace' });
  });

  test('bad span sizes are refused', () => {
    for (const spanSizes of [[], [0], [-1], [1.5], [NaN]]) {
      assert.throws(() => planImage({ ...service(), spanSizes }), { code: 'plan/bad-span-size' });
    }
  });

  test('absurd networks are refused', () => {
    assert.throws(() => planImage({ ...service(), network: { rttMs: 20, bytesPerSecond: 0 } }), {
      code: 'plan/bad-network',
    });
  });
});
