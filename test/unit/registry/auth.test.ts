import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { text } from 'node:stream/consumers';
import { sha256 } from '../../../src/oci/digest';
import { parseChallenges } from '../../../src/registry/auth';
import { connectRegistry, type RegistryOptions } from '../../../src/registry/client';
import type { Credentials } from '../../../src/registry/credentials';
import { isLens, lensError } from '../../support/errors';
import { type FakeRegistry, startFakeRegistry } from '../../support/fake-registry';
import { type FaultProxy, startFaultProxy } from '../../support/fault-proxy';

const PASSWORD = 'pa:ss/w"ord';
const someone: Credentials = { username: 'someone', password: PASSWORD };
const bytes = Buffer.from('the bytes of a blob');
const blob = { digest: sha256(bytes), size: bytes.length };

let registry: FakeRegistry;
let proxy: FaultProxy;
/** Whatever we wrote: error messages, advice and the trace of requests. */
let written: string[];

before(async () => {
  registry = await startFakeRegistry();
  proxy = await startFaultProxy(registry.host);
});
beforeEach(() => {
  written = [];
  proxy.judge = () => ({});
  proxy.log.length = 0;
});
after(async () => {
  await proxy.stop();
  await registry.stop();
});

function connect(credentials: Credentials | undefined, options: RegistryOptions = {}) {
  return connectRegistry(proxy.host, 'team/service', {
    retry: { attempts: 3, pause: 5 },
    credentials: () => Promise.resolve(credentials),
    onTrace: (line) => written.push(line),
    ...options,
  });
}

