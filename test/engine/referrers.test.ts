import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { openLayout, type OciLayout } from '../../src/image/layout';
import { createLayout } from '../../src/image/layout-writer';
import { parseManifest } from '../../src/oci/parse';
import { connectRegistry, fallbackTag, type RegistryClient } from '../../src/registry/client';
import { applyClean, planClean } from '../../src/soci/clean';
import { attachLayout } from '../../src/soci/convert';
import { imagesOf, listIndexes } from '../../src/soci/discover';
import { ANNOTATIONS, SOCI_INDEX_V1, SOCI_INDEX_V2 } from '../../src/soci/index';
import { pushLayout } from '../../src/soci/push';
import { pushReferrers } from '../../src/soci/referrers';
import { registryStore } from '../../src/soci/store';
import { verifyLayout } from '../../src/soci/verify';
import { runInProcess } from '../support/cli';
import { everyByte } from '../support/every-byte';
import { temporaryFolder } from '../support/folders';
import { goldenImage, scanHere, writeGoldenLayout } from '../support/golden';
import { type ReferrersRegistry, startReferrersRegistry } from '../support/referrers-registry';

const IMAGE = 'multi-platform-attestation';

describe('a real registry with the Referrers API', () => {
  let registry: ReferrersRegistry;
  before(async () => {
    registry = await startReferrersRegistry();
  });
  after(() => registry.stop());

  function connect(t: TestContext, repository: string): RegistryClient {
    const client = connectRegistry(registry.host, repository, { retry: { attempts: 2, pause: 1 } });
    t.after(() => client.close());
    return client;
  }

  /** The golden image, pushed, and its layout with v1 indexes for all platforms. */
  async function pushed(t: TestContext, client: RegistryClient): Promise<OciLayout> {
    const dir = await temporaryFolder(t);
    const source = await writeGoldenLayout(path.join(dir, 'in'), goldenImage(IMAGE));
    await pushLayout(source, client, 'latest');
    const output = await createLayout(path.join(dir, 'out'));
    await attachLayout(source, output, {
      spanSize: 65536,
      minLayerSize: 0,
      platforms: 'all',
      scan: scanHere,
      copy: false,
    });
    return openLayout(output.dir);
  }

  test('v1 indexes are found as referrers, and no fallback tag is written', async (t) => {
    const client = connect(t, 'team/v1');
    const layout = await pushed(t, client);
    const first = await pushReferrers(layout, client);
    assert.ok(first.uploaded > 0);
    const images = await listIndexes(registryStore(client, 'latest'));
    assert.equal(images.length, 2);
    for (const { entry, indexes } of images) {
      assert.deepEqual(
        indexes.map(({ version }) => version),
        [1],
      );
      const { api, manifests } = await client.referrers(entry.digest, SOCI_INDEX_V1);
      assert.equal(api, true);
      assert.deepEqual(
        manifests.map(({ digest }) => digest),
        indexes.map(({ digest }) => digest),
      );
      assert.equal(await client.headManifest(fallbackTag(entry.digest)), undefined);
      assert.deepEqual((await client.referrers(entry.digest, 'application/other')).manifests, []);
    }
    assert.equal((await verifyLayout(registryStore(client, 'latest'))).ok, true);

    const again = await pushReferrers(layout, client);
    assert.deepEqual([again.uploaded, again.bytes], [0, 0]);
  });

  test('clean takes the indexes away, and nothing else', async (t) => {
    const client = connect(t, 'team/clean');
    await pushReferrers(await pushed(t, client), client);
    const before = await everyByte(client, 'latest');
    const plan = await planClean(client, 'latest');
    assert.equal(plan.items.length, 2);
    await applyClean(client, plan.items);
    const images = await listIndexes(registryStore(client, 'latest'));
    assert.deepEqual(
      images.map(({ indexes }) => indexes.length),
      [0, 0],
    );
    assert.deepEqual(await everyByte(client, 'latest'), before);
  });

  test('from registry to registry a multi-platform image keeps every other byte', async (t) => {
    process.env['SOCI_LENS_CACHE'] = path.join(await temporaryFolder(t), 'cache');
    const source = connect(t, 'team/source');
    const target = connect(t, 'other/target');
    await pushed(t, source);
    const before = await everyByte(source, 'latest');
    const { code, stderr } = await runInProcess([
      ...['index', `docker://${registry.host}/team/source:latest`],
      ...['--output', `docker://${registry.host}/other/target:latest`],
      ...['--platform', 'linux/amd64', '--min-layer-size', '0', '--span-size', '64k'],
    ]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /registry's own blobs/);
    const after = await everyByte(target, 'latest');
    const root = await registryStore(target, 'latest').root();
    assert.ok(root.kind === 'index');
    const indexed = root.index.manifests.find(({ artifactType }) => artifactType === SOCI_INDEX_V2);
    assert.ok(indexed);

    // Gone are the old root and the manifest of the indexed platform: new ones stand for them.
    const gone = [...before.keys()].filter((digest) => !after.has(digest));
    const oldRoot = await registryStore(source, 'latest').root();
    const oldImage = imagesOf(oldRoot).find(({ platform }) => platform?.architecture === 'amd64');
    assert.deepEqual(gone.sort(), [oldRoot.descriptor.digest, oldImage?.digest].sort());
    for (const [digest, bytes] of before) if (after.has(digest)) assert.deepEqual(after.get(digest), bytes);

    // The new manifest is the old one and an annotation.
    const manifestOf = async (client: RegistryClient, digest = '') =>
      parseManifest((await client.getManifest(digest)).bytes);
    const { annotations, ...rest } = await manifestOf(target, indexed.annotations?.[ANNOTATIONS.imageDigest]);
    assert.deepEqual(annotations, { [ANNOTATIONS.indexDigest]: indexed.digest });
    assert.deepEqual(rest, await manifestOf(source, oldImage?.digest));

    // New are besides these two the index, its config and its ztocs.
    const soci = await manifestOf(target, indexed.digest);
    const fresh = [...after.keys()].filter((digest) => !before.has(digest));
    assert.equal(fresh.length, 2 + 1 + 1 + soci.layers.length);
    assert.equal((await verifyLayout(registryStore(target, 'latest'))).ok, true);
  });
});
