import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { writeArchive } from '../../src/image/archive';
import { connectEngine } from '../../src/image/engine';
import { openLayout } from '../../src/image/layout';
import { openImage } from '../../src/image/open';
import type { Image } from '../../src/image/types';
import { sha256 } from '../../src/oci/digest';
import { temporaryFolder } from '../support/folders';
import { layerOf, writeImage } from '../support/images';
import { blobFile, unpackedDigest } from '../support/layouts';

const BINARY = '/usr/bin/containerd';
const NAME = 'registry.test/team/app:1.0';

type Ctr = (...args: string[]) => Promise<string>;

/** A containerd of this test's own (Debian's; docker.io brings it), without its service for Kubernetes. @returns its `ctr` */
async function startContainerd(t: TestContext): Promise<(...args: string[]) => Promise<string>> {
  assert.ok(existsSync(BINARY), `${BINARY} is not installed (apt-get install containerd)`);
  const dir = await mkdtemp(path.join(tmpdir(), 'soci-lens-containerd-'));
  const config = path.join(dir, 'config.toml');
  const socket = path.join(dir, 'containerd.sock');
  const plugins = ['io.containerd.grpc.v1.cri', 'io.containerd.internal.v1.opt'];
  const lines = [
    'version = 2',
    `root = ${JSON.stringify(path.join(dir, 'root'))}`,
    `state = ${JSON.stringify(path.join(dir, 'state'))}`,
    `disabled_plugins = ${JSON.stringify(plugins)}`,
    `grpc = {address = ${JSON.stringify(socket)}}`,
  ];
  await writeFile(config, `${lines.join('\n')}\n`);
  const daemon = spawn(BINARY, ['--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  daemon.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  t.after(async () => {
    daemon.kill();
    if (daemon.exitCode === null && daemon.signalCode === null) await once(daemon, 'exit');
    await rm(dir, { recursive: true });
  });
  const run = promisify(execFile);
  const ctr = async (...args: string[]) => (await run('ctr', ['--address', socket, ...args])).stdout;
  for (let tries = 0; tries < 200 && daemon.exitCode === null; tries++) {
    const answers = await ctr('--connect-timeout', '1s', 'version').then(
      () => true,
      () => false,
    );
    if (answers) return ctr;
    await sleep(50);
  }
  throw new Error(`${BINARY} does not answer:\n${log}`);
}

/**
 * As much of the Docker API as saving takes, over containerd's own export, which is what dockerd saves with when it keeps its
 * images in containerd (since 24; Debian's 20.10 cannot). @returns its address
 */
async function startFront(t: TestContext, ctr: Ctr, image: Image): Promise<string> {
  const answers: Readonly<Record<string, object>> = {
    version: { ApiVersion: '1.44', Version: '25.0.0', Os: 'linux', Arch: 'amd64' },
    info: { DriverStatus: [['driver-type', 'io.containerd.snapshotter.v1']] },
    json: {
      Id: image.descriptor.digest,
      RepoTags: [NAME],
      RootFS: { Layers: image.config.rootfs.diff_ids },
      Os: 'linux',
      Architecture: 'amd64',
    },
  };
  const dir = await temporaryFolder(t);
  const server = createServer((request, response) => {
    const name = path.posix.basename(new URL(request.url ?? '', 'http://engine').pathname);
    if (name === 'get') {
      const file = path.join(dir, 'save.tar');
      ctr('images', 'export', file, NAME).then(
        () => createReadStream(file).pipe(response),
        () => response.destroy(),
      );
    } else response.end(name === '_ping' ? 'OK' : JSON.stringify(answers[name]));
  });
  const socket = path.join(dir, 'docker.sock');
  server.listen(socket);
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `unix://${socket}`;
}

test(
  'images of containerd keep their own gzip blobs, from an engine or an archive',
  { timeout: 60_000 },
  async (t) => {
    const dir = await temporaryFolder(t);
    const made = await writeImage(path.join(dir, 'made'), [
      await layerOf([{ name: 'app', data: Buffer.alloc(300_000, 'a') }]),
      await layerOf([{ name: 'data', data: Buffer.alloc(200_000, 'b') }]),
    ]);
    await writeArchive(await openLayout(path.join(dir, 'made')), path.join(dir, 'made.tar'));
    const ctr = await startContainerd(t);
    await ctr(
      'images',
      'import',
      '--no-unpack',
      '--digests',
      '--base-name',
      NAME,
      path.join(dir, 'made.tar'),
    );
    const [stored = ''] = (await ctr('images', 'list', '--quiet')).split('\n');
    await ctr('images', 'tag', stored, NAME);
    const exported = path.join(dir, 'exported.tar');
    await ctr('images', 'export', exported, NAME);
    const host = await startFront(t, ctr, made);
    const engine = () => connectEngine({ host });

    for (const [reference, note] of [
      [`docker-daemon:${NAME}`, /compressed blobs that the engine itself keeps/],
      [`oci-archive:${exported}`, /as they are/],
      [`docker-archive:${exported}`, /as they are/],
    ] as const) {
      const cacheDir = await temporaryFolder(t);
      const image = await openImage(reference, { cacheDir, engine, platform: made.platform });
      assert.equal(image.descriptor.digest, made.descriptor.digest);
      assert.match(image.bytesNote, note);
      for (const [index, { descriptor, diffId }] of image.layers.entries()) {
        assert.deepEqual(descriptor, made.layers[index]?.descriptor);
        const blob = blobFile(image.layout!, descriptor.digest);
        assert.equal(sha256(await readFile(blob)), descriptor.digest);
        assert.equal(await unpackedDigest(blob), diffId);
      }
    }
  },
);
