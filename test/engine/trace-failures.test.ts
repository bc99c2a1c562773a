/** Starts that come to nothing: each has a clear outcome, and no container stays. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFile, cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { hostname } from 'node:os';
import path from 'node:path';
import { afterEach, before, test } from 'node:test';
import { buildImage } from '../../src/image/build';
import { connectEngine } from '../../src/image/engine';
import { findLeftovers, removeLeftovers } from '../../src/trace/leftovers';
import { recordStart } from '../../src/trace/record';
import { EngineProxy } from '../support/engine-proxy';
import { ensureImage, testEngine } from '../support/engine';
import { lensError } from '../support/errors';
import { temporaryFolder } from '../support/folders';
import { buildFrom, events, filesOf, madeHere, record, subject, tracerDir } from '../support/tracing';

before(() => ensureImage('fx-edge'));

afterEach(async () => {
  assert.deepEqual(await madeHere(), { containers: 0, volumes: 0 });
});

const shell = (script: string) => ({ command: ['/bin/sh', '-c', script] });

test('an image without ENTRYPOINT and CMD', async () => {
  await buildFrom('fx-nothing', 'FROM scratch\nLABEL a=b\n');
  await assert.rejects(record('fx-nothing'), lensError('trace/no-command', /ENTRYPOINT/));
});

test('a command that is not there, or is not a program', async () => {
  const missing = lensError('trace/command-not-found', /"\/no\/such": No such file or directory/);
  await assert.rejects(record('fx-edge', { command: ['/no/such'] }), missing);
  await assert.rejects(
    record('fx-edge', { command: ['nosuch'] }),
    lensError('trace/command-not-found', /"nosuch"/),
  );
  await assert.rejects(
    record('fx-edge', { command: ['/etc/passwd'] }),
    lensError('trace/command-not-found', /Permission denied/),
  );
});

test('an image of another machine, and no emulator', async (t) => {
  const engine = await testEngine();
  const other = engine.info.architecture === 'amd64' ? 'arm64' : 'amd64';
  const emulators = await readdir('/proc/sys/fs/binfmt_misc').catch(() => []);
  if (emulators.some((name) => name.startsWith('qemu-'))) {
    t.diagnostic('this machine has an emulator');
    return;
  }
  const contextDir = await temporaryFolder(t);
  // The one program for another machine that is at hand.
  await copyFile(path.join(await tracerDir(), `tracer-${other}`), path.join(contextDir, 'app'));
  await writeFile(path.join(contextDir, 'Dockerfile'), 'FROM scratch\nCOPY app /\nENTRYPOINT ["/app"]\n');
  await buildImage(engine, { contextDir, dockerfile: 'Dockerfile', tag: 'fx-other-machine' });
  await assert.rejects(
    record('fx-other-machine'),
    lensError('trace/other-machine', /"\/app" .* no emulator for it: Exec format error/),
  );
});

/** A profile that answers `EPERM` to one call, everywhere or with this first argument only. */
function denying(name: string, first?: number): string {
  const args = first === undefined ? [] : [{ index: 0, value: first, op: 'SCMP_CMP_EQ' }];
  const syscalls = [{ names: [name], action: 'SCMP_ACT_ERRNO', args }];
  return `seccomp=${JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls })}`;
}

test('a seccomp profile that denies ptrace, and a kernel that denies to attach', async () => {
  // Yama's ptrace_scope refuses PTRACE_SEIZE in the same way.
  const PTRACE_SEIZE = 0x4206;
  for (const profile of [denying('ptrace'), denying('ptrace', PTRACE_SEIZE)]) {
    await assert.rejects(
      record('fx-edge', {
        ...shell('echo hello; sleep 60'),
        ready: 'listen',
        settings: { securityOpt: [profile] },
      }),
      lensError('trace/denied', /ptrace: Operation not permitted/),
    );
  }
});

