// npm, as a child process, on every operating system.
import { spawn } from 'node:child_process';

/**
 * Runs npm with `args`. `npm start` tells its own script by `npm_execpath`; else npm is looked up on PATH (on Windows it is a
 * batch file there, which only a shell starts). `output: 'pipe'` gives its stdout, else it is shown.
 */
export async function npm(args, { cwd, output = 'inherit' } = {}) {
  const script = process.env.npm_execpath;
  const own = script?.endsWith('.js') || script?.endsWith('.cjs');
  const child = own
    ? spawn(process.execPath, [script, ...args], { cwd, stdio: ['ignore', output, 'inherit'] })
    : spawn('npm', args, { cwd, stdio: ['ignore', output, 'inherit'], shell: process.platform === 'win32' });
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk) => (text += chunk));
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  if (code !== 0) throw new Error(`npm ${args[0]} failed with exit code ${code}.`);
  return text;
}
