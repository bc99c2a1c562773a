import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { connectRegistry } from '../../src/registry/client';
import { verifyLayout } from '../../src/soci/verify';
import { registryStore } from '../../src/soci/store';
import { exportImage } from '../../src/image/export';
import { openLayout } from '../../src/image/layout';
import { pushLayout } from '../../src/soci/push';
import { writeTrace } from '../../src/trace/file';
import { runInProcess } from '../support/cli';
import { ensureImage, testEngine } from '../support/engine';
import { startFaultProxy } from '../support/fault-proxy';
import { temporaryFolder } from '../support/folders';
import { openFolder } from '../support/images';
import { startRegistry } from '../support/registry';

interface IndexDocument {
  readonly platforms: readonly {
    readonly ztocs: readonly { readonly layer: string; readonly spanSize: number }[];
    readonly prefetch: readonly { readonly layer: string }[];
  }[];
}

test('an image of the engine that the registry has is indexed by the registry’s own blobs, and none is kept', async (t) => {
  const name = await ensureImage('fx-scratch');
  const registry = await startRegistry();
  const proxy = await startFaultProxy(registry.host);
  t.after(async () => {
    await proxy.stop();
    await registry.stop();
  });
  const dir = await temporaryFolder(t);
  // Compressed by someone else: other bytes than those that we would make of the engine's tars.
  const theirs = await exportImage(await testEngine(), name, {
    cacheDir: path.join(dir, 'theirs'),
    level: 1,
  });
  const client = connectRegistry(proxy.host, 'team/scratch');
  t.after(() => client.close());
  const pushed = await pushLayout(await openLayout(theirs), client, '1.0');

  const cache = path.join(dir, 'cache');
  process.env['SOCI_LENS_CACHE'] = cache;
  const target = `docker://${proxy.host}/team/scratch:1.0`;
  const flags = ['--format', 'v1', '--span-size', '64k', '--min-layer-size', '0', '--output', target];
  proxy.log.length = 0;
  const run = await runInProcess(['index', `docker-daemon:${name}`, ...flags]);
  assert.equal(run.code, 0, run.stderr);
  assert.match(run.stderr, /is this very image: the registry's own blobs are indexed/);
  assert.ok(proxy.log.some((line) => line.startsWith('GET') && line.includes('/blobs/')));
  // Whether the registry has the image takes one question.
  const [first, second] = proxy.log.filter((line) => !line.endsWith(' /v2/'));
  assert.match(`${first}`, /^GET .*\/manifests\/1\.0/);
  assert.doesNotMatch(`${second}`, /^HEAD/);
  assert.deepEqual(await readdir(cache, { recursive: true }), [], 'nothing of it stays here');
  assert.equal((await client.getManifest('1.0')).descriptor.digest, pushed.digest, 'the image is as it was');
  const report = await verifyLayout(registryStore(client, '1.0'));
  assert.equal(report.ok, true, JSON.stringify(report.problems));

  // What a recorded start decides is decided on those bytes too.
  const start = path.join(dir, 'start.soci-trace.jsonl');
  await writeTrace(start, {
    header: {
      v: 1,
      op: 'start',
      t0_unix_ns: '0',
      clock: 'monotonic',
      unit: 'us',
      mode: 'ptrace-seccomp',
      level: 2,
    },
    events: [{ t: 1, pid: 1, op: 'exec', path: '/app' }],
    footer: { op: 'end', reason: 'early-exit', t_ready: 2 },
  });
  const recorded = ['--trace', start, '--prefetch-from-trace', '--json'];
  const tuned = await runInProcess(['index', `docker-daemon:${name}`, ...flags, ...recorded]);
  assert.equal(tuned.code, 0, tuned.stderr);
  const { platforms } = JSON.parse(tuned.stdout) as IndexDocument;
  const theirLayers = new Set((await openFolder(theirs)).manifest.layers.map(({ digest }) => digest));
  const ztocs = platforms.flatMap((platform) => platform.ztocs);
  assert.ok(ztocs.length > 0 && ztocs.every(({ layer }) => theirLayers.has(layer)));
  assert.deepEqual(new Set(ztocs.map(({ spanSize }) => spanSize)), new Set([65536]));
  assert.ok(platforms.some(({ prefetch }) => prefetch.length > 0));

  // Elsewhere the registry has no such image: then ours is compressed, and that is said.
  const other = `docker://${proxy.host}/team/scratch:2.0`;
  const made = await runInProcess([
    ...['index', `docker-daemon:${name}`, '--min-layer-size', '0', '--output', other],
  ]);
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stderr, /compressed here, since the engine keeps plain tars|the engine itself keeps/);
});
