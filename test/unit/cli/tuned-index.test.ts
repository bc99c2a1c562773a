/** `index --trace`: the recorded start decides what no flag says. On the small sample image, which needs no engine. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, suite, test } from 'node:test';
import { makeSmallSample } from '../../../src/image/small-sample';
import type { Plan } from '../../../src/plan/types';
import { runInProcess } from '../../support/cli';
import { repoRoot } from '../../support/paths';

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
});
