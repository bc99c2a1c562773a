/** Recording on other engines than a Docker of this machine: Podman, and one behind TCP. */
import assert from 'node:assert/strict';
import { connect, createServer, type AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { before, test } from 'node:test';
import { connectEngine, saveImage, type Engine } from '../../src/image/engine';
import { parseReadyRule } from '../../src/trace/ready';
import { recordStart } from '../../src/trace/record';
import type { EngineSubject } from '../../src/trace/subject';
import { ensureImage, testEngine } from '../support/engine';
import { startPodman } from '../support/podman';
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

test('Podman', { timeout: 900_000 }, async (t) => {
  const engine = await startPodman(t);
  const saved = await saveImage(await testEngine(), 'fx-scratch');
  await buffer(await engine.docker.loadImage(Readable.from(saved)));
  const [image] = await engine.docker.listImages();
  assert.ok(image);
  const recorded = await recordOn(engine, { ...(await subject('fx-scratch')), id: image.Id });
  assert.equal(recorded.trace.footer?.reason, 'ready:listen');
  assert.match(recorded.trace.header.mode, /seccomp/);
  assert.deepEqual([...filesOf(recorded)].sort(), SCRATCH_FILES);
  assert.deepEqual(await engine.docker.listContainers({ all: true }), []);
});

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