test('a seccomp profile that denies to read memory: other ways are found', async () => {
  const settings = { securityOpt: [denying('process_vm_readv')] };
  for (const tracerFlags of [[], ['-R']]) {
    const recorded = await record('fx-edge', {
      ...shell('exec cat /etc/debian_version'),
      settings,
      tracerFlags,
    });
    assert.equal(events(recorded, 'open', '/etc/debian_version').length, 1);
    assert.equal(events(recorded, 'read', '/etc/debian_version').length, 2);
    assert.ok(filesOf(recorded).has('/usr/bin/cat'));
  }
});

test('a seccomp profile that denies filters: slower, and complete', async () => {
  const settings = { securityOpt: [denying('seccomp'), 'no-new-privileges'] };
  const recorded = await record('fx-edge', { command: ['/bin/cat', '/etc/debian_version'], settings });
  assert.equal(recorded.trace.header.mode, 'ptrace');
  assert.equal(events(recorded, 'read', '/etc/debian_version').length, 2);
});

test('a crash keeps the trace up to it, with the last lines', async () => {
  // While something inside asks it over HTTP, too.
  for (const ready of ['listen', 'http=8080/']) {
    const { trace } = await record('fx-edge', {
      ...shell('cat /etc/debian_version; sleep 0.4; echo no database >&2; exit 3'),
      ready,
    });
    assert.equal(trace.footer?.reason, 'early-exit', ready);
    assert.equal(trace.footer.exit_code, 3);
    assert.ok(trace.footer.log?.includes('no database'));
    assert.ok(trace.events.some((event) => event.op === 'read' && event.path === '/etc/debian_version'));
  }
});

test('a program that the kernel ends for want of memory', async () => {
  const { trace } = await record('fx-edge', {
    ...shell('cat /etc/debian_version; tail /dev/zero'),
    ready: 'listen',
    settings: { memoryBytes: 32 << 20 },
  });
  assert.ok(trace.footer?.reason === 'oom' || trace.footer?.exit_code === 137, JSON.stringify(trace.footer));
});

test('a container that is never ready', async () => {
  const { trace } = await record('fx-edge', {
    ...shell('echo waiting; exec sleep 60'),
    ready: 'listen',
    timeoutMs: 2500,
  });
  assert.equal(trace.footer?.reason, 'timeout');
  assert.deepEqual(trace.footer.log, ['waiting']);
  assert.ok(trace.events.some((event) => event.op === 'pages' && event.why === 'ready'));
});

test('stopped by the person, it is kept; cancelled, it is not', async () => {
  const stop = new AbortController();
  const kept = await record('fx-edge', {
    ...shell('sleep 0.1; echo slept; exec sleep 600'),
    ready: 'listen',
    stop: stop.signal,
    onLog: () => {
      setTimeout(() => {
        stop.abort();
      }, 1500);
    },
  });
  assert.equal(kept.trace.footer?.reason, 'stopped');
  assert.ok(filesOf(kept).has('/usr/bin/sleep'));

  for (const delay of [0, 50, 1000]) {
    const signal = AbortSignal.timeout(delay);
    await assert.rejects(
      record('fx-edge', { ...shell('exec sleep 60'), ready: 'listen', signal }),
      (error: unknown) => error === signal.reason,
      `after ${delay} ms`,
    );
    assert.deepEqual(await madeHere(), { containers: 0, volumes: 0 });
  }
});

test('a read-only root', async () => {
  const recorded = await record('fx-edge', {
    ...shell('touch /tmp/x || cat /etc/debian_version'),
    settings: { readOnly: true },
  });
  assert.match(recorded.output.join('\n'), /Read-only file system/);
  assert.ok(filesOf(recorded).has('/etc/debian_version'));
  assert.ok(recorded.trace.header.excluded_mounts?.includes('/.trc'));
});

