import assert from 'node:assert/strict';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { openLayout } from '../../../src/image/layout';
import { createLayout } from '../../../src/image/layout-writer';
import { connectRegistry, fallbackTag } from '../../../src/registry/client';
import { attachLayout } from '../../../src/soci/convert';
import { listIndexes } from '../../../src/soci/discover';
import { SOCI_INDEX_V1 } from '../../../src/soci/index';
import { pushLayout } from '../../../src/soci/push';
import { pushReferrers } from '../../../src/soci/referrers';
import { registryStore } from '../../../src/soci/store';
import { lensError } from '../../support/errors';
import { startFakeRegistry } from '../../support/fake-registry';
import { startFaultProxy } from '../../support/fault-proxy';
import { temporaryFolder } from '../../support/folders';
import { goldenImage, scanHere, writeGoldenLayout } from '../../support/golden';

/** An image in a registry, and a layout with its v1 index that is not there yet. */
async function attached(t: TestContext, options: { readonly referrers?: boolean } = {}) {
  const registry = await startFakeRegistry(options);
  const proxy = await startFaultProxy(registry.host);
  const client = connectRegistry(proxy.host, 'team/service', {
    retry: { attempts: 2, pause: 1 },
    credentials: () => Promise.resolve(undefined),
  });
  t.after(async () => {
    await client.close();
    await proxy.stop();
    await registry.stop();
  });
  const dir = await temporaryFolder(t);
  const source = await writeGoldenLayout(path.join(dir, 'in'), goldenImage('one-layer'));
  await pushLayout(source, client, 'latest');
  const output = await createLayout(path.join(dir, 'out'));
  await attachLayout(source, output, { spanSize: 65536, minLayerSize: 0, scan: scanHere });
  return { proxy, registry, client, layout: await openLayout(output.dir) };
}

test('a registry that refuses manifests with a subject, as Quay does: it is said what to do', async (t) => {
  const { proxy, registry, client, layout } = await attached(t);
  const index = layout.index.manifests.find(({ artifactType }) => artifactType === SOCI_INDEX_V1);
  assert.ok(index);
  const before = [...registry.manifests.keys()];
  // Quay's answer (quay/endpoints/v2/manifest.py, ManifestInvalid).
  const errors = [{ code: 'MANIFEST_INVALID', message: 'manifest invalid', detail: { message: 'subject' } }];
  proxy.judge = ({ method, url }) =>
    method === 'PUT' && url.endsWith(`/manifests/${index.digest}`)
      ? { status: 400, body: JSON.stringify({ errors }) }
      : {};
  await assert.rejects(
    pushReferrers(layout, client),
    lensError('soci/subject-refused', /manifest invalid.*version 1/s),
  );
  assert.deepEqual([...registry.manifests.keys()], before);
  assert.deepEqual((await listIndexes(registryStore(client, 'latest')))[0]?.indexes, []);

  // Once it takes them, the push goes on where it was.
  proxy.judge = () => ({});
  assert.deepEqual((await pushReferrers(layout, client)).uploaded, 0);
  assert.equal((await listIndexes(registryStore(client, 'latest')))[0]?.indexes.length, 1);
});

test('a manifest that another writer is storing at the same moment counts as stored', async (t) => {
  const { proxy, registry, client, layout } = await attached(t);
  const index = layout.index.manifests.find(({ artifactType }) => artifactType === SOCI_INDEX_V1);
  assert.ok(index);
  const bytes = Buffer.from(await layout.readBlob(index));
  // distribution 2.8 reads back what the other has half written, and takes ours for wrong.
  proxy.judge = ({ method, url }) => {
    if (method !== 'PUT' || !url.endsWith(`/manifests/${index.digest}`)) return {};
    registry.store(index.digest, { mediaType: index.mediaType, bytes });
    return { status: 400, body: '{"errors":[{"code":"DIGEST_INVALID"}]}' };
  };
  await pushReferrers(layout, client);
  assert.equal((await listIndexes(registryStore(client, 'latest')))[0]?.indexes.length, 1);
});

test('a registry that lists referrers without saying so gets no fallback tag', async (t) => {
  const { proxy, registry, client, layout } = await attached(t, { referrers: false });
  const tag = fallbackTag((await layout.root()).descriptor.digest);
  const empty = JSON.stringify({ schemaVersion: 2, manifests: [] });
  const headers = { 'content-type': 'application/vnd.oci.image.index.v1+json' };
  proxy.judge = ({ url }) => (url.includes('/referrers/') ? { status: 200, headers, body: empty } : {});
  await pushReferrers(layout, client);
  assert.equal(registry.manifests.has(tag), false);
});

test('where the registry does not let one see whether it lists referrers, no fallback tag is begun', async (t) => {
  const { proxy, registry, client, layout } = await attached(t, { referrers: false });
  const tag = fallbackTag((await layout.root()).descriptor.digest);
  proxy.judge = ({ url }) => (url.includes('/referrers/') ? { status: 403, body: '{}' } : {});
  await assert.rejects(pushReferrers(layout, client), lensError('registry/denied', /refers to an image/));
  assert.equal(registry.manifests.has(tag), false);

  proxy.judge = () => ({});
  await pushReferrers(layout, client);
  assert.equal(registry.manifests.has(tag), true);
});

test('a push that was interrupted before the fallback tag asks once whether the registry lists referrers', async (t) => {
  const { proxy, registry, client, layout } = await attached(t, { referrers: false });
  const tag = fallbackTag((await layout.root()).descriptor.digest);
  proxy.judge = ({ method, url }) => (method === 'PUT' && url.endsWith(tag) ? { status: 403 } : {});
  await assert.rejects(pushReferrers(layout, client), lensError('registry/denied'));

  proxy.judge = () => ({});
  proxy.log.length = 0;
  const again = connectRegistry(proxy.host, client.repository, {
    credentials: () => Promise.resolve(undefined),
  });
  t.after(() => again.close());
  await pushReferrers(layout, again);
  assert.equal(proxy.log.filter((line) => line.includes('/referrers/')).length, 1, proxy.log.join('\n'));
  assert.equal(registry.manifests.has(tag), true);
});
