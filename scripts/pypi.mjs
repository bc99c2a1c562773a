// Compilers that no machine is asked to have: PyPI brings them, each into a virtual environment of its own.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Fetches a package into a virtual environment, once.
 *
 * @param environment its folder, whose name says the version too
 * @param requirement what pip installs, pinned: `ziglang==0.15.2`
 * @returns the folder of its programs
 */
export async function ensureFromPypi(environment, requirement, log) {
  const programs = path.join(environment, process.platform === 'win32' ? 'Scripts' : 'bin');
  if (!existsSync(path.join(environment, 'ready'))) {
    log(`Fetching ${requirement} from PyPI …`);
    await rm(environment, { recursive: true, force: true });
    await run(await findPython(), ['-m', 'venv', environment]);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', requirement];
    await run(path.join(programs, 'python'), pip);
    await mkdir(path.join(environment, 'ready'));
  }
  return programs;
}

async function findPython() {
  for (const name of ['python3', 'python', 'py']) {
    const found = await run(name, ['-c', 'import sys; assert sys.version_info >= (3, 8)']).catch(
      () => undefined,
    );
    if (found) return name;
  }
  throw new Error('no Python 3 is on PATH');
}
