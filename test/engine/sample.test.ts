import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { openImage } from '../../src/image/open';
import { scanLayer } from '../../src/layer/scan';
import { readTrace } from '../../src/trace/file';
import { mapTrace } from '../../src/trace/map';
import { runProgram } from '../support/cli';
import { testEngine } from '../support/engine';
import { temporaryFolder } from '../support/folders';
import { repoRoot } from '../support/paths';

/** The server's own code: which of its pages are in memory depends on how threads fall, so they are compared by amount. */
const SERVER = 'usr/bin/esbuild';

test(
  'the committed trace of the sample is what a recording of the same image gives',
  { timeout: 900_000 },
  async (t) => {
    const { info } = await testEngine();
    if (info.architecture !== 'amd64') {
      t.skip(`the sample image is for amd64, and this engine runs on ${info.architecture}`);
      return;
    }
    const dir = await temporaryFolder(t);
    const file = path.join(dir, 'again.soci-trace.jsonl');
    const env = { SOCI_LENS_CACHE: path.join(dir, 'cache') };
    const { code, stderr } = await runProgram([file], { script: 'scripts/sample-trace.mjs', env });
    assert.equal(code, 0, stderr);

    const image = await openImage(`oci:${path.join(repoRoot, '.cache/sample/oci')}`, {
      platform: { os: 'linux', architecture: 'amd64' },
      cacheDir: dir,
    });
    const layers = await Promise.all(
      image.layers.map(async ({ blob }) => (await scanLayer(blob, 'gzip')).entries),
    );
    const read = async (name: string) => {
      const trace = await readTrace(name);
      assert.equal(
        trace.header.image?.config,
        image.manifest.config.digest,
        'it is a trace of this very image',
      );
      assert.deepEqual(trace.header.image.diff_ids, image.config.rootfs.diff_ids);
      assert.equal(trace.footer?.reason, 'ready:log');
      const { touches, coverage } = mapTrace(trace, { layers, config: image.config });
      const ranges = touches.map(({ layer, entry, start, end }) => ({
        layer,
        path: layers[layer]?.name(entry) ?? '',
        bytes: `${start}-${end}`,
        size: end - start,
      }));
      const server = ranges.filter(({ path: name_ }) => name_ === SERVER);
      const rest = ranges.filter(({ path: name_ }) => name_ !== SERVER);
      return {
        unmapped: coverage.unmapped,
        server: server.reduce((sum, { size }) => sum + size, 0),
        ranges: rest.map(({ layer, path: name_, bytes }) => `${layer} ${name_} ${bytes}`).sort(),
      };
    };
    const committed = await read(path.join(repoRoot, 'sample/start.soci-trace.jsonl'));
    const again = await read(file);
    assert.deepEqual(again.ranges, committed.ranges);
    assert.deepEqual([again.unmapped, committed.unmapped], [[], []]);
    assert.ok(committed.server > 4e6, 'most of the server is read');
    assert.ok(
      Math.abs(again.server / committed.server - 1) < 0.25,
      `${again.server} against ${committed.server} bytes of the server`,
    );
    const catalogue = committed.ranges.filter((range) => range.startsWith('3 data/releases/'));
    assert.ok(catalogue.length >= 3, 'the data file is read in parts');
    const settings = committed.ranges.filter((range) => range.includes('settings.ts'));
    assert.ok(
      settings.length > 0 && settings.every((range) => range.startsWith('5 ')),
      'the topmost layer wins',
    );
  },
);

test(
  'the committed trace of the small sample is what a recording of the image that the extension makes gives',
  { timeout: 900_000 },
  async (t) => {
    const { info } = await testEngine();
    if (info.architecture !== 'amd64') {
      t.skip(`the sample image is for amd64, and this engine runs on ${info.architecture}`);
      return;
    }
    const file = path.join(await temporaryFolder(t), 'again.soci-trace.jsonl');
    const { code, stderr } = await runProgram(['--small', file], { script: 'scripts/sample-trace.mjs' });
    assert.equal(code, 0, stderr);
    const image = await openImage(`oci:${path.join(repoRoot, '.cache/small-sample')}`, {
      cacheDir: path.dirname(file),
      platform: { os: 'linux', architecture: 'amd64' },
    });
    const layers = await Promise.all(
      image.layers.map(async ({ blob }) => (await scanLayer(blob, 'gzip')).entries),
    );
    const read = async (name: string) => {
      const trace = await readTrace(name);
      assert.deepEqual(trace.header.image?.diff_ids, image.config.rootfs.diff_ids);
      assert.deepEqual([trace.footer?.reason, trace.footer?.exit_code], ['exit', 0]);
      const { touches, coverage } = mapTrace(trace, { layers, config: image.config });
      assert.deepEqual(coverage.unmapped, []);
      return touches.map(({ layer, entry, start, end }) => `${layer} ${entry} ${start}-${end}`).sort();
    };
    const committed = await read(path.join(repoRoot, 'sample/small.soci-trace.jsonl'));
    assert.deepEqual(await read(file), committed);
    assert.ok(committed.length > 50);
  },
);
