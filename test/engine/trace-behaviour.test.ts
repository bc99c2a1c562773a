/** A traced program must not notice: exit codes, signals, users and output are as without a tracer. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { ensureImage } from '../support/engine';
import { buildFrom, events, filesOf, record, runUntraced } from '../support/tracing';

/** fx-edge for a user without rights, with a group and a home of its own. */
const USER_IMAGE = 'fx-edge-user';

before(async () => {
  await ensureImage('fx-edge');
  await buildFrom(
    USER_IMAGE,
    'FROM fx-edge\nRUN groupadd -g 77 extra && useradd -u 1234 -m -G extra app\nUSER app\n',
  );
});

/** Runs a program of fx-edge with and without the tracer and gives the recording, once both behaved alike. */
async function alike(command: readonly string[]) {
  const untraced = await runUntraced('fx-edge', command);
  const recorded = await record('fx-edge', { command });
  assert.deepEqual(recorded.output, untraced.output);
  assert.equal(recorded.trace.footer?.exit_code, untraced.exitCode);
  return recorded;
}

test('PID 1 reaps its own children only, gets no signal more, and groups stop and go on', async () => {
  const recorded = await alike(['/edge/waitall']);
  assert.equal(recorded.trace.footer?.exit_code, 7);
  assert.match(recorded.output[0] ?? '', /pid=1 reaped=1 .*sigchld=1$/);
  assert.equal(recorded.trace.footer.reason, 'exit');
  const ends = events(recorded, 'exit').map(({ code, sig }) => [code, sig]);
  assert.deepEqual(ends, [
    [3, undefined],
    [undefined, 15],
  ]);
});

test('a thread that executes another program takes over its process', async () => {
  const recorded = await alike(['/edge/thr']);
  assert.deepEqual(
    events(recorded, 'exec').map(({ path, pid }) => [path, pid]),
    [
      ['/edge/thr', 1],
      ['/edge/suid', 1],
    ],
  );
  assert.ok(filesOf(recorded).has('/etc/shadow'));
});

test('a setuid program keeps its rights in compat mode, and loses them without', async () => {
  const setuid = async (compat: boolean) =>
    record(USER_IMAGE, { command: ['/edge/suid'], compat }).then(({ output }) => output[0]);
  const untraced = await runUntraced(USER_IMAGE, ['/edge/suid']);
  assert.match(untraced.output[0] ?? '', /ruid=1234 euid=0/);
  assert.equal(await setuid(true), untraced.output[0]);
  assert.match((await setuid(false)) ?? '', /ruid=1234 euid=1234/);
});

test('compat mode: the program has the user, groups and capabilities of an untraced one', async () => {
  const command = [
    '/bin/sh',
    '-c',
    'grep -E "^(Uid|Gid|Groups|Cap|NoNewPrivs)" /proc/self/status; echo $HOME',
  ];
  const untraced = await runUntraced(USER_IMAGE, command);
  const { output } = await record(USER_IMAGE, { command, compat: true });
  assert.deepEqual(output, untraced.output);
  for (const compat of [false, true]) {
    // Root gets CAP_SYS_PTRACE for the tracer; the program must not.
    const root = await runUntraced('fx-edge', command);
    const traced = await record('fx-edge', { command, compat });
    const same = (lines: readonly string[]) =>
      lines.filter((line) => compat || !line.startsWith('NoNewPrivs'));
    assert.deepEqual(same(traced.output), same(root.output), `compat ${String(compat)}`);
  }
});

test('a program that may be executed and not be read is recorded by its name', async () => {
  const recorded = await record(USER_IMAGE, { command: ['/edge/noread'] });
  assert.equal(recorded.trace.footer?.exit_code, 0);
  assert.deepEqual(
    events(recorded, 'exec').map(({ path, real }) => [path, real]),
    [['/edge/noread', undefined]],
  );
});

test('an entrypoint of root that changes its user is followed', async () => {
  const recorded = await alike(['/edge/gosu', '/bin/cat', '/etc/debian_version']);
  const [read] = events(recorded, 'read', '/etc/debian_version');
  assert.equal(read?.off, 0);
  assert.ok(events(recorded, 'pages', '/usr/bin/cat').length > 0);
});

test('what a program of another user may not open is not counted', async () => {
  const read = 'cat /root/.profile 2>&1; cat /etc/debian_version';
  const recorded = await alike(['/edge/gosu', '/bin/sh', '-c', read]);
  assert.deepEqual(
    events(recorded, 'open', '/root/.profile').map(({ ret }) => ret),
    [-13],
  );
  assert.ok(filesOf(recorded).has('/etc/debian_version'));
});

test('chroot: the path is what the program said, the real one is the container’s', async () => {
  const recorded = await alike(['/edge/chro']);
  const [open] = events(recorded, 'open', '/etc/motd');
  assert.equal(open?.real, '/srv/jail/etc/motd');
});

test('a program that traces for itself is refused, and the trace says that it tried', async () => {
  const recorded = await record('fx-edge', { command: ['/edge/ptr'] });
  assert.equal(recorded.trace.footer?.exit_code, 0);
  assert.ok(events(recorded, 'mark').some(({ what }) => what === 'ptrace'));
});

test('two thousand children: every exec once, pages not again and again', async () => {
  const recorded = await record('fx-edge', { command: ['/edge/storm'] });
  assert.equal(recorded.trace.footer?.exit_code, 0);
  assert.equal(events(recorded, 'exec', '/edge/true').length, 2000);
  assert.equal(events(recorded, 'fork').length, 2000);
  assert.ok(events(recorded, 'pages').length < 40);
});

test('names that are not UTF-8 or hold newlines and quotes come out as they are', async () => {
  const script = String.raw`printf x > "$(printf '/tmp/a\nb"c\\')"; cat "$(printf '/tmp/a\nb"c\\')"; printf x > "$(printf '/tmp/\377')"; cat "$(printf '/tmp/\377')"`;
  const recorded = await record('fx-edge', { command: ['/bin/sh', '-c', script] });
  assert.ok(filesOf(recorded).has('/tmp/a\nb"c\\'));
  const odd = events(recorded, 'read').find((event) => event.path_b64 !== undefined);
  assert.deepEqual(Buffer.from(odd?.path_b64 ?? '', 'base64'), Buffer.from('/tmp/\xff', 'latin1'));
});

test('what makes an overlay copy a file up is recorded as such', async () => {
  const script =
    'chmod 600 /etc/issue; echo >> /etc/motd-none; mv /etc/debian_version /etc/moved; ln -s x /tmp/l; chown -h 1 /tmp/l';
  const recorded = await record('fx-edge', { command: ['/bin/sh', '-c', script] });
  const changed = events(recorded, 'meta').map(({ path, nofollow }) => [path, nofollow]);
  assert.deepEqual(changed, [
    ['/etc/issue', undefined],
    ['/etc/debian_version', 1],
    ['/tmp/l', 1],
  ]);
});
