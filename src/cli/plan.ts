import type { LayerResult } from '../image/scan';
import type { Image } from '../image/types';
import { formatPlatform } from '../oci/platform';
import { formatBytes, formatCount, formatSeconds, formatShare, formatSize } from '../plan/format';
import { parseNetwork } from '../plan/network';
import { parseNode } from '../plan/node';
import { createPicture } from '../plan/picture';
import type { PlanInput, PlanOptions } from '../plan/plan';
import { renderReport } from '../plan/report';
import type { Best, Forecast, Plan, PullMode } from '../plan/types';
import { readTrace } from '../trace/file';
import { mapTrace } from '../trace/map';
import { uniteRuns } from '../trace/runs';
import { defineCommand, EXIT, parseBytes, required, typed } from './command';
import { DOCKERFILE_FLAG, readSteps } from './instruction';
import { writeResult } from './output';
import { formatTable } from './terminal';

const MODES: Readonly<Record<PullMode, string>> = {
  'docker-pull': 'pull whole, one layer after the other',
  'parallel-pull': 'pull whole, in parallel',
  lazy: 'lazy',
  'lazy-prefetch': 'lazy, with the touched spans prefetched',
};

/** What the planner needs to know of an image and, where there is one, of its recorded start. */
export async function planInput(
  image: Image,
  results: readonly LayerResult[],
  options: {
    readonly traceFiles?: readonly string[] | undefined;
    readonly steps?: readonly (string | undefined)[];
  },
): Promise<PlanInput> {
  const scans = results.map((result) => ('scan' in result ? result.scan : undefined));
  const target = { layers: scans.map((scan) => scan?.entries), config: image.config };
  const mappings = await Promise.all(
    (options.traceFiles ?? []).map(async (file) => mapTrace(await readTrace(file), target)),
  );
  return {
    image: {
      reference: image.reference,
      digest: image.descriptor.digest,
      platform: formatPlatform(image.platform),
    },
    layers: results.map((result, index) => ({
      descriptor: result.layer.descriptor,
      scan: scans[index],
      instruction: options.steps?.[index],
      problem: 'skipped' in result ? result.skipped : 'error' in result ? result.error.message : undefined,
    })),
    // Several starts of one image: what any of them touched.
    mapping: mappings.length > 1 ? uniteRuns(mappings).mapping : mappings[0],
    runs: mappings,
  };
}

/** What a forecast depends on beside the image. */
export const CIRCUMSTANCE_FLAGS = {
  network: {
    type: 'string',
    value: 'NET',
    help: 'local, region, distant, slow, or rtt=MS,bw=MBPS (region).',
  },
  node: {
    type: 'string',
    value: 'NODE',
    help: 'The machine that pulls: an instance type, or cores=N,disk=MBPS,memory=GIB,network=GBITPS.',
  },
} as const;

export function readCircumstances({
  network,
  node,
}: {
  readonly network: string | undefined;
  readonly node: string | undefined;
}): Pick<PlanOptions, 'network' | 'node'> {
  return {
    network: network === undefined ? undefined : typed(() => parseNetwork(network)),
    node: node === undefined ? undefined : typed(() => parseNode(node)),
  };
}

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
    network: {
      type: 'string',
      value: 'NET',
      help: 'local, region, distant, slow, or rtt=MS,bw=MBPS (region).',
    },
    node: {
      type: 'string',
      value: 'NODE',
      help: 'The machine that pulls: an instance type, or cores=N,disk=MBPS,memory=GIB,network=GBITPS.',
    },
    html: { type: 'string', value: 'FILE', help: 'Write the span map as one self-contained page.' },
    platform: {
      type: 'string',
      value: 'OS/ARCH',
      help: "Which image of several; this machine's if not given.",
    },
    ...DOCKERFILE_FLAG,
  },
  async run(session, { flags, positionals: [reference = ''] }) {
    const traceFiles = required(flags.trace, 'trace');
    const { 'min-layer-size': minimum, 'span-sizes': sizes } = flags;
    const options = {
      ...readCircumstances(flags),
      minLayerSize: minimum === undefined ? undefined : parseBytes(minimum, 'min-layer-size'),
      spanSizes: sizes?.split(',').map((size) => parseBytes(size.trim(), 'span-sizes')),
      best: true,
    };
    const image = await session.open(reference, flags.platform);
    const steps = await readSteps(image, flags.dockerfile);
    const input = await planInput(image, await session.scan(image), { traceFiles, steps });
    const picture = createPicture(input, options);
    const { plan } = picture.overview(null);
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
      `The start reads ${formatBytes(touched)} of ${formatCount(trace.files)} files${trace.readyMs === null ? '' : ` and was ready after ${formatSeconds(trace.readyMs / 1000)}`}.`,
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
