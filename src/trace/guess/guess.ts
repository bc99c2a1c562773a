/**
 * A start as its image alone lets one guess it, where nothing can be run: the first program, its interpreter, its libraries
 * and the modules that its text names. A guess knows files and no ranges, nothing of configuration, data or plug-ins; how
 * much of real starts it finds stands in docs/tracing.md.
 */
import path from 'node:path';
import { LensError } from '../../errors';
import { formatPlatform } from '../../oci/platform';
import type { ImageConfig } from '../../oci/types';
import type { TarEntries } from '../../layer/types';
import { ImageTree } from '../tree';
import type { StartupTrace, TraceEvent } from '../types';
import { GuessedFiles, type ReadEntry } from './files';
import { guessJava } from './jvm';
import { Loader } from './loader';
import { guessNode, packageScript } from './node';
import { guessPython } from './python';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Programs that only start another, which follows their options. */
const STARTERS = /^(env|tini|dumb-init|exec|nohup|nice|setpriv|catatonit)$/;
/** The same, with a user before it. */
const USER_STARTERS = /^(gosu|su-exec|chroot)$/;
/** Programs that run a command of a `package.json`. */
const PACKAGE_RUNNERS = /^(npm|yarn|pnpm)$/;
const SHELLS = /^(sh|bash|dash|ash|busybox)$/;
/** Scripts that start scripts. */
const MAX_DEPTH = 10;

export interface GuessSubject {
  readonly reference: string;
  readonly config: ImageConfig;
  /** Lowest first; `undefined` for a layer that could not be read. */
  readonly layers: readonly (TarEntries | undefined)[];
  readonly read: ReadEntry;
}

export interface GuessOptions {
  /** In place of the image's Cmd. */
  readonly command?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** @throws LensError `trace/no-command`, `trace/command-not-found` */
export async function guessStart(subject: GuessSubject, options: GuessOptions = {}): Promise<StartupTrace> {
  const { reference, config } = subject;
  const own = config.config ?? {};
  const command = [...(own.Entrypoint ?? []), ...(options.command ?? own.Cmd ?? [])];
  const [name] = command;
  if (name === undefined) {
    throw new LensError(
      'trace/no-command',
      'The image has neither ENTRYPOINT nor CMD, so there is nothing to start.',
      'Give the command to run behind "--".',
    );
  }
  const files = new GuessedFiles(new ImageTree(subject.layers), subject.read, options.signal);
  const guess = new Guess(
    files,
    new Map((own.Env ?? []).map(variable)),
    own.WorkingDir === undefined || own.WorkingDir === '' ? '/' : own.WorkingDir,
  );
  await guess.command(command);
  if (files.used.size === 0) {
    throw new LensError(
      'trace/command-not-found',
      `The image has nothing to run as "${name}".`,
      'Correct the ENTRYPOINT or CMD, or give the command to run behind "--".',
    );
  }
  const { diff_ids: diffIds } = config.rootfs;
  const image = { ref: reference, platform: formatPlatform(config), diff_ids: diffIds };
  return {
    header: {
      v: 1,
      op: 'start',
      t0_unix_ns: '0',
      clock: 'monotonic',
      unit: 'us',
      mode: 'guess',
      level: 1,
      image,
      ...(options.command && { command: options.command }),
    },
    events: [...files.used].flatMap((file, index): TraceEvent[] => [
      { op: 'open', t: 2 * index, pid: 1, path: file },
      { op: 'read', t: 2 * index + 1, pid: 1, path: file, off: 0, len: -1 },
    ]),
    footer: { op: 'end', reason: 'guessed' },
  };
}

function variable(text: string): [name: string, value: string] {
  const at = text.indexOf('=');
  return [text.slice(0, at), text.slice(at + 1)];
}

/** env(1): `#!/usr/bin/env -S node --flag` hands over one word, which `-S` takes apart. */
function splitFirst([first = '', ...rest]: readonly string[]): readonly string[] {
  const [, words] = /^(?:-[a-z]*S|--split-string=)(.+)$/s.exec(first) ?? [];
  return words === undefined ? [first, ...rest] : [...words.trim().split(/\s+/), ...rest];
}

class Guess {
  readonly #loader: Loader;

