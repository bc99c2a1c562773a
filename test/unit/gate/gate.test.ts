import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { runInProcess } from '../../support/cli';
import { temporaryFolder } from '../../support/folders';
import { layerOf, writeImage } from '../../support/images';
import { Random } from '../../support/random';

/** An image of two layers, of whose files the start reads one; a file of 30 kB is hidden by the upper layer. */
async function project(t: TestContext, budget: object, more: object = {}): Promise<string> {
  const dir = await temporaryFolder(t);
  process.env['SOCI_LENS_CACHE'] = path.join(dir, 'cache');
  const random = new Random(7);
  const [app, data, old] = [200_000, 500_000, 30_000].map((size) => Buffer.from(random.bytes(size)));
  await writeImage(path.join(dir, 'image'), [
    await layerOf([
      { name: 'app', data: app! },
      { name: 'data.bin', data: data! },
      { name: 'old.bin', data: old! },
    ]),
    await layerOf([{ name: '.wh.old.bin' }]),
  ]);
  await writeFile(path.join(dir, 'paths.txt'), '/app\n');
  const trace = path.join(dir, 'start.soci-trace.jsonl');
  const imported = await runInProcess([
    'import-trace',
    path.join(dir, 'paths.txt'),
    '--from',
    'paths',
    '-o',
    trace,
  ]);
  assert.equal(imported.code, 0, imported.stderr);
  await writeFile(
    path.join(dir, 'soci-lens.json'),
    JSON.stringify({ version: 1, budget, trace: 'start.soci-trace.jsonl', minLayerSize: 0, ...more }),
  );
  return dir;
}

const gate = (dir: string, image: string, ...flags: readonly string[]) =>
  runInProcess(['gate', image, '--budget', path.join(dir, 'soci-lens.json'), ...flags]);

async function checksOf(dir: string, image: string, ...flags: readonly string[]) {
  const { code, stdout, stderr } = await gate(dir, image, '--json', ...flags);
  assert.ok(code === 0 || code === 3, stderr);
  const document = JSON.parse(stdout) as {
    version: number;
    held: boolean;
    checks: { budget: string; verdict: string; measured: number | null; message: string }[];
  };
  assert.equal(document.version, 1);
  assert.equal(document.held, code === 0);
  return new Map(document.checks.map((check) => [check.budget, check]));
}