test('no capabilities, no new privileges, no network, and room for few processes', async () => {
  const recorded = await record('fx-edge', {
    command: ['/bin/cat', '/etc/debian_version'],
    settings: { pids: 3, network: 'none', securityOpt: ['no-new-privileges'], cpus: 0.5 },
  });
  assert.equal(recorded.trace.footer?.exit_code, 0);
  assert.ok(filesOf(recorded).has('/etc/debian_version'));
  // No room for the tracer itself: the program runs, and it is said why there is no trace.
  await assert.rejects(
    record('fx-edge', { command: ['/bin/cat', '/etc/debian_version'], settings: { pids: 1 } }),
    lensError('trace/denied', /clone/),
  );
});

test('an image that has something in the place of the tracer', async () => {
  await buildFrom('fx-link', 'FROM fx-edge\nRUN ln -s /etc /.trc\n');
  await assert.rejects(record('fx-link', shell('true')), lensError('trace/cannot-run'));
  await buildFrom(
    'fx-file',
    'FROM fx-edge\nRUN mkdir -p /.trc/out && ln -s /etc/passwd /.trc/out/trace.jsonl\n',
  );
  await assert.rejects(record('fx-file', shell('true')), lensError('trace/denied', /File exists/));
});

test('a program that destroys its own trace', async () => {
  await assert.rejects(
    record('fx-edge', shell('rm -f /.trc/out/trace.jsonl; ln -s /etc/passwd /.trc/out/trace.jsonl')),
    lensError('trace/denied', /no trace/),
  );
  await assert.rejects(
    record('fx-edge', shell('echo nonsense > /.trc/out/trace.jsonl')),
    lensError('trace/bad-file'),
  );
});

test('an image that is not there any more, or is another by now', async () => {
  const { config } = await subject('fx-edge');
  const engine = await testEngine();
  const options = { tracerDir: await tracerDir(), ready: { kind: 'exit' } as const, timeoutMs: 1000 };
  await assert.rejects(
    recordStart(engine, { id: 'fx-never', config }, options),
    lensError('trace/other-image'),
  );
  await assert.rejects(
    recordStart(engine, { id: 'fx-link', config }, options),
    lensError('trace/other-image'),
  );
});

test('no tracer for the engine’s machine', async (t) => {
  const folder = await temporaryFolder(t);
  await assert.rejects(record('fx-edge', { tracerDir: folder }), lensError('trace/no-tracer', /amd64|arm64/));
  await mkdir(path.join(folder, 'copy'));
  await cp(await tracerDir(), path.join(folder, 'copy'), { recursive: true });
  await record('fx-edge', { command: ['/edge/true'], tracerDir: path.join(folder, 'copy') });
});

test('the image has no health check to wait for', async () => {
  await assert.rejects(record('fx-edge', { ready: 'health' }), lensError('trace/bad-rule', /HEALTHCHECK/));
});

