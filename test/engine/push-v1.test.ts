import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, describe, test, type TestContext } from 'node:test';
import { openLayout, type OciLayout } from '../../src/image/layout';
import { createLayout } from '../../src/image/layout-writer';
import { parseIndex, parseManifest } from '../../src/oci/parse';
import { connectRegistry, fallbackTag, type RegistryClient } from '../../src/registry/client';
import { attachLayout } from '../../src/soci/convert';
import { listIndexes } from '../../src/soci/discover';
import { SOCI_INDEX_V1 } from '../../src/soci/index';
import { pushLayout } from '../../src/soci/push';
import { pushReferrers } from '../../src/soci/referrers';
import { registryStore } from '../../src/soci/store';
import { verifyLayout } from '../../src/soci/verify';
import { lensError } from '../support/errors';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy';
import { temporaryFolder } from '../support/folders';
import { goldenImage, scanHere, writeGoldenLayout } from '../support/golden';
import { fixture } from '../support/paths';
import { startRegistry, type TestRegistry } from '../support/registry';

let registry: TestRegistry;
let proxy: FaultProxy;
before(async () => {
  registry = await startRegistry();
  proxy = await startFaultProxy(registry.host);
});
after(async () => {
  await proxy.stop();
  await registry.stop();
});
afterEach(() => {
  proxy.judge = () => ({});
});

const options = { minLayerSize: 0, platforms: 'all', scan: scanHere } as const;

/** An image with its v1 indexes for one span size. */
async function attached(t: TestContext, image: string, spanSize: number): Promise<OciLayout> {
  const dir = await temporaryFolder(t);
  const source = await writeGoldenLayout(path.join(dir, 'in'), goldenImage(image));
  const output = await createLayout(path.join(dir, 'out'));
  await attachLayout(source, output, { ...options, spanSize });
  return openLayout(output.dir);
}

/** The recorded push of the soci CLI. */
function recorded(file: string): number {
  return readFileSync(fixture('golden/v1', file), 'utf8').trim().split('\n').length;
}

async function connect(t: TestContext, repository: string): Promise<RegistryClient> {
  const client = connectRegistry(proxy.host, repository, { retry: { attempts: 2, pause: 1 } });
  t.after(() => client.close());
  return Promise.resolve(client);
}

