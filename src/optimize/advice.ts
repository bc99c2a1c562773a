/** Advice on the Dockerfile: what to split, squash or reorder, each with what it wins on the image as it would then be. */
import { findHidden } from '../plan/blame/waste';
import type { Circumstances } from '../plan/evaluate';
import { formatBytes, formatSeconds, formatShare } from '../plan/format';
import { createPlanner, type PlanInput } from '../plan/plan';
import { layerTouches } from '../plan/touches';
import type { BuildAdvice, Forecast, PullMode } from '../plan/types';
import { entryPath } from '../trace/tree';
import { foldersOf } from './re-pack';
import { rawRange } from './raw';
import { suppose } from './suppose';
import type { EntryRef, Recipe } from './types';

/** What is hardly worth a changed Dockerfile: less than this share of the time, in all modes. */
const WORTH = 0.03;
/** Folders of one layer that are tried. */
const TRIED = 6;
const MOST = 8;

interface Site {
  readonly input: PlanInput;
  readonly circumstances: Circumstances;
  readonly minLayerSize: number;
  /** Forecasts of the image as it is. */
  readonly before: Map<PullMode, Forecast>;
}

/** The dearest first. Nothing without a recorded start, or where nothing wins enough. */
export function adviseBuild(
  input: PlanInput,
  circumstances: Circumstances,
  minLayerSize: number,
): readonly BuildAdvice[] {
  if (!input.mapping) return [];
  const site: Site = { input, circumstances, minLayerSize, before: new Map() };
  return [...splits(site), ...removals(site), ...squashes(site), ...reorders(site)]
    .filter(({ before, after }) => after.totalSeconds < before.totalSeconds * (1 - WORTH))
    .sort((a, b) => wonBy(b) - wonBy(a))
    .slice(0, MOST);
}

export function wonBy({ before, after }: Pick<BuildAdvice, 'before' | 'after'>): number {
  return before.totalSeconds - after.totalSeconds;
}

function forecastOf({ circumstances, minLayerSize }: Site, input: PlanInput, mode: PullMode): Forecast {
  const { evaluator } = createPlanner(input);
  return evaluator.forecast(evaluator.uniform(4 << 20, minLayerSize), circumstances, mode);
}

/** Both forecasts of a changed image. */
function simulate(
  site: Site,
  layers: Recipe['layers'],
  mode: PullMode,
): Pick<BuildAdvice, 'mode' | 'before' | 'after'> {
  const before = site.before.get(mode) ?? forecastOf(site, site.input, mode);
  site.before.set(mode, before);
  return {
    mode,
    before,
    after: forecastOf(site, suppose(site.input, layers), mode),
  };
}

/** The layers as they are, but for `layer`, in whose place others come. */
function instead({ input }: Site, layer: number, others: Recipe['layers']): Recipe['layers'] {
  return input.layers.flatMap((_, at): Recipe['layers'] =>
    at === layer ? others : [{ kind: 'kept', layer: at }],
  );
}

const archiveOf = (front: readonly EntryRef[], replaces: number): Recipe['layers'][number] => ({
  kind: 'new',
  archive: { front, rest: undefined },
  replaces,
});

/** A folder that the start hardly reads, or reads nearly all of, in an instruction of its own. */
function splits(site: Site): BuildAdvice[] {
  const { input, minLayerSize } = site;
  const scans = input.layers.map(({ scan }) => scan);
  const touches = layerTouches(input.mapping?.touches ?? [], scans);
  return input.layers.flatMap(({ descriptor, scan, instruction }, layer): BuildAdvice[] => {
    const touched = touches[layer];
    if (!scan || !touched || touched.bytes === 0 || descriptor.size < minLayerSize) return [];
    const { entries } = scan;
    const folders = new Map<string, { bytes: number; touched: number }>();
    for (let entry = 0; entry < entries.length; entry++) {
      if (entries.type(entry) !== 'reg') continue;
      const data = entries.offset(entry);
      const read = touched.within(data, data + entries.size(entry));
      for (const folder of foldersOf(entryPath(entries, entry))) {
        const sum = folders.get(folder) ?? { bytes: 0, touched: 0 };
        sum.bytes += entries.size(entry);
        sum.touched += read;
        folders.set(folder, sum);
      }
    }
    const all = folders.get('')?.bytes ?? 0;
    const tried = [...folders]
      .filter(([folder, { bytes, touched: read }]) => {
        const share = read / Math.max(1, bytes);
        const isCold = share < 0.02 && bytes > all * 0.1;
        const isHot = share > 0.3 && read > touched.bytes * 0.2;
        return folder !== '' && bytes < all && (isCold || isHot);
      })
      .sort(([, a], [, b]) => b.bytes - a.bytes)
      .slice(0, TRIED);
    const advice = tried.map(([folder, { bytes, touched: read }]): BuildAdvice => {
      const own: EntryRef[] = [];
      const others: EntryRef[] = [];
      for (let entry = 0; entry < entries.length; entry++) {
        if (rawRange(scan, entry) === undefined) continue;
        const path = entryPath(entries, entry);
        (path === folder || path.startsWith(`${folder}/`) ? own : others).push({ layer, entry });
      }
      return {
        kind: 'split',
        layers: [layer],
        text: `Put /${folder} into an instruction of its own, apart from the rest of “${instruction ?? `layer ${layer}`}”.`,
        evidence: `The start reads ${formatShare(read / Math.max(1, bytes))} of its ${formatBytes(bytes)}, and ${formatShare((touched.bytes - read) / Math.max(1, all - bytes))} of the rest.`,
        ...simulate(site, instead(site, layer, [archiveOf(others, layer), archiveOf(own, layer)]), 'lazy'),
      };
    });
    return advice.sort((a, b) => wonBy(b) - wonBy(a)).slice(0, 1);
  });
}

