import assert from 'node:assert/strict';
import { Hash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { describe, mock, test, type TestContext } from 'node:test';
import { LensError } from '../../../src/errors';
import { openLayout } from '../../../src/image/layout';
import { createLayout } from '../../../src/image/layout-writer';
import { type Bytes, fileBytes } from '../../../src/layer/bytes';
import { sha256 } from '../../../src/oci/digest';
import { encodeIndex, encodeManifest } from '../../../src/oci/json';
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER_TAR, OCI_MANIFEST } from '../../../src/oci/media-types';
import type { Descriptor } from '../../../src/oci/types';
import { temporaryFolder } from '../../support/folders';
import { blobFile } from '../../support/layouts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const fails = (code: string, word?: RegExp) => (error: unknown) =>
  error instanceof LensError && error.code === code && (word?.test(error.message) ?? true);
const describeBlob = (mediaType: string, bytes: Uint8Array): Descriptor => ({
  mediaType,
  digest: sha256(bytes),
  size: bytes.length,
});

const config = utf8('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}');
const layer = utf8('a layer');
const manifestOf = (content: Uint8Array) =>
  encodeManifest({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: describeBlob(OCI_CONFIG, config),
    layers: [describeBlob(OCI_LAYER_TAR, content)],
  });

/** Writes a layout with these blobs, listing these entries. */
async function makeLayout(dir: string, blobs: readonly Uint8Array[], entries: readonly Descriptor[]) {
  const writer = await createLayout(dir);
  for (const blob of blobs) await writer.addBlob(blob);
  await writer.finish(entries);
  return openLayout(dir);
}

async function tree(dir: string): Promise<string[]> {
  const entries = await fs.readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
    .sort();
}

async function* chunks(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield await Promise.resolve(part);
}

describe('reading a layout', () => {
  test('the only manifest is the image', async (t) => {
    const manifest = manifestOf(layer);
    const layout = await makeLayout(
      await temporaryFolder(t),
      [config, layer, manifest],
      [describeBlob(OCI_MANIFEST, manifest)],
    );
    const root = await layout.root();
    assert.equal(root.kind, 'manifest');
    assert.deepEqual(root.bytes, Buffer.from(manifest));
    assert.equal((await layout.blob(describeBlob(OCI_LAYER_TAR, layer))).size, layer.length);
  });

  test('an index that the layout names is the image, with what is there of it', async (t) => {
    const [one, two, three] = [manifestOf(utf8('1')), manifestOf(utf8('2')), manifestOf(utf8('3'))] as const;
    const entries = [one, two, three].map((bytes) => describeBlob(OCI_MANIFEST, bytes));
    const index = encodeIndex({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: entries });
    const named = [describeBlob(OCI_INDEX, index)];
    const dir = await temporaryFolder(t);
    const all = await (await makeLayout(path.join(dir, 'all'), [one, two, three, index], named)).root();
    assert.equal(all.descriptor.digest, sha256(index));
    const some = await (await makeLayout(path.join(dir, 'some'), [one, three, index], named)).root();
    assert.ok(some.kind === 'index' && some.descriptor.digest === sha256(some.bytes));
    assert.deepEqual(some.index.manifests, [entries[0], entries[2]]);
    const single = await (await makeLayout(path.join(dir, 'single'), [two, index], named)).root();
    assert.ok(single.kind === 'manifest' && single.descriptor.digest === sha256(two));
    const none = await makeLayout(path.join(dir, 'none'), [index], named);
    await assert.rejects(none.root(), fails('image/bad-layout', /none of the images/));
  });

  test('of several images one is chosen by its name', async (t) => {
    const [one, two] = [manifestOf(utf8('1')), manifestOf(utf8('2'))] as const;
    const named = (bytes: Uint8Array, name: string) => ({
      ...describeBlob(OCI_MANIFEST, bytes),
      annotations: { 'org.opencontainers.image.ref.name': name },
    });
    const layout = await makeLayout(
      await temporaryFolder(t),
      [one, two],
      [named(one, 'a'), named(two, 'host/repo:b')],
    );
    assert.deepEqual(layout.tags, ['a', 'host/repo:b']);
    assert.equal((await layout.root('b')).descriptor.digest, sha256(two));
    assert.equal((await layout.root()).kind, 'index');
    await assert.rejects(layout.root('c'), fails('image/no-tag'));
  });

  test('a changed, cut or missing blob is not handed out', async (t) => {
    const manifest = manifestOf(layer);
    const layout = await makeLayout(
      await temporaryFolder(t),
      [layer, manifest],
      [describeBlob(OCI_MANIFEST, manifest)],
    );
    const descriptor = describeBlob(OCI_LAYER_TAR, layer);
    const file = path.join(layout.dir, 'blobs/sha256', descriptor.digest.slice(7));
    await assert.rejects(
      layout.readBlob(describeBlob(OCI_CONFIG, config)),
      fails('image/bad-layout', /missing/),
    );
    await assert.rejects(layout.readBlob(descriptor, 3), fails('image/bad-layout', /at most 3/));
    await fs.writeFile(file, 'A layer');
    await assert.rejects(layout.readBlob(descriptor), fails('image/bad-layout', /not what its name says/));
    await fs.writeFile(file, 'a lay');
    await assert.rejects(layout.blob(descriptor), fails('image/bad-layout', /5 bytes instead of 7/));
  });

  test('a digest never becomes a path outside the layout', async (t) => {
    const dir = await temporaryFolder(t);
    const layout = await makeLayout(path.join(dir, 'layout'), [], []);
    await fs.writeFile(path.join(dir, 'secret'), 'x');
    for (const digest of ['sha256:../../../secret', '../secret', 'sha256:']) {
      await assert.rejects(layout.blob({ digest, size: 1 }), fails('oci/bad-digest'), digest);
      await assert.rejects(layout.has({ mediaType: '', digest, size: 1 }), fails('oci/bad-digest'), digest);
    }
  });

  test('a folder that is no layout is named so', async (t) => {
    const dir = await temporaryFolder(t);
    await assert.rejects(openLayout(dir), fails('image/no-layout', /it has no file oci-layout/));
    await assert.rejects(
      openLayout(path.join(dir, 'missing')),
      fails('image/no-layout', /there is no such folder/),
    );
    await fs.writeFile(path.join(dir, 'oci-layout'), '{"imageLayoutVersion":"2.0.0"}');
    await assert.rejects(openLayout(dir), fails('image/bad-layout', /version is "2.0.0"/));
  });
});

