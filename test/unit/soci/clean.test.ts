import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { openLayout } from '../../../src/image/layout';
import { createLayout } from '../../../src/image/layout-writer';
import { encodeIndex } from '../../../src/oci/json';
import { OCI_INDEX } from '../../../src/oci/media-types';
import { parseIndex, parseManifest } from '../../../src/oci/parse';
import { connectRegistry, fallbackTag, type RegistryClient } from '../../../src/registry/client';
import { applyClean, planClean, type CleanPlan } from '../../../src/soci/clean';
import { attachLayout, convertLayout, type ConvertResult } from '../../../src/soci/convert';
import { listIndexes } from '../../../src/soci/discover';
import { isMarkTag, markOf, putMark } from '../../../src/soci/mark';
import { pushLayout } from '../../../src/soci/push';
import { pushReferrers } from '../../../src/soci/referrers';
import { registryStore } from '../../../src/soci/store';
import { lensError } from '../../support/errors';
import { startFakeRegistry } from '../../support/fake-registry';
import { type FaultProxy, startFaultProxy } from '../../support/fault-proxy';
import { temporaryFolder } from '../../support/folders';
import { goldenImage, scanHere, writeGoldenLayout } from '../../support/golden';

const options = { spanSize: 65536, minLayerSize: 0, platforms: 'all', scan: scanHere } as const;

interface Pushed {
  readonly client: RegistryClient;
  readonly proxy: FaultProxy;
  readonly manifests: ReadonlyMap<string, unknown>;
  readonly v1: ConvertResult;
  readonly v2: ConvertResult;
}

/** An image as `1.0` with v1 indexes, and with a v2 index as `1.0-soci`. */
async function pushed(t: TestContext, referrers: boolean, image = 'multi-platform'): Promise<Pushed> {
  const registry = await startFakeRegistry({ referrers });
  const proxy = await startFaultProxy(registry.host);
  const client = connectRegistry(proxy.host, 'team/service', { retry: { attempts: 2, pause: 1 } });
  t.after(async () => {
    await client.close();
    await proxy.stop();
    await registry.stop();
  });
  const dir = await temporaryFolder(t);
  const source = await writeGoldenLayout(path.join(dir, 'in'), goldenImage(image));
  const v1 = await attachLayout(source, await createLayout(path.join(dir, 'v1')), options);
  const v2 = await convertLayout(source, await createLayout(path.join(dir, 'v2')), options);
  const layout = await openLayout(path.join(dir, 'v1'));
  await pushLayout(layout, client, '1.0');
  await pushReferrers(layout, client);
  await pushLayout(await openLayout(path.join(dir, 'v2')), client, '1.0-soci');
  proxy.log.length = 0;
  return { client, proxy, manifests: registry.manifests, v1, v2 };
}

const stepsOf = ({ items }: CleanPlan) => items.flatMap(({ steps }) => steps);
const changes = (log: readonly string[]) => log.filter((line) => !/^(GET|HEAD)/.test(line));

