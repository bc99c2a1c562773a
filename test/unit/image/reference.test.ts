import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { formatRegistryName, parseDestination, parseReference } from '../../../src/image/reference';
import { lensError } from '../../support/errors';
import { temporaryFolder } from '../../support/folders';

const digest = `sha256:${'ab'.repeat(32)}`;

test('names in a registry are completed as Docker completes them', () => {
  const cases: [string, string, string, string | undefined, string | undefined][] = [
    ['nginx', 'docker.io', 'library/nginx', 'latest', undefined],
    ['nginx:1.27', 'docker.io', 'library/nginx', '1.27', undefined],
    ['team/service', 'docker.io', 'team/service', 'latest', undefined],
    ['docker.io/nginx', 'docker.io', 'library/nginx', 'latest', undefined],
    ['index.docker.io/team/x:1', 'docker.io', 'team/x', '1', undefined],
    ['localhost/x', 'localhost', 'x', 'latest', undefined],
    ['localhost:5000/a/b/c:t', 'localhost:5000', 'a/b/c', 't', undefined],
    ['127.0.0.1:5000/x', '127.0.0.1:5000', 'x', 'latest', undefined],
    ['[::1]:5000/x', '[::1]:5000', 'x', 'latest', undefined],
    [`reg.example/a__b/c-d.e@${digest}`, 'reg.example', 'a__b/c-d.e', undefined, digest],
    [`reg.example/a:tag@${digest}`, 'reg.example', 'a', 'tag', digest],
  ];
  for (const [text, host, repository, tag, expected] of cases) {
    assert.deepEqual(parseReference(`docker://${text}`), {
      transport: 'docker',
      registry: { host, repository, tag, digest: expected },
    });
    assert.deepEqual(parseReference(text), {
      transport: 'any',
      name: text,
      registry: { host, repository, tag, digest: expected },
    });
  }
});

test('transports', async (t) => {
  const dir = await temporaryFolder(t);
  assert.deepEqual(parseReference('docker-daemon:fx-py'), { transport: 'docker-daemon', name: 'fx-py' });
  assert.deepEqual(parseReference(digest), { transport: 'docker-daemon', name: digest });
  assert.deepEqual(parseReference('oci:some/dir'), { transport: 'oci', path: 'some/dir', tag: undefined });
  assert.deepEqual(parseReference('oci:some/dir:v1'), { transport: 'oci', path: 'some/dir', tag: 'v1' });
  assert.deepEqual(parseReference('oci:C:\\images\\a'), {
    transport: 'oci',
    path: 'C:\\images\\a',
    tag: undefined,
  });
  assert.deepEqual(parseReference('oci:C:\\images\\a:v1'), {
    transport: 'oci',
    path: 'C:\\images\\a',
    tag: 'v1',
  });
  assert.deepEqual(parseReference('oci:/a:b/c'), { transport: 'oci', path: '/a:b/c', tag: undefined });
  assert.deepEqual(parseReference('oci-archive:a.tar:x'), {
    transport: 'oci-archive',
    path: 'a.tar',
    tag: 'x',
  });
  assert.deepEqual(parseReference('docker-archive:a.tar'), {
    transport: 'docker-archive',
    path: 'a.tar',
    tag: undefined,
  });

  const layout = path.join(dir, 'layout');
  await mkdir(layout);
  assert.deepEqual(parseReference(layout), { transport: 'oci', path: layout, tag: undefined });
  const archive = path.join(dir, 'a.tar');
  await writeFile(archive, '');
  assert.deepEqual(parseReference(archive), { transport: 'archive', path: archive, tag: undefined });
  // As skopeo and podman write it: the whole name behind the file.
  for (const tag of ['a:1', 'localhost/team/a:1', 'reg.example:5000/a:1'])
    assert.deepEqual(parseReference(`docker-archive:${archive}:${tag}`), {
      transport: 'docker-archive',
      path: archive,
      tag,
    });
  assert.deepEqual(parseReference(`oci:${layout}:reg.example/a:1`), {
    transport: 'oci',
    path: layout,
    tag: 'reg.example/a:1',
  });
  const withColon = path.join(dir, 'of:today');
  await mkdir(withColon);
  assert.deepEqual(parseReference(`oci:${withColon}`), { transport: 'oci', path: withColon, tag: undefined });
});

test('what is no reference says why', () => {
  const cases: [string, RegExp][] = [
    ['Nginx', /lower case/],
    ['a//b', /repository name/],
    ['a:b:c', /not a tag/],
    [`a@sha256:${'0'.repeat(63)}`, /hexadecimal/],
    ['docker://', /repository name/],
    ['docker://-x.example/a', /host name/],
    ['oci:', /path is missing/],
    ['./missing', /no such folder/],
    ['missing.tar', /no such folder/],
    ['docker-daemon:A', /lower case/],
    // Longer than a file's name can be.
    ['a'.repeat(300), /repository name/],
  ];
  for (const [text, why] of cases) {
    assert.throws(() => parseReference(text), lensError('image/bad-reference', why), text);
  }
});

test('destinations', () => {
  assert.deepEqual(parseDestination('oci:out'), { transport: 'oci', path: 'out', tag: undefined });
  assert.deepEqual(parseDestination('oci-archive:out.tar'), {
    transport: 'oci-archive',
    path: 'out.tar',
    tag: undefined,
  });
  const pushed = parseDestination('docker://127.0.0.1:5000/team/x:soci');
  assert.ok(pushed.transport === 'docker');
  assert.equal(formatRegistryName(pushed.registry), '127.0.0.1:5000/team/x:soci');
  assert.throws(
    () => parseDestination(`docker://h.example/x@${digest}`),
    lensError('image/bad-reference', /not a digest/),
  );
  for (const text of ['x', 'docker-daemon:x', 'docker-archive:x.tar', '/tmp']) {
    assert.throws(() => parseDestination(text), lensError('image/bad-reference', /where to write/), text);
  }
});
