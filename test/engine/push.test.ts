import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isAbort, LensError } from '../../src/errors';
import { openLayout, type OciLayout } from '../../src/image/layout';
import { createLayout } from '../../src/image/layout-writer';
import { parseManifest } from '../../src/oci/parse';
import { connectRegistry } from '../../src/registry/client';
import { convertLayout } from '../../src/soci/convert';
import { pushLayout } from '../../src/soci/push';
import { registryStore } from '../../src/soci/store';
import { verifyLayout } from '../../src/soci/verify';
import { temporaryFolder } from '../support/folders';
import { goldenImage, scanHere, writeGoldenLayout } from '../support/golden';
import { startRegistry, type TestRegistry } from '../support/registry';

let registry: TestRegistry;
before(async () => {
  registry = await startRegistry();
});
after(() => registry.stop());

async function converted(dir: string, name: string): Promise<OciLayout> {
  const source = await writeGoldenLayout(path.join(dir, 'in', name), goldenImage(name));
  const output = await createLayout(path.join(dir, 'out', name));
  await convertLayout(source, output, { spanSize: 65536, minLayerSize: 0, platforms: 'all', scan: scanHere });
  return openLayout(output.dir);
}

describe('pushing an indexed image to a real registry', () => {
  test('everything arrives, is found by digest, and verifies from there', async (t) => {
    const layout = await converted(await temporaryFolder(t), 'multi-platform-attestation');
    const client = connectRegistry(registry.host, 'all/of-it');
    const seen: number[] = [];
    const pushed = await pushLayout(layout, client, 'v1', {
      onProgress: ({ done, total }) => {
        assert.ok(done !== undefined && total !== undefined && done <= total);
        seen.push(done / total);
      },
    });
    assert.equal(seen.at(-1), 1);
    assert.ok(pushed.uploaded > 0 && pushed.bytes > 0 && pushed.skipped === 0);

    const root = await layout.root();
    assert.equal(pushed.digest, root.descriptor.digest);
    const byTag = await client.getManifest('v1');
    assert.deepEqual(byTag.bytes, Buffer.from(root.bytes));
    assert.ok(root.kind === 'index');
    assert.ok(
      root.index.manifests.some(({ platform }) => platform?.os === 'unknown'),
      'the attestations come along',
    );
    for (const child of root.index.manifests) {
      const { bytes } = await client.getManifest(child.digest);
      const { config, layers } = parseManifest(bytes);
      for (const blob of [config, ...layers]) assert.ok(await client.hasBlob(blob.digest), blob.digest);
    }
    const report = await verifyLayout(registryStore(client, 'v1'));
    assert.equal(report.ok, true, JSON.stringify(report));
    assert.ok(report.platforms.every(({ sociIndex, layers }) => sociIndex && layers.length > 0));
    const sampled = await verifyLayout(registryStore(client, pushed.digest), { sample: 2 });
    assert.equal(sampled.ok, true);
    await client.close();
  });

  test('a second push sends no blob', async (t) => {
    const layout = await converted(await temporaryFolder(t), 'docker-media-types');
    const client = connectRegistry(registry.host, 'twice');
    const first = await pushLayout(layout, client, 'v1');
    const second = await pushLayout(layout, client, 'v2');
    assert.deepEqual(second, { digest: first.digest, uploaded: 0, skipped: first.uploaded, bytes: 0 });
    assert.equal((await client.headManifest('v2'))?.digest, first.digest);
    await client.close();
  });

  test('what another repository has is mounted', async (t) => {
    const layout = await converted(await temporaryFolder(t), 'one-layer');
    const from = connectRegistry(registry.host, 'mount/from');
    const to = connectRegistry(registry.host, 'mount/to');
    const first = await pushLayout(layout, from, 'v1');
    const second = await pushLayout(layout, to, 'v1', { mountFrom: 'mount/from' });
    assert.deepEqual([second.uploaded, second.skipped], [0, first.uploaded]);
    assert.equal((await verifyLayout(registryStore(to, 'v1'))).ok, true);
    await Promise.all([from.close(), to.close()]);
  });

  test('a blob that is missing or damaged here leaves the old image under the tag', async (t) => {
    const dir = await temporaryFolder(t);
    const client = connectRegistry(registry.host, 'old-or-new');
    const old = await pushLayout(await converted(dir, 'one-layer'), client, 'v1');
    const layout = await converted(dir, 'docker-media-types');
    const root = await layout.root();
    assert.ok(root.kind === 'index' && root.index.manifests[0]);
    const layer = parseManifest(await layout.readBlob(root.index.manifests[0])).layers[0];
    assert.ok(layer);
    const file = path.join(layout.dir, 'blobs/sha256', layer.digest.slice(7));
    await rm(file);
    await writeFile(file, Buffer.alloc(layer.size));
    await assert.rejects(
      pushLayout(layout, client, 'v1'),
      (error) => error instanceof LensError && error.code.startsWith('registry/'),
    );
    await rm(file);
    await assert.rejects(
      pushLayout(layout, client, 'v1'),
      (error) => error instanceof LensError && error.code === 'image/bad-layout',
    );
    assert.equal((await client.headManifest('v1'))?.digest, old.digest);
    assert.equal((await verifyLayout(registryStore(client, 'v1'))).ok, true);
    await client.close();
  });

  test('an abort in the middle leaves no tag, and the next push goes on', async (t) => {
    const layout = await converted(await temporaryFolder(t), 'multi-platform');
    const client = connectRegistry(registry.host, 'aborted');
    const stop = new AbortController();
    const push = pushLayout(layout, client, 'v1', {
      signal: stop.signal,
      onProgress: ({ done }) => {
        if (done !== undefined && done > 0) stop.abort();
      },
    });
    await assert.rejects(push, (error) => isAbort(error));
    assert.equal(await client.headManifest('v1'), undefined);
    const pushed = await pushLayout(layout, client, 'v1');
    assert.equal((await client.headManifest('v1'))?.digest, pushed.digest);
    await client.close();
  });

  test('from one repository to another, with no layer on this disk', async (t) => {
    const dir = await temporaryFolder(t);
    const from = connectRegistry(registry.host, 'round/trip');
    const to = connectRegistry(registry.host, 'round/trip-soci');
    const plain = await writeGoldenLayout(path.join(dir, 'in'), goldenImage('multi-platform-attestation'));
    await pushLayout(plain, from, 'v1');
    const source = registryStore(from, 'v1');
    const output = await createLayout(path.join(dir, 'out'));
    const result = await convertLayout(source, output, {
      spanSize: 65536,
      minLayerSize: 0,
      platforms: 'all',
      scan: scanHere,
      copy: false,
    });
    const golden = goldenImage('multi-platform-attestation').out?.manifests[0]?.digest;
    assert.equal(result.index.digest, golden);
    const layout = await openLayout(output.dir);
    const pushed = await pushLayout(layout, to, 'v1', { rest: source, mountFrom: 'round/trip' });
    assert.equal(pushed.digest, golden);
    const { perPlatform } = result;
    const made = perPlatform.flatMap(({ ztocs }) => ztocs.map(({ ztoc }) => ztoc));
    const sizes = new Map(made.map(({ digest, size }) => [digest, size]));
    assert.equal(
      pushed.bytes,
      [...sizes.values()].reduce((sum, size) => sum + size, 2),
      'ztocs and {} are all that is sent',
    );
    assert.equal((await verifyLayout(registryStore(to, 'v1'))).ok, true);
    // Without a mount, what is missing comes from where the image is.
    const third = connectRegistry(registry.host, 'round/trip-third');
    await pushLayout(layout, third, 'v1', { rest: source });
    assert.equal((await verifyLayout(registryStore(third, 'v1'))).ok, true);
    await Promise.all([from.close(), to.close(), third.close()]);
  });

  test('damage in the registry is found by verifying', async (t) => {
    const layout = await converted(await temporaryFolder(t), 'one-layer');
    const client = connectRegistry(registry.host, 'damaged');
    await pushLayout(layout, client, 'v1');
    const root = await layout.root();
    assert.ok(root.kind === 'index' && root.index.manifests[0]);
    const layer = parseManifest(await layout.readBlob(root.index.manifests[0])).layers[0];
    assert.ok(layer);
    const hex = layer.digest.slice(7);
    const stored = path.join(
      registry.dir,
      'data/docker/registry/v2/blobs/sha256',
      hex.slice(0, 2),
      hex,
      'data',
    );
    assert.ok(existsSync(stored), (await readdir(registry.dir)).join());
    await writeFile(stored, Buffer.alloc(layer.size, 1));
    const report = await verifyLayout(registryStore(client, 'v1'));
    assert.equal(report.ok, false);
    assert.equal((await verifyLayout(registryStore(client, 'v1'), { sample: 3 })).ok, false);
    await client.close();
  });
});
