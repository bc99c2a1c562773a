/**
 * Starts recorded on the real snapshotter: a folder holds one application's image, trace and runs (`test/fixtures/truth`).
 * Says how well the plan predicts them; `npm run truth -- FOLDER` prints it.
 */
import { createReadStream, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createGunzip, gunzipSync } from 'node:zlib';
import type { EntryType, LayerScan } from '../../src/layer/types';
import type { ImageConfig } from '../../src/oci/types';
import { createPlanner } from '../../src/plan/plan';
import { DEFAULT_NODE } from '../../src/plan/node';
import type { Variant } from '../../src/plan/evaluate';
import type { PlanInput, Planner } from '../../src/plan/plan';
import type { Forecast } from '../../src/plan/types';
import { readTrace } from '../../src/trace/file';
import { mapTrace } from '../../src/trace/map';
import { fakeEntries, scanOf } from './scans';

interface RecordedImage {
  readonly image: string;
  readonly config: ImageConfig;
  readonly layers: readonly {
    readonly digest: string;
    readonly mediaType: string;
    readonly size: number;
    readonly uncompressedSize: number;
    readonly files: readonly (readonly [
      name: string,
      type: EntryType,
      offset: number,
      size: number,
      linkname: string,
    ])[];
    /** By span size: where each span begins. */
    readonly checkpoints: Readonly<
      Record<string, readonly (readonly [input: number, output: number, bits: number])[]>
    >;
  }[];
}

