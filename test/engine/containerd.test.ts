import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { writeArchive } from '../../src/image/archive';
import { connectEngine } from '../../src/image/engine';
import { openLayout } from '../../src/image/layout';
import { openImage } from '../../src/image/open';
import type { Image } from '../../src/image/types';
import { sha256 } from '../../src/oci/digest';
import { startContainerd, type TestContainerd } from '../support/containerd';
import { temporaryFolder } from '../support/folders';
import { layerOf, writeImage } from '../support/images';
import { blobFile, unpackedDigest } from '../support/layouts';

const NAME = 'registry.test/team/app:1.0';

/**
 * As much of the Docker API as saving takes, over containerd's own export, which is what dockerd saves with when it keeps its
 * images in containerd (since 24; Debian's 20.10 cannot). @returns its address
 */
async function startFront(t: TestContext, containerd: TestContainerd, image: Image): Promise<string> {
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
      containerd.ctr('images', 'export', file, NAME).then(
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
  { timeout: 900_000 },
  async (t) => {
    const dir = await temporaryFolder(t);
    const made = await writeImage(path.join(dir, 'made'), [
      await layerOf([{ name: 'app', data: Buffer.alloc(300_000, 'a') }]),
      await layerOf([{ name: 'data', data: Buffer.alloc(200_000, 'b') }]),
    ]);
    await writeArchive(await openLayout(path.join(dir, 'made')), path.join(dir, 'made.tar'));
    const containerd = await startContainerd();
    t.after(() => containerd.stop());
    await containerd.ctr(
      'images',
      'import',
      '--no-unpack',
      '--digests',
      '--base-name',
      NAME,
      path.join(dir, 'made.tar'),
    );
    const [stored = ''] = (await containerd.ctr('images', 'list', '--quiet')).split('\n');
    await containerd.ctr('images', 'tag', stored, NAME);
    const exported = path.join(dir, 'exported.tar');
    await containerd.ctr('images', 'export', exported, NAME);
    const host = await startFront(t, containerd, made);
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
