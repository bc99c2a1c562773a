import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { runInProcess } from '../../support/cli';
import { startFakeRegistry } from '../../support/fake-registry';
import { startFaultProxy, type Verdict } from '../../support/fault-proxy';
import { temporaryFolder } from '../../support/folders';
import { goldenImage, writeGoldenLayout } from '../../support/golden';

const PASSWORD = 'hunter2-secret';
const TOKEN = 'token-secret';
const AUTH = Buffer.from(`someone:${PASSWORD}`).toString('base64');

test('whatever a registry does, nothing that is written holds a secret', async (t) => {
  const dir = await temporaryFolder(t);
  const registry = await startFakeRegistry();
  const proxy = await startFaultProxy(registry.host);
  t.after(async () => {
    await proxy.stop();
    await registry.stop();
  });
  const config = path.join(dir, 'docker');
  await mkdir(config);
  await writeFile(
    path.join(config, 'config.json'),
    JSON.stringify({ auths: { [proxy.host]: { auth: AUTH } } }),
  );
  const input = path.join(dir, 'in');
  await writeGoldenLayout(input, goldenImage('one-layer'));

  const realm = `http://${proxy.host}/token`;
  const challenge = { 'www-authenticate': `Bearer realm="${realm}",service="s"` };
  const token = JSON.stringify({ token: TOKEN });
  let used = 0;
  /** Asks who we are, then goes on as `rest` says. */
  const guarded = (rest: Verdict) => {
    proxy.judge = ({ url, headers }) => {
      if (url.startsWith('/token')) {
        assert.equal(headers.authorization, `Basic ${AUTH}`);
        return { status: 200, body: token };
      }
      if (headers.authorization !== `Bearer ${TOKEN}`) return { status: 401, headers: challenge };
      used++;
      return rest;
    };
  };
  const quoted = `the header was Bearer ${TOKEN}`;
  const ends: readonly [name: string, verdict: Verdict][] = [
    ['lets us in', {}],
    ['refuses', { status: 403, body: JSON.stringify({ errors: [{ code: 'DENIED', message: 'no' }] }) }],
    ['never accepts the token', { status: 401, headers: challenge }],
    ['is no registry', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }],
    ['quotes what it was sent', { status: 400, body: JSON.stringify({ errors: [{ message: quoted }] }) }],
    ['redirects', { status: 307, headers: { location: `http://127.0.0.1:1/?signature=${TOKEN}` } }],
  ];
  const written: string[] = [];
  process.env['DOCKER_CONFIG'] = config;
  process.env['SOCI_LENS_CACHE'] = path.join(dir, 'cache');
  for (const [, verdict] of ends) {
    guarded(verdict);
    for (const line of [
      ['push', `oci:${input}`, `docker://${proxy.host}/team/service:1`, '--verbose'],
      ['list', `docker://${proxy.host}/team/service:1`, '--log-level', 'debug'],
      ['inspect', `docker://${proxy.host}/team/service:1`, '--verbose', '--json'],
    ]) {
      const { stdout, stderr } = await runInProcess(line);
      written.push(stdout, stderr);
    }
  }
  assert.ok(used > ends.length, 'the secrets were in use');
  for (const name of await readdir(dir, { recursive: true })) {
    const file = path.join(dir, name);
    if (!file.startsWith(config) && (await stat(file)).isFile()) written.push(await readFile(file, 'latin1'));
  }
  assert.ok(written.join('').length > 1000);
  for (const secret of [PASSWORD, TOKEN, AUTH]) assert.ok(!written.join('\n').includes(secret), secret);
});
