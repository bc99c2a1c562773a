import path from 'node:path';
import { createInterface } from 'node:readline';
import { LensError } from '../errors';
import { parseReference } from '../image/reference';
import type { Image } from '../image/types';
import type { LayerScan } from '../layer/types';
import { writeTrace } from '../trace/file';
import { guessImage } from '../trace/guess/image';
import { findLeftovers, removeLeftovers } from '../trace/leftovers';
import { mapTrace } from '../trace/map';
import { recordStart } from '../trace/record';
import { summariseRun } from '../trace/summary';
import { defineCommand, parseCount, PLATFORM_FLAG, typed, UsageError } from './command';
import { REGISTRY_FLAGS } from './registry-flags';
import type { Session } from './session';
import { describeRun, readRunFlags, RUN_FLAGS } from './trace-flags';
import { reportTraces, type MadeTrace } from './trace-report';
import { compareRuns } from './trace-runs';

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
    ...RUN_FLAGS,
    runs: {
      type: 'string',
      value: 'N',
      help: 'Record so many fresh starts, each to its own file, and compare them (1).',
    },
    guess: { type: 'boolean', help: 'Run nothing: guess from the image which files its start reads.' },
    'remove-leftovers': {
      type: 'boolean',
      help: 'First remove what recordings that were cut off left in the engine.',
    },
    ...PLATFORM_FLAG,
    ...REGISTRY_FLAGS,
  },
  async run(session, { flags, positionals: [reference = ''], rest }) {
    const runs = parseCount(flags.runs ?? '1', 'runs');
    const options = { ...readRunFlags(flags), ...(rest.length > 0 && { command: rest }) };
    const output = flags.output ?? path.join('.soci-lens', `${fileName(reference)}.soci-trace.jsonl`);
    const { transport } = typed(() => parseReference(reference));
    if (flags.guess) {
      if (runs > 1) throw new UsageError('--guess runs nothing, so it takes no --runs.');
      const image = await session.open(reference, flags.platform, flags);
      const scans = await scansOf(session, image);
      const trace = await guessImage(image, scans, { command: options.command, signal: session.signal });
      await writeTrace(output, trace, session.signal);
      const layers = scans.map((scan) => scan?.entries);
      const mapping = mapTrace(trace, { layers, config: image.config });
      return reportTraces(session.terminal, flags.json === true, [{ file: output, trace, mapping }]);
    }
    if (transport !== 'docker-daemon' && transport !== 'any') {
      throw new LensError(
        'cli/not-in-engine',
        `${reference} is not an image of the Docker engine, and only there it can be started.`,
        'Load or pull it into the engine and name it docker-daemon:NAME, or let its start be guessed with --guess.',
      );
    }
    const engine = await session.engine();
    const left = await findLeftovers(engine);
    const count = left.containers.length + left.volumes.length;
    if (count > 0 && flags['remove-leftovers']) await removeLeftovers(engine, left);
    else if (count > 0) {
      session.terminal.info(
        `Recordings that were cut off have left containers or volumes in the engine (${count}); --remove-leftovers removes them.`,
      );
    }
    const image = await session.open(reference, flags.platform, flags);
    const summary = await summariseRun(engine, image, options);
    session.terminal.info(`This runs ${reference}:\n${describeRun(summary, flags.ready ?? 'auto')}`);

    const made: Omit<MadeTrace, 'mapping'>[] = [];
    const keyboard = stopOnEnter(session);
    try {
      for (let run = 1; run <= runs; run++) {
        const trace = await recordStart(engine, image, {
          ...options,
          tracerDir: path.join(__dirname, 'tracer'),
          signal: session.signal,
          stop: keyboard.stop(),
          onProgress: session.terminal.progress,
          onLog: (line) => {
            session.terminal.debug(line);
          },
        });
        const file = runs === 1 ? output : numbered(output, run);
        await writeTrace(file, trace, session.signal);
        made.push({ file, trace });
      }
    } finally {
      keyboard.close();
    }
    const layers = (await scansOf(session, image)).map((scan) => scan?.entries);
    const laid = made.map((one) => ({
      ...one,
      mapping: mapTrace(one.trace, { layers, config: image.config }),
    }));
    const compared =
      runs > 1
        ? compareRuns(
            laid.map(({ mapping }) => mapping),
            layers,
          )
        : undefined;
    return reportTraces(session.terminal, flags.json === true, laid, compared);
  },
});

async function scansOf(session: Session, image: Image): Promise<(LayerScan | undefined)[]> {
  return (await session.scan(image)).map((result) => ('scan' in result ? result.scan : undefined));
}

/** At a terminal, Enter ends the recording that runs and keeps it. */
function stopOnEnter({ terminal }: Session): { stop(): AbortSignal; close(): void } {
  let current = new AbortController();
  const lines = process.stdin.isTTY ? createInterface(process.stdin) : undefined;
  lines?.on('line', () => {
    current.abort();
  });
  if (lines) terminal.info('Press Enter to end the recording and keep it.');
  return {
    stop: () => {
      current = new AbortController();
      return current.signal;
    },
    close: () => lines?.close(),
  };
}

/** `docker-daemon:team/service:1.0` becomes `team-service-1.0`. */
function fileName(reference: string): string {
  return reference.replace(/^docker-daemon:/, '').replace(/[^A-Za-z0-9._-]+/g, '-');
}

/** `shop.soci-trace.jsonl` becomes `shop.2.soci-trace.jsonl`. */
function numbered(file: string, run: number): string {
  const { dir, base } = path.parse(file);
  const dot = base.indexOf('.', 1);
  return path.join(dir, dot < 0 ? `${base}.${run}` : `${base.slice(0, dot)}.${run}${base.slice(dot)}`);
}