export interface RecordedRun {
  readonly run: string;
  readonly mode: string;
  readonly spanSize: number | null | Readonly<Record<string, number>>;
  readonly latencyMs: number;
  readonly bandwidthEffective?: number | null;
  readonly bandwidthBytesPerSec: number | null;
  readonly phases: { readonly pullMs: number; readonly startToReadyMs: number; readonly totalMs: number };
  readonly counts: Readonly<Record<string, { readonly n: number; readonly bytes: number } | undefined>>;
  readonly spansByLayer: Readonly<Record<string, readonly number[]>>;
  readonly spansByPhase?: Readonly<Record<string, Readonly<Record<string, readonly number[]>> | undefined>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface RecordedApp {
  readonly config: ImageConfig;
  readonly layers: readonly {
    readonly digest: string;
    readonly mediaType: string;
    readonly size: number;
    readonly scan: LayerScan;
  }[];
  readonly traceFile: string;
  readonly runs: readonly RecordedRun[];
}

export function readTruth(folder: string): RecordedApp {
  const files = readdirSync(folder);
  const find = (pattern: RegExp): string => {
    const name = files.find((file) => pattern.test(file));
    if (name === undefined) throw new Error(`${folder} holds no ${pattern.source}.`);
    return path.join(folder, name);
  };
  // Recordings are ours; their shape is the one above.
  const image = JSON.parse(gunzipSync(readFileSync(find(/-image\.json\.gz$/))).toString()) as RecordedImage;
  return {
    config: image.config,
    layers: image.layers.map((layer) => ({
      digest: layer.digest,
      mediaType: layer.mediaType,
      size: layer.size,
      scan: scanOf({
        digest: layer.digest,
        compression: 'gzip',
        compressedSize: layer.size,
        tarSize: layer.uncompressedSize,
        entries: fakeEntries(
          layer.files.map(([file, type, offset, size, linkname]) => ({
            name: file,
            type,
            offset,
            size,
            linkname,
          })),
        ),
        boundaries: blockEnds(layer.checkpoints),
      }),
    })),
    traceFile: find(/^trace-.*\.jsonl\.gz$/),
    runs: readdirSync(path.join(folder, 'runs')).map(
      (file) => JSON.parse(readFileSync(path.join(folder, 'runs', file), 'utf8')) as RecordedRun,
    ),
  };
}

/**
 * The block ends that carry a checkpoint of some recorded span size. Choosing from them gives back the checkpoints of
 * each of these sizes exactly: a checkpoint stands at the first block end that is far enough, and that one is there.
 */
function blockEnds(
  checkpoints: RecordedImage['layers'][number]['checkpoints'],
): (readonly [number, number, number])[] {
  const all = new Map(
    Object.values(checkpoints).flatMap((list) => list.map((one) => [one[1], one] as const)),
  );
  return [...all.values()].sort((a, b) => a[1] - b[1]);
}

export async function planTruth(app: RecordedApp): Promise<Planner> {
  return createPlanner(await truthInput(app));
}

/** Lays the recorded trace on the recorded image. */
export async function truthInput(app: RecordedApp): Promise<PlanInput> {
  const trace = await readTrace(createReadStream(app.traceFile).pipe(createGunzip()));
  const mapping = mapTrace(trace, {
    layers: app.layers.map((layer) => layer.scan.entries),
    config: app.config,
  });
  return {
    image: { reference: 'recorded', digest: `sha256:${'1'.repeat(64)}`, platform: 'linux/amd64' },
    layers: app.layers.map(({ digest, mediaType, size, scan }) => ({
      descriptor: { digest, mediaType, size },
      scan,
    })),
    mapping,
  };
}

/** One run, predicted and measured; spans are null where the run has none to compare. */
export interface Verdict {
  readonly run: RecordedRun;
  /** Shares of the fetched spans that were predicted, and of the predicted ones that were fetched. */
  readonly recall: number | null;
  readonly precision: number | null;
  readonly forecast: Forecast;
  /** Predicted total against the measured one: 0.05 is 5 % too long. */
  readonly error: number;
}

const USUAL_SPAN_SIZE = 4 * 1024 * 1024;
const USUAL_MIN_LAYER_SIZE = 10 * 1024 * 1024;
/** The parallel mode's own defaults, where a run fetched no chunks (soci-format §6.7). */
const PARALLEL_DEFAULTS = { downloads: 3, chunks: false, unpacks: 1, unpackAfterAll: false };

export function judge(app: RecordedApp, planner: Planner, run: RecordedRun): Verdict {
  const variant = variantOf(app, planner, run);
  const forecast = planner.evaluator.forecast(
    variant,
    {
      // Where the bandwidth was not limited, the snapshotter's own intake is the limit.
      network: { rttMs: run.latencyMs, bytesPerSecond: run.bandwidthEffective ?? 1e12 },
      node: { ...DEFAULT_NODE, ...(run.env?.['GOMAXPROCS'] && { workers: Number(run.env['GOMAXPROCS']) }) },
      parallel: run.counts['other-range'] ? undefined : PARALLEL_DEFAULTS,
    },
    run.mode === 'overlay' ? 'docker-pull' : run.mode === 'parallel' ? 'parallel-pull' : undefined,
  );
  // Spans that were fetched in the background or for a list of whole files say nothing about the start.
  const comparable = run.mode === 'lazy' && !/^(bg|prefetch)-/.test(run.run);
  return {
    run,
    ...(comparable ? matchSpans(app, planner, run, variant) : { recall: null, precision: null }),
    forecast,
    error: (forecast.totalSeconds * 1000) / run.phases.totalMs - 1,
  };
}

/** The index that a run used, with the prefetch list of a person; an exact list is the plan's own. */
function variantOf(app: RecordedApp, { evaluator }: Planner, run: RecordedRun): Variant {
  const { spanSize } = run;
  const indexed = evaluator.uniform(USUAL_SPAN_SIZE, USUAL_MIN_LAYER_SIZE);
  const listed = app.layers.map(({ digest }) =>
    [...(run.spansByPhase?.['pull']?.[digest] ?? [])].sort((a, b) => a - b),
  );
  return {
    spanSizes: indexed.spanSizes.map((usual, layer) => {
      if (usual === null || spanSize === null) return usual;
      return typeof spanSize === 'number' ? spanSize : (spanSize[app.layers[layer]?.digest ?? ''] ?? null);
    }),
    prefetch: run.run.startsWith('exact')
      ? 'touched'
      : listed.some((list) => list.length > 0)
        ? listed
        : 'none',
    version: run.run.startsWith('v1') ? 1 : 2,
  };
}

function matchSpans(
  app: RecordedApp,
  planner: Planner,
  run: RecordedRun,
  { spanSizes }: Variant,
): { recall: number; precision: number } {
  let [hits, predicted, fetched] = [0, 0, 0];
  app.layers.forEach((layer, index) => {
    const real = run.spansByLayer[layer.digest];
    const spanSize = spanSizes[index] ?? null;
    if (real === undefined || spanSize === null) return;
    const first = planner.laid(spanSize).fetches.first[index];
    fetched += real.length;
    predicted += first?.filter((at) => at !== Infinity).length ?? 0;
    hits += real.filter((span) => (first?.[span] ?? Infinity) !== Infinity).length;
  });
  return { recall: hits / fetched, precision: hits / predicted };
}

/** Mean and worst error of the totals, equal runs (`-r1`, `-r2` …) taken together by their median. */
export function summary(verdicts: readonly Verdict[]): { mean: number; worst: number; cells: number } {
  const cells = new Map<string, { predicted: number; measured: number[] }>();
  for (const { run, forecast } of verdicts) {
    const name = run.run.replace(/-r\d+$/, '');
    const cell = cells.get(name) ?? { predicted: forecast.totalSeconds * 1000, measured: [] };
    cell.measured.push(run.phases.totalMs);
    cells.set(name, cell);
  }
  const errors = [...cells.values()].map(({ predicted, measured }) =>
    Math.abs(predicted / median(measured) - 1),
  );
  return {
    mean: errors.reduce((sum, error) => sum + error, 0) / Math.max(1, errors.length),
    worst: Math.max(0, ...errors),
    cells: errors.length,
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2;
}
