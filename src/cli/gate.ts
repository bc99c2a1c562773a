import { LensError } from '../errors';
import { type Budget, type BudgetFile, readBudget } from '../gate/budget';
import { type Facts, type IndexFacts, judge } from '../gate/judge';
import {
  gateDocument,
  type GateResult,
  isHeld,
  junitReport,
  markdownReport,
  sarifReport,
} from '../gate/reports';
import { formatRegistryName, parseReference } from '../image/reference';
import type { LayerResult } from '../image/scan';
import type { Image } from '../image/types';
import { findWaste } from '../plan/blame/waste';
import { formatPlatform } from '../oci/platform';
import { createPlanner } from '../plan/plan';
import type { Forecast } from '../plan/types';
import { type ImageIndexes, indexedLayers, listIndexes } from '../soci/discover';
import { verifyLayout } from '../soci/verify';
import { defineCommand, EXIT, parseCount, PLATFORM_FLAG, UsageError } from './command';
import { writeResult } from './output';
import { planInput } from './plan-input';
import { withStore } from './push';
import { REGISTRY_FLAGS, type RegistryFlagValues } from './registry-flags';
import type { Session } from './session';
import { formatTable } from './terminal';

const FORMATS: Readonly<Record<string, (result: GateResult) => string>> = {
  text: describe,
  json: (result) => JSON.stringify(gateDocument(result), null, 2),
  sarif: sarifReport,
  junit: junitReport,
  markdown: markdownReport,
};

interface GateFlags extends RegistryFlagValues {
  readonly trace: readonly string[] | undefined;
  readonly base: string | undefined;
  readonly platform: string | undefined;
  readonly sample: string | undefined;
}

export const gateCommand = defineCommand({
  name: 'gate',
  summary: 'For pipelines: fails when an image breaks a budget of soci-lens.json.',
  usage: 'gate IMAGE [--budget FILE] [--trace FILE …] [flags]',
  positionals: 1,
  flags: {
    budget: { type: 'string', value: 'FILE', help: 'The budgets (soci-lens.json).' },
    trace: {
      type: 'string',
      multiple: true,
      value: 'FILE',
      help: "The recorded start, instead of the budget file's.",
    },
    base: { type: 'string', value: 'IMAGE', help: "What growth is measured against, instead of the file's." },
    format: { type: 'string', value: 'FORMAT', help: `${Object.keys(FORMATS).join(', ')} on stdout (text).` },
    report: {
      type: 'string',
      multiple: true,
      value: 'FORMAT=FILE',
      help: 'Write the result in this format to a file too.',
    },
    sample: { type: 'string', value: 'N', help: 'Verify N spans of each layer instead of all.' },
    ...PLATFORM_FLAG,
    ...REGISTRY_FLAGS,
  },
  async run(session, { flags, positionals: [reference = ''] }) {
    const format = readFormat(flags.json ? 'json' : (flags.format ?? 'text'), 'format');
    const reports = (flags.report ?? []).map((text) => {
      const [, name = '', file = ''] = /^([a-z]+)=(.+)$/.exec(text) ?? [];
      return { render: readFormat(name, 'report'), file };
    });
    if (flags.sample !== undefined) parseCount(flags.sample, 'sample');
    const budgetFile = await readBudget(flags.budget ?? 'soci-lens.json', session.signal);
    const { platform, facts } = await measure(session, reference, budgetFile, flags);
    const result: GateResult = {
      reference,
      platform,
      file: budgetFile.file,
      lines: budgetFile.lines,
      checks: judge(budgetFile.budget, facts),
    };
    for (const { render, file } of reports) await writeResult(file, render(result), session.signal);
    session.terminal.result(format(result).trimEnd());
    return isHeld(result) ? EXIT.done : EXIT.notHeld;
  },
});

function readFormat(name: string, flag: string): (result: GateResult) => string {
  const format = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
  if (format) return format;
  const formats = Object.keys(FORMATS).join(', ');
  throw new UsageError(
    flag === 'format'
      ? `--format takes ${formats}, not "${name}".`
      : `--report takes FORMAT=FILE with one of ${formats}.`,
  );
}

const isAsked = (budget: Budget, ...keys: readonly (keyof Budget)[]): boolean =>
  keys.some((key) => budget[key] !== undefined);

/** Finds out what the budgets need, and no more: reading whole layers takes its time. */
async function measure(
  session: Session,
  reference: string,
  file: BudgetFile,
  flags: GateFlags,
): Promise<{ platform: string; facts: Facts }> {
  const { budget } = file;
  const traces = flags.trace ?? file.traces;
  const base = flags.base ?? file.base;
  const wantsForecast = isAsked(budget, 'startBytes', 'startRequests', 'readySeconds');
  const wantsGrowth = isAsked(budget, 'growthBytes', 'growthShare');
  const wantsWaste = isAsked(budget, 'wasteBytes', 'wasteShare');
  if (wantsForecast && traces.length === 0) {
    throw new UsageError(
      `--trace is missing: ${file.file} has budgets for the start, and a recorded start tells what it costs.`,
    );
  }
  if (wantsGrowth && base === undefined) {
    throw new UsageError(`--base is missing: ${file.file} has a budget for growth, against nothing.`);
  }
  const image = await session.open(reference, flags.platform, flags);
  const results = wantsForecast || wantsWaste ? await session.scan(image) : [];
  requireScanned(results);
  const indexes = isAsked(budget, 'index') || wantsForecast ? await findIndexes(session, image, flags) : [];
  const forecast = wantsForecast ? await forecastStart(image, results, indexes, file, traces) : undefined;
  return {
    platform: formatPlatform(image.platform),
    facts: {
      ...forecast,
      size: sizeOf(image),
      base:
        wantsGrowth && base !== undefined
          ? { reference: base, size: await baseSize(session, base, image, flags) }
          : undefined,
      waste: wantsWaste
        ? findWaste(results.map((result) => ('scan' in result ? result.scan.entries : undefined)))
        : undefined,
      index: isAsked(budget, 'index') ? await indexFacts(session, image, indexes, file, flags) : undefined,
    },
  };
}

