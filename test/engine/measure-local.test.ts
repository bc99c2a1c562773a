/**
 * Starts on this machine, by a real containerd with runc and overlayfs. The snapshotter `soci` and nerdctl are no part of Debian:
 * the first is only registered, the second is played.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { measureLocally } from '../../src/cluster/measure/local';
import { openLayout } from '../../src/image/layout';
import { createLayout } from '../../src/image/layout-writer';
import { connectRegistry } from '../../src/registry/client';
import { convertLayout } from '../../src/soci/convert';
import { pushLayout } from '../../src/soci/push';
import { runInProcess } from '../support/cli';
import { startContainerd, type TestContainerd } from '../support/containerd';
import { lensError } from '../support/errors';
import { temporaryFolder } from '../support/folders';
import { scanHere } from '../support/golden';
import { layerOf, writeImage } from '../support/images';
import { fixture } from '../support/paths';
import { makePlayedNerdctl } from '../support/played-nerdctl';
import { Random } from '../support/random';
import { freePort, startRegistry, type TestRegistry } from '../support/registry';

const run = promisify(execFile);

let registry: TestRegistry;
let containerd: TestContainerd;
/** One that knows a snapshotter `soci`. */
let lazy: TestContainerd;
let port: number;
/** References by digest. */
let plain: string;
let indexed: string;
let ending: string;
let elsewhere: string;

before(async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'soci-lens-local-'));
  try {
    const program = path.join(dir, 'listener');
    await run('gcc', ['-static', '-O1', fixture('images', 'listener/main.c'), '-o', program]);
    [registry, containerd, lazy, port] = await Promise.all([
      startRegistry(),
      startContainerd(),
      startContainerd('soci'),
      freePort(),
    ]);
    const layer = await layerOf([
      { name: 'listener', mode: 0o755, data: await readFile(program) },
      { name: 'data', data: new Random(1).bytes(200_000) },
    ]);
    const push = async (name: string, folder: string) => {
      const client = connectRegistry(registry.host, `local/${name}`);
      const { digest } = await pushLayout(await openLayout(folder), client, 'latest');
      await client.close();
      return `${registry.host}/local/${name}@${digest}`;
    };
    const image = async (name: string, args: readonly string[]) => {
      const folder = path.join(dir, name);
      await writeImage(folder, [layer], { config: { Entrypoint: ['/listener'], Cmd: args } });
      return push(name, folder);
    };
    plain = await image('plain', [String(port)]);
    ending = await image('ending', []);
    elsewhere = await image('elsewhere', [String(await freePort())]);
    const output = await createLayout(path.join(dir, 'indexed'));
    await convertLayout(await openLayout(path.join(dir, 'plain')), output, {
      ...{ spanSize: 65536, minLayerSize: 0, platforms: 'all', scan: scanHere },
    });
    indexed = await push('indexed', output.dir);
  } finally {
    await rm(dir, { recursive: true });
  }
});
after(async () => {
  await Promise.all([containerd.stop(), lazy.stop()]);
  await registry.stop();
});

/** However a measure ends, containerd is as before: no namespace, so nothing in one, no mount, no process. */
afterEach(async () => {
  for (const one of [containerd, lazy]) {
    assert.equal(await one.ctr('namespaces', 'ls', '--quiet'), '');
    assert.deepEqual(await one.holders(), []);
  }
});

const flags = (...more: string[]) => flagsOf(containerd, ...more);
const flagsOf = ({ socket }: TestContainerd, ...more: string[]) => [
  ...['cluster', 'measure', '--local', '--plain-http', '--containerd-socket', socket],
  ...['--plain', plain, '--indexed', indexed, '--port', String(port), ...more],
];

const measure = (image: string, signal: AbortSignal, timeout = 60_000) =>
  measureLocally(
    { plain: image, indexed, port, rounds: 1, timeout, socket: containerd.socket, plainHttp: true },
    { signal },
  );

const never = () => new AbortController().signal;

