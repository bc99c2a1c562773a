import { recordedCalls } from './recorded-calls';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** What the fake says and does, whatever it is asked. */
export interface FakeSociReply {
  readonly version: string;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly code?: number;
  /** A folder that becomes the last argument: what `convert --standalone --format oci-dir` would have written. */
  readonly result?: string;
}

export interface FakeSoci {
  /** To be put on PATH. */
  readonly folder: string;
  reply(reply: FakeSociReply): Promise<void>;
  /** The arguments of each run, without those that only asked for the version. */
  calls(): Promise<string[][]>;
}

/** No soci: a program of that name that records what it is called with and gives what the real one gave when it was recorded. */
export async function makeFakeSoci(dir: string): Promise<FakeSoci> {
  const folder = path.join(dir, 'bin');
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, 'soci');
  await writeFile(
    file,
    `#!${process.execPath}
const fs = require('node:fs');
const reply = JSON.parse(fs.readFileSync(__dirname + '/reply.json', 'utf8'));
const args = process.argv.slice(2);
if (args[0] === '--version') {
  console.log('soci version ' + reply.version + ' 0123456789abcdef');
} else {
  const list = args[args.indexOf('--prefetch-files-json') + 1];
  const files = args.includes('--prefetch-files-json') ? [fs.readFileSync(list, 'utf8')] : [];
  fs.appendFileSync(__dirname + '/calls.jsonl', JSON.stringify([...args, ...files, 'TZ=' + process.env.TZ]) + '\\n');
  if (reply.result) fs.cpSync(reply.result, args.at(-1), { recursive: true });
  process.stdout.write(reply.stdout ?? '');
  process.stderr.write(reply.stderr ?? '');
  process.exitCode = reply.code ?? 0;
}
`,
  );
  await chmod(file, 0o755);
  return {
    folder,
    reply: (reply) => writeFile(path.join(folder, 'reply.json'), JSON.stringify(reply)),
    calls: () => recordedCalls(folder),
  };
}
