/** Podman as an engine: its own service, with storage of its own. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectEngine, type Engine } from '../../src/image/engine';
import { temporaryFolder } from './folders';

/** Started for one test, and ended with it. */
export async function startPodman(t: TestContext): Promise<Engine> {
  assert.ok(existsSync('/usr/bin/podman'), 'podman is not installed (apt-get install podman)');
  const dir = await temporaryFolder(t);
  const socket = path.join(dir, 'podman.sock');
  // Its own limits are higher than what a container may set, and tests run in containers too.
  const settings = path.join(dir, 'containers.conf');
  await writeFile(settings, '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n');
  const storage = ['--root', path.join(dir, 'root'), '--runroot', path.join(dir, 'run')];
  const service = spawn(
    '/usr/bin/podman',
    [...storage, '--storage-driver', 'vfs', 'system', 'service', '-t', '0', `unix://${socket}`],
    { stdio: 'ignore', env: { ...process.env, CONTAINERS_CONF: settings } },
  );
  t.after(async () => {
    service.kill();
    if (service.exitCode === null && service.signalCode === null) await once(service, 'exit');
  });
  for (let tries = 0; !existsSync(socket) && tries < 300; tries++) await sleep(100);
  return connectEngine({ host: `unix://${socket}` });
}
