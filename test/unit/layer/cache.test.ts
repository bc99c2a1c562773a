import { fileBytes } from '../../../src/layer/bytes';
import { openScanCache } from '../../../src/layer/cache';
import { packScan } from '../../../src/layer/packed';
import { scanLayer } from '../../../src/layer/scan';
import { spanTable } from '../../../src/layer/spans';
import type { LayerScan } from '../../../src/layer/types';
import { fixture } from '../../support/paths';
import assert from 'node:assert/strict';
import fs, { chmod, mkdtemp, open, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, it, mock } from 'node:test';

describe('the scan cache', () => {
  let root: string;
  let dir: string;
  let scan: LayerScan;

  before(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'soci-lens-cache-'));
    const blob = await fileBytes(fixture('golden', 'layers', 'members-3.tar.gz'));
    scan = await scanLayer(blob, 'gzip', { spanSize: 4096, diffId: true });
  });
  after(() => rm(root, { recursive: true, force: true }));
  beforeEach(async () => {
    dir = path.join(await mkdtemp(path.join(root, 'case-')), 'scans');
  });

  const files = async (): Promise<string[]> =>
    (await readdir(dir)).map((name) => path.join(dir, name)).sort();

  it('gives back exactly what was put, and answers for spans as before', async () => {
    for (const name of [
      'members-3.tar.gz',
      'mixed.tar',
      'tar-xattrs.tar.gz',
      'tar-empty.tar.gz',
      'block-empty-first.tar.gz',
    ]) {
      const compression = name.endsWith('.gz') ? 'gzip' : 'tar';
      const made = await scanLayer(await fileBytes(fixture('golden', 'layers', name)), compression, {
        spanSize: 4096,
      });
      const cache = openScanCache(dir);
      await cache.put(name, made);
      const found = (await cache.get(name)) ?? assert.fail('it is there');
      assert.deepEqual(packScan(found), packScan(made));
      for (let i = 0; i < made.entries.length; i++)
        assert.deepEqual(found.entries.get(i), made.entries.get(i));
      assert.deepEqual(spanTable(found, 5000).compressed(0), spanTable(made, 5000).compressed(0));
    }
  });

  it('knows nothing of other keys, nor before anything was put', async () => {
    const cache = openScanCache(dir);
    assert.equal(await cache.get('a'), undefined);
    await cache.put('a', scan);
    assert.equal(await cache.get('b'), undefined);
    assert.ok(await openScanCache(dir).get('a'), 'another program finds it');
    await cache.clear();
    assert.equal(await cache.get('a'), undefined);
  });

  it('drops a file that is damaged at any place, and makes it anew', async () => {
    const cache = openScanCache(dir);
    await cache.put('a', scan);
    const [file = assert.fail()] = await files();
    const whole = await readFile(file);
    for (const damage of [
      (bytes: Buffer) => bytes.subarray(0, bytes.length - 1),
      (bytes: Buffer) => bytes.subarray(0, 20),
      () => Buffer.alloc(0),
      ...[0, 33, 60, 2000, whole.length - 3].map((at) => (bytes: Buffer) => {
        bytes[at] = (bytes[at] ?? 0) ^ 1;
        return bytes;
      }),
    ]) {
      await writeFile(file, damage(Buffer.from(whole)));
      assert.equal(await cache.get('a'), undefined);
      assert.deepEqual(await files(), []);
      await cache.put('a', scan);
      assert.ok((await readFile(file)).equals(whole));
    }
  });

  it('makes a scan anew also where the damaged file cannot be removed', async () => {
    const cache = openScanCache(dir);
    await cache.put('a', scan);
    const [file = assert.fail()] = await files();
    await writeFile(file, 'damaged');
    const readOnly = Object.assign(new Error('EROFS'), { code: 'EROFS', syscall: 'unlink' });
    const removing = mock.method(fs, 'rm', () => Promise.reject(readOnly));
    try {
      assert.equal(await cache.get('a'), undefined);
      assert.equal(removing.mock.callCount(), 1);
    } finally {
      removing.mock.restore();
    }
  });

  it('lets the scans go that were not used for the longest time', async () => {
    const size = await (async () => {
      await openScanCache(dir).put('first', scan);
      return (await stat((await files())[0] ?? '')).size;
    })();
    const cache = openScanCache(dir, size * 3);
    await cache.put('second', scan);
    await cache.put('third', scan);
    // All three are old; then the first one is used again.
    for (const file of await files()) await utimes(file, new Date(1e12), new Date(1e12));
    assert.ok(await cache.get('first'));
    await cache.put('fourth', scan);
    await cache.put('fifth', scan);
    assert.equal((await files()).length, 3);
    assert.ok(await cache.get('first'), 'used lately');
    assert.ok(await cache.get('fifth'));
    assert.equal(await cache.get('second'), undefined);
    assert.equal(await cache.get('third'), undefined);
  });

  it('is safe for two programs that write at once', async () => {
    const [one, two] = [openScanCache(dir), openScanCache(dir)];
    await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? one : two).put('a', scan)));
    assert.deepEqual(packScan((await one.get('a')) ?? assert.fail()), packScan(scan));
    assert.equal((await files()).length, 1, 'no temporary file stays');
  });

  it('removes what a program that died has left, and not what another one is writing', async () => {
    const cache = openScanCache(dir);
    await cache.put('a', scan);
    const stale = path.join(dir, 'dead.tmp');
    const fresh = path.join(dir, 'alive.tmp');
    for (const file of [stale, fresh]) await writeFile(file, 'half');
    await utimes(stale, new Date(1e12), new Date(1e12));
    await cache.put('b', scan);
    const names = (await files()).map((file) => path.basename(file));
    assert.ok(!names.includes('dead.tmp') && names.includes('alive.tmp'));
  });

  it('is silent about a place that cannot be written', async () => {
    const file = path.join(root, 'a-file');
    await (await open(file, 'w')).close();
    await chmod(file, 0o400);
    const cache = openScanCache(path.join(file, 'scans'));
    await cache.put('a', scan);
    assert.equal(await cache.get('a'), undefined);
  });
});