/** A layer that cannot be read would count as nothing, and let the image through. */
function requireScanned(results: readonly LayerResult[]): void {
  for (const result of results) if ('error' in result) throw result.error;
}

const sizeOf = (image: Image): number =>
  image.layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0);

async function baseSize(
  session: Session,
  reference: string,
  { platform }: Image,
  flags: RegistryFlagValues,
): Promise<number | null> {
  try {
    return sizeOf(await session.open(reference, formatPlatform(platform), flags));
  } catch (error) {
    // The first image of a project has nothing to be compared with.
    if (error instanceof LensError && NOT_THERE.has(error.code)) return null;
    throw error;
  }
}

const NOT_THERE: ReadonlySet<string> = new Set(['registry/not-found', 'image/not-found']);

/** Where the image's indexes can be looked up; an image of the engine has none. */
function storeReference(image: Image): string | undefined {
  const parsed = parseReference(image.reference);
  if (parsed.transport === 'oci' || parsed.transport === 'docker') return image.reference;
  // A bare name that the engine does not have.
  return parsed.transport === 'any' && image.source === 'registry'
    ? `docker://${formatRegistryName(parsed.registry)}`
    : undefined;
}

async function findIndexes(
  session: Session,
  image: Image,
  flags: RegistryFlagValues,
): Promise<ImageIndexes[]> {
  const reference = storeReference(image);
  if (reference === undefined) return [];
  return withStore(session, reference, flags, (store, tag) =>
    listIndexes(store, {
      signal: session.signal,
      platform: image.platform,
      ...(tag !== undefined && { reference: tag }),
    }),
  );
}

async function indexFacts(
  session: Session,
  image: Image,
  indexes: readonly ImageIndexes[],
  { budget }: BudgetFile,
  flags: GateFlags,
): Promise<IndexFacts> {
  const found = {
    digests: indexes.flatMap((one) => one.indexes.map(({ digest }) => digest)),
    missing: indexes.filter((one) => one.indexes.length === 0).map(() => formatPlatform(image.platform)),
  };
  const reference = storeReference(image);
  if (budget.index !== 'verified' || found.digests.length === 0 || reference === undefined) return found;
  const report = await withStore(session, reference, flags, (store, tag) =>
    verifyLayout(store, {
      scan: session.scanLayer,
      inflate: session.inflateSpan,
      signal: session.signal,
      onProgress: session.terminal.progress,
      platform: image.platform,
      ...(tag !== undefined && { reference: tag }),
      ...(flags.sample !== undefined && { sample: parseCount(flags.sample, 'sample') }),
    }),
  );
  const parts = report.platforms.flatMap((one) => [one, ...one.layers]);
  return { ...found, problems: [...report.problems, ...parts.flatMap(({ problems }) => problems)] };
}

/** The start as the budget file wants it forecast: in its mode, with the spans that nodes will find. */
async function forecastStart(
  image: Image,
  results: readonly LayerResult[],
  indexes: readonly ImageIndexes[],
  file: BudgetFile,
  traces: readonly string[],
): Promise<Pick<Facts, 'forecast' | 'spanSize'>> {
  const planner = createPlanner(await planInput(image, results, { traceFiles: traces }));
  const own = indexes.flatMap((one) =>
    one.indexes.flatMap(({ manifest }) => indexedLayers(manifest).flatMap(({ spanSize }) => spanSize ?? [])),
  );
  const fixed = file.spanSize ?? own[0];
  const plan = planner.plan({
    network: file.network,
    node: file.node,
    minLayerSize: file.minLayerSize,
    ...(fixed !== undefined && { spanSizes: [fixed] }),
  });
  const forecast = plan.modes.find(({ mode }) => mode === file.mode);
  if (!forecast) throw new Error(`There is no forecast for ${file.mode}.`);
  const from =
    file.spanSize !== undefined ? 'the budget' : own[0] !== undefined ? 'the index' : 'the recommendation';
  return {
    forecast,
    ...(isLazy(forecast) && { spanSize: { bytes: plan.choice.spanSize, from } }),
  };
}

const isLazy = ({ mode }: Forecast): boolean => mode === 'lazy' || mode === 'lazy-prefetch';

function describe(result: GateResult): string {
  const { reference, platform, checks } = result;
  return [
    `${reference}  ${platform}`,
    '',
    formatTable(
      ['', 'budget', 'measured', 'allowed'],
      checks.map(({ title, verdict, shown }) => [verdict, title, shown.measured, shown.allowed]),
    ),
    '',
    ...checks.flatMap(({ verdict, message, advice }) =>
      verdict === 'held' ? [] : [advice === '' ? message : `${message} ${advice}`],
    ),
    isHeld(result) ? 'The image keeps its budget.' : 'The image breaks its budget.',
  ].join('\n');
}
