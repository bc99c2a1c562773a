/** `calibrate` against a real registry behind a proxy that adds a latency, and the plan that takes what it found. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { Plan } from '../../src/plan/types';
import { runInProcess } from '../support/cli';
import { startFaultProxy } from '../support/fault-proxy';
import { temporaryFolder } from '../support/folders';
import { layerOf, writeImage } from '../support/images';
import { startRegistry } from '../support/registry';

const DELAY = 120;

test(
  'calibrate measures the latency, keeps it, and plan takes it where no flag says',
  { timeout: 900_000 },
  async (t) => {
    const dir = await temporaryFolder(t);
    process.env['SOCI_LENS_CACHE'] = path.join(dir, 'cache');
    const registry = await startRegistry();
    t.after(() => registry.stop());
    const proxy = await startFaultProxy(registry.host);
    t.after(() => proxy.stop());
    const json = async <T>(...argv: string[]): Promise<T & { stderr: string }> => {
      const { code, stdout, stderr } = await runInProcess([...argv, '--json', '--verbose']);
      assert.equal(code, 0, stderr);
      return { ...(JSON.parse(stdout) as T), stderr };
    };
    const folder = path.join(dir, 'image');
    await writeImage(folder, [await layerOf([{ name: 'data', data: randomBytes(6_000_000) }])]);
    await json('push', `oci:${folder}`, `docker://${registry.host}/team/app:1`);

    interface Measured {
      readonly rttMs: number;
      readonly registryMs: number;
      readonly bytesPerSecond: number;
    }
    const near = await json<Measured>('calibrate', `docker://${registry.host}/team/app:1`);
    proxy.judge = () => ({ delay: DELAY });
    const far = await json<Measured>('calibrate', `docker://${proxy.host}/team/app:1`, '--node', 'm6i.large');
    const answer = (one: Measured): number => one.rttMs + one.registryMs;
    // Timers are never early by more than a millisecond; a busy machine makes both later.
    assert.ok(answer(far) >= DELAY - 1, `${answer(far)} ms`);
    assert.ok(answer(far) - answer(near) < DELAY * 20, `${answer(near)} and ${answer(far)} ms`);
    assert.ok(far.bytesPerSecond > 1e5 && far.bytesPerSecond < 1e11);

    proxy.judge = () => ({});
    const trace = path.join(dir, 'paths.soci-trace.jsonl');
    const list = path.join(dir, 'paths');
    await writeFile(list, '/data\n');
    await json('import-trace', list, '--from', 'paths', '-o', trace);
    const plan = await json<Plan>('plan', `docker://${proxy.host}/team/app:1`, '--trace', trace);
    assert.equal(plan.network.rttMs, far.rttMs);
    assert.equal(plan.network.bytesPerSecond, far.bytesPerSecond);
    assert.equal(plan.node.name, 'm6i.large');
    assert.match(plan.stderr, /as measured on \d{4}-/);
    const flagged = await json<Plan>(
      'plan',
      `docker://${proxy.host}/team/app:1`,
      '--trace',
      trace,
      '--network',
      'local',
    );
    assert.equal(flagged.network.rttMs, 1);
  },
);