suite('a measure on this machine', () => {
  test('every start pulls, runs and serves; without the snapshotter it says so, and what to do', async () => {
    const { code, stdout, stderr } = await runInProcess(flags('--rounds', '2', '--yes', '--json'));
    assert.equal(code, 0, stderr);
    const { starts, failed, summary, notes } = JSON.parse(stdout) as {
      starts: { variant: string; seen: { pulled: number; started: number; ready: number } }[];
      failed: { variant: string; error: { code: string; advice: string } }[];
      summary: { figure: string; without?: { count: number }; with?: object }[];
      notes: string[];
    };
    assert.deepEqual(
      starts.map(({ variant }) => variant),
      ['without', 'without'],
    );
    for (const { seen } of starts)
      assert.ok(0 < seen.pulled && seen.pulled < seen.started && seen.started <= seen.ready);
    assert.deepEqual(
      summary.map(({ figure, without, with: lazily }) => [figure, without?.count, lazily]),
      [
        ['pulled', 2, undefined],
        ['started', 2, undefined],
        ['ready', 2, undefined],
      ],
    );
    assert.deepEqual(
      failed.map(({ variant, error }) => [variant, error.code]),
      [['with', 'cluster/no-snapshotter']],
    );
    assert.equal(notes.length, 2, notes.join('\n'));
    assert.match(notes[1] ?? '', /knows no snapshotter "soci".*Install soci-snapshotter-grpc/);
  });

  test('a dry run shows what would be done, and does nothing', async () => {
    const { code, stdout } = await runInProcess(flags('--dry-run'));
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^Containerd  ${containerd.socket}, .*waits for port ${port}`, 's'));
    assert.ok(stdout.includes(plain) && stdout.includes(indexed));
  });

  test('an image that is there already, for whoever it may be, ends it before a start', async () => {
    await containerd.ctr('--namespace', 'theirs', 'images', 'pull', '--plain-http', plain);
    await assert.rejects(measure(plain, never()), lensError('cluster/not-cold', /in its namespace theirs/));
    assert.match(await containerd.ctr('--namespace', 'theirs', 'images', 'ls', '--quiet'), /local\/plain/);
    await containerd.ctr('--namespace', 'theirs', 'images', 'rm', '--sync', plain);
    await containerd.ctr('namespaces', 'rm', 'theirs');
  });

  test('a port that is taken, an image that is not there, a service that ends, one that is never ready', async () => {
    const other = createServer().listen(port, '127.0.0.1');
    await once(other, 'listening');
    await assert.rejects(measure(plain, never()), lensError('cluster/port-taken', new RegExp(`${port}`)));
    other.close();
    await once(other, 'close');
    const missing = plain.replace('/plain@', '/none@');
    await assert.rejects(measure(missing, never()), lensError('cluster/local-failed', /not found/));
    await assert.rejects(measure(ending, never()), lensError('cluster/container-ended', /before anything/));
    await assert.rejects(measure(plain, never(), 1), lensError('cluster/not-ready-in-time', /not pulled/));
  });

  test('an abort while it runs, and what a measure left that was killed', async () => {
    const stop = new AbortController();
    const inOurs = (...args: string[]) => containerd.ctr('--namespace', 'soci-lens-measure', ...args);
    // A pull that was cut off leaves its lease, and what that holds.
    await inOurs('leases', 'create', 'cut-off');
    await inOurs('images', 'pull', '--plain-http', '--snapshotter', 'overlayfs', plain);
    const over = new AbortController();
    const aborted = assert.rejects(measure(elsewhere, stop.signal), { name: 'AbortError' }).finally(() => {
      over.abort();
    });
    while (!over.signal.aborted && !/soci-measure-\S+\s+\d+\s+RUNNING/.test(await inOurs('tasks', 'ls')))
      await sleep(5);
    stop.abort();
    await aborted;
  });
});

suite('lazy starts on this machine, by a nerdctl that is played', () => {
  interface Result {
    readonly starts: readonly { variant: string; seen: { pulled: number; started: number; ready: number } }[];
    readonly failed: readonly { variant: string; round: number; error: { code: string; message: string } }[];
    readonly summary: readonly { figure: string; without?: { count: number }; with?: { count: number } }[];
  }
  const measured = async (...more: string[]): Promise<Result> => {
    const { code, stdout, stderr } = await runInProcess(flagsOf(lazy, '--yes', '--json', ...more));
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as Result;
  };
  const before = process.env['PATH'];
  afterEach(() => {
    process.env['PATH'] = before;
  });

  test('both variants are started, turn and turn about, and nerdctl is told what it understands', async (t) => {
    const nerdctl = await makePlayedNerdctl(await temporaryFolder(t));
    process.env['PATH'] = `${nerdctl.folder}:${before}`;
    const { starts, failed, summary } = await measured('--rounds', '2');
    assert.deepEqual(failed, []);
    assert.deepEqual(
      starts.map(({ variant }) => variant),
      ['without', 'with', 'without', 'with'],
    );
    for (const { seen } of starts)
      assert.ok(0 < seen.pulled && seen.pulled < seen.started && seen.started <= seen.ready);
    assert.deepEqual(
      summary.map(({ figure, without, with: lazily }) => [figure, without?.count, lazily?.count]),
      [
        ['pulled', 2, 2],
        ['started', 2, 2],
        ['ready', 2, 2],
      ],
    );
    const calls = await nerdctl.calls();
    const id = calls[1]?.at(-2) ?? '';
    assert.match(id, /^soci-measure-[0-9a-f]{8}$/);
    const all = ['--address', lazy.socket, '--namespace', 'soci-lens-measure', '--snapshotter', 'soci'];
    assert.deepEqual(calls.slice(0, 3), [
      [...all, '--insecure-registry', 'pull', '--quiet', indexed],
      [...all, 'run', '--detach', '--pull', 'never', '--net', 'host', '--name', id, indexed],
      [...all, 'rm', '--force', id],
    ]);
    assert.equal(calls.length, 6);
  });

  test('what nerdctl cannot do is told in its last words, and what it had made by then is removed', async (t) => {
    const nerdctl = await makePlayedNerdctl(await temporaryFolder(t));
    process.env['PATH'] = `${nerdctl.folder}:${before}`;
    for (const command of ['pull', 'run'] as const) {
      await nerdctl.fail(command);
      const measuring = measureLocally(
        { plain, indexed, port, rounds: 1, timeout: 60_000, socket: lazy.socket, plainHttp: true },
        { signal: never() },
      );
      const words = new RegExp(`^nerdctl failed: .*msg="${command} does not come to an end"\\.$`);
      await assert.rejects(measuring, lensError('cluster/local-failed', words));
    }
  });

  test('without nerdctl the other variant is measured', async (t) => {
    // A PATH with ctr and no more.
    const bin = await temporaryFolder(t);
    const { stdout } = await run('sh', ['-c', 'command -v ctr']);
    await symlink(stdout.trim(), path.join(bin, 'ctr'));
    process.env['PATH'] = bin;
    const { starts, failed } = await measured('--rounds', '1');
    assert.deepEqual(
      starts.map(({ variant }) => variant),
      ['without'],
    );
    assert.deepEqual(
      failed.map(({ variant, error }) => [variant, error.code]),
      [['with', 'cluster/no-nerdctl']],
    );
  });
});
