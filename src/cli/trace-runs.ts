/** Several starts of one image, compared. */
import { formatCount, formatSeconds } from '../plan/format';
import type { TarEntries } from '../layer/types';
import { stability, uniteRuns, type Stability } from '../trace/runs';
import type { TraceMapping } from '../trace/types';
import { formatTable } from './terminal';

/** The span that `soci` makes when not told. */
const SPAN = 4 << 20;
/** Names of files are for a look, not for a list. */
const NAMES = 5;

export interface ComparedRuns {
  readonly spanSize: number;
  readonly stability: Stability;
  /** Bytes that all runs read, and that any run read. */
  readonly stableBytes: number;
  readonly anyBytes: number;
  readonly runs: readonly {
    readonly files: number;
    readonly readyMs: number | null;
    readonly onlyHere: readonly string[];
  }[];
}

export function compareRuns(
  mappings: readonly TraceMapping[],
  layers: readonly (TarEntries | undefined)[],
): ComparedRuns {
  const { files, stableBytes, anyBytes } = uniteRuns(mappings);
  const single = new Set(
    files.flatMap(({ layer, entry, runs }) => (runs === 1 ? [`${layer}/${entry}`] : [])),
  );
  return {
    spanSize: SPAN,
    stability: stability(mappings, layers, SPAN),
    stableBytes,
    anyBytes,
    runs: mappings.map(({ touches, files: count, readyAt }) => {
      const own = new Map(
        touches.map(({ layer, entry }) => [`${layer}/${entry}`, layers[layer]?.name(entry) ?? '']),
      );
      return {
        files: count,
        readyMs: readyAt === undefined ? null : readyAt / 1000,
        onlyHere: [...own].flatMap(([key, name]) => (single.has(key) ? [name] : [])).sort(),
      };
    }),
  };
}

export function describeRuns({ runs, stability: { files, spans } }: ComparedRuns): string {
  const of = (counts: readonly number[]) =>
    counts
      .flatMap((count, index) =>
        count > 0 ? [`${formatCount(count)} in ${index + 1} of ${runs.length}`] : [],
      )
      .reverse()
      .join(', ');
  return [
    formatTable(
      ['run', 'ready after', 'files', 'only in this run'],
      runs.map(({ files: count, readyMs, onlyHere }, index) => [
        String(index + 1),
        readyMs === null ? '–' : formatSeconds(readyMs / 1000),
        formatCount(count),
        [
          ...onlyHere.slice(0, NAMES),
          ...(onlyHere.length > NAMES ? [`and ${onlyHere.length - NAMES} more`] : []),
        ].join(', '),
      ]),
    ),
    `Files: ${of(files)}. Spans of 4 MiB: ${of(spans)}.`,
  ].join('\n');
}
