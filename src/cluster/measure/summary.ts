import type { Variant } from '../manifests';
import type { Figure, Measurement, Start } from './types';

/** Middle and spread of one figure over the rounds, in milliseconds. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  /** How many starts it was seen in. */
  readonly count: number;
}

export interface MeasureRow {
  readonly figure: Figure;
  readonly without: Spread | undefined;
  readonly with: Spread | undefined;
}

/** Clocks further apart than this are told of, in milliseconds. */
const SKEW = 3000;

export function summarize({ starts, figures }: Measurement): MeasureRow[] {
  return figures.map((figure) => {
    const spread = (variant: Variant) =>
      spreadOf(
        starts.filter((start) => start.variant === variant).flatMap((start) => at(start, figure) ?? []),
      );
    return { figure, without: spread('without'), with: spread('with') };
  });
}

function at({ pullTook, seen }: Start, figure: Figure): number | undefined {
  return figure === 'pull' ? pullTook : seen[figure];
}

function spreadOf(values: readonly number[]): Spread | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const [least] = sorted;
  const most = sorted.at(-1);
  if (least === undefined || most === undefined) return undefined;
  const half = sorted.length / 2;
  const median = ((sorted[Math.ceil(half) - 1] ?? least) + (sorted[Math.floor(half)] ?? most)) / 2;
  return { median, least, most, count: sorted.length };
}

const FIGURE_NOTES: Readonly<Record<Figure, string>> = {
  pull: 'Pulling, as the node says',
  scheduled: 'Scheduled',
  pulling: 'Pulling begins',
  pulled: 'Pulled',
  created: 'Created',
  started: 'Started',
  ready: 'Ready',
};

const HEAD_NOTES = ['Seconds', 'without SOCI', 'with SOCI', 'faster'];
const UNSEEN_NOTES = 'not seen';

/**
 * Head and rows of the table: seconds, `median (least–most)`, and how many times faster the indexed image is.
 *
 * @param say says a text in the language of the reader
 * @param language of `say`, a BCP 47 tag
 */
export function measureTable(
  measurement: Measurement,
  say: (text: string) => string = (text) => text,
  language = 'en',
): { head: string[]; rows: string[][] } {
  const number = new Intl.NumberFormat(language, {
    ...{ minimumFractionDigits: 1, maximumFractionDigits: 1, useGrouping: false },
  });
  const format = (value: number) => number.format(value);
  const cell = (spread: Spread | undefined): string => {
    if (!spread) return say(UNSEEN_NOTES);
    const [median, least, most] = [spread.median, spread.least, spread.most].map((one) => format(one / 1000));
    return `${median} (${least}–${most})`;
  };
  const rows = summarize(measurement).map(({ figure, without, with: indexed }) => [
    say(FIGURE_NOTES[figure]),
    cell(without),
    cell(indexed),
    without && indexed && indexed.median > 0 ? `${format(without.median / indexed.median)} ×` : '',
  ]);
  return { head: HEAD_NOTES.map(say), rows };
}

/** What has to be known to read the table right. */
export function measureNotes(measurement: Measurement): string[] {
  const { starts, failed, asksReady, figures } = measurement;
  const notes = [
    asksReady
      ? '"Pulled" is not "ready": a lazy pull is done when it has barely begun, and the rest travels while the service starts. Compare "Ready".'
      : 'No port was given, so "Ready" says only that the container runs; a lazy start goes on reading after that. Give --port to see when it serves.',
  ];
  const skewed = new Map(
    starts.flatMap(({ node, clockAhead = 0 }) => (Math.abs(clockAhead) > SKEW ? [[node, clockAhead]] : [])),
  );
  for (const [node, ahead] of skewed) {
    const by = `${(Math.abs(ahead) / 1000).toFixed(0)} s`;
    notes.push(
      ahead > 0
        ? `The clock of ${node} is ${by} ahead of this machine's; the times above are all by this machine's.`
        : `The clock of ${node} is ${by} behind this machine's; the times above are all by this machine's.`,
    );
  }
  const silent = starts.filter(({ seen }) =>
    figures.some((figure) => figure !== 'pull' && seen[figure] === undefined),
  );
  if (silent.length > 0)
    notes.push(
      `${silent.length} of ${starts.length} starts have steps that no event told of: clusters drop events under load and forget old ones. "Ready" comes from the pod itself.`,
    );
  const broken = starts.filter(({ gaps }) => gaps).length;
  if (broken > 0)
    notes.push(
      `In ${broken} starts the connection to the cluster broke; their steps may be seen some seconds late.`,
    );
  for (const { error } of failed) notes.push(`${error.message} ${error.advice}`);
  return notes;
}
