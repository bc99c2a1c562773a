/** How a person may have a start run: ports, mounts, limits, requests that warm up, and a start that is only timed. */
import assert from 'node:assert/strict';
import type Docker from 'dockerode';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, test } from 'node:test';
import { ensureImage, testEngine } from '../support/engine';
import { lensError } from '../support/errors';
import { temporaryFolder } from '../support/folders';
import { buildFrom, events, filesOf, madeHere, record, runningHere } from '../support/tracing';

before(() => ensureImage('fx-edge'));

test('published ports are reachable on this machine only, and mounts are not the image', async (t) => {
  await ensureImage('fx-scratch');
  const folder = await temporaryFolder(t);
  await writeFile(path.join(folder, 'note'), 'from outside');
  let ports: unknown;
  const recorded = await record('fx-scratch', {
    ready: 'listen=8080',
    settings: {
      ports: [{ container: 8080, host: undefined }],
      mounts: [{ kind: 'bind', source: folder, target: '/mounted', readOnly: true }],
    },
    onProgress: () => {
      ports ??= runningHere().then(({ Ports }) => Ports.map(({ IP, PrivatePort }) => [IP, PrivatePort]));
    },
  });
  assert.deepEqual(await ports, [['127.0.0.1', 8080]]);
  assert.ok(recorded.trace.header.excluded_mounts?.includes('/mounted'));
});

test('a mounted folder: read only when it says so, and a volume by its name', async (t) => {
  const folder = await temporaryFolder(t);
  await mkdir(path.join(folder, 'in'));
  await writeFile(path.join(folder, 'in', 'note'), 'from outside\n');
  const { docker } = await testEngine();
  const volume = await docker.createVolume({});
  t.after(() => docker.getVolume(volume.name).remove());
  const mounts = [
    { kind: 'bind', source: path.join(folder, 'in'), target: '/in', readOnly: true },
    { kind: 'bind', source: folder, target: '/out', readOnly: false },
    { kind: 'volume', source: volume.name, target: '/kept', readOnly: false },
  ] as const;
  const script = 'cat /in/note; touch /in/x; echo written > /out/made; echo 1 > /kept/file';
  const { output } = await record('fx-edge', { command: ['/bin/sh', '-c', script], settings: { mounts } });
  assert.match(output.join('\n'), /from outside/);
  assert.match(output.join('\n'), /\/in\/x.*Read-only file system/);
  assert.equal(await readFile(path.join(folder, 'made'), 'utf8'), 'written\n');
  await docker.getVolume(volume.name).inspect();

  const missing = { kind: 'bind', source: '/no/such/folder', target: '/in', readOnly: true } as const;
  await assert.rejects(
    record('fx-edge', { command: ['/bin/true'], settings: { mounts: [missing] } }),
    lensError('trace/cannot-run', /no\/such\/folder/),
  );
  assert.deepEqual(await madeHere(), { containers: 0, volumes: 0 });
});

test('the image’s health check, stop signal, environment and folder are kept', async () => {
  await buildFrom(
    'fx-kept',
    'FROM fx-edge\nENV A=image B=image\nWORKDIR /srv\nSTOPSIGNAL SIGUSR1\n' +
      'HEALTHCHECK --interval=1s --retries=1 CMD test -f /tmp/up\n' +
      'ENTRYPOINT ["/bin/sh", "-c"]\nCMD ["echo image"]\n',
  );
  const script =
    'echo "$A $B $PWD"; trap "echo got USR1 > /tmp/end; exit 0" USR1; touch /tmp/up; while :; do sleep 0.1; done';
  const { docker } = await testEngine();
  let inspected: Promise<Docker.ContainerInspectInfo> | undefined;
  const recorded = await record('fx-kept', {
    command: [script],
    env: ['B=mine'],
    ready: 'health',
    onProgress: () => {
      inspected ??= runningHere().then(({ Id }) => docker.getContainer(Id).inspect());
    },
  });
  assert.equal(recorded.trace.footer?.reason, 'ready:health');
  assert.deepEqual(recorded.output, ['image mine /srv']);
  assert.ok(inspected);
  const { Config: config } = await inspected;
  assert.deepEqual(config.Healthcheck?.Test, ['CMD-SHELL', 'test -f /tmp/up']);
  // dockerode's types have no StopSignal here.
  assert.equal('StopSignal' in config && config.StopSignal, 'SIGUSR1');
  // Its own Cmd where none is given.
  assert.deepEqual((await record('fx-kept')).output, ['image']);
});

const SERVER = String.raw`
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = open('/etc/issue' if self.path == '/warm' else '/etc/hostname').read()
        self.send_response(200 if self.path == '/warm' else 404); self.end_headers()
    def log_message(self, *args): pass
http.server.HTTPServer(('', 8080), Handler).serve_forever()
`;

test('a request that warms up: what it reads belongs to the start', async () => {
  await ensureImage('fx-py');
  const start = { command: ['-c', SERVER], ready: 'listen=8080' };
  const image = await buildPython();
  assert.ok(!filesOf(await record(image, start)).has('/etc/issue'));
  const warm = await record(image, { ...start, warmUp: [{ port: 8080, path: 'warm' }] });
  assert.ok(filesOf(warm).has('/etc/issue'));
  assert.deepEqual(warm.trace.header.warm_up, ['8080/warm']);
  const read = events(warm, 'open', '/etc/issue')[0];
  assert.ok(read && read.t > (warm.trace.footer?.t_ready ?? Infinity));
});

async function buildPython(): Promise<string> {
  await buildFrom('fx-python', 'FROM fx-py\nENTRYPOINT ["python3"]\nCMD []\nHEALTHCHECK NONE\n');
  return 'fx-python';
}

test('a start is timed once more without the tracer, by the same sign', async () => {
  const script = 'for i in $(seq 100); do /bin/true; done; echo up; trap exit TERM; read x';
  /**
   * Times it both ways, and anew where a busy machine has spoiled it: what the tracer costs is less than what other programs
   * do to one start and not to the other.
   */
  const timed = async (image: string, options: Parameters<typeof record>[1], least: number) => {
    const all: string[] = [];
    for (let round = 0; round < 8; round++) {
      const { trace, output } = await record(image, { ...options, timeUntraced: true });
      const [traced, untraced] = [trace.footer?.t_ready ?? 0, trace.header.untraced_ready ?? 0];
      assert.ok(untraced > least, `${untraced} µs`);
      if (untraced < 4 * traced) return output;
      all.push(`${untraced} of ${traced} µs`);
    }
    return assert.fail(all.join(', '));
  };
  const shell = { command: ['/bin/sh', '-c', script], ready: 'log=^up$' };
  assert.deepEqual(await timed('fx-edge', shell, 20_000), ['up']);
  await timed(await buildPython(), { command: ['-c', SERVER], ready: 'listen=8080' }, 10_000);

  const ended = await record('fx-edge', { command: ['/bin/sleep', '0.5'], timeUntraced: true });
  assert.ok((ended.trace.header.untraced_ready ?? 0) >= 500_000);
  assert.ok((ended.trace.footer?.t_ready ?? 0) >= 500_000);
  const quiet = await record('fx-edge', {
    command: ['/bin/sleep', '60'],
    ready: 'quiet=0.5',
    timeUntraced: true,
    timeoutMs: 1500,
  });
  assert.equal(quiet.trace.header.untraced_ready, undefined, 'a pause cannot be seen without a tracer');
});