suite('soci-lens gate', { concurrency: false }, () => {
  test('measures the start with the spans that the index has, and verifies the index', async (t) => {
    const dir = await project(t, {
      startBytes: '1M',
      startRequests: 100,
      readySeconds: 60,
      index: 'verified',
    });
    const indexed = path.join(dir, 'indexed');
    const index = await runInProcess([
      ...['index', `oci:${dir}/image`, '--output', `oci:${indexed}`],
      ...['--span-size', '64k', '--min-layer-size', '0'],
    ]);
    assert.equal(index.code, 0, index.stderr);
    const checks = await checksOf(dir, `oci:${indexed}`);
    assert.deepEqual([...new Set([...checks.values()].map(({ verdict }) => verdict))], ['held']);
    assert.match(checks.get('startBytes')?.message ?? '', /spans of 64 KiB \(the index\)/);
    // The program of 200 kB, not the data beside it.
    const bytes = checks.get('startBytes')?.measured ?? 0;
    assert.ok(bytes > 200_000 && bytes < 600_000, String(bytes));
  });

  test('an image without an index breaks the budget; without --json people are told why', async (t) => {
    const dir = await project(t, { index: 'present' });
    const { code, stdout, stderr } = await gate(dir, `oci:${dir}/image`);
    assert.equal(code, 3, stderr);
    assert.match(stdout, /broken +SOCI index +missing/);
    assert.match(stdout, /no SOCI index for linux\/amd64, so nodes pull it whole\. Make one with/);
    assert.match(stdout, /The image breaks its budget\.\n$/);
  });

  test('an index of another layer is present, but does not verify', async (t) => {
    const dir = await project(t, { index: 'present' });
    const indexed = path.join(dir, 'indexed');
    await runInProcess(['index', `oci:${dir}/image`, '--output', `oci:${indexed}`, '--min-layer-size', '0']);
    const list = await runInProcess(['list', `oci:${indexed}`, '--json']);
    const [, layer = ''] = /"layer": "sha256:([0-9a-f]+)"/.exec(list.stdout) ?? [];
    const blob = path.join(indexed, 'blobs/sha256', layer);
    const bytes = await readFile(blob);
    bytes.fill(0, 300, 400);
    await writeFile(blob, bytes);
    assert.equal((await checksOf(dir, `oci:${indexed}`)).get('index')?.verdict, 'held');
    await writeFile(path.join(dir, 'soci-lens.json'), '{"version":1,"budget":{"index":"verified"}}');
    assert.equal((await checksOf(dir, `oci:${indexed}`)).get('index')?.verdict, 'broken');
  });

  test("waste and growth, against the file's base or another one", async (t) => {
    const dir = await project(
      t,
      { wasteBytes: 29_999, wasteShare: 0.05, growthBytes: '64k' },
      { base: 'oci:none' },
    );
    await writeImage(path.join(dir, 'smaller'), [await layerOf([{ name: 'app', data: 'small' }])]);
    const checks = await checksOf(dir, `oci:${dir}/image`, '--base', `oci:${dir}/smaller`);
    assert.deepEqual(
      [
        checks.get('wasteBytes')?.verdict,
        checks.get('wasteBytes')?.measured,
        checks.get('wasteShare')?.verdict,
      ],
      ['broken', 30_000, 'held'],
    );
    assert.equal(checks.get('growthBytes')?.verdict, 'broken');
    const same = await checksOf(dir, `oci:${dir}/image`, '--base', `oci:${dir}/image`);
    assert.equal(same.get('growthBytes')?.measured, 0);
  });

  test('writes every format at once', async (t) => {
    const dir = await project(t, { wasteBytes: 0 });
    const reports = ['sarif', 'junit', 'markdown', 'json', 'text'].map(
      (name) => `--report=${name}=${dir}/out/${name}`,
    );
    const { code } = await gate(dir, `oci:${dir}/image`, '--format', 'sarif', ...reports);
    assert.equal(code, 3);
    const read = (name: string) => readFile(path.join(dir, 'out', name), 'utf8');
    assert.match(await read('sarif'), /"ruleId": "wasteBytes"/);
    assert.match(await read('junit'), /^<\?xml/);
    assert.match(await read('markdown'), /^### ❌/);
    assert.match(await read('json'), /"held": false/);
    assert.match(await read('text'), /broken/);
  });

  test('a damaged layer fails the run and is no zero in the sums', async (t) => {
    const dir = await project(t, { wasteBytes: '1G' });
    const { layers } = JSON.parse((await runInProcess(['inspect', `oci:${dir}/image`, '--json'])).stdout) as {
      layers: { digest: string }[];
    };
    const blob = path.join(dir, 'image/blobs/sha256', layers[0]!.digest.slice('sha256:'.length));
    const bytes = await readFile(blob);
    await writeFile(blob, bytes.fill(7, 100, 200));
    process.env['SOCI_LENS_CACHE'] = path.join(dir, 'other-cache');
    const { code, stderr } = await gate(dir, `oci:${dir}/image`);
    assert.equal(code, 1, stderr);
  });

  test('what is missing is told before any work', async (t) => {
    const dir = await project(t, { startBytes: 1 }, { trace: [] });
    const noTrace = await gate(dir, 'oci:/nonexistent');
    assert.equal(noTrace.code, 2);
    assert.match(noTrace.stderr, /--trace is missing/);
    await writeFile(path.join(dir, 'soci-lens.json'), '{"version":1,"budget":{"growthBytes":1}}');
    assert.match((await gate(dir, 'oci:/nonexistent')).stderr, /--base is missing/);
    const none = await runInProcess(['gate', 'oci:x', '--budget', path.join(dir, 'none.json')]);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /none\.json cannot be read.*\nWrite a soci-lens\.json/s);
    for (const flags of [
      ['--format', 'html'],
      ['--report', 'text'],
      ['--report', 'html=x'],
      ['--sample', '0'],
    ]) {
      assert.equal((await gate(dir, 'oci:x', ...flags)).code, 2, flags.join(' '));
    }
  });
});
