/** Programs and images that make tracing hard, or try to: the outcome is clear, and the program behaves as without a tracer. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { ensureImage, testEngine } from '../support/engine';
import { isLens, lensError } from '../support/errors';
import { buildFrom, events, filesOf, madeHere, record, runUntraced } from '../support/tracing';

const PYTHON = 'fx-python-plain';

before(async () => {
  await ensureImage('fx-edge');
  await ensureImage('fx-py');
  await buildFrom(PYTHON, 'FROM fx-py\nENTRYPOINT ["python3", "-c"]\nCMD []\nHEALTHCHECK NONE\n');
});

/** The same script with and without a tracer: output and exit code must be the same. */
async function alike(image: string, command: readonly string[], options: Parameters<typeof record>[1] = {}) {
  const untraced = await runUntraced(image, command);
  const recorded = await record(image, { command, ...options });
  assert.deepEqual(recorded.output, untraced.output);
  assert.equal(recorded.trace.footer?.exit_code, untraced.exitCode);
  return recorded;
}

test('ten thousand processes, each another program', { timeout: 900_000 }, async () => {
  const recorded = await record('fx-edge', {
    command: ['/bin/sh', '-c', 'for i in 1 2 3 4 5; do /edge/storm; done'],
    timeoutMs: 100_000,
  });
  assert.equal(recorded.trace.footer?.exit_code, 0);
  assert.equal(events(recorded, 'exec', '/edge/true').length, 10_000);
  assert.equal(events(recorded, 'fork').length, 10_005);
  assert.equal(events(recorded, 'exit').filter(({ code }) => code === 0).length, 10_005);
});

test('a bomb of processes that hits the limit', async () => {
  const script = `
import os
made = 0
try:
    while True:
        if os.fork() == 0:
            import time; time.sleep(60)
        made += 1
except BlockingIOError:
    print('no more', flush=True)
`;
  const recorded = await record(PYTHON, { command: [script], settings: { pids: 40 } });
  assert.deepEqual(recorded.output, ['no more']);
  assert.equal(recorded.trace.footer?.exit_code, 0);
  assert.ok(filesOf(recorded).has('/usr/bin/python3.11'));
});

test('a program that rewrites its own name and arguments', async () => {
  const script = `
import ctypes
libc = ctypes.CDLL(None)
libc.prctl(15, b'soci-tracer')
name = open('/proc/self/cmdline', 'rb').read()
print(open('/proc/self/comm').read().strip(), len(name))
open('/etc/issue').read()
`;
  const recorded = await alike(PYTHON, [script]);
  assert.ok(filesOf(recorded).has('/etc/issue'));
});

test('signals arrive as without a tracer', async () => {
  const script = `
import os, signal
got = []
for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGTRAP, signal.SIGALRM):
    signal.signal(number, lambda n, _: got.append(signal.Signals(n).name))
for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP, signal.SIGTRAP):
    os.kill(os.getpid(), number)
signal.setitimer(signal.ITIMER_REAL, 0.05); signal.pause()
pid = os.fork()
if pid == 0: os.kill(os.getpid(), signal.SIGKILL)
print(got, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
os._exit(42)
`;
  await alike(PYTHON, [script]);
});

test('a program that fights the tracer: kills it, closes everything, fills the output', async () => {
  const kill = `
import os, signal
tracer = next(int(p) for p in os.listdir('/proc') if p.isdigit() and open(f'/proc/{p}/comm').read() == 'soci-tracer\\n')
open('/etc/issue').read()
try:
    os.kill(tracer, signal.SIGKILL)
    print('killed', flush=True)
except PermissionError:
    print('may not', flush=True)
`;
  // Both are of the same user, so it may. What was written until then is kept.
  try {
    const killed = await record(PYTHON, { command: [kill] });
    assert.ok(filesOf(killed).has('/etc/issue'));
  } catch (error) {
    assert.ok(isLens(error, 'trace/denied') || isLens(error, 'trace/command-not-found'), String(error));
  }
  const closed = await alike(PYTHON, [
    'import os\nos.closerange(3, 4096)\nprint(open("/etc/issue").read().strip())',
  ]);
  assert.ok(filesOf(closed).has('/etc/issue'));
  const appended = await record(PYTHON, {
    command: ['try:\n  open("/.trc/out/trace.jsonl", "a").write("{}\\n" * 3)\nexcept OSError as e: print(e)'],
  }).catch((error: unknown) => error);
  // Lines of a program in the trace are found out: they are no events.
  assert.ok(isLens(appended, 'trace/bad-file') || !(appended instanceof Error), String(appended));
});

test('a program that cuts the trace under the tracer goes on as without one', async () => {
  const output: string[] = [];
  const script = `
before = len(open('/etc/passwd').read())
open('/.trc/out/trace.jsonl', 'w').close()
# More than the tracer writes at once into one piece of the file.
for i in range(4000): open('/etc/passwd').read(1)
print(before == len(open('/etc/passwd').read()), flush=True)
raise SystemExit(5)
`;
  const outcome = await record(PYTHON, {
    command: [script],
    onLog: (line) => output.push(line),
  }).catch((error: unknown) => error);
  assert.deepEqual(output, ['True']);
  assert.ok(isLens(outcome, 'trace/bad-file') || !(outcome instanceof Error), String(outcome));
});

