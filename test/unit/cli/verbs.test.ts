import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { before, suite, test, type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { runInProcess, runProgram } from '../../support/cli';
import { startFakeRegistry } from '../../support/fake-registry';
import { temporaryFolder } from '../../support/folders';
import { goldenImage, writeGoldenLayout } from '../../support/golden';
import { layerOf, writeImage } from '../../support/images';
import { repoRoot } from '../../support/paths';

/** A golden image as an OCI layout, and a folder for what comes of it. */
async function layout(t: TestContext, name = 'one-layer'): Promise<{ input: string; dir: string }> {
  const dir = await temporaryFolder(t);
  process.env['SOCI_LENS_CACHE'] = path.join(dir, 'cache');
  const input = path.join(dir, 'in');
  await writeGoldenLayout(input, goldenImage(name));
  return { input, dir };
}

/** The largest blob of a layout: its layer. */
async function largestBlob(dir: string): Promise<string> {
  const blobs = path.join(dir, 'blobs/sha256');
  let [largest, size] = ['', 0];
  for (const name of await readdir(blobs)) {
    const { length } = await readFile(path.join(blobs, name));
    if (length > size) [largest, size] = [name, length];
  }
  return path.join(blobs, largest);
}

const PLATFORM = ['--platform', 'linux/amd64'];

suite('inspect', () => {
  test('shows layers as a table and, with --json, as one document', async (t) => {
    const { input } = await layout(t);
    const text = await runInProcess(['inspect', `oci:${input}`, ...PLATFORM]);
    assert.equal(text.code, 0, text.stderr);
    assert.match(text.stdout, /^oci:.* {2}linux\/amd64$/m);
    const { code, stdout, stderr } = await runInProcess(['inspect', input, ...PLATFORM, '--json', '--files']);
    assert.equal(code, 0);
    assert.equal(stderr, '');
    const document = JSON.parse(stdout) as {
      version: number;
      layers: {
        size: number;
        uncompressedSize: number;
        files: number;
        blocks: number;
        entries: { path: string }[];
      }[];
      efficiency: { fileBytes: number; wastedBytes: number };
    };
    assert.equal(document.version, 1);
    const [layer] = document.layers;
    assert.ok(layer && layer.uncompressedSize > 0 && layer.blocks > 0);
    assert.equal(layer.entries.length, layer.files);
    assert.ok(document.efficiency.fileBytes > 0);
    assert.equal(document.efficiency.wastedBytes, 0);
  });

  test('a damaged layer is named, the rest is shown, and the run has failed', async (t) => {
    const { input } = await layout(t);
    const blob = await largestBlob(input);
    const bytes = await readFile(blob);
    bytes.fill(0, bytes.length / 2, bytes.length / 2 + 64);
    await writeFile(blob, bytes);
    const { code, stdout, stderr } = await runInProcess(['inspect', input, ...PLATFORM, '--json']);
    assert.equal(code, 1);
    const document = JSON.parse(stdout) as { layers: { problem: string | null; files: number | null }[] };
    assert.equal(document.layers[0]?.files, null);
    assert.ok(document.layers[0].problem);
    assert.ok(stderr.includes(document.layers[0].problem));
  });
});

test('inspect and index warn by name of a layer that is valid and will not be loaded lazily', async (t) => {
  const dir = await temporaryFolder(t);
  process.env['SOCI_LENS_CACHE'] = path.join(dir, 'cache');
  const input = path.join(dir, 'in');
  const later = await layerOf([
    { name: 'link', type: 'hardlink', linkname: 'of-another-layer' },
    { name: 'link2', type: 'hardlink', linkname: 'link3' },
  ]);
  await writeImage(input, [await layerOf([{ name: 'file' }]), later]);
  const warning = (layer: string): RegExp =>
    new RegExp(
      `^About layer ${layer}: The snapshotter rejects .* because of the hard link "link" and 1 more: .*\\.$`,
      'm',
    );
  const inspected = await runInProcess(['inspect', `oci:${input}`, ...PLATFORM]);
  assert.match(inspected.stdout, warning('1'));
  const order = ['index', `oci:${input}`, '--min-layer-size', '0', '--json', '--output'];
  const indexed = await runInProcess([...order, `oci:${path.join(dir, 'out')}`]);
  assert.equal(indexed.code, 0, indexed.stderr);
  const { digest } = later.descriptor;
  assert.match(indexed.stderr, warning(digest));
  const { platforms } = JSON.parse(indexed.stdout) as { platforms: { warnings: { layer: string }[] }[] };
  assert.deepEqual(
    platforms[0]?.warnings.map(({ layer }) => layer),
    [digest],
  );
});

suite('what cannot be found fails with 1, one sentence and an advice', () => {
  before(() => {
    process.env['DOCKER_HOST'] = 'unix:///nonexistent/docker.sock';
  });
  const lines: readonly [string, RegExp][] = [
    ['inspect oci:/nonexistent', /not an OCI layout/],
    ['inspect docker-daemon:none', /nonexistent\/docker\.sock/],
    ['index oci:/nonexistent --output oci:/nonexistent2', /not an OCI layout/],
    ['push oci:/nonexistent docker://127.0.0.1:1/x', /not an OCI layout/],
    ['verify oci:/nonexistent', /not an OCI layout/],
    ['trace docker-daemon:none', /nonexistent\/docker\.sock/],
    ['trace oci:/nonexistent', /only there it can be started/],
  ];
  for (const [line, expected] of lines) {
    test(`soci-lens ${line}`, async () => {
      const { code, stdout, stderr } = await runInProcess(line.split(' '));
      assert.equal(code, 1);
      assert.equal(stdout, '');
      assert.match(stderr, expected);
      assert.match(stderr, /\.\n.+\.\n$/s);
    });
  }

  test('a registry that is not there', async (t) => {
    const { input } = await layout(t);
    const { code, stderr } = await runInProcess(['push', `oci:${input}`, 'docker://127.0.0.1:1/x']);
    assert.equal(code, 1);
    assert.match(stderr, /127\.0\.0\.1:1/);
  });
});

suite('index, push and verify', () => {
  test('an index is made, copied, and verified; --json says the same as the layout', async (t) => {
    const { input, dir } = await layout(t);
    const [made, copied] = [path.join(dir, 'made'), path.join(dir, 'copied')];
    const flags = ['--span-size', '64k', '--min-layer-size', '0', '--json'];
    const index = await runInProcess(['index', `oci:${input}`, '--output', `oci:${made}`, ...flags]);
    assert.equal(index.code, 0, index.stderr);
    const document = JSON.parse(index.stdout) as {
      version: number;
      index: { digest: string };
      platforms: { platform: string; sociIndex: { digest: string }; ztocs: { spanSize: number }[] }[];
    };
    assert.equal(document.version, 1);
    assert.equal(document.platforms[0]?.ztocs[0]?.spanSize, 65536);
    const { manifests } = JSON.parse(await readFile(path.join(made, 'index.json'), 'utf8')) as {
      manifests: { digest: string }[];
    };
    assert.deepEqual(
      manifests.map(({ digest }) => digest),
      [document.index.digest],
    );

    const push = await runInProcess(['push', `oci:${made}`, `oci:${copied}`, '--json']);
    assert.equal(push.code, 0, push.stderr);
    const pushed = JSON.parse(push.stdout) as { version: number; digest: string; uploaded: number };
    assert.deepEqual([pushed.version, pushed.digest], [1, document.index.digest]);
    assert.deepEqual(
      await readdir(path.join(copied, 'blobs/sha256')),
      await readdir(path.join(made, 'blobs/sha256')),
    );
    const again = await runInProcess(['push', `oci:${made}`, `oci:${copied}`, '--json']);
    assert.equal((JSON.parse(again.stdout) as { uploaded: number }).uploaded, 0);

    const verify = await runInProcess(['verify', `oci:${copied}`, '--json']);
    assert.equal(verify.code, 0, verify.stderr);
    const verified = JSON.parse(verify.stdout) as { version: number; ok: boolean };
    assert.deepEqual([verified.version, verified.ok], [1, true]);
  });

  test('verify ends with 3 when the layer is not the one that was indexed', async (t) => {
    const { input, dir } = await layout(t);
    const made = path.join(dir, 'made');
    const flags = ['--span-size', '64k', '--min-layer-size', '0'];
    assert.equal(
      (await runInProcess(['index', `oci:${input}`, '--output', `oci:${made}`, ...flags])).code,
      0,
    );
    const blob = await largestBlob(made);
    const bytes = await readFile(blob);
    bytes.fill(0, bytes.length / 2, bytes.length / 2 + 64);
    await writeFile(blob, bytes);
    const { code, stdout } = await runInProcess(['verify', `oci:${made}`, '--json']);
    assert.equal(code, 3);
    assert.equal((JSON.parse(stdout) as { ok: boolean }).ok, false);
  });

  test('a cut layer fails the index, and nothing of it is left', async (t) => {
    const { input, dir } = await layout(t);
    const blob = await largestBlob(input);
    await truncate(blob, 1000);
    const made = path.join(dir, 'made');
    const { code, stderr } = await runInProcess([
      'index',
      input,
      '--output',
      `oci:${made}`,
      '--min-layer-size',
      '0',
    ]);
    assert.equal(code, 1);
    assert.match(stderr, /\S\.\n\S.*\.\n$/);
    assert.equal(existsSync(made), false);
  });
});

suite('list', () => {
  test('tells of no index before, and of the one that was made after', async (t) => {
    const { input, dir } = await layout(t);
    const made = path.join(dir, 'made');
    const before_ = await runInProcess(['list', `oci:${input}`]);
    assert.equal(before_.code, 0, before_.stderr);
    assert.match(before_.stdout, /no SOCI index/);
    const flags = ['--span-size', '64k', '--min-layer-size', '0', '--json'];
    const index = await runInProcess(['index', `oci:${input}`, '--output', `oci:${made}`, ...flags]);
    const { platforms } = JSON.parse(index.stdout) as { platforms: { sociIndex: { digest: string } }[] };
    const { code, stdout } = await runInProcess(['list', `oci:${made}`, '--json']);
    assert.equal(code, 0);
    const { version, images } = JSON.parse(stdout) as {
      version: number;
      images: { indexes: { version: number; digest: string; layers: { spanSize: number }[] }[] }[];
    };
    assert.equal(version, 1);
    const found = images[0]?.indexes[0];
    assert.deepEqual([found?.version, found?.digest], [2, platforms[0]?.sociIndex.digest]);
    assert.equal(found?.layers[0]?.spanSize, 65536);
  });
});

suite('get', () => {
  test('every regular file of a layer comes out as tar has it', async (t) => {
    const { input, dir } = await layout(t);
    const tar = gunzipSync(await readFile(await largestBlob(input)));
    const list = await runInProcess(['inspect', input, ...PLATFORM, '--json', '--files']);
    const { layers } = JSON.parse(list.stdout) as {
      layers: { entries: { path: string; type: string; size: number; offset: number }[] }[];
    };
    const files = layers[0]?.entries.filter(({ type, size }) => type === 'reg' && size > 0) ?? [];
    assert.ok(files.length > 0);
    for (const file of files.slice(0, 5)) {
      const output = path.join(dir, 'file');
      const { code, stderr } = await runInProcess([
        'get',
        input,
        file.path,
        ...PLATFORM,
        '-o',
        output,
        '--json',
      ]);
      assert.equal(code, 0, stderr);
      assert.deepEqual(await readFile(output), tar.subarray(file.offset, file.offset + file.size));
    }
    const [first] = files;
    assert.ok(first);
    const piped = await runProgram(['get', input, first.path, ...PLATFORM, '--layer', '0']);
    assert.equal(Buffer.byteLength(piped.stdout) > 0, true);
  });

  test('a sparse file is refused: the layer holds its pieces, and not its holes', async (t) => {
    const dir = await temporaryFolder(t);
    const pax = [
      ['GNU.sparse.size', '100'],
      ['GNU.sparse.numblocks', '1'],
      ['GNU.sparse.map', '90,5'],
    ] as const;
    const layer = await layerOf([
      { name: 'holes', data: '12345', pax },
      { name: 'file', data: 'whole' },
    ]);
    await writeImage(path.join(dir, 'in'), [layer]);
    const read = (name: string) => runInProcess(['get', `oci:${path.join(dir, 'in')}`, name, ...PLATFORM]);
    const refused = await read('holes');
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    assert.match(refused.stderr, /The layer holds holes as a sparse file/);
    assert.equal((await read('file')).stdout, 'whole');
  });

  test('a path that is not there, and a folder', async (t) => {
    const { input } = await layout(t);
    const none = await runInProcess(['get', input, '/no/such', ...PLATFORM]);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /has no file \/no\/such/);
    assert.equal((await runInProcess(['get', input, '/', ...PLATFORM])).code, 1);
    assert.equal((await runInProcess(['get', input, 'x', ...PLATFORM, '--layer', '9'])).code, 1);
  });
});

