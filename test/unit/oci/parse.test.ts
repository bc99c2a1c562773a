import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LensError } from '../../../src/errors';
import { digestHex, isDigest } from '../../../src/oci/digest';
import { layerType } from '../../../src/oci/layer-type';
import { parseConfig, parseDescriptor, parseIndex, parseManifest } from '../../../src/oci/parse';

const digest = `sha256:${'0a'.repeat(32)}`;
const descriptor = { mediaType: 'm', digest, size: 1 };
const bytes = (value: unknown) =>
  new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
const fails = (code: string, word: RegExp) => (error: unknown) =>
  error instanceof LensError && error.code === code && word.test(error.message) && error.advice !== '';

describe('documents from outside', () => {
  test('what is not JSON or not an object is refused by name', () => {
    assert.throws(() => parseManifest(bytes('{')), fails('oci/bad-json', /manifest is not JSON/));
    assert.throws(() => parseIndex(bytes('[]')), fails('oci/bad-document', /index is not an object/));
    assert.throws(() => parseIndex(bytes('\ufeff{}')), fails('oci/bad-json', /not JSON/));
  });

  test('the error names the field', () => {
    const manifest = (change: object) =>
      bytes({ schemaVersion: 2, config: descriptor, layers: [descriptor], ...change });
    assert.throws(
      () => parseManifest(manifest({ schemaVersion: 1 })),
      fails('oci/bad-document', /schemaVersion is not 2/),
    );
    assert.throws(
      () => parseManifest(manifest({ layers: {} })),
      fails('oci/bad-document', /layers is not a list/),
    );
    assert.throws(
      () => parseManifest(manifest({ layers: [descriptor, { ...descriptor, size: -1 }] })),
      fails('oci/bad-document', /layers\[1\]\.size/),
    );
    assert.throws(
      () => parseManifest(manifest({ annotations: { a: 1 } })),
      fails('oci/bad-document', /annotations\["a"\] is not a string/),
    );
  });

  test('sizes that no number can hold, or that are no whole number, are refused', () => {
    for (const size of [2 ** 53, 1.5, -1, '1', null]) {
      assert.throws(
        () => parseDescriptor({ ...descriptor, size }),
        fails('oci/bad-document', /size/),
        String(size),
      );
    }
  });

  test('digests that could leave the folder of blobs are refused', () => {
    const hostile = [
      'sha256:../../etc/passwd',
      `sha256:${'0A'.repeat(32)}`,
      `sha512:${'0a'.repeat(64)}`,
      digest + '0',
      `${digest}\n`,
      '',
      7,
    ];
    for (const wrong of hostile) {
      assert.throws(
        () => parseDescriptor({ ...descriptor, digest: wrong }),
        fails('oci/bad-document', /digest/),
        String(wrong),
      );
    }
    assert.ok(isDigest(digest));
    assert.throws(() => digestHex('sha256:../x'), fails('oci/bad-digest', /not a sha256 digest/));
  });

  test('null and unknown fields are as if they were not there', () => {
    const read = parseIndex(
      bytes({
        schemaVersion: 2,
        manifests: [{ ...descriptor, platform: null, extra: 1 }],
        annotations: null,
      }),
    );
    assert.deepEqual(read, { schemaVersion: 2, manifests: [descriptor] });
  });

  test('__proto__ as an annotation is data', () => {
    const read = parseIndex(bytes('{"schemaVersion":2,"manifests":[],"annotations":{"__proto__":"x"}}'));
    assert.deepEqual(Object.entries(read.annotations ?? {}), [['__proto__', 'x']]);
  });

  test('a config without layers or history is read', () => {
    const config = parseConfig(
      bytes({
        architecture: 'amd64',
        os: 'linux',
        rootfs: { type: 'layers', diff_ids: null },
        config: { Env: null, User: '1' },
      }),
    );
    assert.deepEqual(config, {
      architecture: 'amd64',
      os: 'linux',
      config: { User: '1' },
      rootfs: { type: 'layers', diff_ids: [] },
    });
    assert.throws(
      () => parseConfig(bytes({ architecture: 'amd64', os: 'linux' })),
      fails('oci/bad-document', /rootfs/),
    );
  });
});

test('the media type alone tells how a layer is packed', () => {
  const oci = 'application/vnd.oci.image.layer';
  const docker = 'application/vnd.docker.image.rootfs';
  const table: readonly (readonly [string, string])[] = [
    [`${oci}.v1.tar+gzip`, 'gzip'],
    [`${oci}.nondistributable.v1.tar+gzip`, 'gzip'],
    [`${oci}.v1.tar`, 'tar'],
    [`${docker}.diff.tar.gzip`, 'gzip'],
    [`${docker}.foreign.diff.tar.gzip`, 'gzip'],
    [`${docker}.diff.tar`, 'tar'],
    [`${oci}.v1.tar+zstd`, 'not "zstd"'],
    [`${docker}.diff.tar.zstd`, 'not "zstd"'],
    [`${oci}.nondistributable.v1.tar`, 'not ""'],
    [`${docker}.diff.tar+encrypted`, 'not ""'],
    [`${oci}.v1.tar+gzip+encrypted`, 'gzip'],
    [`${oci}.v1.tar+zstd+gzip`, 'not "zstd"'],
  ];
  for (const [mediaType, expected] of table) {
    const { compression, unsupported } = layerType(mediaType);
    assert.equal(compression ?? `not "${unsupported}"`, expected, mediaType);
  }
  assert.throws(
    () => layerType('application/json'),
    fails('oci/bad-layer-type', /not the type of a container image's layer/),
  );
  assert.throws(() => layerType(`${oci}.v9.foo`), fails('oci/bad-layer-type', /compression of a layer/));
});
