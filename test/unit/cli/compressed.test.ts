import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { suite, test, type TestContext } from 'node:test';
import { pack } from 'tar-stream';
import { sha256 } from '../../../src/oci/digest';
import { runInProcess } from '../../support/cli';
import { startFakeRegistry } from '../../support/fake-registry';
import { temporaryFolder } from '../../support/folders';
import { everythingIn } from '../../support/layouts';
import { Random } from '../../support/random';

async function tar(entries: readonly (readonly [name: string, content: Buffer])[]): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of entries) archive.entry({ name, mtime: new Date(0) }, content);
  archive.finalize();
  return buffer(Readable.from(archive, { objectMode: false }));
}

/** A `docker save` with one plain tar, and a cache of the test's own. */
async function save(t: TestContext): Promise<{ dir: string; file: string }> {
  const dir = await temporaryFolder(t);
  process.env['SOCI_LENS_CACHE'] = path.join(dir, 'cache');
  const layer = await tar([['data.bin', Buffer.from(new Random(3).bytes(300_000))]]);
  const rootfs = { type: 'layers', diff_ids: [sha256(layer)] };
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs }));
  const manifest = [{ Config: 'config.json', RepoTags: ['a:b'], Layers: ['one/layer.tar'] }];
  const file = path.join(dir, 'save.tar');
  await writeFile(
    file,
    await tar([
      ['one/layer.tar', layer],
      ['config.json', config],
      ['manifest.json', Buffer.from(JSON.stringify(manifest))],
    ]),
  );
  return { dir, file };
}

const FLAGS = ['--min-layer-size', '0', '--span-size', '64k', '--platform', 'linux/amd64'];

/** The files of compressed layers in the cache. */
async function cachedLayers(dir: string): Promise<string[]> {
  const names = await everythingIn(path.join(dir, 'cache'));
  const large = [];
  for (const name of names.filter((one) => /blobs\/sha256\/[0-9a-f]{64}$/.test(one))) {
    const file = path.join(dir, 'cache', name);
    if ((await readFile(file)).length > 200_000) large.push(file);
  }
  return large;
}

suite('layers that are compressed here', () => {
  test('are indexed while that is done, and it is said which bytes they are', async (t) => {
    const { dir, file } = await save(t);
    const made = path.join(dir, 'made');
    const index = async (from: string, to: string) => {
      const run = await runInProcess(['index', from, '--output', `oci:${to}`, ...FLAGS, '--json']);
      assert.equal(run.code, 0, run.stderr);
      return { ...run, digest: (JSON.parse(run.stdout) as { index: { digest: string } }).index.digest };
    };
    const { digest, stderr } = await index(file, made);
    assert.match(stderr, /compressed here, since the archive holds plain tars/);
    assert.equal((await readdir(path.join(dir, 'cache', 'scans'))).length, 1);

    // Where no scan is at hand the layer is read, and the same comes out.
    process.env['SOCI_LENS_CACHE'] = path.join(dir, 'other');
    const again = await index(`oci:${made}`, path.join(dir, 'again'));
    assert.match(again.stderr, /blobs of the OCI layout, as they are/);
    assert.equal(again.digest, digest);
    const checked = await runInProcess(['verify', `oci:${made}`, '--platform', 'linux/amd64']);
    assert.equal(checked.code, 0, checked.stdout);
  });

  test('at another level are other bytes', async (t) => {
    const { dir, file } = await save(t);
    const digests = [];
    for (const level of ['1', '9', '9']) {
      const to = path.join(dir, `made-${digests.length}`);
      const flags = [...FLAGS, '--gzip-level', level, '--json'];
      const { code, stdout, stderr } = await runInProcess(['index', file, '--output', `oci:${to}`, ...flags]);
      assert.equal(code, 0, stderr);
      digests.push((JSON.parse(stdout) as { index: { digest: string } }).index.digest);
    }
    assert.notEqual(digests[0], digests[1]);
    assert.equal(digests[1], digests[2]);
    const wrong = await runInProcess(['index', file, '--output', `oci:${dir}/x`, '--gzip-level', '10']);
    assert.equal(wrong.code, 2);
  });

  test('damage after the scan is caught on the way out, and nothing half-made stays', async (t) => {
    const { dir, file } = await save(t);
    assert.equal((await runInProcess(['index', file, '--output', `oci:${dir}/first`, ...FLAGS])).code, 0);
    const [blob] = await cachedLayers(dir);
    assert.ok(blob);
    const bytes = await readFile(blob);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(blob, bytes);

    const folder = await runInProcess(['index', file, '--output', `oci:${dir}/second`, ...FLAGS]);
    assert.equal(folder.code, 1);
    assert.match(folder.stderr, /have the digest/);
    assert.deepEqual(await everythingIn(path.join(dir, 'second')), []);

    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const to = `docker://${registry.host}/made:latest`;
    const pushed = await runInProcess(['index', file, '--output', to, ...FLAGS]);
    assert.equal(pushed.code, 1);
    assert.match(pushed.stderr, /digest invalid/i);
    assert.deepEqual([...registry.manifests.keys()], []);
  });

  test('damage after the index was made is found by verify', async (t) => {
    const { dir, file } = await save(t);
    assert.equal((await runInProcess(['index', file, '--output', `oci:${dir}/made`, ...FLAGS])).code, 0);
    const blobs = path.join(dir, 'made/blobs/sha256');
    for (const name of await readdir(blobs)) {
      const bytes = await readFile(path.join(blobs, name));
      if (bytes.length < 250_000) continue;
      bytes[bytes.length >> 1]! ^= 1;
      await writeFile(path.join(blobs, name), bytes);
    }
    const { code, stdout } = await runInProcess(['verify', `oci:${dir}/made`]);
    assert.equal(code, 3);
    assert.match(stdout, /wrong in layer/);
  });
});
