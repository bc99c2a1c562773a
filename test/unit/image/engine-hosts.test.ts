import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import Docker from 'dockerode';
import { connectEngine } from '../../../src/image/engine';
import { engineHosts } from '../../../src/image/engine-hosts';
import { sshAgent } from '../../../src/image/ssh-agent';
import { lensError } from '../../support/errors';
import { temporaryFolder } from '../../support/folders';

const urls = (choice: Parameters<typeof engineHosts>[0]) => engineHosts(choice).map(({ url }) => url);

test('the order: what was asked for, DOCKER_HOST, the context, the default sockets', async (t) => {
  const home = await temporaryFolder(t);
  const config = path.join(home, '.docker');
  const addContext = async (name: string, host: string, withTls = false) => {
    const id = createHash('sha256').update(name).digest('hex');
    const meta = path.join(config, 'contexts', 'meta', id);
    await mkdir(meta, { recursive: true });
    await writeFile(
      path.join(meta, 'meta.json'),
      JSON.stringify({ Name: name, Endpoints: { docker: { Host: host } } }),
    );
    if (!withTls) return;
    const tls = path.join(config, 'contexts', 'tls', id, 'docker');
    await mkdir(tls, { recursive: true });
    await writeFile(path.join(tls, 'ca.pem'), 'CA');
  };
  await addContext('work', 'ssh://me@host:22');
  await addContext('far', 'tcp://far:2376', true);
  await writeFile(path.join(config, 'config.json'), JSON.stringify({ currentContext: 'work' }));

  const all = { DOCKER_HOST: 'tcp://env:1', DOCKER_CONTEXT: 'far' };
  assert.deepEqual(urls({ home, env: all, host: 'unix:///asked.sock', context: 'work' }), [
    'unix:///asked.sock',
  ]);
  assert.deepEqual(urls({ home, env: all, context: 'work' }), ['ssh://me@host:22']);
  assert.deepEqual(urls({ home, env: all }), ['tcp://env:1']);
  assert.deepEqual(urls({ home, env: { DOCKER_CONTEXT: 'far' } }), ['tcp://far:2376']);
  assert.deepEqual(urls({ home, env: {} }), ['ssh://me@host:22']);
  assert.equal(engineHosts({ home, env: { DOCKER_CONTEXT: 'far' } })[0]?.tls?.ca?.toString(), 'CA');
  assert.deepEqual(urls({ home, env: { DOCKER_HOST: '/run/x.sock' } }), ['unix:///run/x.sock']);
  assert.deepEqual(urls({ home, env: { DOCKER_HOST: 'host:2375' } }), ['tcp://host:2375']);
  assert.throws(
    () => engineHosts({ home, env: {}, context: 'gone' }),
    lensError('image/no-engine', /"gone"/),
  );

  const byDefault = urls({
    home,
    env: { DOCKER_CONTEXT: 'default', XDG_RUNTIME_DIR: '/run/user/7' },
    platform: 'linux',
  });
  assert.equal(byDefault[0], 'unix:///var/run/docker.sock');
  for (const socket of [
    '/run/user/7/docker.sock',
    `${home}/.docker/desktop/docker.sock`,
    '/run/user/7/podman/podman.sock',
  ]) {
    assert.ok(byDefault.includes(`unix://${socket}`), socket);
  }
  assert.deepEqual(
    urls({ home, env: { DOCKER_CONTEXT: 'default' }, platform: 'win32' })[0],
    'npipe:////./pipe/docker_engine',
  );
});

