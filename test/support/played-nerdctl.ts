import { recordedCalls } from './recorded-calls';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

export interface PlayedNerdctl {
  /** To be put on PATH. */
  readonly folder: string;
  /** The arguments of each run, without those that only asked for the version. */
  calls(): Promise<string[][]>;
  /** Which command fails from now on. */
  fail(command: 'pull' | 'run' | undefined): Promise<void>;
}

/**
 * No nerdctl, which neither Debian nor a package registry has: a program of that name that takes the flags that nerdctl 2 takes,
 * and no others, records them, and does what they say with the real `ctr`. Nothing is lazy with it: it pulls by overlayfs.
 */
export async function makePlayedNerdctl(dir: string): Promise<PlayedNerdctl> {
  const folder = path.join(dir, 'bin');
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, 'nerdctl');
  await writeFile(file, `#!${process.execPath}\n${PROGRAM}`);
  await chmod(file, 0o755);
  const failing = path.join(folder, 'failing');
  return {
    folder,
    fail: (command) => writeFile(failing, command ?? ''),
    calls: () => recordedCalls(folder),
  };
}

const PROGRAM = `
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const fatal = (text) => {
  process.stderr.write('time="2026-01-01T00:00:00Z" level=info msg=trying\\nlevel=fatal msg="' + text + '"\\n');
  process.exit(1);
};
const args = process.argv.slice(2);
if (args[0] === '--version') {
  console.log('nerdctl version 2.1.3');
  process.exit();
}
fs.appendFileSync(__dirname + '/calls.jsonl', JSON.stringify(args) + '\\n');
// Whether a flag has a value; nerdctl's own help says which there are.
const GLOBAL = { '--address': true, '--namespace': true, '--snapshotter': true, '--insecure-registry': false };
const OF = {
  pull: { '--quiet': false },
  run: { '--detach': false, '--pull': true, '--net': true, '--name': true },
  rm: { '--force': false },
};
const take = (known) => {
  const found = {};
  while (args[0]?.startsWith('--')) {
    const flag = args.shift();
    if (!(flag in known)) fatal('unknown flag: ' + flag);
    found[flag] = known[flag] ? args.shift() : true;
  }
  return found;
};
const all = take(GLOBAL);
const command = args.shift();
if (!(command in OF)) fatal('unknown subcommand ' + command);
const own = take(OF[command]);
const ctr = (...more) =>
  execFileSync('ctr', ['--address', all['--address'], '--namespace', all['--namespace'], ...more], { encoding: 'utf8' });
const overlay = ['--snapshotter', 'overlayfs'];
const failing = __dirname + '/failing';
if (fs.existsSync(failing) && fs.readFileSync(failing, 'utf8') === command) fatal(command + ' does not come to an end');
const [target] = args;
if (command === 'pull')
  ctr('images', 'pull', ...overlay, ...(all['--insecure-registry'] ? ['--plain-http'] : []), target);
if (command === 'run') ctr('run', '--detach', '--null-io', '--net-host', ...overlay, target, own['--name']);
if (command === 'rm') {
  ctr('tasks', 'rm', '--force', target);
  ctr('containers', 'rm', target);
}
`;