test('import-trace writes a trace that plan takes, together with a second one', async (t) => {
  const { input, dir } = await layout(t, 'prefetch-one');
  const list = await runInProcess(['inspect', input, ...PLATFORM, '--json', '--files']);
  const { layers } = JSON.parse(list.stdout) as {
    layers: { entries: { path: string; type: string; size: number }[] }[];
  };
  const files = layers.flatMap(({ entries }) =>
    entries.filter(({ type, size }) => type === 'reg' && size > 0),
  );
  assert.ok(files.length > 1);
  const traces: string[] = [];
  for (const [i, { path: name }] of files.slice(0, 2).entries()) {
    const source = path.join(dir, `paths-${i}`);
    await writeFile(source, `/${name.replace(/^\.?\//, '')}\n`);
    const { code, stdout, stderr } = await runInProcess([
      'import-trace',
      source,
      '--from',
      'paths',
      '--json',
    ]);
    assert.equal(code, 0, stderr);
    const document = JSON.parse(stdout) as { version: number; file: string; lines: number };
    assert.deepEqual([document.version, document.lines], [1, 1]);
    traces.push(document.file);
  }
  const strange = path.join(dir, 'strange');
  await writeFile(
    strange,
    `${Array.from({ length: 12 }, (_, file) => `/none/${file}`).join('\n')}\n/proc/x\n`,
  );
  const covered = await runInProcess([
    'import-trace',
    strange,
    '--from',
    'paths',
    '--image',
    input,
    ...PLATFORM,
  ]);
  assert.match(covered.stdout, /13 paths of the trace 0 lead into the image, 1 are not the image's/);
  assert.match(covered.stdout, /"\/none\/0": not in the image\n[^]*… and 2 more/);
  const plan = async (...named: string[]): Promise<number | undefined> => {
    const flags = named.flatMap((name) => ['--trace', name]);
    const run = await runInProcess(['plan', input, ...flags, '--min-layer-size', '0', ...PLATFORM, '--json']);
    assert.equal(run.code, 0, run.stderr);
    const { trace, notes } = JSON.parse(run.stdout) as { trace: { files: number }; notes: string[] };
    assert.ok(notes.some((note) => note.includes('each counts as read whole')));
    return trace.files;
  };
  assert.deepEqual([await plan(traces[0] ?? ''), await plan(...traces)], [1, 2]);
  const told = await runInProcess(['plan', input, '--trace', traces[0] ?? '', ...PLATFORM]);
  assert.match(told.stdout, /Of the 1 paths of the trace 1 lead into the image, 0 are not the image's/);
});

suite('interrupt', () => {
  test('an abort before the work ends with 130 and leaves nothing', async (t) => {
    const { input, dir } = await layout(t);
    const made = path.join(dir, 'made');
    const stop = new AbortController();
    const running = runInProcess(
      ['index', `oci:${input}`, '--output', `oci:${made}`, '--min-layer-size', '0'],
      stop,
    );
    stop.abort();
    const { code, stdout, stderr } = await running;
    assert.equal(code, 130, stderr);
    assert.equal(stdout, '');
    assert.equal(existsSync(made), false);
  });

  test('Ctrl-C ends a push that waits for the registry', { timeout: 900_000 }, async (t) => {
    const { input } = await layout(t);
    const server = createServer().listen(0, '127.0.0.1');
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    const args = ['push', `oci:${input}`, `docker://127.0.0.1:${address.port}/x:1`];
    const child = spawn(process.execPath, [path.join(repoRoot, 'dist/cli.js'), ...args], { stdio: 'ignore' });
    const closed = once(child, 'close');
    await once(server, 'request');
    child.kill('SIGINT');
    const [code] = (await closed) as [number | null];
    assert.equal(code, 130);
  });
});

test('the bar is drawn on a terminal only, and taken away before the result', async (t) => {
  const { input } = await layout(t);
  const plain = await runInProcess(['inspect', input, ...PLATFORM]);
  assert.equal(plain.stderr, '');
  const seen = await runInProcess(['inspect', input, ...PLATFORM], { isTTY: true });
  assert.match(seen.stderr, /Scanning/);
  assert.ok(seen.stderr.endsWith('\r\x1b[K'));
  const quiet = await runInProcess(['inspect', input, ...PLATFORM, '--quiet'], { isTTY: true });
  assert.equal(quiet.stderr, '');
  assert.equal(quiet.stdout, plain.stdout);
});

test('index and push write an archive that opens again, and say the same as for a folder', async (t) => {
  const { input, dir } = await layout(t);
  const [folder, archive, copied] = ['out', 'out.tar', 'copied.tar'].map((name) => path.join(dir, name));
  const index = (to: string) => {
    const flags = ['--span-size', '64k', '--min-layer-size', '0', '--json'];
    return runInProcess(['index', `oci:${input}`, '--output', to, ...flags]);
  };
  const digest = (run: { stdout: string }) =>
    (JSON.parse(run.stdout) as { index: { digest: string } }).index.digest;
  const [one, two] = [await index(`oci:${folder}`), await index(`oci-archive:${archive}`)];
  assert.deepEqual([one.code, two.code], [0, 0], two.stderr);
  assert.equal(digest(one), digest(two));
  const pushed = await runInProcess(['push', `oci:${folder}`, `oci-archive:${copied}`]);
  assert.equal(pushed.code, 0, pushed.stderr);
  assert.deepEqual(await readFile(copied ?? ''), await readFile(archive ?? ''));
  const inspected = await runInProcess(['inspect', `oci-archive:${archive}`, ...PLATFORM]);
  assert.equal(inspected.code, 0, inspected.stderr);
  assert.deepEqual(
    await readdir(path.join(dir, 'cache')).then((names) => names.filter((name) => name.startsWith('index-'))),
    [],
  );
});

suite('show and clean', () => {
  test('show tells of each layer what the index has for it, and of a ztoc its files', async (t) => {
    const { input, dir } = await layout(t);
    const made = path.join(dir, 'made');
    const flags = ['--span-size', '64k', '--min-layer-size', '0', '--prefetch-file', 'big'];
    await runInProcess(['index', `oci:${input}`, '--output', `oci:${made}`, ...flags]);
    const shown = await runInProcess(['show', `oci:${made}`, '--json']);
    assert.equal(shown.code, 0, shown.stderr);
    const document = JSON.parse(shown.stdout) as {
      index: { version: number; digest: string };
      layers: { ztoc: { digest: string; spans: number; files: number }; prefetch: unknown[] }[];
    };
    assert.equal(document.index.version, 2);
    const [layer] = document.layers;
    assert.deepEqual([layer?.ztoc.spans, layer?.ztoc.files, layer?.prefetch], [2, 1, [{ start: 0, end: 1 }]]);
    const byDigest = await runInProcess(['show', `oci:${made}`, document.index.digest]);
    assert.match(byDigest.stdout, /64 KiB +2 +1 +2/);

    const ztoc = await runInProcess(['show', `oci:${made}`, '--ztoc', layer?.ztoc.digest ?? '', '--json']);
    const { files } = (JSON.parse(ztoc.stdout) as { ztoc: { files: object[] } }).ztoc;
    assert.deepEqual(files, [
      { name: 'big', type: 'reg', offset: 1536, size: 200000, startSpan: 0, endSpan: 1 },
    ]);

    const none = await runInProcess(['show', `oci:${input}`]);
    assert.deepEqual([none.code, none.stderr.includes('has no SOCI index')], [1, true]);
    const wrong = await runInProcess(['show', `oci:${made}`, 'latest']);
    assert.equal(wrong.code, 2);
  });

  test('clean says first what it would do, asks, and then does it', async (t) => {
    const { input, dir } = await layout(t);
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const name = `docker://${registry.host}/team/service`;
    await runInProcess(['push', `oci:${input}`, `${name}:1.0`]);
    const flags = ['--span-size', '64k', '--min-layer-size', '0'];
    const made = path.join(dir, 'made');
    await runInProcess(['index', `oci:${input}`, '--output', `oci:${made}`, '--format', 'v1', ...flags]);
    await runInProcess(['push', `oci:${made}`, `${name}:1.0`]);
    const before = registry.manifests.size;
    const dry = await runInProcess(['clean', `${name}:1.0`, '--dry-run']);
    assert.equal(dry.code, 0, dry.stderr);
    assert.match(
      dry.stdout,
      /:1\.0:\n\S+\/team\/service@sha256:\w{64} +[\d.]+ kB +SOCI index of version 1.*\nStays:\n/,
    );
    assert.equal(registry.manifests.size, before);
    const unasked = await runInProcess(['clean', `${name}:1.0`]);
    assert.deepEqual([unasked.code, unasked.stderr.includes('give --yes')], [2, true]);
    const refused = await runInProcess(['clean', `${name}:1.0`], { types: 'n\n' });
    assert.match(refused.stderr, /Remove it\? \[y\/N\].*Nothing was done/s);
    assert.equal(registry.manifests.size, before);
    const real = await runInProcess(['clean', `${name}:1.0`, '--json', '--yes']);
    assert.equal(real.code, 0, real.stderr);
    assert.deepEqual(
      (JSON.parse(real.stdout) as { items: { kind: string; removed: boolean }[] }).items.map(
        ({ kind, removed }) => [kind, removed],
      ),
      [['index', true]],
    );
    assert.equal(registry.manifests.size, before - 1);
    assert.match((await runInProcess(['clean', `${name}:1.0`, '--yes'])).stderr, /Nothing of ours is there/);
  });

  test('clean takes single things of one list, names a place that does not answer, and goes on', async (t) => {
    const cache = await temporaryFolder(t);
    process.env['SOCI_LENS_CACHE'] = cache;
    for (const [folder, size] of [
      ['scans', 3000],
      ['images', 7000],
    ] as const) {
      await mkdir(path.join(cache, folder, 'deep'), { recursive: true });
      await writeFile(path.join(cache, folder, 'deep', 'file'), Buffer.alloc(size));
    }
    const listed = async (...flags: string[]) => {
      const { code, stdout, stderr } = await runInProcess(['clean', '--cache', '--json', ...flags]);
      const { items, failed } = JSON.parse(stdout) as {
        items: { id: string; size: number; removed: boolean }[];
        failed: { code: string }[];
      };
      return { code, stderr, items: items.map(({ id, size, removed }) => [id, size, removed]), failed };
    };
    const all = [
      ['cache/images', 7000, false],
      ['cache/scans', 3000, false],
    ];
    assert.deepEqual((await listed('--dry-run')).items, all);
    const lost = await listed('docker://127.0.0.1:1/team/none:1', '--dry-run');
    assert.deepEqual([lost.code, lost.items, lost.failed.length], [1, all, 1]);
    assert.match(lost.stderr, /127\.0\.0\.1:1\/team\/none:1: /);
    const one = await listed('--only', 'cache/scans', '--yes');
    assert.deepEqual(one.items, [['cache/scans', 3000, true]]);
    assert.deepEqual(await readdir(cache), ['images']);
    const none = await runInProcess(['clean', '--cache', '--only', 'cache/scans', '--yes']);
    assert.deepEqual([none.code, none.stderr.includes('no cache/scans of ours')], [2, true]);
    const nowhere = await runInProcess(['clean']);
    assert.deepEqual([nowhere.code, nowhere.stderr.includes('where to look')], [2, true]);
  });
});
