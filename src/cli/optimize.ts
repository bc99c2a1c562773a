import path from 'node:path';
import { openLayout } from '../image/layout';
import { parseDestination } from '../image/reference';
import type { Image } from '../image/types';
import { adviseBuild, wonBy } from '../optimize/advice';
import { forecastWays, type Candidate, type WayForecast, type Ways } from '../optimize/forecast';
import { withOptimized } from '../optimize/indexed';
import type { MadeImage } from '../optimize/make';
import { OPTIMIZE_WAYS, type OptimizeWay } from '../optimize/types';
import { formatBytes, formatMany, formatSeconds } from '../plan/format';
import { DEFAULT_NETWORK, parseNetwork } from '../plan/network';
import { DEFAULT_NODE } from '../plan/node';
import type { BuildAdvice } from '../plan/types';
import { DEFAULT_MIN_LAYER_SIZE } from '../soci/layers';
import { defineCommand, EXIT, parseBytes, PLATFORM_FLAG, required, typed, UsageError } from './command';
import { DOCKERFILE_FLAG, readSteps } from './instruction';
import { CIRCUMSTANCE_FLAGS, planInput, readCircumstances } from './plan-input';
import { pushTo } from './push';
import { REGISTRY_FLAGS } from './registry-flags';
import { formatTable } from './terminal';

/** How a way and an index are called in the table. */
const WAY_NAMES: Readonly<Record<WayForecast['way'], string>> = {
  'as-is': 'as it is',
  'start-layer': 'start layer',
  're-pack': 're-packed',
};
const INDEX_NAMES: Readonly<Record<WayForecast['index'], string>> = {
  usual: '4 MiB spans',
  exact: '4 MiB spans, exact prefetch',
  tuned: 'a span size per layer, exact prefetch',
};

export const optimizeCommand = defineCommand({
  name: 'optimize',
  summary:
    'Makes an image that starts faster lazily: the same files, laid out for the recorded start, with its index.',
  usage: 'optimize IMAGE --trace FILE --output DEST [flags]',
  positionals: 1,
  flags: {
    trace: {
      type: 'string',
      multiple: true,
      value: 'FILE',
      help: 'The recorded start, or several of one image.',
    },
    output: { type: 'string', short: 'o', value: 'DEST', help: 'oci:FOLDER or docker://HOST/NAME:TAG.' },
    way: { type: 'string', value: 'WAY', help: 'start-layer, re-pack, or auto: whichever is faster (auto).' },
    'dry-run': { type: 'boolean', help: 'Say what each way wins and costs, and write nothing.' },
    'no-prefetch': {
      type: 'boolean',
      help: 'For nodes without prefetch: 4 MiB spans and no prefetch artifacts.',
    },
    'min-layer-size': { type: 'string', value: 'BYTES', help: 'Smaller layers stay out of the index (10M).' },
    ...PLATFORM_FLAG,
    ...CIRCUMSTANCE_FLAGS,
    ...DOCKERFILE_FLAG,
    ...REGISTRY_FLAGS,
  },
  async run(session, { flags, positionals: [reference = ''] }) {
    const { terminal, signal } = session;
    const traceFiles = required(flags.trace, 'trace');
    const output = flags['dry-run'] ? undefined : required(flags.output, 'output');
    const destination = output === undefined ? undefined : typed(() => parseDestination(output));
    if (destination?.transport === 'oci-archive')
      throw new UsageError('optimize writes to oci:FOLDER or docker://HOST/NAME:TAG.');
    const ways = readWays(flags.way);
    const minimum = flags['min-layer-size'];
    const minLayerSize =
      minimum === undefined ? DEFAULT_MIN_LAYER_SIZE : parseBytes(minimum, 'min-layer-size');
    const { network = parseNetwork(DEFAULT_NETWORK), node = DEFAULT_NODE } = await readCircumstances(
      session,
      flags,
      [output, reference],
    );
    const circumstances = { network, node };

    const image = await session.open(reference, flags.platform, flags);
    const steps = await readSteps(image, flags.dockerfile);
    const input = await planInput(image, await session.scan(image), { traceFiles, steps });
    const all = forecastWays(input, circumstances, { minLayerSize, ways });
    const found = flags['no-prefetch'] ? withoutPrefetch(all) : all;
    const advice = adviseBuild(input, circumstances, minLayerSize);
    if (!flags.json)
      terminal.result([...describeWays(reference, found), ...describeAdvice(advice)].join('\n'));
    const document = {
      version: 1 as const,
      image: input.image,
      ...circumstances,
      ways: found.candidates.map((candidate) => wayDocument(candidate, found)),
      advice,
      notes: found.notes,
    };
    if (destination === undefined) {
      if (flags.json) terminal.json(document);
      return EXIT.done;
    }

    const options = {
      scratch: path.join(session.cacheDir, 'made'),
      output: destination.transport === 'oci' ? destination.path : undefined,
      circumstances,
      minLayerSize,
      scan: (one: Image) => session.scan(one),
      scanLayer: session.scanLayer,
      signal,
      onProgress: terminal.progress,
    };
    return withOptimized(image, input, found.best, options, async ({ made, index, perPlatform, folder }) => {
      if (destination.transport === 'docker')
        await pushTo(session, await openLayout(folder), destination.registry, flags);
      const { same, paths, compared } = made.comparison;
      const result = {
        output,
        way: found.best.way,
        index: { digest: index.digest, size: index.size },
        manifest: perPlatform[0]?.manifest.digest,
        sociIndex: perPlatform[0]?.sociIndex.digest,
        forecast: made.forecast,
        checked: { same, paths, compared },
      };
      const whole = { ...document, result };
      if (flags.json) terminal.json(whole);
      else terminal.result(describeMade(output ?? '', index.digest, found.best, made));
      return EXIT.done;
    });
  },
});