test('an engine that is too old, one that is none, and one that never answers', async (t) => {
  const dir = await temporaryFolder(t);
  const socket = path.join(dir, 'engine.sock');
  let version: unknown = { ApiVersion: '1.40', Version: '19.03', Os: 'linux', Arch: 'amd64' };
  const server = createServer((request, response) => {
    response.end(request.url === '/version' ? JSON.stringify(version) : 'OK');
  });
  server.listen(socket);
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const host = `unix://${socket}`;
  await assert.rejects(connectEngine({ host }), lensError('image/old-engine', /1\.40/));
  version = 'I am something else';
  await assert.rejects(connectEngine({ host }), lensError('image/no-engine', /no Docker engine/));
  await assert.rejects(connectEngine({ host: 'gopher://x' }), lensError('image/no-engine', /scheme/));
  await assert.rejects(connectEngine({ host: 'tcp://[' }), lensError('image/no-engine', /not an address/));

  const silent = createServer(() => undefined);
  const deaf = path.join(dir, 'deaf.sock');
  silent.listen(deaf);
  await once(silent, 'listening');
  t.after(() => {
    silent.closeAllConnections();
    silent.close();
  });
  await assert.rejects(connectEngine({ host: `unix://${deaf}`, signal: AbortSignal.timeout(100) }), {
    name: 'TimeoutError',
  });
});

test('an engine that hangs after its first answer can be left', async (t) => {
  const socket = path.join(await temporaryFolder(t), 'engine.sock');
  for (const last of ['/version', '/info']) {
    const controller = new AbortController();
    const server = createServer(({ url }, response) => {
      if (url === last) controller.abort();
      else response.end(url === '/version' ? '{"ApiVersion":"1.41"}' : 'OK');
    });
    server.listen(socket);
    await once(server, 'listening');
    const connecting = connectEngine({ host: `unix://${socket}`, signal: controller.signal });
    await assert.rejects(connecting, { name: 'AbortError' }, last);
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
});

test(
  'ssh goes through the ssh program, with arguments that cannot be mistaken',
  { skip: process.platform === 'win32' },
  async (t) => {
    const dir = await temporaryFolder(t);
    const server = createServer((request, response) => {
      response.end(request.url === '/_ping' ? 'OK' : 'no');
    });
    const socket = path.join(dir, 'far.sock');
    server.listen(socket);
    await once(server, 'listening');
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    const program = path.join(dir, 'ssh');
    const bridge = `const s=require('net').connect(${JSON.stringify(socket)});process.stdin.pipe(s).pipe(process.stdout)`;
    await writeFile(path.join(dir, 'bridge.js'), bridge);
    await writeFile(
      program,
      `#!/bin/sh\nprintf '%s\\n' "$@" > ${dir}/args\nexec ${process.execPath} ${dir}/bridge.js\n`,
    );
    await chmod(program, 0o755);
    const connect = (url: string) => {
      const agent = sshAgent(new URL(url), program);
      return new Docker({ protocol: 'http', host: 'docker', port: 80, ...{ agent } });
    };
    const argsOf = async () => (await readFile(path.join(dir, 'args'), 'utf8')).trim().split('\n');
    const docker = connect('ssh://me@far.example:2222');
    assert.equal(String(await docker.ping()), 'OK');
    const args = await argsOf();
    assert.deepEqual(args.slice(0, 4), ['-l', 'me', '-p', '2222']);
    assert.deepEqual(args.slice(-3), ['--', 'far.example', 'docker system dial-stdio']);

    // As the contexts of Podman's machines have it; the far shell must not read the path as more than a path.
    await connect(`ssh://far.example/run/user/1000/a'b;c/podman.sock`).ping();
    assert.deepEqual((await argsOf()).slice(-2), [
      'far.example',
      `docker --host 'unix:///run/user/1000/a'\\''b;c/podman.sock' system dial-stdio`,
    ]);

    await writeFile(
      program,
      '#!/bin/sh\necho "me@far.example: Permission denied (publickey)." >&2\nexit 255\n',
    );
    await assert.rejects(docker.ping(), /Permission denied/);
  },
);

test('what answers without a word, and is no engine, is named with its status', async (t) => {
  const server = createServer((_, response) => response.writeHead(400).end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const host = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await assert.rejects(
    connectEngine({ host, env: {} }),
    lensError('image/no-engine', /^No Docker engine answers\. Tried .* \(the setting\): status 400\.$/),
  );
});