  constructor(
    private readonly files: GuessedFiles,
    private readonly env: ReadonlyMap<string, string>,
    private readonly cwd: string,
  ) {
    this.#loader = new Loader(files, this.#list('LD_LIBRARY_PATH'));
  }

  #list(name: string): string[] {
    return (this.env.get(name) ?? '').split(':').filter(Boolean);
  }

  /** What running these words reads. */
  async command(words: readonly string[], depth = 0): Promise<void> {
    const [name = '', ...args] = words;
    const program = this.#program(name);
    if (program === undefined || depth > MAX_DEPTH) return;
    const real = this.files.use(program);
    const [, line] = /^#! *(.*)/.exec((await this.files.read(program)).toString('latin1', 0, 256)) ?? [];
    if (line !== undefined) {
      // execve(2): the rest of the line is one argument.
      const [, interpreter = '', argument = ''] = /^(\S+)\s*(.*?)\s*$/.exec(line) ?? [];
      await this.command([interpreter, ...(argument === '' ? [] : [argument]), program, ...args], depth + 1);
      if (PACKAGE_RUNNERS.test(path.posix.basename(program))) await this.#runPackage(args, depth);
      return;
    }
    if (real !== undefined) await this.#loader.load(real);
    await this.#interpret(program, args, depth);
  }

  /** In a shell, with the programs of the packages ahead (npm-run-script(1)). */
  async #runPackage(args: readonly string[], depth: number): Promise<void> {
    const { cwd, env, files } = this;
    const script = await packageScript(files, args, cwd);
    if (script === undefined) return;
    const searchPath = [`${cwd}/node_modules/.bin`, env.get('PATH') ?? DEFAULT_PATH].join(':');
    const inside = new Guess(files, new Map([...env, ['PATH', searchPath]]), cwd);
    await inside.command(['sh', '-c', script], depth + 1);
  }

  #program(name: string): string | undefined {
    return this.files.find(name, this.env.get('PATH') ?? DEFAULT_PATH, this.cwd);
  }

  async #interpret(program: string, args: readonly string[], depth: number): Promise<void> {
    const { cwd, files } = this;
    const called = path.posix.basename(program);
    const kind = path.posix.basename(files.real(program));
    if (/^python3(\.\d+)?$/.test(kind)) {
      await guessPython(files, this.#loader, program, args, { cwd, pythonPath: this.#list('PYTHONPATH') });
    } else if (/^node(js)?$/.test(kind)) {
      await guessNode(files, this.#loader, args, { cwd, nodePath: this.#list('NODE_PATH') });
    } else if (kind === 'java') {
      await guessJava(files, this.#loader, program, args, { cwd, classPath: this.#list('CLASSPATH') });
    } else if (SHELLS.test(called)) {
      await this.#shell(args, depth);
    } else if (STARTERS.test(called) || USER_STARTERS.test(called)) {
      const words = called === 'env' ? splitFirst(args) : args;
      const user = USER_STARTERS.test(called) ? words.findIndex((word) => !word.startsWith('-')) : -1;
      // An option may have a value: the first word that is a program is the one.
      const own = words.findIndex((word, at) => at > user && this.#program(word) !== undefined);
      if (own >= 0) await this.command(words.slice(own), depth + 1);
    }
  }

  /** The commands that lines of a script begin with, and what it is asked to become (`exec "$@"`). */
  async #shell(args: readonly string[], depth: number): Promise<void> {
    const inline = args.findIndex((word) => /^-[a-z]*c$/.test(word));
    const script = args.find((word) => !word.startsWith('-'));
    const at = script === undefined ? args.length : args.indexOf(script) + 1;
    const text =
      inline >= 0
        ? (args[inline + 1] ?? '')
        : script === undefined
          ? ''
          : await this.files.text(path.posix.resolve(this.cwd, script));
    const rest = args.slice(inline >= 0 ? inline + 3 : at);
    for (const statement of text.replace(/\\\n/g, ' ').split(/\n|;|&&|\|\|/)) {
      const words = statement
        .trim()
        .replace(/^(exec|then|do|else|if|while|!)\s+/, '')
        .split(/\s+/)
        .map((word) => word.replace(/^(["'])(.*)\1$/, '$2'))
        .flatMap((word) => (word === '$@' ? rest : [word]));
      if (words[0]?.startsWith('#') || words[0]?.includes('=')) continue;
      await this.command(words, depth + 1);
    }
  }
}
