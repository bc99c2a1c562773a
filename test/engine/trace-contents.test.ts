/** What a recording contains, on real images whose correct traces are known (test/fixtures/images/README.md). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { openImage } from '../../src/image/open';
import { scanImage } from '../../src/image/scan';
import { scanLayer } from '../../src/layer/scan';
import { mapTrace } from '../../src/trace/map';
import { parseReadyRule } from '../../src/trace/ready';
import { recordStart } from '../../src/trace/record';
import { ensureImage, testEngine } from '../support/engine';
import { temporaryFolder } from '../support/folders';
import { forgetCached } from '../support/fuse-truth';
import { fixture } from '../support/paths';
import { assertPages, events, filesOf, record, tracerDir, type Recorded } from '../support/tracing';

test('fx-scratch: files, ranges, pages, metadata and the child of a static program', async () => {
  await ensureImage('fx-scratch');
  await forgetCached('fx-scratch', 'data/blob.bin');
  const recorded = await record('fx-scratch', { ready: 'listen=8080', level: 3 });
  const { header, footer } = recorded.trace;
  assert.match(header.mode, /^(seccomp-notify|ptrace-seccomp)$/);
  assert.equal(footer?.reason, 'ready:listen');
  assert.ok(footer.t_ready !== undefined && footer.t_ready < 5_000_000);
  assert.deepEqual([...filesOf(recorded)].sort(), [
    '/app',
    '/data/blob.bin',
    '/etc/app/child.conf',
    '/etc/app/main.conf',
  ]);
  const [read] = events(recorded, 'read', '/data/blob.bin');
  assert.deepEqual([read?.off, read?.len], [8388608, 4096]);
  assertPages(recorded, '/data/blob.bin', [12582912]);
  const [pages] = events(recorded, 'pages', '/data/blob.bin');
  assert.deepEqual([pages?.prot, pages?.map], [1, [0, 16777216]]);
  assert.ok(events(recorded, 'pages', '/app').some(({ prot }) => prot === 5));
  assert.deepEqual(
    events(recorded, 'stat').map(({ path, ret }) => [path, ret]),
    [
      ['/etc/app/missing.conf', -2],
      ['/etc/app/only-stat.conf', undefined],
    ],
  );
  const [fork] = events(recorded, 'fork');
  assert.equal(fork?.pid, 1);
  assert.deepEqual(
    events(recorded, 'exec').map(({ path, pid }) => [path, pid]),
    [
      ['/app', 1],
      ['/app', fork.child],
    ],
  );
  assert.deepEqual(
    events(recorded, 'listen').map(({ port }) => port),
    [8080],
  );
});

test('fx-scratch: from the engine to the touched bytes of each layer', async (t) => {
  await ensureImage('fx-scratch');
  const engine = await testEngine();
  const image = await openImage('docker-daemon:fx-scratch', {
    engine: () => Promise.resolve(engine),
    cacheDir: await temporaryFolder(t),
  });
  await forgetCached('fx-scratch', 'data/blob.bin');
  const trace = await recordStart(engine, image, {
    tracerDir: await tracerDir(),
    ready: parseReadyRule('log=^ready '),
    timeoutMs: 30_000,
  });
  assert.equal(trace.footer?.reason, 'ready:log');
  assert.equal(trace.header.image?.ref, 'docker-daemon:fx-scratch');
  assert.deepEqual(trace.header.image.diff_ids, image.config.rootfs.diff_ids);
  const scans = await scanImage(image, { pool: { scan: scanLayer } });
  const layers = scans.map((result) => ('scan' in result ? result.scan.entries : undefined));
  const mapping = mapTrace(trace, { layers, config: image.config });
  assert.equal(mapping.files, 4);
  assert.deepEqual(mapping.coverage.unmapped, []);
  const blob = mapping.touches.filter(({ layer, entry, kind }) => {
    return layers[layer]?.name(entry) === 'data/blob.bin' && kind !== 'open';
  });
  assert.ok(blob.every(({ executable }) => !executable));
  const [read, ...others] = blob.filter(({ kind }) => kind === 'read');
  assert.deepEqual([read?.start, read?.end, others.length], [8388608, 8392704, 0]);
  const pages = blob.filter(({ kind }) => kind === 'page');
  assert.equal(pages.length, blob.length - 1);
  assert.ok(pages.some(({ start, end }) => start <= 12582912 && end >= 12587008));
  // One fault maps its neighbours too where the page cache has them, in one piece or in several.
  assert.ok(pages.every(({ start, end }) => start >= 12582912 - (64 << 10) && end <= 12582912 + (64 << 10)));
});

test('the same from registers, without a filter, and without page maps', async () => {
  await ensureImage('fx-scratch');
  const usual = filesOf(await record('fx-scratch', { ready: 'listen' }));
  for (const flag of ['-R', '-N']) {
    const other = await record('fx-scratch', { ready: 'listen', tracerFlags: [flag] });
    assert.deepEqual(filesOf(other), usual, flag);
    assert.match(other.trace.header.mode, flag === '-N' ? /^ptrace$/ : /seccomp/);
  }
  const blind = await record('fx-scratch', { ready: 'listen', tracerFlags: ['-P'] });
  assert.equal(events(blind, 'pages').length, 0);
  assert.ok(events(blind, 'mmap', '/data/blob.bin').length > 0);
});

let py: Recorded;
before(async () => {
  await ensureImage('fx-py');
  py = await record('fx-py', { ready: 'listen' });
});

test('fx-py: reads in parts, mapped pages, links, descriptors, threads and children', () => {
  const ranges = events(py, 'read', '/data/big.bin').map(({ off, len }) => [off, len]);
  assert.deepEqual(ranges, [
    [0, 65536],
    [104857600, 65536],
  ]);
  assertPages(py, '/data/mapped.bin', [0, 1000 * 4096, 5000 * 4096]);
  const opened = (path: string) => events(py, 'open').find((event) => event.path === path);
  assert.equal(opened('/app/conf/link2')?.real, '/app/conf/target.txt');
  assert.equal(opened('/app/confdir/override.txt')?.real, '/app/conf/override.txt');
  assert.equal(opened('/app/conf/hard_b.txt')?.ret, undefined);
  assert.equal(opened('/app/parts/p3.txt')?.ret, undefined, 'by a descriptor of its folder');
  const child = events(py, 'open', '/app/parts/p4.txt')[0];
  assert.ok(child && child.pid !== 1, 'by a child process');
  assert.equal(opened('/app/parts/p5.txt')?.pid, 1, 'by a thread');
  assert.equal(opened('/app/parts/p1.txt'), undefined, 'only looked at');
});

test('fx-py: every file that an independent FUSE log of the same start has, and none more', () => {
  const truth = new Set<string>();
  for (const line of gunzipSync(readFileSync(fixture('traces', 'fuse-py-b.jsonl.gz')))
    .toString()
    .trim()
    .split('\n')) {
    // The fixture is ours; its lines are of this shape.
    const { op, path } = JSON.parse(line) as { op: string; path: string };
    if (op === 'open') truth.add(path);
  }
  // Bind mounts of the engine, which the FUSE file system did not have.
  const traced = new Set(
    [...filesOf(py)].filter((file) => !['/etc/hosts', '/etc/resolv.conf'].includes(file)),
  );
  // Other versions of the packages bring other files: compare where the image has those of the log.
  const missing = [...truth].filter((file) => !traced.has(file));
  const extra = [...traced].filter((file) => !truth.has(file));
  assert.ok(missing.length <= truth.size * 0.02, `missing: ${missing.join(' ')}`);
  assert.ok(extra.length <= truth.size * 0.02, `extra: ${extra.join(' ')}`);
  if (traced.size === 1154) assert.deepEqual({ missing, extra }, { missing: [], extra: [] });
});

test('fx-py: ready by its health check, by an answer and by a pause', async () => {
  const health = await record('fx-py', { ready: 'health' });
  assert.equal(health.trace.footer?.reason, 'ready:health');
  const http = await record('fx-py', { ready: 'http=8080/' });
  assert.equal(http.trace.footer?.reason, 'ready:http');
  assert.ok(!http.output.some((line) => line.includes('Error')), 'the probe does not disturb the program');
  const listening = http.trace.events.find((event) => event.op === 'listen');
  assert.ok(listening && (http.trace.footer.t_ready ?? 0) >= listening.t);
  const quiet = await record('fx-py', { ready: 'quiet=2' });
  assert.equal(quiet.trace.footer?.reason, 'quiet');
  assert.ok(events(quiet, 'listen').length > 0);
});
