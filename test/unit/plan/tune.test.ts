/** The tuner against what the real snapshotter measured on fx-py (docs/model.md, "The win"). */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Circumstances, Variant } from '../../../src/plan/evaluate';
import { DEFAULT_NODE } from '../../../src/plan/node';
import type { Planner } from '../../../src/plan/plan';
import { orderOf } from '../../../src/plan/order';
import { tune } from '../../../src/plan/tune';
import type { IndexWish } from '../../../src/plan/types';
import { fixture } from '../../support/paths';
import { service } from '../../support/pictures';
import { planTruth, readTruth } from '../../support/truth';
import { createPlanner } from '../../../src/plan/plan';

const MIB = 1024 * 1024;
const SPAN_SIZES = [1, 4, 8, 16].map((mib) => mib * MIB);
const at = (rttMs: number, bytesPerSecond: number, workers = 2): Circumstances => ({
  network: { rttMs, bytesPerSecond },
  node: { ...DEFAULT_NODE, workers },
});
/** 0, 20 and 80 ms, and 20 ms with 20 MB/s: the columns of the measurements. */
const COLUMNS = [at(0, 1e12), at(20, 1e12), at(80, 1e12), at(20, 20e6)];

/** Seconds to ready, measured; null where it was not. */
const MEASURED: Readonly<Record<string, readonly (number | null)[]>> = {
  default: [5.39, 6.84, 11.61, 13.04],
  'lazy 1 MiB': [4.5, 7.3, 16.77, 11.94],
  'exact 4 MiB': [4.18, 5.0, 7.47, 9.37],
  'exact 1 MiB': [3.77, 5.59, 10.34, 8.9],
  'exact, data layer 1 MiB': [null, 5.35, 6.89, 8.52],
  'plain pull': [12.8, 15.7, 15.4, 50.4],
  'parallel pull': [13.63, 12.68, null, 51.7],
};

describe('the win on fx-py', () => {
  const app = readTruth(fixture('truth', 'fx-py'));
  let planner: Planner;
  before(async () => {
    planner = await planTruth(app);
  });

  function forecasts(column: Circumstances): Record<string, number> {
    const { evaluator } = planner;
    const fine = evaluator.uniform(MIB, 10 * MIB);
    const mixed: Variant = {
      ...evaluator.usual,
      prefetch: 'touched',
      spanSizes: evaluator.usual.spanSizes.map((size, layer) =>
        size !== null && app.layers[layer]?.digest.startsWith('sha256:fab7') ? MIB : size,
      ),
    };
    const seconds = (...args: [Variant, ...('docker-pull' | 'parallel-pull')[]]): number =>
      evaluator.forecast(args[0], column, args[1]).totalSeconds;
    return {
      default: seconds(evaluator.usual),
      'lazy 1 MiB': seconds(fine),
      'exact 4 MiB': seconds({ ...evaluator.usual, prefetch: 'touched' }),
      'exact 1 MiB': seconds({ ...fine, prefetch: 'touched' }),
      'exact, data layer 1 MiB': seconds(mixed),
      'plain pull': seconds(evaluator.usual, 'docker-pull'),
      'parallel pull': seconds(evaluator.usual, 'parallel-pull'),
    };
  }

  COLUMNS.forEach((column, index) => {
    const name = `${column.network.rttMs} ms${index === 3 ? ', 20 MB/s' : ''}`;

    test(`${name}: the tuner finds a plan at least as good as an exact list for the default index`, () => {
      const { best, usual } = tune(planner.evaluator, column, { spanSizes: SPAN_SIZES });
      assert.ok(best.forecast.totalSeconds <= (MEASURED['exact 4 MiB']?.[index] ?? 0));
      assert.ok(best.forecast.totalSeconds <= usual.forecast.totalSeconds);
    });

    test(`${name}: ways that were measured more than 15 % apart are ranked as measured`, () => {
      const predicted = forecasts(column);
      for (const [one, mine] of Object.entries(MEASURED)) {
        for (const [other, theirs] of Object.entries(MEASURED)) {
          const [a, b] = [mine[index] ?? null, theirs[index] ?? null];
          if (a === null || b === null || a * 1.15 >= b) continue;
          assert.ok(
            (predicted[one] ?? 0) < (predicted[other] ?? 0),
            `${one} ${predicted[one]} (${a}) before ${other} ${predicted[other]} (${b})`,
          );
        }
      }
    });
  });

  test('eight workers in place of two: 5.4 s at 80 ms', () => {
    const exact: Variant = { ...planner.evaluator.usual, prefetch: 'touched' };
    const { totalSeconds } = planner.evaluator.forecast(exact, at(80, 1e12, 8));
    assert.ok(Math.abs(totalSeconds / 5.41 - 1) < 0.1, String(totalSeconds));
  });

  test('the plan says so, with figures, where it holds and what it rests on', () => {
    const { best } = planner.plan({
      best: {},
      spanSizes: SPAN_SIZES,
      network: { rttMs: 80, bytesPerSecond: 1e9 },
    });
    assert.ok(best);
    assert.ok(best.forecast.totalSeconds <= best.usual.totalSeconds);
    assert.match(best.reason, /ready after \d+\.\d s \(\d+ MB\); the default takes \d+\.\d s/);
    assert.match(best.reason, /From 1 to 100 ms|does not hold everywhere/);
    assert.match(best.evidence, /soci-snapshotter v0\.15/);
    assert.equal(best.table.filter((row) => row.best).length, 1);
    assert.ok(best.table.some((row) => row.indexVersion === 1));
    assert.equal(
      best.prefetch.length,
      best.spanSizes.filter((size, layer) => size !== null && (planner.touches[layer]?.files ?? 0) > 0)
        .length,
    );
  });
});