/** Files that a later instruction removes or replaces, never brought in at all. */
function removals(site: Site): BuildAdvice[] {
  const { input } = site;
  const hidden = findHidden(input.layers.map(({ scan }) => scan?.entries));
  return input.layers.flatMap(({ scan, instruction }, layer): BuildAdvice[] => {
    const own = hidden.filter((file) => file.layer === layer);
    if (!scan || own.length === 0) return [];
    const gone = new Set(own.map(({ entry }) => entry));
    const kept = Array.from({ length: scan.entries.length }, (_, entry): EntryRef => ({
      layer,
      entry,
    })).filter(({ entry }) => !gone.has(entry) && rawRange(scan, entry) !== undefined);
    const bytes = own.reduce((sum, file) => sum + file.bytes, 0);
    const largest = own.reduce((a, b) => (b.bytes > a.bytes ? b : a));
    return [
      {
        kind: 'squash',
        layers: [layer],
        text: `Delete or replace in “${instruction ?? `layer ${layer}`}” itself what a later instruction deletes or replaces.`,
        evidence: `It brings ${formatBytes(bytes)} in ${own.length} files that no container ever sees, such as /${largest.path}.`,
        ...simulate(site, instead(site, layer, [archiveOf(kept, layer)]), 'docker-pull'),
      },
    ];
  });
}

/** Neighbouring layers outside the index: each waits for the one before it. */
function squashes(site: Site): BuildAdvice[] {
  const { input, minLayerSize } = site;
  const isSmall = (layer: number): boolean => {
    const one = input.layers[layer];
    return one?.scan !== undefined && one.descriptor.size < minLayerSize;
  };
  const runs: number[][] = [];
  for (const layer of input.layers.keys()) {
    const last = runs.at(-1);
    if (!isSmall(layer)) continue;
    if (last?.at(-1) === layer - 1) last.push(layer);
    else runs.push([layer]);
  }
  return runs
    .filter((run) => run.length > 1)
    .map((run): BuildAdvice => {
      const refs = run.flatMap((layer) => {
        const scan = input.layers[layer]?.scan;
        return Array.from({ length: scan?.entries.length ?? 0 }, (_, entry): EntryRef => ({
          layer,
          entry,
        })).filter(({ entry }) => scan && rawRange(scan, entry) !== undefined);
      });
      const [first = 0] = run;
      const layers = input.layers.flatMap((_, at): Recipe['layers'] =>
        at === first ? [archiveOf(refs, first)] : run.includes(at) ? [] : [{ kind: 'kept', layer: at }],
      );
      return {
        kind: 'squash',
        layers: run,
        text: `Make one instruction of the ${run.length} from “${input.layers[first]?.instruction ?? `layer ${first}`}” on.`,
        evidence: `Their layers are outside the index and fetched one after the other, a round trip each, for ${formatBytes(run.reduce((sum, layer) => sum + (input.layers[layer]?.descriptor.size ?? 0), 0))} in all.`,
        ...simulate(site, layers, 'lazy'),
      };
    });
}

/** A copy from the build context below large layers: whenever it changes, they are built, pushed and pulled anew. */
function reorders(site: Site): BuildAdvice[] {
  const { input } = site;
  return input.layers.flatMap(({ descriptor, instruction }, layer): BuildAdvice[] => {
    const above = input.layers.slice(layer + 1);
    const bytes = above.reduce((sum, one) => sum + one.descriptor.size, 0);
    if (!/^(COPY|ADD) (?!.*--from=)/.test(instruction ?? '') || layer === 0) return [];
    // What a node that has the rest pulls after a change.
    const partOf = (from: number, to: number): PlanInput => ({
      ...input,
      layers: input.layers.slice(from, to),
      mapping: undefined,
      runs: undefined,
    });
    const before = forecastOf(site, partOf(layer, input.layers.length), 'docker-pull');
    const after = forecastOf(site, partOf(layer, layer + 1), 'docker-pull');
    if (bytes < descriptor.size) return [];
    return [
      {
        kind: 'reorder',
        layers: [layer],
        text: `Move “${instruction ?? ''}” behind what does not need its files.`,
        evidence: `Each change of the files that it copies makes ${formatBytes(bytes)} of layers above it anew: a node that has all else pulls for ${formatSeconds(before.totalSeconds)} instead of ${formatSeconds(after.totalSeconds)}.`,
        mode: 'docker-pull',
        before,
        after,
      },
    ];
  });
}
