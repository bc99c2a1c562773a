/** `index --trace`: the recorded start decides what no flag says. On the small sample image, which needs no engine. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, suite, test } from 'node:test';
import { openLayout } from '../../../src/image/layout';
import { createLayout } from '../../../src/image/layout-writer';
import { makeSmallSample } from '../../../src/image/small-sample';
import { encodeIndex } from '../../../src/oci/json';
import { OCI_INDEX } from '../../../src/oci/media-types';
import type { Plan } from '../../../src/plan/types';
import { runInProcess } from '../../support/cli';
import { layerOf, writeImage } from '../../support/images';
import { repoRoot } from '../../support/paths';
import { Random } from '../../support/random';

interface IndexDocument {
  readonly reason: string | null;
  readonly forecast: { readonly totalSeconds: number } | null;
  readonly platforms: readonly {
    readonly ztocs: readonly { readonly layer: string; readonly spanSize: number }[];
    readonly prefetch: readonly { readonly layer: string }[];
    readonly skipped: readonly { readonly layer: string }[];
  }[];
}

const TRACE = ['--trace', path.join(repoRoot, 'sample/small.soci-trace.jsonl')];
const PLATFORM = ['--platform', 'linux/amd64'];
/** Near enough that the sample, of some megabytes, is worth an index. */
const NEAR = ['--network', 'rtt=1,bw=5'];

suite('index --trace', () => {
  let image = '';
  let dir = '';
  before(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'soci-lens-test-'));
    process.env['SOCI_LENS_CACHE'] = path.join(dir, 'cache');
    image = await makeSmallSample(path.join(dir, 'sample'));
  });

  after(() => rm(dir, { recursive: true, force: true }));

  async function json<T>(...argv: string[]): Promise<T> {
    const { code, stdout, stderr } = await runInProcess([...argv, ...TRACE, ...PLATFORM, ...NEAR, '--json']);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as T;
  }

  async function index(name: string, ...flags: string[]) {
    const document = await json<IndexDocument>('index', image, '-o', `oci:${path.join(dir, name)}`, ...flags);
    const [platform] = document.platforms;
    assert.ok(platform);
    return { document, ...platform };
  }

  test('makes the very index that plan calls the best, and says why', async () => {
    const { best } = await json<Plan>('plan', image);
    assert.ok(best);
    const { document, ztocs, prefetch } = await index('best');
    assert.deepEqual(
      ztocs.map(({ spanSize }) => spanSize),
      best.spanSizes.filter((size) => size !== null),
    );
    assert.deepEqual(
      prefetch.map(({ layer }) => layer),
      best.prefetch.map(({ digest }) => digest),
    );
    assert.equal(document.reason, best.reason);
    assert.ok(Number(document.forecast?.totalSeconds) <= best.usual.totalSeconds);
  });

  test('flags decide in its place', async () => {
    const flags = ['--min-layer-size', '0', '--prefetch-from-trace'];
    const fixed = await index('fixed', '--span-size', '64k', ...flags);
    assert.ok(fixed.ztocs.length > 0 && fixed.ztocs.every(({ spanSize }) => spanSize === 65536));
    assert.ok(fixed.prefetch.length > 0);
    const none = await index('none', '--min-layer-size', '0', '--no-prefetch');
    assert.equal(none.ztocs.length, fixed.ztocs.length);
    assert.deepEqual(none.prefetch, []);
    const early = await index(
      'early',
      '--span-size',
      '64k',
      '--min-layer-size',
      '0',
      '--prefetch-seconds',
      '1e-9',
    );
    assert.ok(early.prefetch.length < fixed.prefetch.length);
  });

  test('a platform that was not recorded gets the span size of the flags and no list, and that is said', async () => {
    const folder = path.join(dir, 'platforms');
    await cp(image.replace(/^oci:/, ''), folder, { recursive: true });
    const { manifests } = (await openLayout(folder)).index;
    const layer = await layerOf([{ name: 'app', data: new Random(1).bytes(200_000) }]);
    const other = await writeImage(folder, [layer]);
    const platform = { os: 'linux', architecture: 'arm64' };
    const writer = await createLayout(folder);
    const both = encodeIndex({
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [...manifests, { ...other.descriptor, platform }],
    });
    await writer.finish([{ mediaType: OCI_INDEX, ...(await writer.addBlob(both)) }]);

    const flags = ['--all-platforms', '--span-size', '64k', '--min-layer-size', '0', '--prefetch-from-trace'];
    const output = `oci:${path.join(dir, 'platforms-out')}`;
    const all = ['index', `oci:${folder}`, '-o', output, ...flags, ...TRACE, ...NEAR];
    const { code, stdout, stderr } = await runInProcess([...all, '--json']);
    assert.equal(code, 0, stderr);
    assert.match(
      stderr,
      /The recorded start says nothing of linux\/arm64: .* spans of 64 KiB, and no list of them/,
    );
    assert.doesNotMatch(stderr, /nothing of linux\/amd64/);
    const { platforms } = JSON.parse(stdout) as IndexDocument;
    assert.deepEqual(
      platforms.map(({ ztocs, prefetch }) => [
        new Set(ztocs.map(({ spanSize }) => spanSize)),
        prefetch.length > 0,
      ]),
      [
        [new Set([65536]), true],
        [new Set([65536]), false],
      ],
    );
  });
});
