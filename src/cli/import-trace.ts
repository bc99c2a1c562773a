import { coverageLines, reportCoverage } from '../plan/coverage';
import { formatCount, formatMany } from '../plan/format';
import { writeTrace } from '../trace/file';
import { importTrace, IMPORT_FORMATS } from '../trace/import';
import { mapTrace } from '../trace/map';
import { defineCommand, EXIT, PLATFORM_FLAG, required, UsageError } from './command';
import { REGISTRY_FLAGS } from './registry-flags';

export const importTraceCommand = defineCommand({
  name: 'import-trace',
  summary: 'Turns what another tool recorded of a start into a trace file.',
  usage: 'import-trace FILE --from TOOL [flags]',
  positionals: 1,
  flags: {
    from: { type: 'string', value: 'TOOL', help: `${IMPORT_FORMATS.join(', ')}.` },
    output: {
      type: 'string',
      short: 'o',
      value: 'FILE',
      help: 'Where the trace goes (FILE.soci-trace.jsonl).',
    },
    image: { type: 'string', value: 'IMAGE', help: 'Tell how much of it leads into this image.' },
    ...PLATFORM_FLAG,
    ...REGISTRY_FLAGS,
  },
  async run(session, { flags, positionals: [file = ''] }) {
    const from = required(flags.from, 'from');
    const format = IMPORT_FORMATS.find((one) => one === from);
    if (format === undefined) {
      throw new UsageError(`--from takes ${IMPORT_FORMATS.join(', ')}, not "${from}".`);
    }
    const output = flags.output ?? `${file}.soci-trace.jsonl`;
    const { trace, used, ambiguous, dropped } = await importTrace(file, format, { signal: session.signal });
    await writeTrace(output, trace, session.signal);
    let coverage;
    if (flags.image !== undefined) {
      const image = await session.open(flags.image, flags.platform, flags);
      const results = await session.scan(image);
      const layers = results.map((result) => ('scan' in result ? result.scan.entries : undefined));
      coverage = reportCoverage(mapTrace(trace, { layers, config: image.config }).coverage);
    }
    const document = {
      version: 1 as const,
      file: output,
      events: trace.events.length,
      lines: used,
      ambiguous,
      dropped,
      ...(coverage && { coverage }),
    };
    if (flags.json) session.terminal.json(document);
    else {
      const left = Object.values(dropped).reduce((sum, count) => sum + count, 0);
      const counts = `${output}: ${formatMany(trace.events.length, 'event')} from ${formatMany(used, 'line')}, of which ${formatCount(ambiguous)} are ambiguous; ${formatMany(left, 'line')} left out (${formatCount(dropped.failed)} failed calls, ${formatCount(dropped['no-content'])} that read no content, ${formatCount(dropped.relative)} relative paths, ${formatCount(dropped['not-understood'])} not understood).`;
      session.terminal.result([counts, ...(coverage ? coverageLines(coverage) : [])].join('\n'));
    }
    return EXIT.done;
  },
});