/** A token service: what it was asked, and tokens that end when told. */
async function startTokenService(t: { after(done: () => Promise<void>): void }) {
  const asked: { method: string; url: URL; authorization: string | undefined; body: string }[] = [];
  const valid = new Map<string, string>();
  const state = { status: 200, lifetime: 300, count: 0 };
  const answer = async (request: IncomingMessage) => {
    const url = new URL(request.url ?? '/', 'http://tokens');
    const body = await text(request);
    asked.push({ method: request.method ?? '', url, authorization: request.headers.authorization, body });
    const scope = url.searchParams.get('scope') ?? new URLSearchParams(body).get('scope') ?? '';
    const token = `secret-token-${++state.count}`;
    valid.set(token, scope);
    return JSON.stringify({ token, expires_in: state.lifetime });
  };
  const server = createServer((request, response) => {
    void answer(request).then((body) => response.writeHead(state.status).end(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const realm = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  const challenge = `Bearer realm="${realm}",service="reg",scope="repository:team/service:pull"`;
  /** Lets those through who show a valid token with the scope that the method needs. */
  const guard: FaultProxy['judge'] = ({ method, headers }) => {
    const scope = valid.get((headers.authorization ?? '').replace('Bearer ', '')) ?? '';
    const needed = method === 'GET' || method === 'HEAD' ? 'pull' : 'push';
    return scope.includes('repository:team/service:') && scope.includes(needed)
      ? {}
      : { status: 401, headers: { 'www-authenticate': challenge } };
  };
  return { asked, valid, state, guard, realm };
}

test('challenges', () => {
  const read = (header: string) =>
    parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
  assert.deepEqual(read('Bearer realm="https://a/t?x=1,2",service="s", scope="repository:a/b:pull,push"'), [
    ['bearer', { realm: 'https://a/t?x=1,2', service: 's', scope: 'repository:a/b:pull,push' }],
  ]);
  assert.deepEqual(read('Basic realm="a \\"b\\"", charset=UTF-8, bearer realm = c'), [
    ['basic', { realm: 'a "b"', charset: 'UTF-8' }],
    ['bearer', { realm: 'c' }],
  ]);
  assert.deepEqual(read('Negotiate'), [['negotiate', {}]]);
  assert.deepEqual(read(''), []);
});

describe('basic', () => {
  const challenge = { 'www-authenticate': 'Basic realm="r"' };
  const guard: FaultProxy['judge'] = ({ headers }) =>
    headers.authorization === `Basic ${Buffer.from(`someone:${PASSWORD}`).toString('base64')}`
      ? {}
      : { status: 401, headers: challenge };

  test('is sent when the registry asks for it, and then at once', async () => {
    const seen: (string | undefined)[] = [];
    proxy.judge = (request) => {
      seen.push(request.headers.authorization);
      return guard(request);
    };
    const client = connect(someone);
    assert.equal(await client.putBlob(blob, () => chunksOf(bytes)), 'uploaded');
    assert.equal(seen[0], undefined);
    assert.equal(seen.filter((value) => value === undefined).length, 1);
  });

  test('nobody and the wrong one are told to sign in, and no secret is written', async () => {
    proxy.judge = guard;
    await assert.rejects(connect(undefined).hasBlob(blob.digest), lensError('registry/unauthorized'));
    const wrong = connect({ username: 'someone', password: 'wrong-secret' });
    await assert.rejects(wrong.getManifest('x'), (error) => {
      assert.ok(isLens(error, 'registry/unauthorized'));
      assert.match(error.advice, /docker login/);
      written.push(String(error.stack), error.advice, JSON.stringify(error));
      return true;
    });
    // Once without, once with: no third try that would lock the account.
    assert.equal(proxy.log.filter((line) => line.startsWith('GET')).length, 2);
    assert.doesNotMatch(written.join('\n'), /wrong-secret/);
  });
});

describe('tokens', () => {
  test('one for reading, one for writing, each asked for once with its scope', async (t) => {
    const tokens = await startTokenService(t);
    proxy.judge = tokens.guard;
    const client = connect(someone);
    const other = Buffer.from('another blob');
    const descriptor = { digest: sha256(other), size: other.length };
    assert.equal(await client.putBlob(descriptor, () => chunksOf(other)), 'uploaded');
    assert.ok(await client.hasBlob(descriptor.digest));
    assert.deepEqual(
      tokens.asked.map(({ url }) => url.searchParams.get('scope')),
      ['repository:team/service:pull', 'repository:team/service:pull,push'],
    );
    assert.equal(tokens.asked[0]?.url.searchParams.get('service'), 'reg');
    assert.equal(
      tokens.asked[0].authorization,
      `Basic ${Buffer.from(`someone:${PASSWORD}`).toString('base64')}`,
    );
  });

  test('requests that are refused side by side all come through, with one token', async (t) => {
    const tokens = await startTokenService(t);
    proxy.judge = tokens.guard;
    const client = connect(someone);
    const there = await Promise.all([1, 2, 3].map(() => client.hasBlob(blob.digest)));
    assert.equal(new Set(there).size, 1);
    assert.equal(tokens.asked.length, 1);
  });

  test('anonymous: the token is asked for without credentials', async (t) => {
    const tokens = await startTokenService(t);
    proxy.judge = tokens.guard;
    await connect(undefined).hasBlob(blob.digest);
    assert.equal(tokens.asked[0]?.authorization, undefined);
  });

  test('an identity token is shown to the token service only, in the body', async (t) => {
    const tokens = await startTokenService(t);
    proxy.judge = tokens.guard;
    await connect({ identityToken: 'secret-identity' }).hasBlob(blob.digest);
    const [asked] = tokens.asked;
    assert.equal(asked?.method, 'POST');
    const form = new URLSearchParams(asked.body);
    assert.equal(form.get('grant_type'), 'refresh_token');
    assert.equal(form.get('refresh_token'), 'secret-identity');
    assert.equal(form.get('scope'), 'repository:team/service:pull');
    assert.doesNotMatch(written.join('\n'), /secret/);
  });

  test('a token that ends in the middle is replaced, also under an upload', async (t) => {
    const tokens = await startTokenService(t);
    let ended = false;
    proxy.judge = (request) => {
      // Between the beginning of the upload and its bytes.
      if (request.method === 'PUT' && !ended) {
        ended = true;
        tokens.valid.clear();
      }
      return tokens.guard(request);
    };
    const other = Buffer.from('a third blob');
    const descriptor = { digest: sha256(other), size: other.length };
    const client = connect(someone);
    assert.equal(await client.putBlob(descriptor, () => chunksOf(other)), 'uploaded');
    assert.equal(tokens.asked.length, 3);
    assert.deepEqual(registry.blobs.get(descriptor.digest), other);
  });

  test('a token that ends between the pieces of a large blob: the piece is sent again, the upload goes on', async (t) => {
    const tokens = await startTokenService(t);
    const ranges: string[] = [];
    proxy.judge = (request) => {
      if (request.method === 'PATCH') {
        ranges.push(request.headers['content-range'] ?? '');
        if (ranges.length === 2) tokens.valid.clear();
      }
      return tokens.guard(request);
    };
    const large = Buffer.alloc(3500, 'piece by piece');
    const descriptor = { digest: sha256(large), size: large.length };
    const open = (range = { start: 0, end: large.length }) =>
      chunksOf(large.subarray(range.start, range.end));
    assert.equal(await connect(someone).putBlob(descriptor, open, { pieceSize: 1000 }), 'uploaded');
    assert.deepEqual(registry.blobs.get(descriptor.digest), large);
    assert.deepEqual(ranges, ['0-999', '1000-1999', '1000-1999', '2000-2999', '3000-3499']);
    assert.equal(proxy.log.filter((line) => line.startsWith('POST')).length, 1);
    assert.doesNotMatch(written.join('\n'), /secret/);
  });

  test('a short-lived token is renewed before it ends', async (t) => {
    const tokens = await startTokenService(t);
    tokens.state.lifetime = 5;
    proxy.judge = tokens.guard;
    const client = connect(someone);
    await client.hasBlob(blob.digest);
    await client.hasBlob(blob.digest);
    assert.equal(tokens.asked.length, 2);
    assert.equal(proxy.log.length, 3, 'no request with an old token');
  });

  test('a token service that refuses, has trouble, or answers nonsense', async (t) => {
    const tokens = await startTokenService(t);
    proxy.judge = tokens.guard;
    tokens.state.status = 401;
    await assert.rejects(connect(someone).hasBlob(blob.digest), (error) => {
      assert.ok(isLens(error, 'registry/unauthorized'));
      assert.match(error.advice, /not accepted/);
      assert.doesNotMatch(error.message + error.advice, /pa:ss/);
      return true;
    });
    tokens.state.status = 503;
    tokens.asked.length = 0;
    await assert.rejects(connect(someone).hasBlob(blob.digest), lensError('registry/unauthorized', /503/));
    assert.equal(tokens.asked.length, 3);
  });

  test('a token that the registry does not accept ends after one renewal', async (t) => {
    const tokens = await startTokenService(t);
    proxy.judge = (request) => {
      tokens.valid.clear();
      return tokens.guard(request);
    };
    await assert.rejects(connect(someone).hasBlob(blob.digest), lensError('registry/unauthorized'));
    assert.ok(proxy.log.length <= 3);
  });

  test('credentials are not given to a token service without TLS', async () => {
    for (const realm of ['http://tokens.example/t', 'ftp://tokens.example/t', 'nonsense', '']) {
      proxy.judge = () => ({ status: 401, headers: { 'www-authenticate': `Bearer realm="${realm}"` } });
      await assert.rejects(
        connect(someone).hasBlob(blob.digest),
        lensError('registry/unauthorized', /cannot be trusted/),
      );
    }
  });
});

describe('another host', () => {
  test('credentials follow neither a redirect nor an upload location', async (t) => {
    const seen: (string | undefined)[] = [];
    const elsewhere = createServer((request, response) => {
      seen.push(request.headers.authorization);
      request.resume();
      if (request.method === 'PUT') response.writeHead(201).end();
      else response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
    });
    elsewhere.listen(0, '127.0.0.1');
    await once(elsewhere, 'listening');
    t.after(() => {
      elsewhere.closeAllConnections();
      elsewhere.close();
    });
    const location = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/signed?key=url-secret`;
    proxy.judge = ({ method, headers }) => {
      if (headers.authorization === undefined)
        return { status: 401, headers: { 'www-authenticate': 'Basic realm="r"' } };
      if (method === 'HEAD') return { status: 404 };
      return { status: method === 'GET' ? 307 : 202, headers: { location } };
    };
    const client = connect(someone);
    const chunks: Uint8Array[] = [];
    for await (const chunk of client.getBlob(blob)) chunks.push(chunk);
    assert.deepEqual(Buffer.concat(chunks), bytes);
    assert.equal(await client.putBlob(blob, () => chunksOf(bytes)), 'uploaded');
    assert.deepEqual(seen, [undefined, undefined]);
    assert.doesNotMatch(written.join('\n'), /secret|someone|pa:ss/);
  });

  test('another host does not say to whom our credentials are shown', async (t) => {
    const tokens = await startTokenService(t);
    const elsewhere = createServer((request, response) => {
      request.resume();
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${tokens.realm}"` }).end();
    });
    elsewhere.listen(0, '127.0.0.1');
    await once(elsewhere, 'listening');
    t.after(() => {
      elsewhere.closeAllConnections();
      elsewhere.close();
    });
    const location = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/blob`;
    proxy.judge = ({ method }) =>
      method === 'HEAD' ? { status: 404 } : { status: method === 'GET' ? 307 : 202, headers: { location } };
    const client = connect(someone);
    await assert.rejects(client.readBlob(blob), lensError('registry/unauthorized'));
    await assert.rejects(
      client.putBlob(blob, () => chunksOf(bytes)),
      lensError('registry/unauthorized'),
    );
    assert.deepEqual(tokens.asked, []);
  });

  test('redirects without end', async () => {
    proxy.judge = ({ url }) => ({ status: 302, headers: { location: `${url}x` } });
    const chunks = connect(undefined).getBlob(blob);
    await assert.rejects(chunks.next(), lensError('registry/unreachable', /without end/));
  });

  test('a redirect to what is no address', async () => {
    proxy.judge = () => ({ status: 307, headers: { location: 'https://[' } });
    await assert.rejects(
      connect(undefined).getBlob(blob).next(),
      lensError('registry/unreachable', /no address/),
    );
  });

  test('a list of which only a part can be had is no list', async () => {
    for (const next of ['https://elsewhere.test/v2/next', 'https://[', '/v2/again']) {
      proxy.judge = () => ({
        status: 200,
        headers: { link: `<${next}>; rel="next"` },
        body: '{"tags":["a"]}',
      });
      await assert.rejects(connect(undefined).tags(), lensError('registry/refused', /only a part of a list/));
    }
  });
});

test('where nobody ever answered, nobody is waited for', async () => {
  // With the pauses of the product: they would take eight seconds.
  const client = connectRegistry('127.0.0.1:1', 'a');
  const started = performance.now();
  await assert.rejects(
    client.hasBlob(blob.digest),
    lensError('registry/absent', /127\.0\.0\.1:1: it refuses connections/),
  );
  assert.ok(performance.now() - started < 7500);
});

test('tags and referrers over several pages, filtered', async (t) => {
  const paged = await startFakeRegistry({ pageSize: 3 });
  t.after(() => paged.stop());
  const client = connectRegistry(paged.host, 'team/service', {
    credentials: () => Promise.resolve(undefined),
  });
  assert.deepEqual(await client.tags(), []);
  const subject = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: blob.digest, size: 2 };
  for (let index = 0; index < 8; index++) {
    const config = { mediaType: index % 2 ? 'a/odd' : 'a/even', digest: blob.digest, size: 2 };
    const manifest = Buffer.from(
      JSON.stringify({ schemaVersion: 2, config, layers: [], subject, annotations: { index: `${index}` } }),
    );
    const { subject: told } = await client.putManifest(`t${index}`, subject.mediaType, manifest);
    assert.equal(told, blob.digest);
  }
  assert.deepEqual(await client.tags(), ['t0', 't1', 't2', 't3', 't4', 't5', 't6', 't7']);
  assert.equal((await client.referrers(blob.digest)).manifests.length, 8);
  const odd = await client.referrers(blob.digest, 'a/odd');
  assert.equal(odd.api, true);
  assert.deepEqual(
    odd.manifests.map(({ artifactType }) => artifactType),
    new Array(4).fill('a/odd'),
  );
  const gone = odd.manifests[0]!.digest;
  await client.deleteManifest(gone);
  await client.deleteManifest(gone);
  assert.equal(await client.headManifest(gone), undefined);
  assert.equal((await client.referrers(blob.digest, 'a/odd')).manifests.length, 3);
});

test('a blob is mounted instead of sent', async () => {
  const client = connect(undefined);
  assert.equal(
    await client.putBlob(blob, () => chunksOf(bytes)).then(() => client.mount(blob.digest, 'other/repo')),
    true,
  );
  assert.equal(await client.mount(sha256(Buffer.from('nowhere')), 'other/repo'), false);
});

async function* chunksOf(data: Buffer): AsyncGenerator<Uint8Array> {
  for (const byte of data) {
    await Promise.resolve();
    yield Buffer.of(byte);
  }
}
