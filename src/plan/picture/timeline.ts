/** The recorded start as a waterfall: who ran, which files it read, which spans that needs. */
import type { Network, LayerSpans } from '../types';
import type { Touch, TraceMapping } from '../../trace/types';
import { labelOf, milliseconds } from './source';
import type { Source } from './source';
import type { EntryRef, Timeline, TimelineProcess, TimelineSpan } from './types';

/** Rows that are sent: more than a screen can tell apart, and well below a megabyte. */
const FILES = 1500;
const SPANS = 4000;
const PROCESSES = 200;
const PROGRAM_LENGTH = 200;
/** Above every index of an entry. */
const LAYER = 2 ** 32;

export interface TimelineQuery {
  readonly spanSize: number;
  /** Layers below it are pulled whole: they have no spans. */
  readonly minLayerSize: number;
  readonly network: Network;
  readonly prefetched: readonly LayerSpans[];
}

/** What the settings do not change is gathered once. */
export function timelines(source: Source): (query: TimelineQuery) => Timeline {
  let recorded: Omit<Timeline, 'spans' | 'spanCount'> | undefined;
  return (query) => {
    recorded ??= recordedStart(source);
    if (recorded.length === 0) return { ...recorded, spans: [], spanCount: 0 };
    const spans = spansInTime(source, query);
    return {
      ...recorded,
      spans: largest(spans, SPANS).sort((a, b) => a.at - b.at),
      spanCount: spans.length,
    };
  };
}

function recordedStart(source: Source): Omit<Timeline, 'spans' | 'spanCount'> {
  const { mapping, layers } = source.input;
  if (mapping === undefined) return { length: 0, ready: null, processes: [], files: [], fileCount: 0 };
  const files = filesOf(mapping.touches);
  const ready = mapping.readyAt === undefined ? null : mapping.readyAt / 1000;
  const last = Math.max(0, ...(mapping.processes ?? []).map(({ start }) => start / 1000), lastTouch(source));
  return {
    length: Math.max(1, ready ?? 0, last),
    ready,
    processes: processesOf(mapping, files),
    files: largest(files, FILES)
      .sort((a, b) => a.start - b.start)
      .map(({ layer, entry, start, end, bytes }) => {
        const scan = layers[layer]?.scan;
        const path = scan === undefined ? '' : labelOf(scan, entry);
        return { layer, entry, path, start: start / 1000, end: end / 1000, bytes };
      }),
    fileCount: files.length,
  };
}

function lastTouch({ input }: Source): number {
  return (input.mapping?.touches.at(-1)?.at ?? 0) / 1000;
}

function largest<T extends { readonly bytes: number }>(rows: T[], limit: number): T[] {
  return rows.length <= limit ? rows : [...rows].sort((a, b) => b.bytes - a.bytes).slice(0, limit);
}

/** A file of the start: times in microseconds, and who touched it first. */
interface TouchedFile extends EntryRef {
  readonly start: number;
  end: number;
  bytes: number;
  readonly pid: number;
}

function filesOf(touches: readonly Touch[]): TouchedFile[] {
  const found = new Map<number, TouchedFile>();
  for (const { layer, entry, at, start, end, pid } of touches) {
    const key = layer * LAYER + entry;
    const file = found.get(key);
    if (file === undefined) found.set(key, { layer, entry, start: at, end: at, bytes: end - start, pid });
    else {
      file.end = at;
      file.bytes += end - start;
    }
  }
  return [...found.values()];
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

function processesOf({ processes = [] }: TraceMapping, files: readonly TouchedFile[]): TimelineProcess[] {
  const counts = new Map<number, number>();
  for (const { pid } of files) counts.set(pid, (counts.get(pid) ?? 0) + 1);
  return processes.slice(0, PROCESSES).map(({ pid, program, start, end }) => ({
    pid,
    program: (program ?? `process ${pid}`).slice(-PROGRAM_LENGTH),
    start: start / 1000,
    end: end === undefined ? null : end / 1000,
    files: counts.get(pid) ?? 0,
  }));
}
