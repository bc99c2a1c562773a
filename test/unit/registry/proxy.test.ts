import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { sha256 } from '../../../src/oci/digest';
import { connectRegistry, type RegistryOptions } from '../../../src/registry/client';
import { proxyFor } from '../../../src/registry/proxy';
import { lensError } from '../../support/errors';
import { type FakeRegistry, startFakeRegistry } from '../../support/fake-registry';
import { DROP, type HttpProxy, startHttpProxy } from '../../support/http-proxy';

const bytes = Buffer.from('through the proxy');
const blob = { digest: sha256(bytes), size: bytes.length };

describe('through a proxy', () => {
  let registry: FakeRegistry;
  let proxy: HttpProxy;
  let guarded: HttpProxy;
  before(async () => {
    registry = await startFakeRegistry();
    const hosts = {
      'registry.test': registry.host,
      'registry.test:443': '127.0.0.1:1',
      'registry.test:444': DROP,
    };
    proxy = await startHttpProxy(hosts);
    guarded = await startHttpProxy(hosts, 'someone:se cret');
  });
  after(async () => {
    await proxy.stop();
    await guarded.stop();
    await registry.stop();
  });
  beforeEach(() => {
    proxy.log.length = 0;
  });
  const connect = (options: RegistryOptions) =>
    connectRegistry('registry.test', 'team/service', {
      plainHttp: true,
      retry: { attempts: 2, pause: 1 },
      credentials: () => Promise.resolve(undefined),
      env: {},
      ...options,
    });
  const roundTrip = async (client: ReturnType<typeof connect>) => {
    await client.putBlob(blob, async function* () {
      yield await Promise.resolve(bytes);
    });
    assert.deepEqual(Buffer.from(await client.readBlob(blob)), bytes);
    await client.close();
  };

  test('that a setting names', async () => {
    await roundTrip(connect({ proxy: `http://${proxy.host}` }));
    assert.ok(
      proxy.log.every((line) => line.includes(' http://registry.test/v2/team/service/')),
      proxy.log[0],
    );
  });

  test('that the environment names, with or without a scheme', async () => {
    await roundTrip(connect({ env: { HTTP_PROXY: proxy.host } }));
    assert.ok(proxy.log.length > 0);
  });

  test('that asks who we are', async () => {
    await roundTrip(connect({ proxy: `http://someone:se%20cret@${guarded.host}` }));
    await assert.rejects(
      connect({ plainHttp: false, proxy: `http://someone:wrong-secret@${guarded.host}` }).hasBlob(
        blob.digest,
      ),
      (error) => {
        lensError('registry/proxy', /status 407/)(error);
        assert.doesNotMatch(JSON.stringify(error) + String(error), /wrong-secret/);
        return true;
      },
    );
  });

  test('that is not there', async () => {
    await assert.rejects(
      connect({ proxy: 'http://someone:se-cret@127.0.0.1:1' }).hasBlob(blob.digest),
      (error) => {
        lensError('registry/proxy', /127\.0\.0\.1:1 cannot be reached: it refuses connections/)(error);
        assert.doesNotMatch(String(error), /se-cret/);
        return true;
      },
    );
  });

  test('that cannot be one', async () => {
    for (const wrong of ['socks5://127.0.0.1:1080', 'http://some%one:se-cret@127.0.0.1:1', 'http://'])
      for (const plainHttp of [true, false])
        await assert.rejects(
          connect({ plainHttp, env: { ALL_PROXY: wrong } }).hasBlob(blob.digest),
          lensError(
            'registry/proxy',
            /^The proxy that is set has no valid http:\/\/ or https:\/\/ address\.$/,
          ),
        );
  });

  test('TLS is tunnelled, and never falls back to plain HTTP', async () => {
    await assert.rejects(
      connect({ plainHttp: false, proxy: `http://${proxy.host}` }).hasBlob(blob.digest),
      lensError('registry/proxy', /status 502/),
    );
    assert.deepEqual(new Set(proxy.log), new Set(['CONNECT registry.test:443']));
  });

  test('that hangs up', async () => {
    const client = connectRegistry('registry.test:444', 'a', {
      proxy: `http://${proxy.host}`,
      retry: { attempts: 2, pause: 1 },
      stallTimeout: 100,
      credentials: () => Promise.resolve(undefined),
    });
    await assert.rejects(client.hasBlob(blob.digest), lensError('registry/unreachable'));
  });

  test('this machine and what NO_PROXY names are reached without it', async () => {
    const direct = connectRegistry(registry.host, 'team/service', {
      proxy: `http://${proxy.host}`,
      credentials: () => Promise.resolve(undefined),
    });
    await roundTrip(direct);
    await assert.rejects(
      connect({ env: { HTTP_PROXY: proxy.host, NO_PROXY: 'registry.test' } }).hasBlob(blob.digest),
    );
    assert.deepEqual(proxy.log, []);
  });
});

test('which proxy is chosen', () => {
  const url = new URL('https://registry.example:5000/v2/');
  const choose = (env: NodeJS.ProcessEnv, rest: object = {}) => proxyFor(url, { env, ...rest });
  assert.equal(choose({}), undefined);
  assert.equal(choose({ HTTPS_PROXY: 'http://p:1' }), 'http://p:1');
  assert.equal(choose({ https_proxy: 'p:1' }), 'http://p:1');
  assert.equal(choose({ HTTP_PROXY: 'http://p:1' }), undefined);
  assert.equal(choose({ ALL_PROXY: 'http://p:1' }), 'http://p:1');
  assert.equal(choose({ HTTPS_PROXY: 'http://p:1' }, { proxy: 'http://q:1' }), 'http://q:1');
  for (const no of ['*', 'example', '.example', '*.example', 'registry.example', 'a, registry.example:5000'])
    assert.equal(choose({ HTTPS_PROXY: 'http://p:1', NO_PROXY: no }), undefined, no);
  for (const no of ['', 'xample', 'registry.example:443', 'other.registry.example', ','])
    assert.equal(choose({ HTTPS_PROXY: 'http://p:1', NO_PROXY: no }), 'http://p:1', no);
  assert.equal(choose({ HTTPS_PROXY: 'http://p:1', NO_PROXY: '*' }, { noProxy: [] }), 'http://p:1');
  const isDirect = (address: string, no: string) =>
    proxyFor(new URL(address), { env: { ALL_PROXY: 'p:1', NO_PROXY: no } }) === undefined;
  for (const [address, no] of [
    ['https://10.1.2.3:5000', '10.0.0.0/8'],
    ['https://10.1.2.3:5000', '10.1.2.3'],
    ['https://[fd00::5]:5000', 'fd00::/8'],
    ['https://[fd00::5]:5000', 'fd00::5'],
    ['https://[fd00::5]:5000', '[fd00::5]:5000'],
    ['https://registry.example', 'registry.example:443'],
  ] as const)
    assert.ok(isDirect(address, no), `${address} ${no}`);
  for (const [address, no] of [
    ['https://11.1.2.3:5000', '10.0.0.0/8'],
    ['https://registry.example', '0.0.0.0/0'],
    ['https://10.1.2.3', '10.0.0.0/33'],
    ['https://10.1.2.3', 'fd00::/8'],
    ['https://[fe80::5]', 'fd00::/8'],
    ['https://[fd00::5]:5000', '[fd00::5]:5001'],
  ] as const)
    assert.ok(!isDirect(address, no), `${address} ${no}`);
  for (const own of ['http://localhost', 'https://127.0.0.2:5000', 'https://[::1]'])
    assert.equal(proxyFor(new URL(own), { proxy: 'http://p:1' }), undefined, own);
});
