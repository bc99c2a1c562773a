import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { connectEngine } from '../../src/image/engine';
import { openImage } from '../../src/image/open';
import { openLayout } from '../../src/image/layout';
import { memoryBytes, readAll } from '../../src/layer/bytes';
import { scanLayer } from '../../src/layer/scan';
import { sha256 } from '../../src/oci/digest';
import { connectRegistry } from '../../src/registry/client';
import { dockerCredentials } from '../../src/registry/credentials';
import { pushLayout } from '../../src/soci/push';
import { scanImage, type Scanner } from '../../src/image/scan';
import { ensureImage, testEngine } from '../support/engine';
import { lensError } from '../support/errors';
import { temporaryFolder } from '../support/folders';
import { startHttpProxy } from '../support/http-proxy';
import { everythingIn } from '../support/layouts';
import { startRegistry } from '../support/registry';

/** bcrypt of `pa:ss word`. */
const HTPASSWD = 'someone:$2a$04$LM7sK1toaf03qJ0tPxJkhOahIfLGGh1p3kiBVvI0e6SIlYpoXzRxu\n';
const engine = () => testEngine();

describe('images out of a real registry', () => {
  test('an engine image that was pushed is the same one there: layers, ranges, scans; nothing is kept', async (t) => {
    const [cacheDir, other] = [await temporaryFolder(t), await temporaryFolder(t)];
    const registry = await startRegistry();
    t.after(() => registry.stop());
    await ensureImage('fx-scratch');
    const local = await openImage('fx-scratch', { cacheDir, engine });
    assert.ok(local.layout);
    await pushLayout(await openLayout(local.layout), connectRegistry(registry.host, 'fx/scratch'), 'v1');

    const name = `docker://${registry.host}/fx/scratch:v1`;
    const image = await openImage(name, { cacheDir: other });
    assert.equal(image.source, 'registry');
    assert.equal(image.descriptor.digest, local.descriptor.digest);
    assert.deepEqual(image.manifest, local.manifest);
    assert.deepEqual(image.config, local.config);
    const pool: Scanner = {
      scan: (blob, compression, options) => scanLayer(blob, compression, { ...options, diffId: true }),
    };
    const [here, there] = [await scanImage(local, { pool }), await scanImage(image, { pool })];
    for (const [index, layer] of image.layers.entries()) {
      const own = local.layers[index]!;
      const middle = Math.floor(layer.descriptor.size / 2);
      const whole = await readAll(own.blob, 1 << 30);
      const parts: Uint8Array[] = [];
      for await (const chunk of layer.blob.read({ start: 0, end: middle })) parts.push(chunk);
      for await (const chunk of layer.blob.read({ start: middle, end: layer.descriptor.size }))
        parts.push(chunk);
      assert.ok(Buffer.concat(parts).equals(whole));
      const [a, b] = [here[index]!, there[index]!];
      assert.ok('scan' in a && 'scan' in b);
      assert.equal(a.scan.diffId, layer.diffId);
      assert.deepEqual(a.scan.boundaries, b.scan.boundaries);
    }
    assert.deepEqual(await everythingIn(other), []);
  });

  test('a bare name: the engine first, then the registry, and one message when neither has it', async (t) => {
    const cacheDir = await temporaryFolder(t);
    const registry = await startRegistry();
    t.after(() => registry.stop());
    const name = `${registry.host}/no/such:image`;
    await assert.rejects(
      openImage(name, { cacheDir, engine }),
      lensError('registry/not-found', /engine has no image.*has no image image/),
    );
    const nowhere = `unix://${cacheDir}/no.sock`;
    await assert.rejects(
      openImage(name, { cacheDir, engine: () => connectEngine({ host: nowhere }) }),
      lensError('registry/not-found', /No Docker engine answers.*has no image/),
    );
    assert.deepEqual(await everythingIn(cacheDir), []);
  });

  test('name and password out of the Docker config', async (t) => {
    const configDir = await temporaryFolder(t);
    const registry = await startRegistry({ htpasswd: HTPASSWD });
    t.after(() => registry.stop());
    const bytes = Buffer.from('x');
    const digest = 'sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881';
    const client = (host: string) =>
      connectRegistry(host, 'private', { credentials: (name) => dockerCredentials(name, { configDir }) });
    const push = () =>
      client(registry.host).putBlob({ digest, size: 1 }, async function* () {
        await Promise.resolve();
        yield bytes;
      });
    await assert.rejects(push(), lensError('registry/unauthorized', /refuses/));
    const login = async (password: string) => {
      const auth = Buffer.from(`someone:${password}`).toString('base64');
      await writeFile(
        path.join(configDir, 'config.json'),
        JSON.stringify({ auths: { [registry.host]: { auth } } }),
      );
    };
    await login('wrong');
    await assert.rejects(push(), lensError('registry/unauthorized', /refuses/));
    await login('pa:ss word');
    assert.equal(await push(), 'uploaded');
    assert.equal(await push(), 'present');
  });

  test('TLS: by an own authority, not without it, and never silently in plain text', async (t) => {
    const dir = await temporaryFolder(t);
    await mkdir(dir, { recursive: true });
    const [certificate, key] = [path.join(dir, 'cert.pem'), path.join(dir, 'key.pem')];
    const request = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
    ];
    const names = ['-subj', '/CN=soci-lens-test', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:registry.test'];
    execFileSync('openssl', [...request, ...names, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
    const registry = await startRegistry({ tls: { certificate, key } });
    t.after(() => registry.stop());
    const connect = (options: Parameters<typeof connectRegistry>[2]) =>
      connectRegistry(registry.host, 'a', { retry: { attempts: 2, pause: 1 }, ...options });
    assert.deepEqual(await connect({ caFile: certificate }).tags(), []);
    await assert.rejects(connect({ plainHttp: false }).tags(), lensError('registry/tls', /not trusted/));
    await assert.rejects(
      connect({ caFile: path.join(dir, 'none') }).tags(),
      lensError('registry/tls', /cannot be read/),
    );
    await assert.rejects(connect({}).tags(), lensError('registry/refused', /status 400/));

    // Through a company's proxy, which sees the name of the host and nothing else.
    const proxy = await startHttpProxy({ 'registry.test:443': registry.host }, 'me:secret');
    t.after(() => proxy.stop());
    const through = connectRegistry('registry.test', 'a', {
      caFile: certificate,
      proxy: `http://me:secret@${proxy.host}`,
      retry: { attempts: 2, pause: 1 },
    });
    const bytes = Buffer.alloc(100_000, 'tunnelled');
    const blob = { digest: sha256(bytes), size: bytes.length };
    assert.equal(await through.putBlob(blob, () => memoryBytes(bytes).read()), 'uploaded');
    assert.deepEqual(Buffer.from(await connect({ caFile: certificate }).readBlob(blob)), bytes);
    assert.deepEqual(new Set(proxy.log), new Set(['CONNECT registry.test:443']));
    await through.close();
    const plain = await startRegistry();
    t.after(() => plain.stop());
    await assert.rejects(
      connectRegistry(plain.host, 'a', { plainHttp: false }).tags(),
      lensError('registry/tls', /does not speak TLS/),
    );
  });
});