test('a program that stops the tracer is recorded to its end, and leaves nothing when it is cancelled', async () => {
  const script = `
import os, signal, time
tracer = next(int(p) for p in os.listdir('/proc') if p.isdigit() and open(f'/proc/{p}/comm').read() == 'soci-tracer\\n')
open('/etc/issue').read()
print('stopping', flush=True)
os.kill(tracer, signal.SIGSTOP)
time.sleep(600)
`;
  const stop = new AbortController();
  const kept = await record(PYTHON, {
    command: [script],
    ready: 'listen',
    stop: stop.signal,
    onLog: () => {
      stop.abort();
    },
  });
  assert.equal(kept.trace.footer?.reason, 'stopped');
  assert.ok(filesOf(kept).has('/etc/issue'));
  assert.ok(kept.trace.events.some(({ op }) => op === 'pages'));

  const cancel = new AbortController();
  await assert.rejects(
    record(PYTHON, {
      command: [script],
      ready: 'listen',
      signal: cancel.signal,
      onLog: () => {
        cancel.abort();
      },
    }),
  );
  assert.deepEqual(await madeHere(), { containers: 0, volumes: 0 });
});

test('an image that writes over the tracer, and links in /.trc that lead away', async () => {
  const trick = async (name: string, setup: string, outcome: ReturnType<typeof lensError>) => {
    await buildFrom(name, `FROM fx-edge\nRUN ${setup}\n`);
    await assert.rejects(record(name, { command: ['/bin/true'] }), outcome, setup);
  };
  await trick('fx-trick-1', 'mkdir /.trc && ln -s /etc /.trc/out', lensError('trace/cannot-run'));
  await trick('fx-trick-2', 'ln -s /proc/1/root/etc /.trc', lensError('trace/cannot-run'));
  await trick('fx-trick-3', 'touch /.trc', lensError('trace/cannot-run'));
  // A file in the place of the tracer is replaced by it.
  await buildFrom(
    'fx-trick-4',
    'FROM fx-edge\nRUN mkdir -p /.trc && printf "#!/bin/sh\\necho trick" > /.trc/tracer && chmod 755 /.trc/tracer\n',
  );
  assert.deepEqual((await record('fx-trick-4', { command: ['/bin/echo', 'mine'] })).output, ['mine']);
  await buildFrom('fx-trick-5', 'FROM fx-edge\nRUN mkdir -p /.trc && ln -s /bin/echo /.trc/tracer\n');
  assert.deepEqual((await record('fx-trick-5', { command: ['/bin/echo', 'mine'] })).output, ['mine']);
  assert.deepEqual((await runUntraced('fx-trick-5', ['/bin/echo', 'still'])).output, ['still']);
});

test('a program that puts another in the place of the tracer: its answers are none, and the trace is kept', async () => {
  const liar = `rm /.trc/tracer; printf '#!/bin/sh\\necho ${'9'.repeat(26)}\\n' > /.trc/tracer; chmod 755 /.trc/tracer`;
  const recorded = await record('fx-edge', {
    command: ['/bin/sh', '-c', `${liar}; cat /etc/issue; trap exit TERM; while :; do sleep 0.1; done`],
    ready: 'http=8080/',
    timeoutMs: 2500,
  });
  assert.equal(recorded.trace.footer?.reason, 'timeout');
  assert.equal(recorded.trace.footer.t_ready, undefined);
  assert.ok(filesOf(recorded).has('/etc/issue'));
});

test('the output replaced by a link while it runs: nothing of where it leads is read', async () => {
  const script = 'rm -rf /.trc/out/*; ln -s /etc /.trc/out/trace.jsonl; sleep 0.2';
  await assert.rejects(
    record('fx-edge', { command: ['/bin/sh', '-c', script] }),
    lensError('trace/denied', /no trace/),
  );
});

test('no space where the trace is written: the program goes on, and what was written is kept', async (t) => {
  const { docker } = await testEngine();
  const small = await docker.createVolume({
    Driver: 'local',
    DriverOpts: { type: 'tmpfs', device: 'tmpfs', o: 'size=64k,mode=1777' },
  });
  t.after(() => docker.getVolume(small.name).remove());
  const script =
    'cat /etc/issue; for i in $(seq 300); do cat /etc/debian_version >/dev/null; done; echo up; read x';
  const recorded = await record('fx-edge', {
    command: ['/bin/sh', '-c', `trap exit TERM; ${script}; while :; do sleep 0.1; done`],
    ready: 'log=^up$',
    settings: { mounts: [{ kind: 'volume', source: small.name, target: '/.trc/out', readOnly: false }] },
  });
  assert.equal(recorded.trace.footer?.reason, 'ready:log');
  assert.equal(recorded.output.at(-1), 'up');
  assert.ok(filesOf(recorded).has('/etc/issue'));
  const forks = events(recorded, 'fork').length;
  assert.ok(forks > 5 && forks < 300, `${forks} of 301 children are in it`);
});
