import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { Plan } from '../../src/plan/types';
import { connectRegistry } from '../../src/registry/client';
import type { VerifyReport } from '../../src/soci/verify';
import { runProgram, type CliRun } from '../support/cli';
import { ensureImage } from '../support/engine';
import { temporaryFolder } from '../support/folders';
import { goldenImage, writeGoldenLayout } from '../support/golden';
import { repoRoot } from '../support/paths';
import { startRegistry, type TestRegistry } from '../support/registry';

/** Kept from run to run: saving the large image from the engine takes longer than all the rest. */
const env = { SOCI_LENS_CACHE: path.join(repoRoot, '.cache/test-images') };
const cli = (...argv: string[]): Promise<CliRun> => runProgram(argv, { env });

/** The document of a verb that has to succeed. */
async function json<T>(...argv: string[]): Promise<T> {
  const { code, stdout, stderr } = await cli(...argv, '--json');
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as T;
}

/** What each image's start is known to open, at the least: test/fixtures/images/README.md. */
const IMAGES = [
  { name: 'fx-scratch', ready: 'listen=8080', files: 4, minLayerSize: '0' },
  { name: 'fx-py', ready: 'health', files: 1000, minLayerSize: '1M' },
] as const;

suite('the whole line by the command line, from the engine to a registry', () => {
  let registry: TestRegistry;
  before(async () => {
    registry = await startRegistry();
  });
  after(() => registry.stop());

  for (const { name, ready, files, minLayerSize } of IMAGES) {
    test(name, { timeout: 900_000 }, async (t) => {
      const dir = await temporaryFolder(t);
      const image = `docker-daemon:${await ensureImage(name)}`;
      const traceFile = path.join(dir, 'start.soci-trace.jsonl');
      const html = path.join(dir, 'plan.html');
      const output = `oci:${path.join(dir, 'indexed')}`;
      const destination = `docker://${registry.host}/line/${name}:v1`;

      const inspected = await json<{ version: 1; layers: { problem: string | null; files: number }[] }>(
        'inspect',
        image,
      );
      assert.ok(inspected.layers.length > 0 && inspected.layers.every(({ problem }) => problem === null));

      const traced = await json<{ version: 1; readyMs: number | null; files: number }>(
        'trace',
        image,
        '--ready',
        ready,
        '-o',
        traceFile,
      );
      assert.ok(traced.readyMs !== null && traced.readyMs > 0);
      assert.ok(traced.files >= files, `${traced.files} paths opened`);

      const given = ['--trace', traceFile, '--min-layer-size', minLayerSize];
      const plan = await json<Plan>('plan', image, ...given, '--html', html);
      assert.ok(plan.trace && plan.trace.files >= files);
      assert.ok(plan.rows.every((row) => row.touchedSpans > 0 && row.touchedSpans <= row.spans));
      assert.ok(existsSync(html));

      const made = await json<{
        version: 1;
        index: { digest: string };
        platforms: { sociIndex: { digest: string }; ztocs: { spanSize: number }[] }[];
      }>('index', image, '--output', output, ...given);
      const [platform] = made.platforms;
      assert.ok(platform && platform.ztocs.length > 0);
      assert.deepEqual(
        platform.ztocs.map(({ spanSize }) => spanSize),
        plan.best?.spanSizes.filter((size) => size !== null),
      );

      const pushed = await json<{ version: 1; digest: string; uploaded: number }>(
        'push',
        output,
        destination,
      );
      assert.equal(pushed.digest, made.index.digest);
      assert.ok(pushed.uploaded > 0);

      const client = connectRegistry(registry.host, `line/${name}`);
      t.after(() => client.close());
      assert.equal((await client.headManifest('v1'))?.digest, made.index.digest);
      assert.ok(
        await client.headManifest(platform.sociIndex.digest),
        'the SOCI index is found by its digest',
      );

      // Of each layer it decodes every span, and compares what comes out with the diff ID that the engine gave.
      const verified = await json<VerifyReport>('verify', destination);
      assert.equal(verified.ok, true);
      assert.ok(
        verified.platforms.every(({ layers }) => layers.every((layer) => layer.checkedSpans === layer.spans)),
      );
    });
  }

  test('an image of a registry is indexed there, in both formats', { timeout: 900_000 }, async (t) => {
    const dir = await temporaryFolder(t);
    await writeGoldenLayout(path.join(dir, 'in'), goldenImage('two-layers-one-below-min'));
    const source = `docker://${registry.host}/formats/image:v1`;
    const { digest } = await json<{ digest: string }>('push', `oci:${path.join(dir, 'in')}`, source);
    const found = async (reference: string) => {
      const { images } = await json<{ images: { indexes: { version: number }[] }[] }>('list', reference);
      return images.flatMap(({ indexes }) => indexes.map(({ version }) => version));
    };
    assert.deepEqual(await found(source), []);

    const flags = ['--span-size', '64k', '--min-layer-size', '0', '--all-platforms'];
    const toSource = ['--format', 'v1', '--output', source];
    const v1 = await json<{ index: { digest: string } }>('index', source, ...toSource, ...flags);
    assert.equal(v1.index.digest, digest, 'the image stays what it is');
    assert.deepEqual(await found(source), [1]);

    const target = `docker://${registry.host}/formats/other:v2`;
    const v2 = await json<{ index: { digest: string } }>('index', source, '--output', target, ...flags);
    assert.notEqual(v2.index.digest, digest);
    assert.deepEqual(await found(target), [2]);
    for (const reference of [source, target]) {
      assert.equal((await json<VerifyReport>('verify', reference)).ok, true);
    }
  });

  test(
    'index goes straight to a registry too, and leaves nothing on this machine',
    { timeout: 900_000 },
    async () => {
      const image = `docker-daemon:${await ensureImage('fx-scratch')}`;
      const destination = `docker://${registry.host}/straight:v1`;
      const made = await json<{ version: 1; index: { digest: string } }>(
        'index',
        image,
        '--output',
        destination,
        '--min-layer-size',
        '0',
      );
      const client = connectRegistry(registry.host, 'straight');
      assert.equal((await client.headManifest('v1'))?.digest, made.index.digest);
      await client.close();
      const left = await readdir(env.SOCI_LENS_CACHE);
      assert.deepEqual(
        left.filter((entry) => entry.startsWith('index-')),
        [],
      );
    },
  );
});

test(
  'a start that is never ready keeps its trace, shows the last lines, and fails',
  { timeout: 900_000 },
  async (t) => {
    const image = `docker-daemon:${await ensureImage('fx-scratch')}`;
    const file = path.join(await temporaryFolder(t), 'cut.soci-trace.jsonl');
    const { code, stderr } = await cli(
      'trace',
      image,
      '--ready',
      'log=never said',
      '--timeout',
      '2',
      '-o',
      file,
    );
    assert.equal(code, 1);
    assert.match(stderr, /did not become ready/);
    assert.ok(existsSync(file));
  },
);

test('an image that the engine does not have', async () => {
  const { code, stdout, stderr } = await cli('inspect', 'docker-daemon:no/such-image:1');
  assert.equal(code, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /no\/such-image:1.*\.\n.+\.\n$/s);
});
