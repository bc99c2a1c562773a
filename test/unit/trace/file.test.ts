import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { readTrace, scanTrace, writeTrace } from '../../../src/trace/file';
import { decodePath } from '../../../src/trace/paths';
import type { StartupTrace } from '../../../src/trace/types';
import { lensError } from '../../support/errors';
import { temporaryFolder } from '../../support/folders';
import { fixture } from '../../support/paths';
import { Random } from '../../support/random';

const TRACE: StartupTrace = {
  header: {
    v: 1,
    op: 'start',
    t0_unix_ns: '1795296669972111977',
    clock: 'monotonic',
    unit: 'us',
    mode: 'ptrace-seccomp',
    level: 2,
    image: { ref: 'docker-daemon:x', config: 'sha256:1', platform: 'linux/amd64', diff_ids: ['sha256:2'] },
    excluded_mounts: ['/data'],
    command: ['serve'],
  },
  events: [
    { t: 1, pid: 1, op: 'exec', path: '/app', real: '/bin/app' },
    { t: 2, pid: 1, op: 'open', path: '/e\uFFFD', path_b64: 'L2X/', fd: 3, fl: 66 },
    { t: 3, pid: 1, op: 'read', path: '/größe "\n', fd: 3, off: 2 ** 40, len: -1 },
    { t: 4, pid: 1, op: 'mmap', path: '/lib', off: 0, len: 10, prot: 5 },
    { t: 5, pid: 1, op: 'pages', why: 'exit', path: '/lib', prot: 5, map: [0, 10], r: [[0, 4096]] },
    { t: 6, pid: 1, op: 'meta', path: '/x', nofollow: 1 },
    { t: 7, pid: 1, op: 'stat', path: '/y', ret: -2 },
    { t: 8, pid: 1, op: 'fork', child: 9 },
    { t: 9, pid: 9, op: 'exit', sig: 9 },
    { t: 9, pid: 1, op: 'listen', port: 8080 },
    { t: 10, pid: 0, op: 'mark', what: 'ready' },
  ],
  footer: { op: 'end', reason: 'early-exit', t_ready: 9, exit_code: 3, log: ['no database'] },
};
const lines = (trace: StartupTrace): string[] =>
  [trace.header, ...trace.events, ...(trace.footer ? [trace.footer] : [])].map(
    (line) => JSON.stringify(line) + '\n',
  );
const source = (text: string | Buffer, chunk = 1 << 16) =>
  (async function* () {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += chunk)
      yield await Promise.resolve(bytes.subarray(at, at + chunk));
  })();

test('what is written is read back, plain and gzipped', async (t) => {
  const file = path.join(await temporaryFolder(t), 'new/folder/a.soci-trace.jsonl');
  await writeTrace(file, TRACE);
  assert.deepEqual(await readTrace(file), TRACE);
  const packed = file + '.gz';
  await writeFile(packed, gzipSync(await readFile(file)));
  assert.deepEqual(await readTrace(packed), TRACE);
  assert.deepEqual((await readdir(path.dirname(file))).length, 2, 'nothing temporary stays');
});

test('chunks may end anywhere, also within a character', async () => {
  for (const chunk of [1, 2, 3, 7, 100])
    assert.deepEqual(await readTrace(source(lines(TRACE).join(''), chunk)), TRACE);
});

test('a cut end, NULs and a cut gzip stream give what is there', async () => {
  const whole = lines(TRACE);
  const text = whole.join('');
  const cut = await readTrace(source(text.slice(0, -30)));
  assert.deepEqual(cut, { ...TRACE, footer: undefined });
  const padded = await readTrace(source(whole.slice(0, 4).join('') + '\0'.repeat(100_000)));
  assert.deepEqual(padded, { ...TRACE, events: TRACE.events.slice(0, 3), footer: undefined });
  const torn = await readTrace(source(whole.slice(0, 4).join('') + (whole[4] ?? '').slice(0, 20) + '\0\0'));
  assert.equal(torn.events.length, 3);

  const random = new Random(3);
  const many = {
    ...TRACE,
    events: Array.from({ length: 5000 }, (_, at) => ({
      ...TRACE.events[2]!,
      t: at,
      pid: random.int(1, 1e6),
    })),
  };
  const packed = gzipSync(lines(many).join(''));
  const half = await readTrace(source(packed.subarray(0, packed.length / 2)));
  assert.ok(half.events.length > 1000 && half.events.length < 5000);
  assert.deepEqual(half.events, many.events.slice(0, half.events.length));
});

