import path from 'node:path';
import { LensError } from '../errors';
import { parseReference } from '../image/reference';
import { formatBytes, formatCount, formatSeconds } from '../plan/format';
import { writeTrace } from '../trace/file';
import { parseReadyRule } from '../trace/ready';
import { recordStart } from '../trace/record';
import type { EndReason } from '../trace/types';
import { defineCommand, EXIT, parseCount, typed, UsageError } from './command';

/** Seconds that a service may take until it counts as ready. */
const DEFAULT_TIMEOUT = 60;

/** The endings that are no start, in the middle of a sentence. */
const NOT_READY: Partial<Record<EndReason, string>> = {
  timeout: 'the time was up',
  'early-exit': 'its first process ended',
  oom: 'it ran out of memory',
  'engine-lost': 'the engine went away',
};

export const traceCommand = defineCommand({
  name: 'trace',
  summary: 'Starts the image in the Docker engine and records which bytes of which files its start reads.',
  usage: 'trace IMAGE [flags] [-- COMMAND …]',
  positionals: 1,
  takesRest: true,
  flags: {
    output: {
      type: 'string',
      short: 'o',
      value: 'FILE',
      help: 'Where the trace goes (.soci-lens/NAME.soci-trace.jsonl).',
    },
    ready: {
      type: 'string',
      value: 'RULE',
      help: 'When it is ready: auto, log=REGEXP, health, listen[=PORT], http=PORT/PATH, quiet=SECONDS or exit.',
    },
    timeout: { type: 'string', value: 'SECONDS', help: `The longest start (${DEFAULT_TIMEOUT}).` },
    compat: {
      type: 'boolean',
      help: 'Keep setuid programs and file capabilities working; needs more privileges.',
    },
    env: { type: 'string', multiple: true, value: 'NAME=VALUE', help: 'Set a variable of the container.' },
    platform: {
      type: 'string',
      value: 'OS/ARCH',
      help: "Which image of several; this machine's if not given.",
    },
  },
  async run(session, { flags, positionals: [reference = ''], rest }) {
    const ready = typed(() => parseReadyRule(flags.ready ?? 'auto'));
    const timeout = parseCount(flags.timeout ?? String(DEFAULT_TIMEOUT), 'timeout');
    const wrong = flags.env?.find((one) => !/^[^=]+=/.test(one));
    if (wrong !== undefined) throw new UsageError(`--env takes NAME=VALUE, not "${wrong}".`);
    const output = flags.output ?? path.join('.soci-lens', `${fileName(reference)}.soci-trace.jsonl`);
    const { transport } = typed(() => parseReference(reference));
    if (transport !== 'docker-daemon' && transport !== 'any') {
      throw new LensError(
        'cli/not-in-engine',
        `${reference} is not an image of the Docker engine, and only there it can be started.`,
        'Load or pull it into the engine and name it docker-daemon:NAME.',
      );
    }
    const engine = await session.engine();
    const image = await session.open(reference, flags.platform);
    const trace = await recordStart(engine, image, {
      tracerDir: path.join(__dirname, 'tracer'),
      ready,
      timeoutMs: timeout * 1000,
      signal: session.signal,
      onProgress: session.terminal.progress,
      onLog: (line) => {
        session.terminal.debug(line);
      },
      compat: flags.compat,
      ...(rest.length > 0 && { command: rest }),
      ...(flags.env && { env: flags.env }),
    });
    await writeTrace(output, trace, session.signal);

    const files = new Set(
      trace.events.flatMap((event) =>
        (event.op === 'open' || event.op === 'exec') && (event.ret ?? 0) >= 0
          ? [event.real ?? event.path]
          : [],
      ),
    );
    const read = trace.events.reduce(
      (sum, event) => sum + (event.op === 'read' && event.len > 0 ? event.len : 0),
      0,
    );
    const { reason, t_ready: readyAt, exit_code: exitCode, log = [] } = trace.footer ?? {};
    const readyMs = readyAt === undefined ? null : readyAt / 1000;
    const document = {
      version: 1 as const,
      file: output,
      reason: reason ?? 'cut',
      readyMs,
      exitCode: exitCode ?? null,
      events: trace.events.length,
      files: files.size,
    };
    if (flags.json) session.terminal.json(document);
    else {
      session.terminal.result(
        `${output}: ${formatCount(files.size)} files and folders opened, ${formatBytes(read)} asked for by read calls${readyMs === null ? '' : `, ready after ${formatSeconds(readyMs / 1000)}`} (${document.reason}).`,
      );
    }
    const failure = reason === undefined ? 'its end is missing' : NOT_READY[reason];
    if (failure !== undefined) {
      for (const line of log) session.terminal.error(`  ${line}`);
      session.terminal.error(
        `The start did not become ready: ${failure}${exitCode === undefined ? '' : ` with exit code ${exitCode}`}. ${output} holds what it read until then.\nCheck the image's own output, or choose another rule with --ready or more time with --timeout.`,
      );
      return EXIT.failed;
    }
    return EXIT.done;
  },
});

/** `docker-daemon:team/service:1.0` becomes `team-service-1.0`. */
function fileName(reference: string): string {
  return reference.replace(/^docker-daemon:/, '').replace(/[^A-Za-z0-9._-]+/g, '-');
}
