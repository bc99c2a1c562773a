/** Several starts of one image laid over each other: what all of them touch, and what only some do. */
import type { TarEntries } from '../layer/types';
import type { Touch, TraceMapping, Unmapped } from './types';

/** One file and in how many of the runs it was touched. */
export interface FileRuns {
  readonly layer: number;
  readonly entry: number;
  readonly runs: number;
}

export interface UnitedRuns {
  /** What at least `atLeast` runs touched. Times are the earliest; those of being ready are medians. */
  readonly mapping: TraceMapping;
  readonly runs: number;
  readonly files: readonly FileRuns[];
  /** Bytes of entries that all runs touched, and that any run touched. */
  readonly stableBytes: number;
  readonly anyBytes: number;
}

/**
 * @param mappings one or more, all of the same layers
 * @param atLeast 1 for the union, their count for the intersection
 * @throws RangeError for no mapping, or an `atLeast` that is not from 1 to their count
 */
export function uniteRuns(mappings: readonly TraceMapping[], atLeast = 1): UnitedRuns {
  const [first] = mappings;
  if (!first || atLeast < 1 || atLeast > mappings.length) {
    throw new RangeError(`${atLeast} of ${mappings.length} runs cannot be asked for.`);
  }
  const files = countFiles(mappings);
  const united = (lists: readonly (readonly Touch[])[]) =>
    groups(lists, ({ kind, executable }) => `${kind} ${String(executable)}`)
      .flatMap((group) => covered(group, atLeast))
      .sort((a, b) => a.at - b.at);
  const touched = mappings.map(({ touches }) => touches);
  const asked = mappings.flatMap(({ requests }) => (requests ? [requests] : []));
  const all = groups(touched, () => '');
  const bytes = (least: number) =>
    all.flatMap((group) => covered(group, least)).reduce((sum, { start, end }) => sum + end - start, 0);
  const unmapped = new Map<string, Unmapped>(
    mappings.flatMap(({ coverage }) => coverage.unmapped.map((one) => [one.path, one] as const)),
  );
  return {
    runs: mappings.length,
    files,
    stableBytes: bytes(mappings.length),
    anyBytes: bytes(1),
    mapping: {
      touches: united(touched),
      requests: asked.length === mappings.length ? united(asked) : undefined,
      files: files.filter(({ runs }) => runs >= atLeast).length,
      coverage: {
        mapped: Math.max(...mappings.map(({ coverage }) => coverage.mapped)),
        excluded: Math.max(...mappings.map(({ coverage }) => coverage.excluded)),
        unmapped: [...unmapped.values()],
      },
      readyAt: median(mappings.map(({ readyAt }) => readyAt)),
      untracedReadyAt: median(mappings.map(({ untracedReadyAt }) => untracedReadyAt)),
      wholeFiles: mappings.some(({ wholeFiles }) => wholeFiles),
      ownReadyAt: median(mappings.map(({ ownReadyAt }) => ownReadyAt)),
      // The numbers of processes differ from run to run.
      processes: first.processes,
    },
  };
}

/** How many files and spans were touched in exactly `k` of the runs, at index `k − 1`. */
export interface Stability {
  readonly files: readonly number[];
  /** Spans of this many bytes of the layers' tars, counted from their beginnings. */
  readonly spans: readonly number[];
}

/** @param layers those that the mappings are of, lowest first */
export function stability(
  mappings: readonly TraceMapping[],
  layers: readonly (TarEntries | undefined)[],
  spanSize: number,
): Stability {
  const spans = new Map<string, number>();
  for (const { touches } of mappings) {
    const inThisRun = new Set<string>();
    for (const { layer, entry, start, end } of touches) {
      const data = layers[layer]?.offset(entry) ?? 0;
      for (let span = Math.floor((data + start) / spanSize); span * spanSize < data + end; span++) {
        if (end > start) inThisRun.add(`${layer}/${span}`);
      }
    }
    for (const span of inThisRun) spans.set(span, (spans.get(span) ?? 0) + 1);
  }
  const histogram = (counts: readonly number[]) =>
    mappings.map((_, index) => counts.filter((count) => count === index + 1).length);
  return {
    files: histogram(countFiles(mappings).map(({ runs }) => runs)),
    spans: histogram([...spans.values()]),
  };
}

function median(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined).sort((a, b) => a - b);
  return known[known.length >> 1];
}

function countFiles(mappings: readonly TraceMapping[]): FileRuns[] {
  const files = new Map<string, { layer: number; entry: number; runs: number }>();
  for (const { touches } of mappings) {
    const inThisRun = new Set<string>();
    for (const { layer, entry } of touches) {
      const key = `${layer}/${entry}`;
      if (inThisRun.has(key)) continue;
      inThisRun.add(key);
      const file = files.get(key);
      if (file) file.runs++;
      else files.set(key, { layer, entry, runs: 1 });
    }
  }
  return [...files.values()].sort((a, b) => a.layer - b.layer || a.entry - b.entry);
}

/** A touch and the run that it is from. */
interface RunTouch {
  readonly run: number;
  readonly touch: Touch;
}

/** The touches of each entry, apart by `way`. */
function groups(runs: readonly (readonly Touch[])[], way: (touch: Touch) => string): RunTouch[][] {
  const found = new Map<string, RunTouch[]>();
  runs.forEach((touches, run) => {
    for (const touch of touches) {
      const key = `${touch.layer}/${touch.entry}/${way(touch)}`;
      const group = found.get(key);
      if (group) group.push({ run, touch });
      else found.set(key, [{ run, touch }]);
    }
  });
  return [...found.values()];
}

/** The parts of one entry that touches of at least so many runs cover. */
function covered(group: readonly RunTouch[], least: number): Touch[] {
  const opened = group.filter(({ touch }) => touch.start === touch.end);
  const touches: Touch[] = [];
  const sample = earliest(opened);
  if (sample && new Set(opened.map(({ run }) => run)).size >= least) touches.push(sample);

  const edges = group
    .flatMap((one) => [
      { at: one.touch.start, one, begins: true },
      { at: one.touch.end, one, begins: false },
    ])
    .filter(({ one: { touch } }) => touch.end > touch.start)
    .sort((a, b) => a.at - b.at);
  const active = new Set<RunTouch>();
  let from: number | undefined;
  let part: RunTouch[] = [];
  for (let index = 0; index < edges.length;) {
    const { at } = edges[index] ?? { at: 0 };
    for (let edge = edges[index]; edge?.at === at; edge = edges[++index]) {
      if (edge.begins) active.add(edge.one);
      else active.delete(edge.one);
    }
    const enough = new Set([...active].map(({ run }) => run)).size >= least;
    if (enough) {
      from ??= at;
      part.push(...active);
    } else if (from !== undefined) {
      const touch = earliest(part);
      if (touch) touches.push({ ...touch, start: from, end: at });
      from = undefined;
      part = [];
    }
  }
  return touches;
}

function earliest(group: readonly RunTouch[]): Touch | undefined {
  return group.reduce<Touch | undefined>(
    (best, { touch }) => (best && best.at <= touch.at ? best : touch),
    undefined,
  );
}
