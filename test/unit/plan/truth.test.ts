import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Planner } from '../../../src/plan/plan';
import type { Forecast } from '../../../src/plan/types';
import { planTruth, readTruth } from '../../support/truth';
import type { RecordedApp, RecordedRun } from '../../support/truth';

const MIB = 1024 * 1024;

interface Match {
  readonly recall: number;
  readonly precision: number;
}

/** The spans that the plan predicts against those that the run fetched before the service was ready. */
function match(app: RecordedApp, planner: Planner, run: RecordedRun, spanSize: number): Match {
  const { fetches } = planner.laid(spanSize);
  let [hits, predicted, fetched] = [0, 0, 0];
  app.layers.forEach((layer, index) => {
    const real = run.spansByLayer[layer.digest];
    const first = fetches.first[index];
    if (real === undefined || first === undefined) return;
    fetched += real.length;
    predicted += first.filter((at) => at !== Infinity).length;
    hits += real.filter((span) => (first[span] ?? Infinity) !== Infinity).length;
  });
  return { recall: hits / fetched, precision: hits / predicted };
}

function spanSizeOf(run: RecordedRun): number {
  const { spanSize } = run;
  if (spanSize === null) return 4 * MIB;
  return typeof spanSize === 'number' ? spanSize : (Object.values(spanSize)[0] ?? 4 * MIB);
}

function forecastOf(planner: Planner, run: RecordedRun): Forecast | undefined {
  const spanSize = spanSizeOf(run);
  const network = { rttMs: run.latencyMs, bytesPerSecond: run.bandwidthEffective ?? 1e12 };
  const plan = planner.plan({ spanSizes: [spanSize], network });
  const [row] = plan.rows;
  switch (String(run.run.split('-')[0])) {
    case 'lazy':
    case 'bg':
      return row?.lazy;
    case 'exact':
      return row?.prefetch;
    case 'overlay':
      return plan.modes.find((mode) => mode.mode === 'docker-pull');
    case 'parallel':
      return plan.modes.find((mode) => mode.mode === 'parallel-pull');
    default:
      // A prefetch list of whole files: no mode of ours.
      return undefined;
  }
}

/** Mean and worst error of the total time over the runs whose name begins so, each group of equal runs by its median. */
function errors(app: RecordedApp, planner: Planner, kind: string): { mean: number; worst: number } {
  const groups = new Map<string, number[]>();
  for (const run of app.runs) {
    if (!run.run.startsWith(kind)) continue;
    const name = run.run.replace(/-r\d+$/, '');
    groups.set(name, [...(groups.get(name) ?? []), run.phases.totalMs]);
  }
  const list = [...groups].map(([name, totals]) => {
    const run = app.runs.find((one) => one.run.startsWith(`${name}-r`));
    const predicted = run && forecastOf(planner, run);
    assert.ok(predicted, name);
    const median = totals.sort((a, b) => a - b)[Math.floor(totals.length / 2)] ?? NaN;
    return Math.abs((predicted.totalSeconds * 1000) / median - 1);
  });
  return { mean: list.reduce((sum, one) => sum + one, 0) / list.length, worst: Math.max(...list) };
}

describe('fx-py, recorded on the real snapshotter', () => {
  const app = readTruth('fx-py');
  let planner: Planner;
  before(async () => {
    planner = await planTruth(app);
  });

  for (const spanSize of [4 * MIB, MIB]) {
    test(`spans of ${spanSize / MIB} MiB: exactly those that were fetched`, () => {
      const runs = app.runs.filter((run) => run.run.startsWith('lazy') && run.spanSize === spanSize);
      assert.ok(runs.length >= 2);
      for (const run of runs)
        assert.deepEqual(match(app, planner, run, spanSize), { recall: 1, precision: 1 }, run.run);
    });
  }

  test('an exact prefetch list holds exactly the spans that a lazy start fetches', () => {
    const { prefetch } = planner.plan({ spanSizes: [4 * MIB] });
    const run = app.runs.find((one) => one.run.startsWith('exact-4m'));
    for (const { digest, spans } of prefetch) {
      const listed = spans.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
      assert.deepEqual(
        listed,
        [...(run?.spansByLayer[digest] ?? [])].sort((a, b) => a - b),
      );
    }
    assert.equal(prefetch.length, 3);
  });

  test('nearly every fetch waits for the one before: 64 groups of 66 spans', () => {
    const [row] = planner.plan({ spanSizes: [4 * MIB] }).rows;
    assert.equal(row?.touchedSpans, 66);
    assert.ok(row.serialFetches >= 63 && row.serialFetches <= 66, String(row.serialFetches));
  });

  test('time to ready: lazy within 5 % in the mean and 15 % at worst', () => {
    const { mean, worst } = errors(app, planner, 'lazy');
    assert.ok(mean <= 0.05 && worst <= 0.15, `mean ${mean}, worst ${worst}`);
  });

  for (const kind of ['exact', 'overlay', 'parallel']) {
    test(`time to ready: ${kind} within 10 % in the mean`, () => {
      const { mean } = errors(app, planner, kind);
      assert.ok(mean <= 0.1, `mean ${mean}`);
    });
  }
});

describe('fx-node, which no constant was fitted on', () => {
  const app = readTruth('fx-node');
  let planner: Planner;
  before(async () => {
    planner = await planTruth(app);
  });

  test('spans of 4 MiB: exactly those that were fetched, the client’s look at /etc/passwd included', () => {
    for (const run of app.runs.filter((one) => one.run.startsWith('lazy-4m'))) {
      assert.deepEqual(match(app, planner, run, 4 * MIB), { recall: 1, precision: 1 }, run.run);
    }
  });

  test('spans of 1 MiB: recall ≥ 0.99, precision ≥ 0.98', () => {
    for (const run of app.runs.filter((one) => one.run.startsWith('lazy-1m'))) {
      const { recall, precision } = match(app, planner, run, MIB);
      assert.ok(recall >= 0.99 && precision >= 0.98, `${run.run}: recall ${recall}, precision ${precision}`);
    }
  });

  test('time to ready: lazy within 10 % in the mean and 20 % at worst, by medians of equal runs', () => {
    const { mean, worst } = errors(app, planner, 'lazy');
    assert.ok(mean <= 0.1 && worst <= 0.2, `mean ${mean}, worst ${worst}`);
  });

  for (const kind of ['overlay', 'parallel']) {
    test(`time to ready: ${kind} within 10 % in the mean`, () => {
      const { mean } = errors(app, planner, kind);
      assert.ok(mean <= 0.1, `mean ${mean}`);
    });
  }
});
