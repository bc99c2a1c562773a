import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pack } from 'tar-stream';
import { buildImage } from '../../src/image/build';
import { connectEngine, type Engine, listImages } from '../../src/image/engine';
import { exportImage } from '../../src/image/export';
import { lensError } from '../support/errors';
import { temporaryFolder } from '../support/folders';
import { everythingIn } from '../support/layouts';

/** An engine of the test's own, to be killed. It runs no container, so it needs no network. */
async function startDaemon(t: TestContext): Promise<{ engine: Engine; kill: () => void }> {
  const program = ['/usr/sbin/dockerd', '/usr/bin/dockerd'].find(existsSync);
  assert.ok(program, 'dockerd is not installed (apt-get install docker.io)');
  const dir = await mkdtemp(path.join(tmpdir(), 'soci-lens-dies-'));
  const host = `unix://${path.join(dir, 'docker.sock')}`;
  const [data, exec] = [path.join(dir, 'data'), path.join(dir, 'exec')];
  const flags = [
    '--data-root',
    data,
    '--exec-root',
    exec,
    '--pidfile',
    path.join(dir, 'pid'),
    '--host',
    host,
  ];
  const network = ['--bridge=none', '--iptables=false', '--ip-masq=false'];
  // In a network of its own: without a bridge, dockerd removes the docker0 of the machine's own engine.
  const daemon = spawn('unshare', ['--net', program, ...flags, ...network, '--storage-driver=vfs'], {
    stdio: 'ignore',
  });
  const kill = () => {
    daemon.kill('SIGKILL');
  };
  t.after(async () => {
    kill();
    if (daemon.exitCode === null && daemon.signalCode === null) await once(daemon, 'exit');
    // What a killed dockerd leaves: its containerd, and its data root mounted on itself.
    const pid = Number(
      await readFile(path.join(exec, 'containerd', 'containerd.pid'), 'utf8').catch(() => '0'),
    );
    if (pid > 0) process.kill(pid, 'SIGKILL');
    const mounts = (await readFile('/proc/mounts', 'utf8'))
      .split('\n')
      .map((line) => line.split(' ')[1] ?? '');
    for (const mount of mounts.filter((name) => name.startsWith(`${dir}/`)))
      execFileSync('umount', ['-l', mount]);
    await sleep(200);
    await rm(dir, { recursive: true, force: true });
  });
  for (let tries = 0; ; tries++) {
    try {
      return { engine: await connectEngine({ host }), kill };
    } catch (error) {
      if (tries > 1500 || daemon.exitCode !== null) throw error;
      await sleep(200);
    }
  }
}

test(
  'the engine is killed in the middle of a save: a typed error, and nothing is left',
  { timeout: 900_000 },
  async (t) => {
    const { engine, kill } = await startDaemon(t);
    const tar = pack();
    tar.entry({ name: 'data.bin' }, Buffer.alloc(96 << 20, 'soci lens '));
    tar.finalize();
    await buffer(
      await engine.docker.importImage(Readable.from(tar, { objectMode: false }), { repo: 'dies', tag: 'x' }),
    );

    const cacheDir = await temporaryFolder(t);
    let seen = 0;
    const saving = exportImage(engine, 'dies:x', {
      cacheDir,
      onProgress: ({ done = 0 }) => {
        if (seen === 0 && done > 0) kill();
        seen = Math.max(seen, done);
      },
    });
    await assert.rejects(saving, lensError('image/engine-gone', /stopped answering/));
    assert.ok(seen > 0 && seen < 96 << 20, `${seen} bytes came`);
    assert.deepEqual(await everythingIn(path.join(cacheDir, 'gzip-6', 'images')), []);
    await assert.rejects(listImages(engine), lensError('image/engine-gone', /nobody listens/));
  },
);

test('the engine is killed in the middle of a build', { timeout: 900_000 }, async (t) => {
  const { engine, kill } = await startDaemon(t);
  const contextDir = await temporaryFolder(t);
  await writeFile(path.join(contextDir, 'Dockerfile'), 'FROM scratch\nCOPY big /\n');
  await writeFile(path.join(contextDir, 'big'), Buffer.alloc(96 << 20));
  const building = buildImage(engine, { contextDir, dockerfile: 'Dockerfile' });
  setTimeout(kill, 100);
  await assert.rejects(building, lensError('image/engine-gone'));
});
