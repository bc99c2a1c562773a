import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nanoseconds } from '../../../src/trace/engine-calls';
import { parseReadyRule, readySigns } from '../../../src/trace/ready';
import { resolveUser } from '../../../src/trace/users';
import { lensError } from '../../support/errors';

test('rules as a person writes them', () => {
  assert.deepEqual(parseReadyRule('auto'), { kind: 'auto' });
  assert.deepEqual(parseReadyRule('log=^ready=(yes|no)$'), { kind: 'log', pattern: /^ready=(yes|no)$/ });
  assert.deepEqual(parseReadyRule('health'), { kind: 'health' });
  assert.deepEqual(parseReadyRule('listen'), { kind: 'listen', port: undefined });
  assert.deepEqual(parseReadyRule('listen=8080'), { kind: 'listen', port: 8080 });
  assert.deepEqual(parseReadyRule('http=80/health?full=1'), {
    kind: 'http',
    port: 80,
    path: 'health?full=1',
  });
  assert.deepEqual(parseReadyRule('http=80'), { kind: 'http', port: 80, path: '' });
  assert.deepEqual(parseReadyRule('quiet=2.5'), { kind: 'quiet', seconds: 2.5 });
  assert.deepEqual(parseReadyRule('exit'), { kind: 'exit' });
});

test('what is no rule, and why', () => {
  for (const text of [
    '',
    'soon',
    'log',
    'log=',
    'log=(',
    'listen=0',
    'listen=65536',
    'listen=http',
    'http=/x',
    'http=80/a b',
    'quiet=0',
    'quiet=-1',
    'quiet=x',
    'exit=1',
    'health=yes',
    'Listen',
  ]) {
    assert.throws(() => parseReadyRule(text), lensError('trace/bad-rule'), text);
  }
});

test('what is waited for follows from the image where no rule is chosen', () => {
  const auto = (isChecked: boolean, exposedPorts: number[]) =>
    readySigns({ kind: 'auto' }, { healthcheck: isChecked ? ['CMD', 'x'] : undefined, exposedPorts });
  assert.deepEqual(auto(false, []), { health: false, listen: 'any', quietSeconds: 3 });
  assert.deepEqual(auto(true, [80, 443]), { health: true, listen: [80, 443], quietSeconds: 10 });
  assert.deepEqual(readySigns({ kind: 'exit' }, { healthcheck: ['CMD', 'x'], exposedPorts: [1] }), {});
  assert.throws(
    () => readySigns({ kind: 'health' }, { healthcheck: undefined, exposedPorts: [] }),
    lensError('trace/bad-rule', /HEALTHCHECK/),
  );
});

test('times of the engine in nanoseconds', () => {
  assert.equal(nanoseconds('2026-11-22T02:09:03.123456789Z'), 1795313343123456789n);
  assert.equal(nanoseconds('2026-11-22T02:09:03.5Z'), 1795313343500000000n);
  assert.equal(nanoseconds('2026-11-22T03:09:03+01:00'), 1795313343000000000n);
  assert.equal(nanoseconds('2026-11-22T03:09:03.000000001+01:00'), 1795313343000000001n);
});

test('users as the engine resolves them', () => {
  const passwd = 'root:x:0:0:root:/root:/bin/sh\n# a comment\napp:x:1000:1000::/home/app:/bin/sh\n';
  const group = 'root:x:0:\napp:x:1000:\nextra:x:77:other,app\n1000:x:5:\n';
  const user = (spec: string) => resolveUser(spec, passwd, group);
  assert.deepEqual(user(''), { uid: 0, gid: 0, groups: [], home: '/root' });
  assert.deepEqual(user('app'), { uid: 1000, gid: 1000, groups: [77], home: '/home/app' });
  assert.deepEqual(user('1000'), { uid: 1000, gid: 1000, groups: [77], home: '/home/app' });
  assert.deepEqual(user('app:extra'), { uid: 1000, gid: 77, groups: [], home: '/home/app' });
  assert.deepEqual(user('1234:1234'), { uid: 1234, gid: 1234, groups: [], home: '/' });
  assert.deepEqual(user('1234'), { uid: 1234, gid: 0, groups: [], home: '/' });
  assert.equal(user('nobody'), undefined);
  assert.equal(user('app:nogroup'), undefined);
  assert.deepEqual(resolveUser('65532:65532', '', ''), { uid: 65532, gid: 65532, groups: [], home: '/' });
});
