import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, describe, test, type TestContext } from 'node:test';
import { connectAnonymously, gatherImage } from '../../src/cluster/doctor/evidence';
import { diagnose, type Diagnosis, type NodeInput } from '../../src/cluster/doctor/diagnose';
import type { CheckId } from '../../src/cluster/doctor/checks';
import { openLayout } from '../../src/image/layout';
import { createLayout } from '../../src/image/layout-writer';
import { encodeManifest } from '../../src/oci/json';
import { OCI_MANIFEST } from '../../src/oci/media-types';
import { parseManifest } from '../../src/oci/parse';
import { parsePlatform } from '../../src/oci/platform';
import { connectRegistry, type RegistryClient } from '../../src/registry/client';
import { attachLayout, convertLayout } from '../../src/soci/convert';
import { ANNOTATIONS } from '../../src/soci/index';
import { pushLayout } from '../../src/soci/push';
import { pushReferrers } from '../../src/soci/referrers';
import { runInProcess } from '../support/cli';
import { lensError } from '../support/errors';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy';
import { temporaryFolder } from '../support/folders';
import { goldenImage, scanHere, writeGoldenLayout } from '../support/golden';
import { startRegistry, type TestRegistry } from '../support/registry';

/** bcrypt of `pa:ss word`. */
const HTPASSWD = 'someone:$2a$04$LM7sK1toaf03qJ0tPxJkhOahIfLGGh1p3kiBVvI0e6SIlYpoXzRxu\n';
const options = { spanSize: 65536, minLayerSize: 0, platforms: 'all', scan: scanHere } as const;
const platform = parsePlatform('linux/amd64');

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

function connect(t: TestContext, repository: string): RegistryClient {
  const client = connectRegistry(proxy.host, repository, { retry: { attempts: 2, pause: 1 } });
  t.after(() => client.close());
  return client;
}

/** Pushes an image with a v2 index. */
async function pushV2(t: TestContext, client: RegistryClient, image = 'two-layers-one-below-min') {
  const dir = await temporaryFolder(t);
  const source = await writeGoldenLayout(path.join(dir, 'in'), goldenImage(image));
  const output = await createLayout(path.join(dir, 'out'));
  const result = await convertLayout(source, output, options);
  await pushLayout(await openLayout(output.dir), client, 'latest');
  return result;
}

async function ask(client: RegistryClient, node: NodeInput, name = 'latest'): Promise<Diagnosis> {
  const anonymous = connectAnonymously(client.host, client.repository, { retry: { attempts: 2, pause: 1 } });
  const { signal } = new AbortController();
  try {
    const reference = `docker://${client.host}/${client.repository}`;
    return diagnose(await gatherImage(client, anonymous, name, { reference, platform, signal }), node);
  } finally {
    await anonymous.close();
  }
}

const of = ({ checks }: Diagnosis, id: CheckId) => checks.find((check) => check.id === id);
const lazyNode: NodeInput = {
  release: '0.15',
  containerd: '2.2.6',
  containerdSocket: '/run/containerd/containerd.sock',
  config: { name: 'config.toml', text: '[pull_modes.soci_v2]\nenable = true\n' },
  log: '{"msg":"soci-snapshotter-grpc successfully started"}\n{"msg":"remote snapshot successfully prepared."}\n',
};