/** The span sizes of a variant, each once. */
function sizesOf({ spanSizes }: Variant): number[] {
  return [...new Set(spanSizes.filter((size) => size !== null))];
}

describe('tuning', () => {
  const { evaluator } = createPlanner(service());

  test('what is wished for is kept, and only the rest is chosen', () => {
    const circumstances = at(20, 1e8);
    const tuned = (wish: IndexWish): Variant =>
      tune(evaluator, circumstances, { spanSizes: SPAN_SIZES, ...wish }).best.variant;
    assert.deepEqual(sizesOf(tuned({ spanSize: 2 * MIB })), [2 * MIB]);
    const all = tuned({ minLayerSize: 0 }).spanSizes;
    assert.ok(all.every((size) => size !== null));
    assert.ok(tuned({ minLayerSize: 30e6 }).spanSizes.some((size) => size === null));
    assert.equal(tuned({ prefetch: 'always' }).prefetch, 'touched');
    assert.equal(tuned({ prefetch: 'always', prefetchSet: 'stable' }).prefetch, 'stable');
    assert.equal(tuned({ version: 1 }).version, 1);
  });

  test('a list of the first seconds is the whole list’s beginning', () => {
    const listed = (prefetchSeconds?: number): readonly (readonly number[])[] => {
      const question = { spanSizes: SPAN_SIZES, spanSize: MIB, prefetch: 'always', prefetchSeconds } as const;
      return evaluator.prefetched(tune(evaluator, at(20, 1e8), question).best.variant);
    };
    const [whole, half, none] = [listed(), listed(0.5), listed(1e-9)];
    const count = (lists: readonly (readonly number[])[]): number => lists.flat().length;
    assert.ok(count(none) < count(half) && count(half) < count(whole));
    half.forEach((spans, layer) => {
      assert.ok(spans.every((span) => whole[layer]?.includes(span)));
    });
  });

  test('an index by layer says for each layer of the image what the decision says, and the default for others', () => {
    const digests = ['sha256:a', 'sha256:b', 'sha256:a'];
    const order = orderOf(
      {
        spanSizes: [MIB, null, 4 * MIB],
        minLayerSize: 7,
        prefetch: [
          {
            layer: 1,
            digest: 'sha256:b',
            spans: [
              [0, 0],
              [3, 5],
            ],
          },
        ],
      },
      digests,
    );
    const layer = (digest: string) => ({ mediaType: '', digest, size: 1 });
    assert.ok(typeof order.spanSize === 'function');
    assert.deepEqual(
      ['sha256:a', 'sha256:b', 'sha256:c'].map((digest) =>
        typeof order.spanSize === 'function' ? order.spanSize(layer(digest)) : 0,
      ),
      [4 * MIB, null, 4 * MIB],
    );
    assert.deepEqual(order.prefetchSpans(layer('sha256:b')), [
      { start: 0, end: 0 },
      { start: 3, end: 5 },
    ]);
    assert.deepEqual(order.prefetchSpans(layer('sha256:a')), []);
  });

  test('is never worse than the default by its own simulator, whatever the network', () => {
    for (const rttMs of [0, 1, 30, 100, 1000]) {
      for (const bytesPerSecond of [1e4, 1e6, 1e8, 1e12]) {
        const circumstances = at(rttMs, bytesPerSecond);
        for (const wish of [{}, { prefetch: 'never' }, { byLayer: false }] as const) {
          const { best, usual } = tune(evaluator, circumstances, { spanSizes: SPAN_SIZES, ...wish });
          const passedOver = evaluator.forecast({ ...best.variant, prefetch: 'none' }, circumstances);
          assert.ok(best.forecast.totalSeconds <= usual.forecast.totalSeconds);
          assert.ok(passedOver.totalSeconds <= usual.forecast.totalSeconds, 'on nodes without prefetch too');
          if ('prefetch' in wish) assert.equal(best.variant.prefetch, 'none');
          if ('byLayer' in wish) assert.equal(sizesOf(best.variant).length, 1);
        }
      }
    }
  });

  test('the Pareto table holds nothing that another row beats', () => {
    const { pareto } = tune(evaluator, at(20, 1e8), { spanSizes: SPAN_SIZES });
    assert.ok(pareto.length > 1);
    for (const a of pareto) {
      for (const b of pareto) {
        if (a === b) continue;
        assert.ok(
          a.forecast.totalSeconds < b.forecast.totalSeconds ||
            a.forecast.bytes < b.forecast.bytes ||
            a.indexBytes < b.indexBytes ||
            (a.forecast.totalSeconds === b.forecast.totalSeconds &&
              a.forecast.bytes === b.forecast.bytes &&
              a.indexBytes === b.indexBytes),
        );
      }
    }
  });
});
