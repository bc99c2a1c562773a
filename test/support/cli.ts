import { spawn } from 'node:child_process';
import path from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { COMMANDS, runCli } from '../../src/cli/program';
import { Terminal } from '../../src/cli/terminal';
import { repoRoot } from './paths';

export interface CliRun {
  /** `null` when a signal ended the program. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

class Sink extends Writable {
  text = '';

  constructor(readonly isTTY = false) {
    super();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

/** Runs a command line inside this process. `types` is what a person types at a terminal; without it there is nobody. */
export async function runInProcess(
  argv: readonly string[],
  options: { readonly signal?: AbortSignal; readonly isTTY?: boolean; readonly types?: string } = {},
): Promise<CliRun> {
  const [stdout, stderr] = [new Sink(), new Sink(options.isTTY)];
  const stdin = Object.assign(new PassThrough(), { isTTY: options.types !== undefined });
  stdin.end(options.types);
  const code = await runCli(
    COMMANDS,
    argv,
    new Terminal(stdout, stderr, stdin),
    options.signal ?? new AbortController().signal,
    { workerFile: path.join(repoRoot, 'dist/layer-worker.js') },
  );
  return { code, stdout: stdout.text, stderr: stderr.text };
}

/** Runs the built program as a person does. */
export async function runProgram(
  argv: readonly string[],
  options: { readonly script?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<CliRun> {
  const child = spawn(process.execPath, [options.script ?? 'dist/cli.js', ...argv], {
    cwd: repoRoot,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  return { code, stdout, stderr };
}