describe('writing a layout', () => {
  test('streams and files arrive, and a second run changes nothing', async (t) => {
    const dir = await temporaryFolder(t);
    const source = path.join(dir, 'source');
    await fs.writeFile(source, layer);
    const out = path.join(dir, 'deep', 'out');
    for (let run = 0; run < 2; run++) {
      const writer = await createLayout(out);
      assert.deepEqual(await writer.addBlob(chunks(utf8('ab'), utf8('c'))), {
        digest: sha256(utf8('abc')),
        size: 3,
      });
      await writer.takeBlob(await fileBytes(source), describeBlob('', layer));
      await writer.finish([describeBlob(OCI_LAYER_TAR, layer)]);
      const layout = await openLayout(out);
      assert.deepEqual(await layout.readBlob(describeBlob('', layer)), Buffer.from(layer));
      assert.equal((await tree(out)).length, 4);
    }
  });

  /** What each call of a file handle's `method` does from now on, told to `onCall` first. */
  async function watchHandles(t: TestContext, method: 'write' | 'sync', onCall: () => void): Promise<void> {
    const probe = await fs.open(__filename);
    const prototype = Object.getPrototypeOf(probe) as Record<
      string,
      (...args: unknown[]) => Promise<unknown>
    >;
    await probe.close();
    const original = prototype[method] ?? assert.fail();
    const mocked = mock.method(prototype, method, function (this: unknown, ...args: unknown[]) {
      onCall();
      return original.apply(this, args);
    });
    t.after(() => {
      mocked.mock.restore();
    });
  }

  test('a blob on the same disk is cloned or linked: not a byte of it is written', async (t) => {
    const dir = await temporaryFolder(t);
    const source = path.join(dir, 'source');
    await fs.writeFile(source, layer);
    const writer = await createLayout(path.join(dir, 'out'));
    let writes = 0;
    await watchHandles(t, 'write', () => writes++);
    await writer.takeBlob(await fileBytes(source), describeBlob('', layer));
    assert.equal(writes, 0);
    const placed = path.join(writer.dir, 'blobs/sha256', sha256(layer).slice(7));
    assert.deepEqual(await fs.readFile(placed), Buffer.from(layer));
  });

  test('a blob that can be neither cloned nor linked is streamed', async (t) => {
    const dir = await temporaryFolder(t);
    const source = path.join(dir, 'source');
    await fs.writeFile(source, layer);
    const writer = await createLayout(path.join(dir, 'out'));
    const otherDisk = Object.assign(new Error('EXDEV: cross-device link not permitted'), {
      code: 'EXDEV',
      syscall: 'link',
    });
    for (const method of ['link', 'copyFile'] as const) {
      const mocked = mock.method(fs, method, () => Promise.reject(otherDisk));
      t.after(() => {
        mocked.mock.restore();
      });
    }
    await writer.takeBlob(await fileBytes(source), describeBlob('', layer));
    const placed = path.join(writer.dir, 'blobs/sha256', sha256(layer).slice(7));
    assert.deepEqual(await fs.readFile(placed), Buffer.from(layer));
    assert.notEqual((await fs.stat(placed)).ino, (await fs.stat(source)).ino);
  });

  test('index.json comes last, in one step, when its bytes are on the disk', async (t) => {
    const writer = await createLayout(path.join(await temporaryFolder(t), 'out'));
    const events: string[] = [];
    await watchHandles(t, 'sync', () => events.push('sync'));
    const rename = fs.rename;
    const mocked = mock.method(fs, 'rename', (from: string, to: string) => {
      events.push(`rename to ${path.basename(to)}`);
      return rename(from, to);
    });
    t.after(() => {
      mocked.mock.restore();
    });
    await writer.addBlob(layer);
    await writer.finish([describeBlob(OCI_LAYER_TAR, layer)]);
    assert.deepEqual(events, ['sync', `rename to ${sha256(layer).slice(7)}`, 'sync', 'rename to index.json']);
  });

  test('blobs that are kept behind the caller are on the disk before index.json is', async (t) => {
    const writer = await createLayout(path.join(await temporaryFolder(t), 'out'));
    const renamed: string[] = [];
    const rename = fs.rename;
    const mocked = mock.method(fs, 'rename', async (from: string, to: string) => {
      // Other writers of the same disk may keep it busy.
      for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
      await rename(from, to);
      renamed.push(path.basename(to));
    });
    t.after(() => {
      mocked.mock.restore();
    });
    const kept = [writer.keepBlob(layer), writer.keepBlob(config)];
    assert.deepEqual(
      kept,
      [layer, config].map((bytes) => ({ digest: sha256(bytes), size: bytes.length })),
    );
    await writer.finish([describeBlob(OCI_LAYER_TAR, layer)]);
    assert.deepEqual(
      [renamed.slice(0, 2).sort(), renamed.slice(2)],
      [kept.map(({ digest }) => digest.slice(7)).sort(), ['index.json']],
    );
  });

  test('one that does not get to the disk fails the next ones and the end, and abort leaves nothing', async (t) => {
    const writer = await createLayout(path.join(await temporaryFolder(t), 'out'));
    const full = Object.assign(new Error('ENOSPC: no space left on device, rename'), {
      ...{ code: 'ENOSPC', syscall: 'rename' },
    });
    const mocked = mock.method(fs, 'rename', () => Promise.reject(full));
    t.after(() => {
      mocked.mock.restore();
    });
    writer.keepBlob(layer);
    await assert.rejects(writer.finish([]), fails('image/cannot-write', /no room left/));
    mocked.mock.restore();
    assert.throws(() => writer.keepBlob(config), fails('image/cannot-write'));
    await assert.rejects(writer.finish([]), fails('image/cannot-write'));
    assert.deepEqual(await tree(writer.dir), ['oci-layout']);
    await writer.abort();
    await assert.rejects(fs.stat(writer.dir));
  });

  test('until it is finished a reader sees the old state; abort brings it back', async (t) => {
    const dir = path.join(await temporaryFolder(t), 'out');
    const first = await createLayout(dir);
    await first.addBlob(layer);
    await assert.rejects(openLayout(dir), fails('image/no-layout'));
    await first.abort();
    assert.deepEqual(await fs.readdir(path.dirname(dir)), []);

    await makeLayout(dir, [layer], [describeBlob(OCI_LAYER_TAR, layer)]);
    const before = await tree(dir);
    const second = await createLayout(dir);
    await second.addBlob(config);
    await second.addBlob(layer);
    assert.deepEqual((await openLayout(dir)).index.manifests, [describeBlob(OCI_LAYER_TAR, layer)]);
    await second.abort();
    assert.deepEqual(await tree(dir), before);
  });

  test('bytes that are not those announced are refused and leave nothing', async (t) => {
    const dir = await temporaryFolder(t);
    const source = path.join(dir, 'source');
    await fs.writeFile(source, 'other');
    const writer = await createLayout(path.join(dir, 'out'));
    const expected = describeBlob('', layer);
    await assert.rejects(writer.addBlob(utf8('other!!'), expected), fails('image/wrong-digest'));
    await assert.rejects(
      writer.addBlob(chunks(layer, layer), expected),
      fails('image/wrong-digest', /should have 7 bytes/),
    );
    await assert.rejects(writer.takeBlob(await fileBytes(source), expected), fails('image/wrong-digest'));
    assert.deepEqual(await tree(writer.dir), ['oci-layout']);
    assert.equal(await fs.readFile(source, 'utf8'), 'other');
  });

  test('of a source that checks itself the digest is not taken again, but its length is, and its failure counts', async (t) => {
    const dir = await temporaryFolder(t);
    const writer = await createLayout(dir);
    const expected = describeBlob('', layer);
    const source = (give: () => AsyncIterable<Uint8Array>): Bytes => ({
      size: layer.length,
      ranged: true,
      isChecked: true,
      read: give,
    });
    const short = source(() => chunks(layer.subarray(1)));
    await assert.rejects(writer.takeBlob(short, expected), fails('image/wrong-digest'));
    const damaged = source(async function* () {
      yield await Promise.resolve(utf8('LAYER 1'));
      throw new LensError('registry/wrong-digest', 'Other bytes came.', 'Do it again.');
    });
    await assert.rejects(writer.takeBlob(damaged, expected), fails('registry/wrong-digest'));
    assert.deepEqual(await tree(dir), ['oci-layout']);
    const unchecked = { ...source(() => chunks(Buffer.alloc(layer.length))), isChecked: false };
    await assert.rejects(writer.takeBlob(unchecked, expected), fails('image/wrong-digest'));
    const hashing = mock.method(Hash.prototype, 'update');
    await writer.takeBlob(
      source(() => chunks(layer)),
      expected,
    );
    hashing.mock.restore();
    assert.equal(hashing.mock.callCount(), 0);
    assert.deepEqual(await fs.readFile(blobFile(dir, expected.digest)), Buffer.from(layer));
  });

  test('a full disk gives one sentence and leaves nothing', async (t) => {
    const writer = await createLayout(path.join(await temporaryFolder(t), 'out'));
    const probe = await fs.open(__filename);
    const prototype = Object.getPrototypeOf(probe) as { write: (...args: unknown[]) => Promise<unknown> };
    await probe.close();
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
      code: 'ENOSPC',
      syscall: 'write',
    });
    let writes = 0;
    const write = prototype.write;
    const mocked = mock.method(prototype, 'write', function (this: unknown, ...args: unknown[]) {
      return ++writes > 2 ? Promise.reject(full) : write.apply(this, args);
    });
    t.after(() => {
      mocked.mock.restore();
    });
    await assert.rejects(
      writer.addBlob(chunks(layer, layer, layer)),
      (error) => fails('image/cannot-write', /no room left/)(error) && (error as LensError).cause === full,
    );
    mocked.mock.restore();
    assert.deepEqual(await tree(writer.dir), ['oci-layout']);
    await writer.abort();
    await assert.rejects(fs.stat(writer.dir));
  });

  test('an aborted stream leaves nothing', async (t) => {
    const writer = await createLayout(path.join(await temporaryFolder(t), 'out'));
    const stop = new AbortController();
    async function* source() {
      yield await Promise.resolve(layer);
      stop.abort();
      yield layer;
    }
    await assert.rejects(writer.addBlob(source(), undefined, stop.signal), { name: 'AbortError' });
    assert.deepEqual(await tree(writer.dir), ['oci-layout']);
  });

  test('a folder with other things in it is not touched', async (t) => {
    const dir = await temporaryFolder(t);
    await fs.writeFile(path.join(dir, 'thesis.txt'), 'x');
    await assert.rejects(createLayout(dir), fails('image/not-a-layout'));
    assert.deepEqual(await tree(dir), ['thesis.txt']);
    await assert.rejects(createLayout(path.join(dir, 'thesis.txt')), fails('image/cannot-write'));
  });

  test('a blob that is a symbolic link is taken over as a file', async (t) => {
    const dir = await temporaryFolder(t);
    await fs.writeFile(path.join(dir, 'real'), layer);
    await fs.symlink('real', path.join(dir, 'link'));
    const writer = await createLayout(path.join(dir, 'out'));
    const descriptor = describeBlob('', layer);
    await writer.takeBlob(await fileBytes(path.join(dir, 'link')), descriptor);
    const placed = await fs.lstat(path.join(writer.dir, 'blobs/sha256', descriptor.digest.slice(7)));
    assert.ok(placed.isFile());
  });
});