describe('pushing v1 indexes to a registry without the Referrers API', () => {
  const folders = readdirSync(fixture('golden/v1')).filter((name) => name !== 'two-indices');
  for (const folder of folders) {
    test(`${folder}: the same index and fallback tag as the soci CLI, with no more requests`, async (t) => {
      const layout = await attached(t, folder.replace(/-65536$/, ''), 65536);
      const client = await connect(t, `v1/${folder}`);
      await pushLayout(layout, client, 't');
      proxy.log.length = 0;
      const pushed = await pushReferrers(layout, client);
      assert.ok(pushed.uploaded > 0);
      assert.ok(proxy.log.length <= recorded(`${folder}/push-http.jsonl`), proxy.log.join('\n'));
      const tags = readdirSync(fixture('golden/v1', folder)).filter((name) => name.startsWith('fallback-'));
      assert.equal(tags.length, pushed.indexes.length);
      for (const name of tags) {
        const { bytes } = await client.getManifest(name.slice('fallback-'.length, -'.json'.length));
        assert.equal(bytes.toString(), readFileSync(fixture('golden/v1', folder, name), 'utf8'));
      }
      assert.equal((await verifyLayout(registryStore(client, 't'))).ok, true);

      proxy.log.length = 0;
      const again = await pushReferrers(layout, client);
      assert.deepEqual([again.uploaded, again.bytes], [0, 0]);
      const warned = `${folder}/push-again-warn-http.jsonl`;
      if (existsSync(fixture('golden/v1', warned)))
        assert.ok(proxy.log.length <= recorded(warned), proxy.log.join('\n'));
    });
  }

  test('two span sizes, one after the other', async (t) => {
    const client = await connect(t, 'v1/two-indices');
    for (const spanSize of [65536, 4194304]) {
      const layout = await attached(t, 'one-layer', spanSize);
      await pushLayout(layout, client, 't');
      proxy.log.length = 0;
      await pushReferrers(layout, client, { imageIsThere: true });
      // Told not to look, the CLI begins a fallback tag wherever the registry says nothing; we ask whether it lists by itself.
      const asked = proxy.log.filter((line) => line.includes('/referrers/')).length;
      assert.equal(asked, spanSize === 65536 ? 1 : 0);
      assert.ok(
        proxy.log.length - asked <= recorded(`two-indices/push-${spanSize}-http.jsonl`),
        proxy.log.join('\n'),
      );
      const image = (await layout.root()).descriptor.digest;
      const { bytes } = await client.getManifest(fallbackTag(image));
      const golden = readFileSync(
        fixture('golden/v1/two-indices', `fallback-after-${spanSize}.json`),
        'utf8',
      );
      assert.equal(bytes.toString(), golden);
    }
    const [image] = await listIndexes(registryStore(client, 't'));
    assert.equal(image?.indexes.length, 2);
  });

  test('an image that is not there is asked for', async (t) => {
    const client = await connect(t, 'v1/no-image');
    const layout = await attached(t, 'one-layer', 65536);
    await assert.rejects(pushReferrers(layout, client), lensError('soci/no-subject', /which is not there/));
    assert.deepEqual(await client.tags(), []);
  });

  test('a push that broke before the tag was written goes on from there', async (t) => {
    const client = await connect(t, 'v1/broken');
    const layout = await attached(t, 'one-layer', 65536);
    await pushLayout(layout, client, 't');
    proxy.judge = ({ method, url }) =>
      method === 'PUT' && url.includes('/manifests/sha256-') ? { status: 403 } : {};
    await assert.rejects(pushReferrers(layout, client), (error) => error instanceof Error);
    proxy.judge = () => ({});
    assert.deepEqual((await listIndexes(registryStore(client, 't')))[0]?.indexes, []);
    await pushReferrers(layout, client);
    assert.equal((await listIndexes(registryStore(client, 't')))[0]?.indexes.length, 1);
  });

  test('writers of the same tag at the same moment all end up in it', async (t) => {
    const layouts = await Promise.all(
      [4096, 8192, 16384, 65536].map((spanSize) => attached(t, 'one-layer', spanSize)),
    );
    const clients = await Promise.all(layouts.map(() => connect(t, 'v1/race')));
    const [first] = layouts;
    assert.ok(first && clients[0]);
    await pushLayout(first, clients[0], 't');
    await Promise.all(layouts.map((layout, at) => pushReferrers(layout, clients[at]!)));
    const image = (await first.root()).descriptor.digest;
    const list = parseIndex((await clients[0].getManifest(fallbackTag(image))).bytes);
    const wanted = layouts.flatMap(({ index }) =>
      index.manifests
        .filter(({ artifactType }) => artifactType === SOCI_INDEX_V1)
        .map(({ digest }) => digest),
    );
    assert.deepEqual(list.manifests.map(({ digest }) => digest).sort(), [...new Set(wanted)].sort());
  });

  test('straight from the registry, with nothing of the image on disk', async (t) => {
    const client = await connect(t, 'v1/streamed');
    const dir = await temporaryFolder(t);
    await pushLayout(
      await writeGoldenLayout(path.join(dir, 'in'), goldenImage('docker-media-types')),
      client,
      't',
    );
    const output = await createLayout(path.join(dir, 'out'));
    await attachLayout(registryStore(client, 't'), output, { ...options, spanSize: 65536, copy: false });
    const layout = await openLayout(output.dir);
    const pushed = await pushReferrers(layout, client, { imageIsThere: true });
    const golden = readdirSync(fixture('golden/v1/docker-media-types-65536')).filter((name) =>
      name.startsWith('index-'),
    );
    assert.deepEqual(
      pushed.indexes.map((digest) => `index-${digest.slice(7)}.json`),
      golden,
    );
    const image = parseManifest((await client.getManifest('t')).bytes);
    for (const layer of image.layers) assert.equal(await layout.has(layer), false);
    assert.equal((await verifyLayout(registryStore(client, 't'))).ok, true);
  });
});
