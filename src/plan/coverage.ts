/** Whether a trace belongs to the image at hand. */
import { LensError } from '../errors';
import type { Coverage, TraceMapping } from '../trace/types';
import { formatCount, formatShare } from './format';
import type { PlanTrace } from './types';

/** Below this share of a trace's paths found in the image, the trace is of another image. */
const FOREIGN_TRACE = 0.1;
const EXAMPLES = 10;

const REASONS = {
  'not-in-image': 'not in the image',
  'symlink-loop': 'its symbolic links run in a circle',
  'not-a-file': 'not a regular file',
} as const;

/** The counts, and the first of the paths that lead nowhere. */
export type CoverageReport = Pick<PlanTrace, 'mapped' | 'excluded' | 'unmapped' | 'examples'>;

export function reportCoverage({ mapped, excluded, unmapped }: Coverage): CoverageReport {
  return {
    mapped,
    excluded,
    unmapped: unmapped.length,
    examples: unmapped.slice(0, EXAMPLES).map(({ path, reason }) => ({ path, reason: REASONS[reason] })),
  };
}

/** How much of a trace was found in the image, in a sentence. */
export function describeCoverage({ mapped, excluded, unmapped }: CoverageReport): string {
  const all = mapped + excluded + unmapped;
  return `Of the ${formatCount(all)} paths of the trace ${formatCount(mapped)} lead into the image, ${formatCount(excluded)} are not the image's (mounts, /proc and the like), and ${formatCount(unmapped)} lead to no file of it.`;
}

/** The same for a terminal: the sentence, and below it the first paths that lead nowhere, each with its reason. */
export function coverageLines(report: CoverageReport): string[] {
  const more = report.unmapped - report.examples.length;
  return [
    describeCoverage(report),
    // Quoted: a path may hold any bytes, those that a terminal obeys too.
    ...report.examples.map(({ path, reason }) => `  ${JSON.stringify(path)}: ${reason}`),
    ...(more > 0 ? [`  … and ${formatCount(more)} more`] : []),
  ];
}

/** @throws LensError `plan/foreign-trace` with a report of what was found */
export function planTrace({ files, readyAt, coverage }: TraceMapping): PlanTrace {
  const { mapped, unmapped } = coverage;
  const all = mapped + unmapped.length;
  if (mapped < all * FOREIGN_TRACE) {
    const some = unmapped.slice(0, 3).map(({ path }) => path);
    throw new LensError(
      'plan/foreign-trace',
      `The trace is of another image: of its ${formatCount(all)} paths only ${formatCount(mapped)} (${formatShare(mapped / all)}) lead to a file here. Missing are ${some.join(', ')} …`,
      'Record a start of this image, or give the image that the trace was recorded from.',
    );
  }
  return {
    files,
    readyMs: readyAt === undefined ? null : readyAt / 1000,
    ...reportCoverage(coverage),
  };
}
