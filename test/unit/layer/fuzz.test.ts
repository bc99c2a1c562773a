import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { repoRoot } from '../../support/paths';

const run = promisify(execFile);
const fuzz = (...args: string[]) => run(process.execPath, [path.join(repoRoot, 'scripts/fuzz.mjs'), ...args]);

const COUNT = '1500';

// In a process of its own: node:test follows every promise, which takes most of the time of so many short scans.
for (const kind of ['gzip', 'tar']) {
  it(`agrees with its oracle on ${COUNT} random ${kind} layers`, { timeout: 900_000 }, async () => {
    const { stdout } = await fuzz('--only', kind, '--count', COUNT, '--seed', '1');
    assert.match(stdout, new RegExp(`^${kind}: ${COUNT} cases from seed 1 on, no disagreement`));
  });
}
