/** What is told of recorded starts. */
import { coverageLines, reportCoverage } from '../plan/coverage';
import { formatBytes, formatCount, formatMany, formatSeconds } from '../plan/format';
import { timelineOf } from '../trace/processes';
import type { EndReason, StartupTrace, TraceMapping } from '../trace/types';
import { EXIT, type ExitCode } from './command';
import { formatTable, type Terminal } from './terminal';
import { describeRuns, type ComparedRuns } from './trace-runs';

/** The endings that are no start, in the middle of a sentence. */
const NOT_READY: Partial<Record<EndReason, string>> = {
  timeout: 'the time was up',
  'early-exit': 'its first process ended',
  oom: 'it ran out of memory',
  'engine-lost': 'the engine went away',
};

/** A table of more processes is no help. */
const MOST_PROCESSES = 30;

/** A trace, the file that it was written to, and what of it leads into its image. */
export interface MadeTrace {
  readonly file: string;
  readonly trace: StartupTrace;
  readonly mapping: Pick<TraceMapping, 'coverage'>;
}

/** Prints one or several, and what their comparison gave. Gives the exit code: all of them have to be starts. */
export function reportTraces(
  terminal: Terminal,
  asJson: boolean,
  made: readonly MadeTrace[],
  compared?: ComparedRuns,
): ExitCode {
  const documents = made.map(describe);
  const [first] = documents;
  if (asJson) {
    const document = compared ? { runs: documents, compared } : first;
    terminal.json({ version: 1 as const, ...document });
  } else {
    for (const document of documents)
      terminal.result([sentence(document), ...coverageLines(document.coverage)].join('\n'));
    if (compared) terminal.result(`\n${describeRuns(compared)}`);
    if (first && first.processes.length > 1) terminal.debug(timeline(first.processes));
  }
  return made.map((one) => complain(terminal, one)).includes(EXIT.failed) ? EXIT.failed : EXIT.done;
}

type Document = ReturnType<typeof describe>;

function describe({ file, trace: { header, events, footer }, mapping: { coverage } }: MadeTrace) {
  const files = new Set(
    events.flatMap((event) =>
      (event.op === 'open' || event.op === 'exec') && (event.ret ?? 0) >= 0 ? [event.real ?? event.path] : [],
    ),
  );
  const read = events.reduce((sum, event) => sum + (event.op === 'read' && event.len > 0 ? event.len : 0), 0);
  const milliseconds = (time: number | undefined) => (time === undefined ? null : time / 1000);
  return {
    file,
    mode: header.mode,
    reason: footer?.reason ?? 'cut',
    readyMs: milliseconds(footer?.t_ready),
    untracedReadyMs: milliseconds(header.untraced_ready),
    exitCode: footer?.exit_code ?? null,
    events: events.length,
    files: files.size,
    readBytes: read,
    coverage: reportCoverage(coverage),
    processes: timelineOf({ events }),
  };
}

function sentence({ file, mode, reason, files, readBytes, readyMs, untracedReadyMs }: Document): string {
  if (mode === 'guess') {
    return `${file}: a guess of ${formatMany(files, 'file')}, each taken whole; nothing was run. Configuration, data and plug-ins are missing from it.`;
  }
  const ready =
    readyMs === null
      ? ''
      : `, ready after ${formatSeconds(readyMs / 1000)}${untracedReadyMs === null ? '' : ` (${formatSeconds(untracedReadyMs / 1000)} without the tracer)`}`;
  return `${file}: ${formatCount(files)} files and folders opened, ${formatBytes(readBytes)} asked for by read calls${ready} (${reason}).`;
}

function timeline(processes: Document['processes']): string {
  const seconds = (time: number | undefined) => (time === undefined ? '' : formatSeconds(time / 1e6));
  const rows = processes
    .slice(0, MOST_PROCESSES)
    .map(({ pid, parent, program, start, end, code, files, bytes }) => [
      String(pid),
      String(parent ?? ''),
      seconds(start),
      seconds(end),
      String(code ?? ''),
      formatCount(files),
      formatBytes(bytes),
      program ?? '',
    ]);
  const more = processes.length - rows.length;
  return `${formatTable(['pid', 'of', 'from', 'to', 'code', 'files', 'read', 'program'], rows)}${more > 0 ? `\n… and ${more} more` : ''}`;
}

function complain(terminal: Terminal, { file, trace: { footer } }: MadeTrace): ExitCode {
  const { reason, exit_code: exitCode, log = [] } = footer ?? {};
  const failure = reason === undefined ? 'its end is missing' : NOT_READY[reason];
  if (failure === undefined) return EXIT.done;
  for (const line of log) terminal.error(`  ${line}`);
  terminal.error(
    `The start did not become ready: ${failure}${exitCode === undefined ? '' : ` with exit code ${exitCode}`}. ${file} holds what it read until then.\nCheck the image's own output, or choose another rule with --ready or more time with --timeout.`,
  );
  return EXIT.failed;
}