for (const referrers of [true, false]) {
  describe(`clean in a registry ${referrers ? 'with' : 'without'} the Referrers API`, () => {
    test('the plan changes nothing and names all that was made; applied, the image is as it was', async (t) => {
      const { client, proxy, manifests, v1, v2 } = await pushed(t, referrers);
      const before = new Map(manifests);
      const plan = await planClean(client, '1.0');
      assert.deepEqual(changes(proxy.log), []);
      assert.deepEqual(new Map(manifests), before);

      const v1Indexes = v1.perPlatform.map(({ sociIndex }) => sociIndex.digest);
      const gone = stepsOf(plan).flatMap((step) => (step.kind === 'delete' ? step.digest : []));
      assert.deepEqual(
        gone.sort(),
        [
          ...v1Indexes,
          v2.index.digest,
          ...v2.perPlatform.flatMap(({ manifest, sociIndex }) => [manifest.digest, sociIndex.digest]),
        ].sort(),
      );
      const unlisted = stepsOf(plan).flatMap((step) => (step.kind === 'unlist' ? step.index : []));
      assert.deepEqual(unlisted.sort(), referrers ? [] : v1Indexes.sort());
      // The layers are those of the image, too; the ztocs are nobody's any more.
      const layers = new Set(v1.perPlatform.flatMap(({ ztocs }) => ztocs.map(({ layer }) => layer.digest)));
      for (const digest of layers) {
        const kept = plan.kept.find((blob) => blob.digest === digest);
        assert.deepEqual([kept?.why, kept?.tags], ['shared', ['1.0']]);
      }
      for (const { ztoc } of v1.perPlatform.flatMap(({ ztocs }) => ztocs))
        assert.equal(plan.kept.find(({ digest }) => digest === ztoc.digest)?.why, 'unnamed');

      await applyClean(client, plan.items);
      for (const digest of gone) assert.equal(manifests.has(digest), false, digest);
      assert.equal(manifests.has('1.0-soci'), false);
      const image = await client.getManifest('1.0');
      assert.equal(image.descriptor.digest, v1.index.digest);
      for (const { manifest } of v1.perPlatform) {
        assert.ok(manifests.has(manifest.digest));
        assert.equal(manifests.has(fallbackTag(manifest.digest)), false);
      }
      const left = await listIndexes(registryStore(client, '1.0'));
      assert.ok(left.length > 0 && left.every(({ indexes }) => indexes.length === 0));
      assert.deepEqual((await planClean(client, '1.0')).items, [], 'nothing is left to clean');
    });

    test('a runtime never finds an index whose parts are gone', async (t) => {
      const { client, proxy } = await pushed(t, referrers);
      const plan = await planClean(client, '1.0');
      // Whichever step is the last that gets through, what is found can be read.
      for (let allowed = 0; ; allowed++) {
        let deletes = 0;
        proxy.judge = ({ method }) => (method === 'DELETE' && ++deletes > allowed ? { status: 403 } : {});
        const done = await applyClean(client, plan.items).then(
          () => true,
          () => false,
        );
        proxy.judge = () => ({});
        for (const tag of ['1.0', '1.0-soci']) {
          if (await client.headManifest(tag)) await listIndexes(registryStore(client, tag));
        }
        if (done) break;
      }
    });
  });
}

test('each thing goes by itself, with its size, and what is left still holds', async (t) => {
  const { client, manifests, v1, v2 } = await pushed(t, false, 'one-layer');
  const [image] = v1.perPlatform;
  assert.ok(image);
  const plan = await planClean(client, '1.0');
  const sizes = Object.fromEntries(plan.items.map(({ name, size }) => [name, size]));
  const ofV1 = [image.sociIndex, ...image.ztocs.map(({ ztoc }) => ztoc)];
  const config = parseManifest((await client.getManifest(image.sociIndex.digest)).bytes).config.size;
  assert.equal(
    sizes[`@${image.sociIndex.digest}`],
    ofV1.reduce((sum, { size }) => sum + size, config),
  );
  assert.ok((sizes[':1.0-soci'] ?? 0) > v2.index.size, 'the manifests under it and what they alone name');
  const [index, tag] = ['index', 'soci-tag'].map((kind) => plan.items.filter((item) => item.kind === kind));
  assert.ok(index && tag);
  await applyClean(client, index);
  assert.equal(manifests.has(fallbackTag(image.manifest.digest)), false);
  assert.ok(
    (await listIndexes(registryStore(client, '1.0-soci'))).every(({ indexes }) => indexes.length === 1),
  );
  assert.deepEqual(
    (await planClean(client, '1.0')).items.map(({ name }) => name),
    [':1.0-soci'],
  );
  await applyClean(client, tag);
  assert.deepEqual((await planClean(client, '1.0')).items, []);
});