test('the engine is lost in the middle: what was seen is kept, what stays is found later', async (t) => {
  const target = new URL(process.env['DOCKER_HOST'] ?? '');
  assert.equal(target.protocol, 'unix:', 'the tests talk to an engine of this machine');
  const socket = path.join(await temporaryFolder(t), 'engine.sock');
  const connections = new Set<Socket>();
  const proxy = createServer((client) => {
    const engine = connect(target.pathname);
    for (const [one, other] of [
      [client, engine],
      [engine, client],
    ] as const) {
      connections.add(one);
      one.on('error', () => other.destroy());
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => proxy.listen(socket, resolve));
  const lose = () => {
    proxy.close();
    for (const connection of connections) connection.destroy();
  };
  t.after(lose);

  const trace = await recordStart(
    await connectEngine({ host: `unix://${socket}` }),
    await subject('fx-edge'),
    {
      tracerDir: await tracerDir(),
      ready: { kind: 'exit' },
      timeoutMs: 600_000,
      command: ['/bin/sh', '-c', 'cat /etc/debian_version; sleep 60; cat /etc/issue'],
      onProgress: ({ done = 0 }) => {
        if (done > 5) setTimeout(lose, 300);
      },
    },
  );
  assert.equal(trace.footer?.reason, 'engine-lost');
  const paths = new Set(trace.events.flatMap((event) => ('path' in event ? [event.path] : [])));
  assert.ok(paths.has('/etc/debian_version') && !paths.has('/etc/issue'));
  assert.ok(trace.header.image);
  assert.deepEqual(await madeHere(), { containers: 1, volumes: 0 });
  const engine = await testEngine();
  const ours = (await engine.docker.listContainers({ filters: { label: ['soci-lens.trace'] } })).find(
    ({ Labels: labels }) => labels['soci-lens.trace']?.startsWith(`${hostname()} ${process.pid} `),
  );
  assert.ok(ours && !(await findLeftovers(engine)).containers.includes(ours.Id), 'it might still run');
  const later = Date.now() + 3_600_000;
  assert.ok((await findLeftovers(engine, { own: true })).containers.includes(ours.Id));
  assert.ok((await findLeftovers(engine, { now: later })).containers.includes(ours.Id));
  await removeLeftovers(engine, { containers: [ours.Id], volumes: [] });
});

test('the engine is lost when the trace is fetched: what was seen while it was written is kept', async (t) => {
  const socket = path.join(await temporaryFolder(t), 'engine.sock');
  const proxy = new EngineProxy(process.env['DOCKER_HOST'] ?? '', socket);
  await proxy.revive();
  t.after(() => {
    proxy.die();
  });
  proxy.dieIn({ path: /^GET .*trace\.jsonl$/, after: 1000 });
  const stop = new AbortController();
  const { events: seen, footer } = await recordStart(
    await connectEngine({ host: proxy.host }),
    await subject('fx-edge'),
    {
      tracerDir: await tracerDir(),
      ready: { kind: 'exit' },
      timeoutMs: 600_000,
      command: ['/bin/sh', '-c', 'cat /etc/debian_version; exec sleep 600'],
      stop: stop.signal,
      onProgress: ({ done = 0 }) => {
        if (done > 5) stop.abort();
      },
    },
  );
  assert.ok(proxy.isDead);
  assert.equal(footer?.reason, 'engine-lost');
  assert.ok(seen.some((event) => event.op === 'read' && event.path === '/etc/debian_version'));
  const engine = await testEngine();
  await removeLeftovers(engine, await findLeftovers(engine, { own: true }));
});

test('leftovers of a killed program are found and removed, what is in use is not', async (t) => {
  const engine = await testEngine();
  const killed = spawnSync(process.execPath, ['-e', '']);
  const soon = Date.now() + 3_600_000;
  const label = (value: string) => ({ Labels: { 'soci-lens.trace': value } });
  const make = async (value: string) =>
    (await engine.docker.createContainer({ Image: 'fx-edge', ...label(value) })).id;
  const left = [
    await make(`${hostname()} ${killed.pid} ${soon}`),
    await make(`another-host 1 ${Date.now() - 1000}`),
    await make('1'),
  ];
  const inUse = [await make(`${hostname()} ${process.ppid} ${soon}`), await make(`another-host 1 ${soon}`)];
  t.after(() => Promise.all(inUse.map((id) => engine.docker.getContainer(id).remove({ force: true }))));
  const volume = await engine.docker.createVolume(label(`${hostname()} ${killed.pid} ${soon}`));
  const found = await findLeftovers(engine);
  assert.deepEqual(
    [...left, ...inUse].filter((id) => found.containers.includes(id)),
    left,
  );
  assert.ok(found.volumes.includes(volume.name));
  await removeLeftovers(engine, { containers: left, volumes: [volume.name] });
  const after = await findLeftovers(engine);
  assert.ok(!after.volumes.includes(volume.name) && !left.some((id) => after.containers.includes(id)));
});
