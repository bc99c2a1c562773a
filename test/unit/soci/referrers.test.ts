import assert from 'node:assert/strict';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { openLayout } from '../../../src/image/layout';
import { createLayout } from '../../../src/image/layout-writer';
import { connectRegistry, fallbackTag, type RegistryClient } from '../../../src/registry/client';
import { attachLayout } from '../../../src/soci/convert';
import { listIndexes } from '../../../src/soci/discover';
import { SOCI_INDEX_V1 } from '../../../src/soci/index';
import { pushLayout } from '../../../src/soci/push';
import { pushReferrers } from '../../../src/soci/referrers';
import { registryStore } from '../../../src/soci/store';
import { lensError } from '../../support/errors';
import { everyByte } from '../../support/every-byte';
import { startFakeRegistry } from '../../support/fake-registry';
import { startFaultProxy } from '../../support/fault-proxy';
import { temporaryFolder } from '../../support/folders';
import { goldenImage, scanHere, writeGoldenLayout } from '../../support/golden';

async function connected(t: TestContext, options: { readonly referrers?: boolean } = {}) {
  const registry = await startFakeRegistry(options);
  const proxy = await startFaultProxy(registry.host);
  const connect = (host: string) => {
    const credentials = () => Promise.resolve(undefined);
    const client = connectRegistry(host, 'team/service', { retry: { attempts: 2, pause: 1 }, credentials });
    t.after(() => client.close());
    return client;
  };
  t.after(async () => {
    await proxy.stop();
    await registry.stop();
  });
  return { proxy, registry, connect, client: connect(proxy.host) };
}

/** An image as a layout, and a layout with its v1 index. */
async function indexed(t: TestContext, spanSize = 65536) {
  const dir = await temporaryFolder(t);
  const source = await writeGoldenLayout(path.join(dir, 'in'), goldenImage('one-layer'));
  const output = await createLayout(path.join(dir, 'out'));
  await attachLayout(source, output, { spanSize, minLayerSize: 0, scan: scanHere });
  const layout = await openLayout(output.dir);
  const index = layout.index.manifests.find(({ artifactType }) => artifactType === SOCI_INDEX_V1);
  assert.ok(index);
  return { source, layout, index };
}

/** An image in a registry, and a layout with its v1 index that is not there yet. */
async function attached(t: TestContext, options: { readonly referrers?: boolean } = {}) {
  const [registry, image] = await Promise.all([connected(t, options), indexed(t)]);
  await pushLayout(image.source, registry.client, 'latest');
  return { ...registry, ...image };
}

test('a registry that refuses manifests with a subject, as Quay does: it is said what to do', async (t) => {
  const { proxy, registry, client, layout, index } = await attached(t);
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
  const { proxy, registry, client, layout, index } = await attached(t);
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
  const { proxy, registry, connect, client, layout } = await attached(t, { referrers: false });
  const tag = fallbackTag((await layout.root()).descriptor.digest);
  proxy.judge = ({ method, url }) => (method === 'PUT' && url.endsWith(tag) ? { status: 403 } : {});
  await assert.rejects(pushReferrers(layout, client), lensError('registry/denied'));

  proxy.judge = () => ({});
  proxy.log.length = 0;
  await pushReferrers(layout, connect(proxy.host));
  assert.equal(proxy.log.filter((line) => line.includes('/referrers/')).length, 1, proxy.log.join('\n'));
  assert.equal(registry.manifests.has(tag), true);
});

/** Of the requests under the push of an index: the kind of what a fault hits. */
function kindOf(method: string, url: string): string {
  const what = ['/referrers/', '/manifests/sha256-', '/manifests/', '/uploads/', '/blobs/'];
  const names = ['referrers', 'list', 'manifest', 'upload', 'blob'];
  return `${method} ${names[what.findIndex((part) => url.includes(part))] ?? url}`;
}

test('a fault under the push of an index leaves the list as it was, or the index whole in it', async (t) => {
  const [other, { source, layout, index }] = await Promise.all([indexed(t, 4 << 20), indexed(t)]);
  /** The indexes of the image, as readers find them; every byte of each is read. */
  const listed = async (client: RegistryClient) => {
    const [image] = await listIndexes(registryStore(client, 'latest'));
    const digests = image?.indexes.map(({ digest }) => digest) ?? [];
    for (const digest of digests) await everyByte(client, digest);
    return digests;
  };
  const check = async (kind: string, isLasting: boolean) => {
    const name = `${kind} ${isLasting ? 'for good' : 'once'}`;
    const { proxy, registry, connect, client } = await connected(t, { referrers: false });
    const direct = connect(registry.host);
    await pushLayout(source, direct, 'latest');
    // Only where there is no list yet is the registry asked whether it makes one itself.
    if (kind !== 'GET referrers') await pushReferrers(other.layout, direct);
    const before = await listed(direct);
    let hits = 0;
    proxy.judge = ({ method, url }) => {
      if (kindOf(method, url) !== kind || (hits > 0 && !isLasting)) return {};
      hits++;
      // Once the registry has done what was asked, but its answer is lost.
      return isLasting ? { status: 503 } : { cutAnswerAt: 0 };
    };
    if (isLasting)
      await assert.rejects(pushReferrers(layout, client), lensError('registry/unavailable'), name);
    else await pushReferrers(layout, client);
    assert.ok(hits > 0, name);
    assert.deepEqual(await listed(direct), isLasting ? before : [...before, index.digest], name);
    proxy.judge = () => ({});
    await pushReferrers(layout, client);
    assert.deepEqual(await listed(direct), [...before, index.digest], name);
  };
  const uploads = ['HEAD blob', 'POST upload', 'PUT upload', 'PUT manifest'];
  const kinds = [...uploads, 'GET list', 'GET referrers', 'PUT list'];
  await Promise.all(kinds.flatMap((kind) => [check(kind, false), check(kind, true)]));
});