test('other referrers stay in the fallback tag', async (t) => {
  const { client, v1 } = await pushed(t, false, 'one-layer');
  const [image] = v1.perPlatform;
  assert.ok(image);
  const tag = fallbackTag(image.manifest.digest);
  const list = parseIndex((await client.getManifest(tag)).bytes);
  const signature = { ...image.manifest, artifactType: 'application/vnd.example.signature' };
  await client.putManifest(
    tag,
    OCI_INDEX,
    encodeIndex({ ...list, mediaType: OCI_INDEX, manifests: [signature, ...list.manifests] }),
  );
  await applyClean(client, (await planClean(client, '1.0')).items);
  const after = parseIndex((await client.getManifest(tag)).bytes).manifests;
  assert.deepEqual(
    after.map(({ artifactType }) => artifactType),
    [signature.artifactType],
  );
});

test('the marks of what goes go too, so that it can be made anew; those of other tags stay', async (t) => {
  const { client, manifests } = await pushed(t, true, 'one-layer');
  const { digest: source } = (await client.getManifest('1.0')).descriptor;
  const markOfTag = (tag: string) => markOf(tag, { source, options: { format: tag } });
  const marks = ['1.0', '1.0-soci', '2.0'].map(markOfTag);
  for (const mark of marks) await putMark(client, mark);
  const plan = await planClean(client, '1.0');
  assert.deepEqual(
    plan.kept.filter(({ tags }) => tags.some(isMarkTag)),
    [],
  );
  await applyClean(client, plan.items);
  assert.deepEqual(
    marks.map(({ tag }) => manifests.has(tag)),
    [false, false, true],
  );
});

test('what other tags need stays, and the plan says which', async (t) => {
  const { client, v2 } = await pushed(t, true);
  const { bytes } = await client.getManifest('1.0-soci');
  await client.putManifest('release', OCI_INDEX, bytes);
  const plan = await planClean(client, '1.0');
  assert.ok(!stepsOf(plan).some((step) => step.kind === 'delete' && step.digest === v2.index.digest));
  const kept = plan.kept.find(({ digest }) => digest === v2.index.digest);
  assert.deepEqual([kept?.why, kept?.tags], ['shared', ['release']]);
  await applyClean(client, plan.items);
  const images = await listIndexes(registryStore(client, 'release'));
  assert.ok(images.every(({ indexes }) => indexes.length === 1));
});

test('where the tags are not listed, nothing is planned', async (t) => {
  const { client, proxy } = await pushed(t, true, 'one-layer');
  const lists = [{ status: 404 }, { status: 200, body: '{"tags":["other"]}' }];
  for (const list of lists) {
    proxy.judge = ({ url }) => (url.includes('/tags/list') ? list : {});
    await assert.rejects(planClean(client, '1.0'), lensError('soci/unlisted-tag', /its tag 1\.0/));
  }
});

test('an image that carries its index under its own name is not deleted', async (t) => {
  const { client, v2 } = await pushed(t, true, 'one-layer');
  const { bytes } = await client.getManifest('1.0-soci');
  await client.putManifest('carrying', OCI_INDEX, bytes);
  const plan = await planClean(client, 'carrying');
  assert.deepEqual(plan.items, []);
  assert.deepEqual(
    plan.kept.map(({ digest, why }) => [digest, why]),
    [[v2.index.digest, 'only-copy']],
  );
});

test('a tag that has changed since is not touched', async (t) => {
  const { client } = await pushed(t, true, 'one-layer');
  const plan = await planClean(client, '1.0');
  const { bytes, descriptor } = await client.getManifest('1.0');
  await client.putManifest('1.0-soci', descriptor.mediaType, bytes);
  await assert.rejects(
    applyClean(client, plan.items),
    lensError('soci/changed', /1\.0-soci names another image/),
  );
  assert.ok(await client.headManifest('1.0-soci'));
});

test('a registry that does not delete says so', async (t) => {
  const { client, proxy } = await pushed(t, true, 'one-layer');
  const plan = await planClean(client, '1.0');
  proxy.judge = ({ method }) => (method === 'DELETE' ? { status: 405 } : {});
  await assert.rejects(applyClean(client, plan.items), lensError('registry/unsupported', /405/));
});