test('the recordings of the first tracer', async () => {
  const scratch = await readTrace(fixture('traces', 'sc-l2.jsonl.gz'));
  assert.equal(scratch.header.t0_unix_ns.length, 19);
  assert.equal(scratch.header.mode, 'ptrace-seccomp');
  const ops = new Set(scratch.events.map(({ op }) => op));
  for (const op of ['exec', 'open', 'read', 'mmap', 'pages', 'fork', 'listen', 'mark'] as const)
    assert.ok(ops.has(op), op);
  assert.equal((await readTrace(fixture('traces', 'py-l2new.jsonl.gz'))).events.length, 5568);
});

test('operations of later versions are passed over, what is wrong is named by its line', async () => {
  const [header = ''] = lines(TRACE);
  const good = '{"t":1,"pid":1,"op":"open","path":"/a","later":true}\n';
  const trace = await readTrace(source(header + '{"t":1,"op":"dream"}\n' + good));
  assert.equal(trace.events.length, 1);
  for (const line of [
    'nonsense',
    '[]',
    '{"t":1,"pid":1,"op":"open"}',
    '{"t":-1,"pid":1,"op":"open","path":"/a"}',
    '{"t":1,"pid":1,"op":"read","path":"/a","off":-5,"len":1}',
    '{"t":1,"pid":1,"op":"pages","why":"exit","path":"/a","r":[[1]]}',
    '{"op":"end","reason":"boredom"}',
  ]) {
    await assert.rejects(
      readTrace(source(`${header}${line}\n${good}`)),
      lensError('trace/bad-file', /line 2/),
      line,
    );
  }
  await assert.rejects(readTrace(source(good)), lensError('trace/bad-file', /"start"/));
  await assert.rejects(readTrace(source('')), lensError('trace/bad-file', /empty/));
  await assert.rejects(
    readTrace(source(header.replace('"v":1', '"v":2'))),
    lensError('trace/unknown-version', /version 2/),
  );
  await assert.rejects(readTrace('/no/such/trace'), lensError('trace/not-found'));
  await assert.rejects(readTrace(source('x'.repeat(5 << 20))), lensError('trace/bad-file', /longer/));
});

test('a visitor may end the reading, and so may a signal', async () => {
  let seen = 0;
  await scanTrace(source(lines(TRACE).join('')), () => ++seen < 2);
  assert.equal(seen, 2);
  const signal = AbortSignal.abort();
  await assert.rejects(
    readTrace(source(lines(TRACE).join('')), { signal }),
    (error) => error === signal.reason,
  );
});

test('a trace that cannot be written leaves nothing', async (t) => {
  const dir = await temporaryFolder(t);
  await writeFile(path.join(dir, 'file'), '');
  await assert.rejects(writeTrace(path.join(dir, 'file/trace'), TRACE), lensError('trace/cannot-write'));
  const broken = (function* () {
    yield* TRACE.events;
    throw new Error('no more');
  })();
  await assert.rejects(
    writeTrace(path.join(dir, 'trace'), { ...TRACE, events: broken }),
    lensError('trace/cannot-write'),
  );
  assert.deepEqual(await readdir(dir), ['file']);
});

test('paths are the same text only when they are the same bytes', () => {
  const random = new Random(11);
  const known = new Map<string, string>();
  for (let round = 0; round < 5000; round++) {
    const bytes = random.bytes(random.int(0, 3));
    const text = decodePath(bytes);
    const hex = Buffer.from(bytes).toString('hex');
    assert.equal(known.get(text) ?? hex, hex);
    known.set(text, hex);
  }
  assert.equal(decodePath(Buffer.from('größe 🐳')), 'größe 🐳');
  assert.equal(decodePath(Buffer.from('caf\xe9/größe', 'latin1')), 'caf\udce9/gr\udcf6\udcdfe');
});
