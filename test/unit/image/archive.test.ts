import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { extract } from 'tar-stream';
import { writeArchive } from '../../../src/image/archive';
import { sha256 } from '../../../src/oci/digest';
import { lensError } from '../../support/errors';
import { temporaryFolder } from '../../support/folders';
import { goldenImage, writeGoldenLayout } from '../../support/golden';

async function entriesOf(file: string): Promise<Map<string, { mode: number; mtime: number; bytes: Buffer }>> {
  const entries = new Map<string, { mode: number; mtime: number; bytes: Buffer }>();
  const tar = extract();
  tar.on('entry', (header, stream, next) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk) => chunks.push(chunk as Buffer));
    stream.on('end', () => {
      const { name, mode, mtime } = header;
      entries.set(name, { mode, mtime: mtime.getTime(), bytes: Buffer.concat(chunks) });
      next();
    });
  });
  await pipeline(createReadStream(file), tar);
  return entries;
}

test('an archive holds the image and no more, the same bytes each time', async (t) => {
  const dir = await temporaryFolder(t);
  const layout = await writeGoldenLayout(path.join(dir, 'in'), goldenImage('multi-platform-attestation'));
  const sound = await layout.blobs();
  await writeFile(path.join(layout.dir, 'blobs/sha256', 'f'.repeat(64)), 'stale');
  const files = [path.join(dir, 'one.tar'), path.join(dir, 'two.tar')] as const;
  const seen: number[] = [];
  await writeArchive(layout, files[0], {
    onProgress: ({ done, total }) => seen.push((done ?? 0) / (total ?? 1)),
  });
  await writeArchive(layout, files[1]);
  assert.equal(seen.at(-1), 1);
  assert.deepEqual(await readFile(files[0]), await readFile(files[1]));
  const entries = await entriesOf(files[0]);
  const blobs = sound.map(({ digest }) => `blobs/sha256/${digest.slice(7)}`).sort();
  assert.deepEqual([...entries.keys()], ['blobs', 'blobs/sha256', ...blobs, 'index.json', 'oci-layout']);
  for (const [name, { mode, mtime, bytes }] of entries) {
    assert.equal(mtime, 0);
    assert.equal(
      mode,
      name === 'blobs' || name === 'blobs/sha256' ? 0o755 : name === 'index.json' ? 0o644 : 0o444,
      name,
    );
    if (name.startsWith('blobs/sha256/') && bytes.length > 0)
      assert.equal(sha256(bytes).slice(7), path.basename(name));
  }
  assert.deepEqual(entries.get('index.json')?.bytes, await readFile(path.join(layout.dir, 'index.json')));
});

test('a failure or an abort leaves no file', async (t) => {
  const dir = await temporaryFolder(t);
  const layout = await writeGoldenLayout(path.join(dir, 'in'), goldenImage('docker-media-types'));
  const file = path.join(dir, 'image.tar');
  const stop = new AbortController();
  const onProgress = () => {
    stop.abort();
  };
  await assert.rejects(writeArchive(layout, file, { signal: stop.signal, onProgress }), {
    name: 'AbortError',
  });
  assert.deepEqual(await readdir(dir), ['in']);
  await assert.rejects(
    writeArchive(layout, path.join(dir, 'no/such/folder.tar')),
    lensError('image/cannot-write'),
  );
  const [blob] = await layout.blobs();
  assert.ok(blob);
  for (const { digest, size } of await layout.blobs()) {
    if (size > 100_000) await writeFile(path.join(layout.dir, 'blobs/sha256', digest.slice(7)), 'cut');
  }
  await assert.rejects(writeArchive(layout, file), lensError('image/bad-layout', /instead of/));
  assert.deepEqual(await readdir(dir), ['in']);
});