describe('the doctor at a real registry', () => {
  test('a v2 index that is whole: yes, and every check of the image is green', async (t) => {
    const client = connect(t, 'doctor/v2');
    await pushV2(t, client);
    const diagnosis = await ask(client, lazyNode);
    assert.equal(diagnosis.lazy, 'yes');
    assert.deepEqual(
      diagnosis.checks.filter(({ verdict }) => verdict !== 'green'),
      [],
    );
  });

  test('a v1 index, by the tag that stands for the referrers API; the node has to look for it', async (t) => {
    const dir = await temporaryFolder(t);
    const client = connect(t, 'doctor/v1');
    const source = await writeGoldenLayout(path.join(dir, 'in'), goldenImage('two-layers-one-below-min'));
    const output = await createLayout(path.join(dir, 'out'));
    await attachLayout(source, output, options);
    await pushLayout(source, client, 'latest');
    await pushReferrers(await openLayout(output.dir), client);

    const off = await ask(client, lazyNode);
    assert.equal(off.lazy, 'no');
    assert.equal(of(off, 'index-there')?.verdict, 'green');
    assert.match(of(off, 'discoverable')?.fix ?? '', /soci_v1/);
    const on = await ask(client, {
      ...lazyNode,
      config: { name: 'config.toml', text: '[pull_modes.soci_v1]\nenable = true\n' },
    });
    assert.equal(on.lazy, 'yes');
    assert.match(of(on, 'discoverable')?.evidence ?? '', /no referrers API; the tag/);
  });

  test('no index; a platform that is not there; an image that is not there', async (t) => {
    const dir = await temporaryFolder(t);
    const client = connect(t, 'doctor/none');
    await pushLayout(
      await writeGoldenLayout(path.join(dir, 'in'), goldenImage('multi-platform')),
      client,
      'latest',
    );
    const diagnosis = await ask(client, lazyNode);
    assert.equal(diagnosis.lazy, 'no');
    assert.equal(of(diagnosis, 'index-there')?.verdict, 'red');
    const { signal } = new AbortController();
    await assert.rejects(
      gatherImage(client, client, 'latest', {
        reference: 'x',
        platform: parsePlatform('linux/s390x'),
        signal,
      }),
      lensError('cluster/no-platform'),
    );
    await assert.rejects(ask(client, lazyNode, 'absent'), lensError('registry/not-found'));
  });

  test('a ztoc that the registry lost, and an index that it lost', async (t) => {
    const client = connect(t, 'doctor/lost');
    const [indexed] = (await pushV2(t, client)).perPlatform;
    const lost = indexed!.ztocs[0]!.ztoc.digest;
    proxy.judge = ({ url }) => (url.includes(`/blobs/${lost}`) ? { status: 404 } : {});
    const ztoc = await ask(client, lazyNode);
    assert.equal(ztoc.lazy, 'no');
    assert.equal(of(ztoc, 'ztocs-load')?.verdict, 'red');
    const index = indexed!.sociIndex.digest;
    proxy.judge = ({ url }) => (url.includes(`/manifests/${index}`) ? { status: 404 } : {});
    assert.equal(of(await ask(client, lazyNode), 'index-types')?.verdict, 'red');
  });

  test('a proxy that ignores ranges', async (t) => {
    const client = connect(t, 'doctor/ranges');
    await pushV2(t, client);
    proxy.judge = () => ({ requestHeaders: { range: undefined } });
    const diagnosis = await ask(client, lazyNode);
    assert.equal(of(diagnosis, 'ranges')?.verdict, 'red');
    assert.equal(diagnosis.lazy, 'no');
  });

  test('an index that is not written as the snapshotter writes it', async (t) => {
    const client = connect(t, 'doctor/canonical');
    const [indexed] = (await pushV2(t, client, 'one-layer')).perPlatform;
    const { bytes } = await client.getManifest(indexed!.sociIndex.digest);
    const spaced = Buffer.from(JSON.stringify(JSON.parse(Buffer.from(bytes).toString()), null, 1));
    const { digest } = await client.putManifest('spaced', OCI_MANIFEST, spaced);
    const image = parseManifest((await client.getManifest(indexed!.manifest.digest)).bytes);
    const renamed = encodeManifest({ ...image, annotations: { [ANNOTATIONS.indexDigest]: digest } });
    await client.putManifest('with-spaced-index', OCI_MANIFEST, renamed);
    const diagnosis = await ask(client, lazyNode, 'with-spaced-index');
    assert.match(of(diagnosis, 'index-types')?.evidence ?? '', /not written as the snapshotter/);
    assert.equal(diagnosis.lazy, 'no');
  });

  test('a private registry: credentials are needed on the node too', async (t) => {
    const closed = await startRegistry({ htpasswd: HTPASSWD });
    t.after(() => closed.stop());
    const client = connectRegistry(closed.host, 'doctor/private', {
      credentials: () => Promise.resolve({ username: 'someone', password: 'pa:ss word' }),
    });
    t.after(() => client.close());
    await pushV2(t, client);
    assert.equal(of(await ask(client, lazyNode), 'credentials')?.verdict, 'red');
    const keychain = '[cri_keychain]\nenable_keychain = true\n';
    const withKeychain = await ask(client, { ...lazyNode, config: { name: 'c.toml', text: keychain } });
    assert.equal(of(withKeychain, 'credentials')?.verdict, 'green');
    const untold = await ask(client, { ...lazyNode, config: undefined });
    assert.equal(of(untold, 'credentials')?.verdict, 'unknown');
  });

  test('an abort ends it, and is not taken for an answer', async (t) => {
    const client = connect(t, 'doctor/abort');
    await pushV2(t, client);
    const stop = new AbortController();
    proxy.judge = ({ url }) => {
      if (url.includes('/blobs/')) stop.abort();
      return {};
    };
    await assert.rejects(
      gatherImage(client, client, 'latest', { reference: 'x', platform, signal: stop.signal }),
      { name: 'AbortError' },
    );
  });

  test('from the command line, with the config and log of the node as files', async (t) => {
    const dir = await temporaryFolder(t);
    await pushV2(t, connect(t, 'doctor/cli'));
    const [config, log] = [path.join(dir, 'config.toml'), path.join(dir, 'node.log')];
    writeFileSync(config, lazyNode.config!.text);
    writeFileSync(log, lazyNode.log!);
    const args = ['cluster', 'doctor', `docker://${proxy.host}/doctor/cli`, '--config', config, '--log', log];
    const yes = await runInProcess([
      ...args,
      '--soci-version=0.15.0',
      '--containerd=2.2.6',
      '--containerd-socket=/run/containerd/containerd.sock',
      '--json',
    ]);
    assert.equal(yes.code, 0, yes.stderr);
    const document = JSON.parse(yes.stdout) as { version: number; lazy: string; checks: unknown[] };
    assert.equal(document.version, 1);
    assert.equal(document.lazy, 'yes');
    writeFileSync(config, '[pull_modes.soci_v2]\nenable = false\n');
    const no = await runInProcess(args);
    assert.equal(no.code, 3);
    assert.match(no.stdout, /✗ no {7}The kind of index is looked for/);
    rmSync(log);
    assert.equal((await runInProcess(args)).code, 1);
  });
});
