import { parseArgs } from 'node:util';
import { LensError } from '../errors';
import { parseSize } from '../plan/format';
import { parsePort } from '../ports';
import type { Session } from './session';
import type { LogLevel } from './terminal';

/** The exit codes of every verb (docs/cli.md). */
export const EXIT = { done: 0, failed: 1, usage: 2, notHeld: 3, interrupted: 130 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A mistake in what was typed: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Flag {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly multiple?: boolean;
  /** What stands for the value in the help: `FILE`. */
  readonly value?: string;
  readonly help: string;
}

/** What the flags were set to; not given is `undefined`. */
export type FlagValues<F extends Readonly<Record<string, Flag>>> = {
  readonly [K in keyof F]:
    | (F[K]['type'] extends 'boolean'
        ? boolean
        : F[K] extends { multiple: true }
          ? readonly string[]
          : string)
    | undefined;
};

export interface Arguments<F extends Readonly<Record<string, Flag>>> {
  readonly flags: FlagValues<F>;
  readonly positionals: readonly string[];
  /** What stood behind `--`. */
  readonly rest: readonly string[];
}

/** One verb. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  /** The line behind `soci-lens`: `index IMAGE --output DEST [flags]`. */
  readonly usage: string;
  readonly flags: Readonly<Record<string, Flag>>;
  /** @throws UsageError, LensError, or the abort of the session's signal */
  run(session: Session, argv: readonly string[]): Promise<ExitCode>;
}

/** Flags that every verb takes. */
export const COMMON_FLAGS = {
  json: { type: 'boolean', help: 'Print one JSON document (docs/cli.md) instead of text.' },
  quiet: { type: 'boolean', short: 'q', help: 'Print results and errors only.' },
  verbose: { type: 'boolean', short: 'v', help: 'Tell each step, also where no terminal shows a bar.' },
  'log-level': { type: 'string', value: 'LEVEL', help: 'error, info or debug; like --quiet and --verbose.' },
  help: { type: 'boolean', short: 'h', help: 'Show this.' },
} as const satisfies Record<string, Flag>;

/** Of the verbs that look at one image. */
export const PLATFORM_FLAG = {
  platform: {
    type: 'string',
    value: 'OS/ARCH',
    help: "Which image of several; this machine's if not given.",
  },
} as const satisfies Record<string, Flag>;

/**
 * Makes a verb of its flags and what it does with them. Unknown flags, missing values and a wrong number of names are
 * usage errors before anything runs.
 */
export function defineCommand<const F extends Readonly<Record<string, Flag>>>(definition: {
  readonly name: string;
  readonly summary: string;
  readonly usage: string;
  readonly flags: F;
  /** How many names the verb takes, or the least and the most; else the usage line is shown. */
  readonly positionals: number | readonly [least: number, most: number];
  /** True when words behind `--` mean something. */
  readonly takesRest?: boolean;
  run(session: Session, args: Arguments<F & typeof COMMON_FLAGS>): Promise<ExitCode>;
}): Command {
  const { name, summary, usage, positionals, takesRest = false } = definition;
  const flags = { ...definition.flags, ...COMMON_FLAGS };
  const [least, most] = typeof positionals === 'number' ? [positionals, positionals] : positionals;
  return {
    name,
    summary,
    usage,
    flags,
    run: (session, argv) => {
      const args = readArguments(flags, argv);
      const count = args.positionals.length;
      if (count < least || count > most || (args.rest.length > 0 && !takesRest)) {
        throw new UsageError(`Usage: soci-lens ${usage}`);
      }
      session.terminal.setLevel(logLevel(args.flags));
      return definition.run(session, args);
    },
  };
}

function logLevel(flags: FlagValues<typeof COMMON_FLAGS>): LogLevel {
  const level = flags['log-level'] ?? (flags.quiet ? 'error' : flags.verbose ? 'debug' : 'info');
  if (level === 'error' || level === 'info' || level === 'debug') return level;
  throw new UsageError(`--log-level takes error, info or debug, not "${level}".`);
}

function readArguments<F extends Readonly<Record<string, Flag>>>(
  flags: F,
  argv: readonly string[],
): Arguments<F> {
  const end = argv.indexOf('--');
  const own = end === -1 ? argv : argv.slice(0, end);
  try {
    const { values, positionals } = parseArgs({ args: [...own], options: flags, allowPositionals: true });
    // parseArgs has just checked the values against the very flags that this type is made of.
    return {
      flags: values as unknown as FlagValues<F>,
      positionals,
      rest: end === -1 ? [] : argv.slice(end + 1),
    };
  } catch (error) {
    // Node's message may go on with a hint about `--` that does not fit here.
    if (error instanceof TypeError) throw new UsageError(`${error.message.split(/[.\n]/)[0] ?? ''}.`);
    throw error;
  }
}

/** Runs a parser of ours on something typed, so that its complaint counts as a usage error. */
export function typed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof LensError) throw new UsageError(`${error.message} ${error.advice}`);
    throw error;
  }
}

/** A flag that this run cannot do without. */
export function required<T>(value: T | undefined, flag: string): T {
  if (value === undefined) throw new UsageError(`--${flag} is missing.`);
  return value;
}

/** A whole number, with `k`, `M` or `G` for powers of 1024 behind it: `65536`, `64k`, `4M`. */
export function parseBytes(text: string, flag: string): number {
  const bytes = parseSize(text);
  if (bytes === undefined) {
    throw new UsageError(`--${flag} takes a number of bytes such as 65536, 64k or 4M, not "${text}".`);
  }
  return bytes;
}

/** A positive whole number. */
export function parseCount(text: string, flag: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(count) || count < 1) {
    throw new UsageError(`--${flag} takes a whole number from 1 on, not "${text}".`);
  }
  return count;
}

/** A port. */
export function parsePortFlag(text: string, flag: string): number {
  const port = parsePort(text);
  if (port === undefined) throw new UsageError(`--${flag} takes a number from 1 to 65535, not "${text}".`);
  return port;
}

/** The help of one verb. */
export function commandHelp(command: Command): string {
  const rows = Object.entries(command.flags).map(([name, { short, value, multiple, help }]) => {
    const left = `${short ? `-${short}, ` : ''}--${name}${value ? ` ${value}` : ''}${multiple ? ' …' : ''}`;
    return [left, help] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  return [
    command.summary,
    '',
    `Usage: soci-lens ${command.usage}`,
    '',
    ...rows.map(([left, help]) => `  ${left.padEnd(width)}  ${help}`),
    '',
  ].join('\n');
}
