import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { createPicture } from '../../../src/plan/picture';
import type { Planner } from '../../../src/plan/plan';
import { renderReport } from '../../../src/plan/report';
import { rangeOf } from '../../../src/plan/words';
import { encodePrefetch } from '../../../src/soci/prefetch';
import { fixture } from '../../support/paths';
import { judge, planTruth, readTruth, summary, truthInput } from '../../support/truth';
import type { RecordedApp, Verdict } from '../../support/truth';

const MIB = 1024 * 1024;

function verdicts(app: RecordedApp, planner: Planner, kind: string): Verdict[] {
  const list = app.runs.filter((run) => run.run.startsWith(kind)).map((run) => judge(app, planner, run));
  assert.ok(list.length > 0, kind);
  return list;
}

function assertTime(list: readonly Verdict[], limits: { mean: number; worst: number }): void {
  const { mean, worst } = summary(list);
  assert.ok(mean <= limits.mean && worst <= limits.worst, `mean ${mean}, worst ${worst}`);
}

describe('fx-py, recorded on the real snapshotter', () => {
  const app = readTruth(fixture('truth', 'fx-py'));
  let planner: Planner;
  before(async () => {
    planner = await planTruth(app);
  });

  for (const kind of ['lazy-4m', 'lazy-1m', 'exact-4m', 'exact-1m']) {
    test(`${kind}: exactly the spans that were fetched`, () => {
      for (const { run, recall, precision } of verdicts(app, planner, kind)) {
        assert.deepEqual([recall, precision], [1, 1], run.run);
      }
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

  test('prefetch artifacts of the touched spans are as long as those that the runs fetched', () => {
    for (const [exact, lazy, spanSize] of [
      ['exact-4m', 'lazy-4m', 4 * MIB],
      ['exact-1m', 'lazy-1m', MIB],
    ] as const) {
      const bytesOf = (kind: string): number =>
        app.runs.find((run) => run.run.startsWith(kind))?.counts['artifact']?.bytes ?? NaN;
      const sizes = planner.prefetch(spanSize, 10 * MIB).map(({ digest, spans }) => {
        const layer = { mediaType: '', digest, size: 0 };
        return encodePrefetch(
          layer,
          spans.map(([start, end]) => ({ start, end })),
        ).bytes.length;
      });
      assert.equal(
        sizes.reduce((sum, size) => sum + size, 0),
        bytesOf(exact) - bytesOf(lazy),
      );
    }
  });

  test('nearly every fetch waits for the one before: 64 groups of 66 spans were measured', () => {
    const [row] = planner.plan({ spanSizes: [4 * MIB] }).rows;
    assert.equal(row?.touchedSpans, 66);
    assert.ok(row.serialFetches >= 63 && row.serialFetches <= 66, String(row.serialFetches));
  });

  test('time to ready: lazy within 5 % in the mean and 15 % at worst', () => {
    assertTime(verdicts(app, planner, 'lazy'), { mean: 0.05, worst: 0.15 });
  });

  test('its report stays below a megabyte', async () => {
    const picture = createPicture(await truthInput(app));
    const html = renderReport(picture.overview(null).plan, picture);
    assert.ok(html.length > 50_000 && html.length < 1_000_000, String(html.length));
  });

  for (const kind of ['exact', 'overlay', 'parallel']) {
    test(`time to ready: ${kind} within 10 % in the mean`, () => {
      assertTime(verdicts(app, planner, kind), { mean: 0.1, worst: 0.2 });
    });
  }
});

describe('fx-node, which no constant was fitted on', () => {
  const app = readTruth(fixture('truth', 'fx-node'));
  let planner: Planner;
  before(async () => {
    planner = await planTruth(app);
  });

  test('spans of 4 MiB: exactly those that were fetched, the client’s look at /etc/passwd included', () => {
    for (const { run, recall, precision } of verdicts(app, planner, 'lazy-4m')) {
      assert.deepEqual([recall, precision], [1, 1], run.run);
    }
  });

  test('spans of 1 MiB: recall ≥ 0.99, precision ≥ 0.98', () => {
    for (const { run, recall, precision } of verdicts(app, planner, 'lazy-1m')) {
      assert.ok(Number(recall) >= 0.99 && Number(precision) >= 0.98, `${run.run}: ${recall} / ${precision}`);
    }
  });

  test('time to ready: lazy within 10 % in the mean and 20 % at worst', () => {
    assertTime(verdicts(app, planner, 'lazy'), { mean: 0.1, worst: 0.2 });
  });

  for (const kind of ['overlay', 'parallel']) {
    test(`time to ready: ${kind} within 10 % in the mean`, () => {
      assertTime(verdicts(app, planner, kind), { mean: 0.1, worst: 0.2 });
    });
  }
});

test('the range of a forecast is what single recorded runs fell into, and no wider', async () => {
  const shares: number[] = [];
  for (const name of ['fx-py', 'fx-node']) {
    const app = readTruth(fixture('truth', name));
    const planner = await planTruth(app);
    for (const run of app.runs) shares.push(1 / (1 + judge(app, planner, run).error));
  }
  const { low, high } = rangeOf({ totalSeconds: 1 });
  const [fastest, slowest] = [Math.min(...shares), Math.max(...shares)];
  assert.ok(low <= fastest && fastest < low + 0.02, `${low} and ${fastest}`);
  assert.ok(high >= slowest && slowest > high - 0.02, `${high} and ${slowest}`);
});