function readWays(text = 'auto'): readonly OptimizeWay[] {
  if (text === 'auto') return OPTIMIZE_WAYS;
  const way = OPTIMIZE_WAYS.find((one) => one === text);
  if (way) return [way];
  throw new UsageError(`--way takes ${OPTIMIZE_WAYS.join(', ')} or auto, not "${text}".`);
}

function withoutPrefetch(ways: Ways): Ways {
  const candidates = ways.candidates.filter(({ index }) => index === 'usual');
  const best = candidates
    .filter(({ recipe }) => recipe !== undefined)
    .reduce((a, b) => (b.forecast.totalSeconds < a.forecast.totalSeconds ? b : a));
  return { ...ways, candidates, best };
}

function wayDocument(candidate: Candidate, { best }: Ways) {
  const { way, index, forecast, indexBytes, newBytes, grownBytes, variant } = candidate;
  return {
    way,
    index,
    spanSizes: variant.spanSizes,
    forecast,
    indexBytes,
    newBytes,
    grownBytes,
    best: candidate === best,
  };
}

function describeWays(reference: string, { candidates, best, notes }: Ways): string[] {
  const [usual] = candidates;
  const won =
    usual === undefined
      ? ''
      : `, ${formatSeconds(usual.forecast.totalSeconds - best.forecast.totalSeconds)} sooner than as it is with the usual index`;
  return [
    reference,
    '',
    formatTable(
      [
        '',
        'image',
        'index',
        'ready after',
        'bytes until then',
        'ztocs',
        'layers made anew',
        'image grows by',
      ],
      candidates.map((one) => [
        one === best ? '→' : '',
        WAY_NAMES[one.way],
        INDEX_NAMES[one.index],
        formatSeconds(one.forecast.totalSeconds),
        formatBytes(one.forecast.bytes),
        formatBytes(one.indexBytes),
        formatBytes(one.newBytes),
        `${one.grownBytes < 0 ? '−' : ''}${formatBytes(Math.abs(one.grownBytes))}`,
      ]),
    ),
    '',
    `${WAY_NAMES[best.way]}, ${INDEX_NAMES[best.index]}: ready after about ${formatSeconds(best.forecast.totalSeconds)}${won}.`,
    `It costs ${formatBytes(best.newBytes)} of layers that no other image shares, and has to be made anew with each build.`,
    ...(best.index === 'usual'
      ? []
      : ['Its nodes need [prefetch] enable = true in the snapshotter’s config.']),
    ...notes,
  ];
}

function describeAdvice(advice: readonly BuildAdvice[]): string[] {
  return advice.flatMap((one) => [
    '',
    `${one.text} Wins about ${formatSeconds(wonBy(one))} (${one.mode}).`,
    `  ${one.evidence}`,
  ]);
}

function describeMade(
  output: string,
  digest: string,
  best: Candidate,
  { comparison, forecast, image }: MadeImage,
): string {
  return [
    '',
    `The file system is the same: ${formatMany(comparison.paths, 'path')} compared, ${formatMany(comparison.compared, 'content')} by digest.`,
    `Ready after about ${formatSeconds(forecast.totalSeconds)} with what was written (${WAY_NAMES[best.way]}, image manifest ${image.descriptor.digest}).`,
    `${output}: ${digest}`,
  ].join('\n');
}
