import path from 'node:path';
import { Writable } from 'node:stream';
import type { ExitCode } from '../../src/cli/command';
import { runCli } from '../../src/cli/run';
import { Terminal } from '../../src/cli/terminal';
import { repoRoot } from './paths';

export interface CliRun {
  readonly code: ExitCode;
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

/** Runs a command line inside this process. */
export async function runInProcess(
  argv: readonly string[],
  options: { readonly signal?: AbortSignal; readonly isTTY?: boolean } = {},
): Promise<CliRun> {
  const [stdout, stderr] = [new Sink(), new Sink(options.isTTY)];
  const code = await runCli(
    argv,
    new Terminal(stdout, stderr),
    options.signal ?? new AbortController().signal,
    path.join(repoRoot, 'dist/layer-worker.js'),
  );
  return { code, stdout: stdout.text, stderr: stderr.text };
}
