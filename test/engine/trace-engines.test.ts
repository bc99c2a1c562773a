/** Recording on other engines than a Docker of this machine: Podman, and one behind TCP. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { before, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectEngine, saveImage, type Engine } from '../../src/image/engine';
import { parseReadyRule } from '../../src/trace/ready';
import { recordStart } from '../../src/trace/record';
import type { EngineSubject } from '../../src/trace/subject';
import { ensureImage, testEngine } from '../support/engine';
import { temporaryFolder } from '../support/folders';
import { filesOf, subject, tracerDir } from '../support/tracing';

before(() => ensureImage('fx-scratch'));

async function recordOn(engine: Engine, image: EngineSubject, ready = 'listen=8080') {
  const trace = await recordStart(engine, image, {
    tracerDir: await tracerDir(),
    ready: parseReadyRule(ready),
    timeoutMs: 30_000,
    graceMs: 300,
  });
  return { trace, output: [] };
}

const SCRATCH_FILES = ['/app', '/data/blob.bin', '/etc/app/child.conf', '/etc/app/main.conf'];

test('Podman', { timeout: 90_000 }, async (t) => {
  assert.ok(existsSync('/usr/bin/podman'), 'podman is not installed (apt-get install podman)');
  const engine = await podman(t);
  const saved = await saveImage(await testEngine(), 'fx-scratch');
  await buffer(await engine.docker.loadImage(Readable.from(saved)));
  const [image] = await engine.docker.listImages();
  assert.ok(image);
  const recorded = await recordOn(engine, { ...(await subject('fx-scratch')), id: image.Id });
  assert.equal(recorded.trace.footer?.reason, 'ready:listen');
  assert.equal(recorded.trace.header.mode, 'ptrace-seccomp');
  assert.deepEqual([...filesOf(recorded)].sort(), SCRATCH_FILES);
  assert.deepEqual(await engine.docker.listContainers({ all: true }), []);
});

/** Podman's own service with storage of its own. */
async function podman(t: TestContext): Promise<Engine> {
  const dir = await temporaryFolder(t);
  const socket = path.join(dir, 'podman.sock');
  // Its own limits are higher than what a container may set, and tests run in containers too.
  const settings = path.join(dir, 'containers.conf');
  await writeFile(settings, '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n');
  const places = [
    '--root',
    path.join(dir, 'root'),
    '--runroot',
    path.join(dir, 'run'),
    '--storage-driver',
    'vfs',
  ];
  const service = spawn('/usr/bin/podman', [...places, 'system', 'service', '-t', '0', `unix://${socket}`], {
    stdio: 'ignore',
    env: { ...process.env, CONTAINERS_CONF: settings },
  });
  t.after(async () => {
    service.kill();
    if (service.exitCode === null && service.signalCode === null) await once(service, 'exit');
  });
  for (let tries = 0; !existsSync(socket) && tries < 100; tries++) await sleep(100);
  return connectEngine({ host: `unix://${socket}` });
}

test('an engine that is reached over TCP: nothing of this machine is needed there', async (t) => {
  const target = new URL(process.env['DOCKER_HOST'] ?? '');
  assert.equal(target.protocol, 'unix:', 'the tests talk to an engine of this machine');
  const proxy = createServer({ allowHalfOpen: true }, (client) => {
    const engine = connect({ path: target.pathname, allowHalfOpen: true });
    client.on('error', () => engine.destroy()).pipe(engine);
    engine.on('error', () => client.destroy()).pipe(client);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  t.after(() => proxy.close());
  const { port } = proxy.address() as AddressInfo;
  const engine = await connectEngine({ host: `tcp://127.0.0.1:${port}` });
  const recorded = await recordOn(engine, await subject('fx-scratch'));
  assert.deepEqual([...filesOf(recorded)].sort(), SCRATCH_FILES);
});
