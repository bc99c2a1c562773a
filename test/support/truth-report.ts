/** `npm run truth -- FOLDER [--markdown]`: every recorded run against the plan. Ends with 3 when over the limits. */
import { judge, planTruth, readTruth, summary } from './truth';
import type { Verdict } from './truth';

/** For an application that no constant was fitted on (docs/model.md). */
const LIMITS = { recall: 0.99, precision: 0.98, mean: 0.1, worst: 0.2 };
/** By the beginning of a run's name; those that fetch spans before the mount are of one kind. */
const KINDS: Readonly<Record<string, RegExp>> = {
  lazy: /^(lazy|bg|v1|username)/,
  prefetch: /^(prefetch|exact)/,
  overlay: /^overlay/,
  parallel: /^parallel/,
};

async function main([folder, ...flags]: readonly string[]): Promise<number> {
  if (folder === undefined) {
    console.error('Usage: npm run truth -- FOLDER [--markdown]');
    return 2;
  }
  const app = readTruth(folder);
  const planner = await planTruth(app);
  const verdicts = app.runs.map((run) => judge(app, planner, run));
  console.log(table(verdicts, flags.includes('--markdown')));

  const spansHold = verdicts.every(
    ({ recall, precision }) => (recall ?? 1) >= LIMITS.recall && (precision ?? 1) >= LIMITS.precision,
  );
  const parts = Object.entries(KINDS).flatMap(([kind, names]) => {
    const { mean, worst, cells } = summary(verdicts.filter((one) => names.test(one.run.run)));
    return cells === 0
      ? []
      : [
          {
            kind,
            mean,
            worst,
            cells,
            holds: mean <= LIMITS.mean && (kind !== 'lazy' || worst <= LIMITS.worst),
          },
        ];
  });
  const holds = spansHold && parts.every((part) => part.holds);
  const figures = parts.map(
    ({ kind, mean, worst, cells }) => `${kind} ${percent(mean)} mean, ${percent(worst)} worst of ${cells}`,
  );
  console.log(
    `${holds ? 'holds' : 'over the limits'}: spans ${spansHold ? 'right' : 'wrong'}; time to ready ${figures.join('; ')}`,
  );
  return holds ? 0 : 3;
}

function table(verdicts: readonly Verdict[], markdown: boolean): string {
  const head = [
    'run',
    'recall',
    'precision',
    'pull s',
    'measured',
    'start s',
    'measured',
    'total s',
    'measured',
    'error',
  ];
  const rows = verdicts.map(({ run, recall, precision, forecast, error }) => [
    run.run,
    recall?.toFixed(3) ?? '–',
    precision?.toFixed(3) ?? '–',
    forecast.pullSeconds.toFixed(2),
    seconds(run.phases.pullMs),
    forecast.startSeconds.toFixed(2),
    seconds(run.phases.startToReadyMs),
    forecast.totalSeconds.toFixed(2),
    seconds(run.phases.totalMs),
    percent(error),
  ]);
  if (markdown)
    return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((text, column) =>
        column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0),
      )
      .join('  ');
  return [head, ...rows].map(line).join('\n');
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(2);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
