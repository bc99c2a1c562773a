import { adviseBuild } from '../optimize/advice';
import { coverageLines } from '../plan/coverage';
import { formatBytes, formatCount, formatMany, formatSeconds, formatShare, formatSize } from '../plan/format';
import { findOwners } from '../plan/blame/packages';
import { createPicture } from '../plan/picture';
import { renderReport } from '../plan/report';
import type { Best, Forecast, Plan, PullMode } from '../plan/types';
import { defineCommand, EXIT, parseBytes, PLATFORM_FLAG, required } from './command';
import { DOCKERFILE_FLAG, readSteps } from './instruction';
import { writeResult } from './output';
import { CIRCUMSTANCE_FLAGS, LIST_FLAGS, planInput, readCircumstances, readListWish } from './plan-input';
import { REGISTRY_FLAGS } from './registry-flags';
import { formatTable } from './terminal';

const MODES: Readonly<Record<PullMode, string>> = {
  'docker-pull': 'pull whole, one layer after the other',
  'parallel-pull': 'pull whole, in parallel',
  lazy: 'lazy',
  'lazy-prefetch': 'lazy, with the touched spans prefetched',
};

export const planCommand = defineCommand({
  name: 'plan',
  summary: 'Says which spans the start touches and which span size serves it best.',
  usage: 'plan IMAGE --trace FILE [flags]',
  positionals: 1,
  flags: {
    trace: {
      type: 'string',
      multiple: true,
      value: 'FILE',
      help: 'The recorded start (see `soci-lens trace`), or several of one image.',
    },
    'span-sizes': { type: 'string', value: 'LIST', help: 'Span sizes to compare, such as 64k,1M,4M.' },
    'min-layer-size': { type: 'string', value: 'BYTES', help: 'Smaller layers stay out of the index (10M).' },
    ...CIRCUMSTANCE_FLAGS,
    ...LIST_FLAGS,
    html: { type: 'string', value: 'FILE', help: 'Write the span map as one self-contained page.' },
    ...PLATFORM_FLAG,
    ...REGISTRY_FLAGS,
    ...DOCKERFILE_FLAG,
  },
  async run(session, { flags, positionals: [reference = ''] }) {
    const traceFiles = required(flags.trace, 'trace');
    const { 'min-layer-size': minimum, 'span-sizes': sizes } = flags;
    const minLayerSize = minimum === undefined ? undefined : parseBytes(minimum, 'min-layer-size');
    const options = {
      ...(await readCircumstances(session, flags, [reference])),
      minLayerSize,
      spanSizes: sizes?.split(',').map((size) => parseBytes(size.trim(), 'span-sizes')),
    };
    const wish = { ...readListWish(flags), minLayerSize };
    const image = await session.open(reference, flags.platform, flags);
    const steps = await readSteps(image, flags.dockerfile);
    const input = await planInput(image, await session.scan(image), { traceFiles, steps });
    const picture = createPicture(input, options);
    // Only the page speaks of packages; their databases are a small part of the layers.
    if (flags.html !== undefined) {
      const layers = image.layers.map(({ blob }, index) => ({ blob, scan: input.layers[index]?.scan }));
      picture.learn({ packages: await findOwners(layers, { signal: session.signal }) });
    }
    const usual = picture.overview(null).plan;
    const best = picture.best(null, wish);
    const plan = { ...usual, best, build: adviseBuild(input, usual, usual.minLayerSize) };
    if (flags.html !== undefined) await writeResult(flags.html, renderReport(plan, picture), session.signal);
    if (flags.json) session.terminal.json(plan);
    else session.terminal.result(describePlan(plan));
    return EXIT.done;
  },
});

function describePlan(plan: Plan): string {
  const { trace, choice } = plan;
  const touched = plan.layers.reduce((sum, layer) => sum + layer.touchedBytes, 0);
  return [
    `${plan.image.reference}  ${plan.image.platform}`,
    trace &&
      `The start reads ${formatBytes(touched)} of ${formatMany(trace.files, 'file')}${trace.readyMs === null ? '' : ` and was ready after ${formatSeconds(trace.readyMs / 1000)}`}.`,
    ...(trace ? coverageLines(trace) : []),
    '',
    formatTable(
      [
        '',
        'span size',
        'spans',
        'touched',
        'fetched',
        'unused',
        'one by one',
        'ztocs',
        'ready, lazy',
        'ready, prefetch',
      ],
      plan.rows.map((row) => [
        row.spanSize === choice.spanSize ? '→' : '',
        formatSize(row.spanSize),
        formatCount(row.spans),
        formatCount(row.touchedSpans),
        formatBytes(row.spanBytes),
        formatShare(row.waste),
        formatCount(row.serialFetches),
        formatBytes(row.ztocBytes),
        formatSeconds(row.lazy.totalSeconds),
        formatSeconds(row.prefetch.totalSeconds),
      ]),
    ),
    '',
    choice.reason,
    '',
    formatTable(
      ['with this span size', 'ready after', 'requests', 'bytes'],
      plan.modes.map((mode: Forecast) => [
        MODES[mode.mode],
        formatSeconds(mode.totalSeconds),
        formatCount(mode.requests),
        formatBytes(mode.bytes),
      ]),
    ),
    '',
    plan.advice.reason,
    ...(plan.best === null ? [] : ['', ...describeBest(plan.best)]),
    ...plan.advice.rules.map(({ text, evidence }) => `\n${text} [${evidence}]`),
    ...(plan.build ?? []).map(
      ({ text, before, after, evidence }) =>
        `\n${text} Ready after ${formatSeconds(after.totalSeconds)} instead of ${formatSeconds(before.totalSeconds)}. [${evidence}]`,
    ),
    ...plan.notes.map((note) => `\n${note}`),
  ]
    .filter((line) => line !== null)
    .join('\n');
}

function describeBest({ reason, evidence, table }: Best): string[] {
  return [
    `Best index: ${reason}`,
    evidence,
    '',
    formatTable(
      ['', 'ways to index', 'ready after', 'bytes', 'ztocs'],
      table.map((row) => [
        row.best ? '→' : '',
        row.name,
        formatSeconds(row.totalSeconds),
        formatBytes(row.bytes),
        formatBytes(row.indexBytes),
      ]),
    ),
  ];
}
