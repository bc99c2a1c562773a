import { messageOf, isAbort, LensError } from '../errors';
import type { ScanPoolOptions } from '../layer/pool';
import { commandHelp, EXIT, UsageError, type Command, type ExitCode } from './command';
import { Session } from './session';
import type { Terminal } from './terminal';

/** Runs one command line, with one of these verbs, to its exit code. Nothing is thrown: every failure becomes a sentence on stderr. */
export async function runCli(
  commands: readonly Command[],
  argv: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
  pool: ScanPoolOptions = {},
): Promise<ExitCode> {
  const command = findCommand(commands, argv);
  if (!command) return helpOrComplain(commands, argv, terminal);
  const rest = argv.slice(command.name.split(' ').length);

  const own = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest;
  if (own.includes('--help') || own.includes('-h')) {
    terminal.result(commandHelp(command));
    return EXIT.done;
  }
  const session = new Session(terminal, signal, pool);
  try {
    return await command.run(session, rest);
  } catch (error) {
    return explain(error, command.name, terminal, signal);
  } finally {
    terminal.clear();
    await session.close();
  }
}

/** Some verbs are two words: `cluster doctor`. */
function findCommand(
  commands: readonly Command[],
  [first = '', second = '']: readonly string[],
): Command | undefined {
  return commands.find(({ name }) => name === first || name === `${first} ${second}`);
}

function helpOrComplain(
  commands: readonly Command[],
  [name, next]: readonly string[],
  terminal: Terminal,
): ExitCode {
  const width = Math.max(...commands.map((one) => one.name.length));
  const help = [
    'SOCI Lens: which bytes of a container image its start reads, and the SOCI index that fits.',
    '',
    'Usage: soci-lens VERB …',
    '',
    ...commands.map((one) => `  ${one.name.padEnd(width)}  ${one.summary}`),
    '',
    'soci-lens VERB --help lists the flags of a verb.',
  ].join('\n');
  if (name === '--help' || name === '-h' || name === 'help') {
    terminal.result(help);
    return EXIT.done;
  }
  const family = commands.filter((one) => one.name.startsWith(`${name ?? ''} `));
  if (name !== undefined && family.length > 0) {
    const verbs = family.map((one) => `  ${one.name.padEnd(width)}  ${one.summary}`).join('\n');
    const isHelp = next === '--help' || next === '-h';
    if (isHelp) terminal.result(verbs);
    else terminal.error(verbs);
    return isHelp ? EXIT.done : EXIT.usage;
  }
  terminal.error(name === undefined ? help : `There is no verb "${name}"; soci-lens --help lists them.`);
  return EXIT.usage;
}

function explain(error: unknown, verb: string, terminal: Terminal, signal: AbortSignal): ExitCode {
  if (signal.aborted && (isAbort(error) || error === signal.reason)) {
    terminal.error('Interrupted; nothing half-written is left.');
    return EXIT.interrupted;
  }
  if (error instanceof UsageError) {
    terminal.error(`${error.message}\nsoci-lens ${verb} --help lists the flags.`);
    return EXIT.usage;
  }
  if (error instanceof LensError) {
    terminal.error(`${error.message}\n${error.advice}`);
    if (error.cause !== undefined) terminal.debug(`Cause: ${messageOf(error.cause)}`);
    return EXIT.failed;
  }
  terminal.error(`This is a defect of SOCI Lens: ${messageOf(error)}\nPlease report it with what you ran.`);
  if (error instanceof Error && error.stack !== undefined) terminal.debug(error.stack);
  return EXIT.failed;
}
