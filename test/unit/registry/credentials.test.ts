import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { dockerCredentials } from '../../../src/registry/credentials';
import { lensError } from '../../support/errors';
import { temporaryFolder } from '../../support/folders';

const encode = (text: string) => Buffer.from(text).toString('base64');

async function configured(t: TestContext, config: unknown) {
  const configDir = await temporaryFolder(t);
  await writeFile(
    path.join(configDir, 'config.json'),
    typeof config === 'string' ? config : JSON.stringify(config),
  );
  return {
    configDir,
    ask: (host: string, env: NodeJS.ProcessEnv = {}) => dockerCredentials(host, { configDir, env }),
  };
}

test('auths: by host, with scheme and path around it, identity tokens, Docker Hub', async (t) => {
  const { ask } = await configured(t, {
    auths: {
      'a.example': { auth: encode('me:pass:with:colons') },
      'https://b.example/v1/': { auth: encode('you:secret\0\0') },
      'c.example:5000': { auth: encode('x:'), identitytoken: 'token' },
      'https://index.docker.io/v1/': { auth: encode('hub:hub-password') },
      'd.example': { username: 'plain', password: 'word' },
      'e.example': {},
    },
  });
  assert.deepEqual(await ask('a.example'), { username: 'me', password: 'pass:with:colons' });
  assert.deepEqual(await ask('b.example'), { username: 'you', password: 'secret' });
  assert.deepEqual(await ask('c.example:5000'), { identityToken: 'token' });
  assert.equal(await ask('c.example'), undefined, 'another port is another registry');
  assert.deepEqual(await ask('docker.io'), { username: 'hub', password: 'hub-password' });
  assert.deepEqual(await ask('d.example'), { username: 'plain', password: 'word' });
  assert.equal(await ask('e.example'), undefined);
  assert.equal(await ask('constructor'), undefined);
});

test('no config, and one that is broken', async (t) => {
  const empty = await temporaryFolder(t);
  assert.equal(await dockerCredentials('a.example', { configDir: empty, env: {} }), undefined);
  const broken = await configured(t, '{"auths": {"a": {"auth": "hidden-secret"');
  await assert.rejects(broken.ask('a'), (error) => {
    lensError('registry/bad-config', /not JSON/)(error);
    assert.doesNotMatch(String(error) + String((error as Error).cause), /hidden-secret/);
    return true;
  });
  const noColon = await configured(t, { auths: { a: { auth: encode('hidden-secret') } } });
  await assert.rejects(noColon.ask('a'), (error) => {
    lensError('registry/bad-config')(error);
    assert.doesNotMatch(String(error), /hidden-secret/);
    return true;
  });
});

test(
  'helpers: per registry before the store, tokens, none stored, failures',
  { skip: process.platform === 'win32' },
  async (t) => {
    const { configDir, ask } = await configured(t, {
      credsStore: 'store',
      credHelpers: {
        'own.example': 'own',
        'token.example': 'token',
        'bad.example': 'bad',
        'evil.example': '../evil',
        'gone.example': 'gone',
      },
      auths: { 'auths.example': { auth: encode('from:auths') } },
    });
    const script = async (name: string, body: string) => {
      const file = path.join(configDir, `docker-credential-${name}`);
      await writeFile(file, `#!/bin/sh\n[ "$1" = get ] || exit 9\nread -r server\n${body}\n`);
      await chmod(file, 0o755);
    };
    const answer = (user: string) =>
      `printf '{"ServerURL":"%s","Username":"${user}","Secret":"s for %s"}' "$server" "$server"`;
    await script('own', answer('own'));
    await script('token', answer('<token>'));
    await script('bad', 'echo hidden-secret; exit 3');
    await script(
      'store',
      `case "$server" in auths.example) echo "credentials not found in native keychain"; exit 1;; esac\n${answer('stored')}`,
    );
    const env = { PATH: `${configDir}:/usr/bin:/bin` };

    assert.deepEqual(await ask('own.example', env), { username: 'own', password: 's for own.example' });
    assert.deepEqual(await ask('token.example', env), { identityToken: 's for token.example' });
    assert.deepEqual(await ask('any.example', env), { username: 'stored', password: 's for any.example' });
    assert.deepEqual(await ask('docker.io', env), {
      username: 'stored',
      password: 's for https://index.docker.io/v1/',
    });
    assert.deepEqual(await ask('auths.example', env), { username: 'from', password: 'auths' });
    await assert.rejects(ask('bad.example', env), (error) => {
      lensError('registry/credential-helper', /docker-credential-bad.*exit code 3/)(error);
      assert.doesNotMatch(String(error), /hidden-secret/);
      return true;
    });
    await assert.rejects(ask('gone.example', env), lensError('registry/credential-helper', /not installed/));
    await assert.rejects(
      ask('evil.example', env),
      lensError('registry/credential-helper', /not that of a program/),
    );
  },
);
