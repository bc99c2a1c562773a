import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { importTrace, type ImportFormat } from '../../../src/trace/import';
import { readTrace } from '../../../src/trace/file';
import type { TraceEvent } from '../../../src/trace/types';
import { lensError } from '../../support/errors';
import { fixture } from '../../support/paths';

const from = (format: ImportFormat, ...lines: string[]) =>
  importTrace(
    (async function* () {
      yield await Promise.resolve(Buffer.from(lines.join('\n') + '\n'));
    })(),
    format,
  );
const opened = (events: readonly TraceEvent[]): Set<string> =>
  new Set(
    events.flatMap((event) =>
      event.op === 'open' && (event.ret ?? 0) >= 0 ? [event.real ?? event.path] : [],
    ),
  );

test('strace: the real log of fx-py, against what another script made of it and against the tracer', async () => {
  const file = fixture('traces', 'py-strace.log.gz');
  const { trace, used, dropped } = await importTrace(file, 'strace');
  assert.equal(trace.header.mode, 'import:strace');
  assert.ok(trace.header.t0_unix_ns.startsWith('1795294819'));
  assert.equal(used + Object.values(dropped).reduce((sum, count) => sum + count, 0), 9457);
  assert.equal(dropped['not-understood'], 0);
  assert.equal(dropped.relative, 0);

  // The script's lines: { t, pid, op, path, real?, off?, len? }. It is ours, and of this shape.
  const other = gunzipSync(readFileSync(fixture('traces', 'py-strace.jsonl.gz')))
    .toString()
    .trim()
    .split('\n')
    .map(
      (line) =>
        JSON.parse(line) as {
          op: string;
          path: string;
          real?: string;
          ret?: number;
          off: number;
          len: number;
        },
    );
  const wanted = new Set(
    other.flatMap(({ op, path, real, ret = 0 }) => (op === 'open' && ret >= 0 ? [real ?? path] : [])),
  );
  assert.deepEqual(opened(trace.events), wanted);
  const reads = (list: readonly { op: string; path?: string; off?: number }[]) =>
    list.flatMap(({ op, path, off }) => (op === 'read' ? [`${path} ${off}`] : []));
  const [ours, theirs] = [new Set(reads(trace.events)), new Set(reads(other))];
  // The script kept the reads at the end of a file, which return nothing.
  assert.deepEqual(
    [...ours].filter((one) => !theirs.has(one)),
    [],
  );
  const readFiles = (set: Set<string>) => new Set([...set].map((one) => one.replace(/ \d+$/, '')));
  assert.deepEqual(readFiles(ours), readFiles(theirs));

  const traced = await readTrace(fixture('traces', 'py-l2new.jsonl.gz'));
  const bindMounts = new Set(['/etc/hosts', '/etc/resolv.conf', '/etc/hostname']);
  const image = (set: Set<string>) =>
    [...set].filter((path) => !/^\/(proc|sys|dev)\//.test(path) && !bindMounts.has(path)).sort();
  assert.deepEqual(image(opened(trace.events)), image(opened(traced.events)));
});

test('strace: positions, duplicates, children, threads and calls in two pieces', async () => {
  const { trace, dropped, ambiguous } = await from(
    'strace',
    '10 100.000000 execve("/bin/a", ["a"], 0x7ff /* 3 vars */) = 0',
    '10 100.000001 openat(AT_FDCWD</app>, "x\\303\\266.txt", O_RDWR|O_CLOEXEC) = 3</app/xö.txt>',
    '10 100.000002 read(3</app/xö.txt>, "a) = 7, \\"b"..., 100) = 60',
    '10 100.000003 dup2(3</app/xö.txt>, 7) = 7</app/xö.txt>',
    '10 100.000004 clone(child_stack=NULL, flags=CLONE_VM|CLONE_FILES|CLONE_THREAD) = 11',
    '10 100.000005 vfork( <unfinished ...>',
    '12 100.000006 read(7</app/xö.txt>, "", 10) = 10',
    '10 100.000007 <... vfork resumed>) = 12',
    '11 100.000008 read(7</app/xö.txt>, "...", 10) = 5',
    '11 100.000009 lseek(3</app/xö.txt>, 1000, SEEK_SET) = 1000',
    '10 100.000010 read(3</app/xö.txt>,  <unfinished ...>',
    '10 100.000011 <... read resumed>"y", 4) = 4',
    '10 100.000012 pread64(3</app/xö.txt>, "y", 4, 5000) = 4',
    '10 100.000013 mmap(NULL, 8192, PROT_READ|PROT_EXEC, MAP_PRIVATE, 3</app/xö.txt>, 0x1000) = 0x7f00',
    '10 100.000014 openat(AT_FDCWD</app>, "none", O_RDONLY) = -1 ENOENT (No such file or directory)',
    '10 100.000015 fchmodat(AT_FDCWD</app>, "x", 0600) = 0',
    '10 100.000016 write(1</dev/null>, "openat(\\"/x\\") = 3", 5) = 5',
    '10 100.000017 +++ exited with 0 +++',
    '10 100.000018 rubbish',
    '10 100.000019 open("rel", O_RDONLY) = 9',
  );
  assert.deepEqual(
    trace.events.map(({ t, pid, op, ...rest }) => [
      t,
      op,
      'off' in rest ? [rest.off, rest.len] : 'path' in rest ? rest.path : pid,
    ]),
    [
      [0, 'exec', '/bin/a'],
      [1, 'open', '/app/xö.txt'],
      [2, 'read', [0, 60]],
      [4, 'fork', 10],
      [6, 'read', [0, 10]],
      [5, 'fork', 10],
      [8, 'read', [60, 5]],
      [10, 'read', [1000, 4]],
      [12, 'read', [5000, 4]],
      [13, 'mmap', [4096, 8192]],
      [15, 'meta', '/app/x'],
    ],
  );
  const [open] = trace.events.filter((event) => event.op === 'open');
  assert.equal(open?.fl, 2);
  assert.deepEqual(dropped, { failed: 1, 'no-content': 6, relative: 1, 'not-understood': 1 });
  assert.equal(ambiguous, 1, 'the child reads on where nobody saw its parent open');
});

test('strace: what the kernel copies or fetches by itself is read, and each flag of openat2 counts', async () => {
  const { trace, dropped } = await from(
    'strace',
    '10 1.000000 openat2(AT_FDCWD</>, "/app/x", {flags=O_RDWR|O_CLOEXEC, resolve=0}, 24) = 3</app/x>',
    '10 1.000001 copy_file_range(3</app/x>, NULL, 4</out>, NULL, 100, 0) = 60',
    '10 1.000002 splice(3</app/x>, NULL, 5<pipe:[9]>, NULL, 100, SPLICE_F_MORE) = 40',
    '10 1.000003 copy_file_range(3</app/x>, [500], 4</out>, [0], 7, 0) = 7',
    '10 1.000004 sendfile(4</out>, 3</app/x>, NULL, 8) = 8',
    '10 1.000005 sendfile(4</out>, 3</app/x>, [10] => [12], 2) = 2',
    '10 1.000006 splice(5<pipe:[9]>, NULL, 4</out>, NULL, 100, 0) = 40',
    '10 1.000007 fadvise64(3</app/x>, 4096, 0, POSIX_FADV_WILLNEED) = 0',
    '10 1.000008 fadvise64(3</app/x>, 0, 0, POSIX_FADV_SEQUENTIAL) = 0',
    '10 1.000009 readahead(3</app/x>, 0, 8192) = 0',
  );
  assert.deepEqual(
    trace.events.map((event) => (event.op === 'read' ? [event.off, event.len] : 'fl' in event && event.fl)),
    [2, [0, 60], [60, 40], [500, 7], [100, 8], [10, 2], [4096, -1], [0, 8192]],
  );
  assert.equal(dropped['no-content'], 2);
});

test('lines that can be read in more ways than one are counted', async () => {
  const strace = await from(
    'strace',
    '10 1.000000 read(5</app/x>, "a", 1) = 1',
    '10 1.000001 pread64(5</app/x>, "a", 1, 70) = 1',
    '10 1.000002 lseek(5</app/x>, 100, SEEK_SET) = 100',
    '10 1.000003 read(5</app/x>, "a", 1) = 1',
  );
  assert.deepEqual([strace.used, strace.ambiguous], [3, 1]);
  assert.deepEqual(
    strace.trace.events.map((event) => (event.op === 'read' ? event.off : undefined)),
    [0, 70, 100],
  );
  const bpftrace = await from('bpftrace', 'sh -c /bin/x /etc/y', '12 node /etc/a b');
  assert.deepEqual([bpftrace.used, bpftrace.ambiguous], [2, 1]);
  assert.deepEqual([...opened(bpftrace.trace.events)], ['/bin/x /etc/y', '/etc/a b']);
  const snoop = await from('opensnoop', '12 a 3 0 /b 4   0 /c', '12 a 3 0 /b 4');
  assert.deepEqual([snoop.used, snoop.ambiguous], [2, 1]);
});

test('fatrace, opensnoop: the real samples', async () => {
  const fatrace = await importTrace(fixture('traces', 'fatrace.txt'), 'fatrace');
  const lines = readFileSync(fixture('traces', 'fatrace.txt'), 'utf8').trim().split('\n');
  assert.equal(fatrace.used + fatrace.dropped['no-content'], lines.length);
  assert.equal(fatrace.ambiguous, 0);
  assert.ok(opened(fatrace.trace.events).has('/usr/lib/x86_64-linux-gnu/libc.so.6'));
  assert.equal(fatrace.trace.events[0]?.t, 0);
  assert.ok(fatrace.trace.events.some((event) => event.op === 'read' && event.len === -1));

  const opensnoop = await importTrace(fixture('traces', 'opensnoop.txt'), 'opensnoop');
  assert.ok(opened(opensnoop.trace.events).has('/etc/ssl/openssl.cnf'));
  assert.equal(opensnoop.dropped['not-understood'], 2, 'two lines of heading');
});

/** What perl opened in `perl -MPOSIX`, beside the devices: the samples below are of this start. */
const PERL = [
  ...['/etc/ld.so.cache', '/lib/x86_64-linux-gnu/libm.so.6', '/lib/x86_64-linux-gnu/libc.so.6'],
  '/lib/x86_64-linux-gnu/libcrypt.so.1',
  ...['POSIX.pm', 'strict.pm', 'warnings.pm', 'Fcntl.pm', 'Exporter.pm', 'XSLoader.pm'].map(inPerl),
  ...['auto/Fcntl/Fcntl.so', 'auto/POSIX/POSIX.so', 'Tie/Hash.pm', 'Carp.pm', 'overloading.pm'].map(inPerl),
  ...['warnings/register.pm', 'Exporter/Heavy.pm'].map(inPerl),
];
function inPerl(name: string): string {
  return `/usr/lib/x86_64-linux-gnu/perl-base/${name}`;
}
const DEVICES = ['/dev/urandom', '/dev/null'];
/** As the kernel tells them, without the link that `/lib` is. */
const reached = PERL.map((path) => path.replace(/^\/lib/, '/usr/lib'));
/** As who serves or watches the files sees them: no links at all, and what the kernel itself opens. */
const served = [
  ...reached.map((path) => path.replace(/libcrypt\.so\.1$/, 'libcrypt.so.1.1.0')),
  ...['/usr/bin/perl', '/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2'],
];
const same = (paths: Iterable<string>, wanted: readonly string[]): void => {
  assert.deepEqual([...paths].sort(), [...wanted].sort());
};

test('opensnoop of libbpf-tools with all its columns: the real sample', async () => {
  const { trace, used, ambiguous, dropped } = await importTrace(
    fixture('traces', 'opensnoop-columns.txt'),
    'opensnoop',
  );
  same(opened(trace.events), [...PERL, ...DEVICES]);
  assert.deepEqual([used, ambiguous], [20, 0]);
  assert.deepEqual(dropped, { failed: 1, 'no-content': 0, relative: 1, 'not-understood': 1 });
  assert.deepEqual(
    [...new Set(trace.events.map(({ pid }) => pid))],
    [16126],
    'the process, and not the user before it',
  );
  assert.equal(trace.header.t0_unix_ns, '0', 'a wall clock without a date tells no time');
});

test('opensnoop: each set of columns that its options give', async () => {
  for (const [heading, before, after] of [
    ['PID    COMM FD ERR PATH', '', ''],
    ['TIME(s)       PID    COMM FD ERR PATH', '0.125000000   ', ''],
    ['TIME     PID    COMM FD ERR PATH', '18:16:39 ', ''],
    ['UID   PID    COMM FD ERR PATH', '1000  ', ''],
    ['TIME(s) UID   PID    COMM FD ERR FLAGS    PATH', '0.125 0 ', '02000000 '],
  ] as const) {
    const line = `${before}12   my app 3   0 ${after}/usr/share/a b`;
    const { trace } = await from('opensnoop', heading, line, line);
    assert.deepEqual([...opened(trace.events)], ['/usr/share/a b'], heading);
    assert.equal(trace.events[0]?.pid, 12, heading);
  }
  // Cut off at the front: the columns that all have, with or without a time.
  const bare = await from('opensnoop', '0.5 12 sh 3 0 /a', '18:16:39 12 sh 3 0 /b', '12 sh 3 0 /c');
  assert.deepEqual([...opened(bare.trace.events)], ['/a', '/b', '/c']);
});

test('bpftrace, as text and as JSON: the real samples', async () => {
  for (const [name, pid] of [
    ['bpftrace.txt', 18967],
    ['bpftrace.jsonl', 0],
  ] as const) {
    const { trace, used, ambiguous, dropped } = await importTrace(fixture('traces', name), 'bpftrace');
    // A program at the beginning of the call does not know that it is going to fail.
    same(opened(trace.events), [...PERL, ...DEVICES, '/none']);
    assert.deepEqual([used, ambiguous], [21, 0], name);
    assert.deepEqual(dropped, { failed: 0, 'no-content': 0, relative: 1, 'not-understood': 1 }, name);
    assert.ok(
      trace.events.every((event) => event.pid === pid),
      name,
    );
  }
});

test('what the recorders of stargz and nydus wrote', async () => {
  const stargz = await importTrace(fixture('traces', 'stargz.jsonl'), 'stargz');
  same(opened(stargz.trace.events), [...reached, ...DEVICES]);
  const nydus = await importTrace(fixture('traces', 'nydus.txt'), 'nydus');
  // The engine looks users up in the container before it runs something there.
  same(opened(nydus.trace.events), [...served, '/etc/passwd', '/etc/group']);
  assert.deepEqual([stargz.used, nydus.used], [19, 21]);
  for (const { ambiguous, dropped } of [stargz, nydus]) {
    assert.equal(ambiguous, 0);
    assert.deepEqual(dropped, { failed: 0, 'no-content': 0, relative: 0, 'not-understood': 0 });
  }
  const paths = await importTrace(fixture('traces', 'nydus.txt'), 'paths');
  assert.deepEqual(paths.trace.events, nydus.trace.events);
});

test('the log of the SOCI snapshotter’s own file system under a start', async () => {
  const { trace, used, dropped } = await importTrace(fixture('traces', 'soci-log.jsonl'), 'soci-log');
  same(opened(trace.events), served);
  assert.equal(trace.events.filter(({ op }) => op === 'read').length, 109);
  assert.deepEqual([used, dropped['no-content'], dropped['not-understood']], [128, 190, 0]);
});

test('opensnoop and bpftrace: failures, relative paths, names with spaces, JSON', async () => {
  const snoop = await from(
    'opensnoop',
    'PID    COMM               FD ERR PATH',
    '12     Web Content        17   0 /usr/share/a b',
    '12     node               -1   2 /none',
    '12     node                3   0 rel/x',
    '1.25  12     node                3   0 /timed',
  );
  assert.deepEqual([...opened(snoop.trace.events)], ['/usr/share/a b', '/timed']);
  assert.deepEqual(snoop.dropped, { failed: 1, 'no-content': 0, relative: 1, 'not-understood': 1 });
  const text = await from('bpftrace', 'Attaching 1 probe...', 'node /etc/a', '7 my app /etc/b', 'node rel');
  assert.deepEqual([...opened(text.trace.events)], ['/etc/a', '/etc/b']);
  const json = await from(
    'bpftrace',
    '{"type": "attached_probes", "data": {"probes": 1}}',
    '{"type": "printf", "data": "node /etc/a\\n"}',
  );
  assert.deepEqual([...opened(json.trace.events)], ['/etc/a']);
});

test('stargz, nydus, plain paths and the log of the SOCI snapshotter', async () => {
  const stargz = await from('stargz', '{"path":"usr/bin/x","manifestDigest":"sha256:1","layerIndex":3}', 'x');
  assert.deepEqual([...opened(stargz.trace.events)], ['/usr/bin/x']);
  assert.equal(stargz.dropped['not-understood'], 1);
  for (const format of ['nydus', 'paths'] as const) {
    const list = await from(format, '# start', '/usr/bin/a', './etc/b', '', ' etc/c ');
    assert.deepEqual([...opened(list.trace.events)], ['/usr/bin/a', '/etc/b', '/etc/c']);
    assert.equal(list.used, 3);
  }
  const log = await from(
    'soci-log',
    '{"level":"debug","msg":"FUSE operation","operation":"node.Open","path":"usr/bin/python3.11","time":"2026-11-22T02:00:00.5Z"}',
    'node1 soci[3]: {"level":"debug","msg":"FUSE operation","operation":"file.Read","path":"usr/bin/python3.11","time":"2026-11-22T02:00:01Z"}',
    'time="2026-11-22T02:00:02Z" level=debug msg="FUSE operation" operation=file.Read path="app/a b"',
    '{"level":"debug","msg":"FUSE operation","operation":"node.Lookup","path":"usr/bin"}',
    '{"level":"info","msg":"starting"}',
  );
  assert.deepEqual(
    log.trace.events.map(({ t, op, ...rest }) => [t, op, 'path' in rest ? rest.path : '']),
    [
      [0, 'open', '/usr/bin/python3.11'],
      [500_000, 'read', '/usr/bin/python3.11'],
      [1_500_000, 'read', '/app/a b'],
    ],
  );
  assert.deepEqual(log.dropped, { failed: 0, 'no-content': 1, relative: 0, 'not-understood': 1 });
});

test('the log of a SOCI snapshotter of 2023, as in the threads of its project', async () => {
  const line = (operation: string, path: string): string =>
    `{"level":"debug","msg":"FUSE operation","operation":"${operation}","path":"${path}","time":"2023-01-10T20:48:49.925292563Z"}`;
  const { trace, used, dropped } = await from(
    'soci-log',
    line('Lookup', 'usr/lib'),
    line('Open', 'usr/lib/libc.so.6'),
    line('file.Read', 'usr/lib/libc.so.6'),
  );
  assert.deepEqual([used, dropped['no-content']], [2, 1]);
  assert.deepEqual(
    trace.events.map(({ op }) => op),
    ['open', 'read'],
  );
});

test('a file of another form is refused', async () => {
  for (const format of ['strace', 'fatrace', 'opensnoop', 'stargz', 'soci-log'] as const) {
    await assert.rejects(from(format, 'hello', 'world'), lensError('trace/bad-import', new RegExp(format)));
  }
  await assert.rejects(from('paths', ''), lensError('trace/bad-import', /empty/));
  await assert.rejects(importTrace('/no/such', 'paths'), lensError('trace/not-found'));
});
