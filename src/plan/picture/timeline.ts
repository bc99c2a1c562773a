/** The recorded start as a waterfall: who ran, which files it read, which spans that needs. */
import type { Network, LayerSpans } from '../types';
import { labelOf, milliseconds } from './source';
import type { Source } from './source';
import type { Timeline, TimelineFile, TimelineProcess, TimelineSpan } from './types';

/** Rows that are sent: more than a screen can tell apart, and well below a megabyte. */
const FILES = 1500;
const SPANS = 4000;
const PROCESSES = 200;
const PROGRAM_LENGTH = 200;

export interface TimelineQuery {
  readonly spanSize: number;
  /** Layers below it are pulled whole: they have no spans. */
  readonly minLayerSize: number;
  readonly network: Network;
  readonly prefetched: readonly LayerSpans[];
}

export function timeline(source: Source, query: TimelineQuery): Timeline {
  const { mapping } = source.input;
  if (mapping === undefined) {
    return { length: 0, ready: null, processes: [], files: [], fileCount: 0, spans: [], spanCount: 0 };
  }
  const files = filesOf(source);
  const spans = spansInTime(source, query);
  const ready = mapping.readyAt === undefined ? null : mapping.readyAt / 1000;
  const last = Math.max(0, ...(mapping.processes ?? []).map(({ start }) => start / 1000), lastTouch(source));
  return {
    length: Math.max(1, ready ?? 0, last),
    ready,
    processes: processesOf(source),
    files: largest(files, FILES, ({ bytes }) => bytes).sort((a, b) => a.start - b.start),
    fileCount: files.length,
    spans: largest(spans, SPANS, ({ bytes }) => bytes).sort((a, b) => a.at - b.at),
    spanCount: spans.length,
  };
}

function lastTouch({ input }: Source): number {
  return (input.mapping?.touches.at(-1)?.at ?? 0) / 1000;
}

function largest<T>(rows: T[], limit: number, size: (row: T) => number): T[] {
  return rows.length <= limit ? rows : [...rows].sort((a, b) => size(b) - size(a)).slice(0, limit);
}

function filesOf({ input }: Source): TimelineFile[] {
  const found = new Map<
    string,
    { layer: number; entry: number; start: number; end: number; bytes: number }
  >();
  for (const { layer, entry, at, start, end } of input.mapping?.touches ?? []) {
    const key = `${layer} ${entry}`;
    const file = found.get(key);
    if (file === undefined) found.set(key, { layer, entry, start: at, end: at, bytes: end - start });
    else {
      file.end = at;
      file.bytes += end - start;
    }
  }
  return [...found.values()].map((file) => {
    const scan = input.layers[file.layer]?.scan;
    return {
      ...file,
      path: scan === undefined ? '' : labelOf(scan, file.entry),
      start: file.start / 1000,
      end: file.end / 1000,
    };
  });
}

function spansInTime(
  { input, planner }: Source,
  { spanSize, minLayerSize, network, prefetched }: TimelineQuery,
): TimelineSpan[] {
  const { tables, fetches } = planner.laid(spanSize);
  const runs = new Map(prefetched.map(({ layer, spans }) => [layer, spans]));
  return input.layers.flatMap(({ descriptor }, layer) => {
    const [table, first] = [tables[layer], fetches.first[layer]];
    if (table === undefined || first === undefined || descriptor.size < minLayerSize) return [];
    return Array.from(first).flatMap((time, span): TimelineSpan[] => {
      const at = milliseconds(time);
      if (at === null) return [];
      const { start, end } = table.compressed(span);
      const wait = network.rttMs + ((end - start) / network.bytesPerSecond) * 1000;
      const early = runs.get(layer)?.some(([from, to]) => from <= span && span <= to) ?? false;
      return [{ layer, span, at, wait, bytes: end - start, prefetched: early }];
    });
  });
}

function processesOf({ input }: Source): TimelineProcess[] {
  const counts = new Map<number, number>();
  const seen = new Set<string>();
  for (const { layer, entry, pid } of input.mapping?.touches ?? []) {
    const key = `${layer} ${entry}`;
    if (seen.has(key)) continue;
    seen.add(key);
    counts.set(pid, (counts.get(pid) ?? 0) + 1);
  }
  return (input.mapping?.processes ?? []).slice(0, PROCESSES).map(({ pid, program, start, end }) => ({
    pid,
    program: (program ?? `process ${pid}`).slice(-PROGRAM_LENGTH),
    start: start / 1000,
    end: end === undefined ? null : end / 1000,
    files: counts.get(pid) ?? 0,
  }));
}
