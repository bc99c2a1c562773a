import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { sha256 } from '../../../src/oci/digest';
import { encodeIndex, encodeJson, encodeManifest } from '../../../src/oci/json';
import { parseIndex, parseManifest } from '../../../src/oci/parse';
import type { Descriptor, Index, Manifest } from '../../../src/oci/types';
import { fixture } from '../../support/paths';
import { Random } from '../../support/random';

const text = (value: Parameters<typeof encodeJson>[0]) => new TextDecoder().decode(encodeJson(value));

test('strings are escaped as Go does', () => {
  assert.equal(text('<a> & "b" \\'), '"\\u003ca\\u003e \\u0026 \\"b\\" \\\\"');
  assert.equal(text('\n\r\t\b\f\u0001\u001f\u007f'), '"\\n\\r\\t\\b\\f\\u0001\\u001f\u007f"');
  assert.equal(text('\u2028\u2029é😀'), '"\\u2028\\u2029é😀"');
  assert.equal(text('a\ud800b'), '"a\ufffdb"');
});

test('map keys are sorted by bytes, struct fields keep their order', () => {
  assert.equal(
    text(
      new Map([
        ['\u{10000}', 1],
        ['\uffee', 2],
        ['10', 3],
        ['9', 4],
      ]),
    ),
    '{"10":3,"9":4,"\uffee":2,"\u{10000}":1}',
  );
  assert.equal(text({ b: 1, a: undefined, c: [true, null] }), '{"b":1,"c":[true,null]}');
});

test('empty optional fields are left out, required ones stay', () => {
  const empty: Descriptor = {
    mediaType: '',
    digest: 'd',
    size: 0,
    urls: [],
    annotations: {},
    data: '',
    artifactType: '',
  };
  const bytes = encodeManifest({
    schemaVersion: 2,
    mediaType: '',
    config: empty,
    layers: [],
    annotations: {},
  });
  assert.equal(
    new TextDecoder().decode(bytes),
    '{"schemaVersion":2,"config":{"mediaType":"","digest":"d","size":0},"layers":[]}',
  );
});

test('every manifest that the soci CLI wrote is encoded again to the same bytes', () => {
  const cases = JSON.parse(readFileSync(fixture('golden/images/cases.json'), 'utf8')) as {
    out?: { manifests: { digest: string }[] };
  }[];
  let manifests = 0;
  const blob = (digest: string) => readFileSync(fixture('golden/images/blobs/sha256', digest.slice(7)));
  for (const { out } of cases) {
    for (const { digest } of out?.manifests ?? []) {
      const index = parseIndex(blob(digest));
      assert.equal(sha256(encodeIndex(index)), digest);
      for (const child of index.manifests) {
        assert.equal(sha256(encodeManifest(parseManifest(blob(child.digest)))), child.digest);
        manifests++;
      }
    }
  }
  assert.ok(manifests > 30);
});

test('parse(encode(x)) = x', () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = new Random(seed);
    const index = randomIndex(random);
    assert.deepEqual(parseIndex(encodeIndex(index)), index, `seed ${seed}`);
    const manifest: Manifest = {
      schemaVersion: 2,
      config: randomDescriptor(random),
      layers: random.list(0, 4, () => randomDescriptor(random)),
      ...(random.int(0, 1) ? { subject: randomDescriptor(random) } : {}),
    };
    assert.deepEqual(parseManifest(encodeManifest(manifest)), manifest, `seed ${seed}`);
  }
});

function randomText(random: Random): string {
  return random
    .list(1, 8, () =>
      random.pick(['a', 'Z', '/', '<', '&', '"', '\\', '\n', '\u2028', 'é', '😀', '__proto__']),
    )
    .join('');
}

function randomDescriptor(random: Random): Descriptor {
  return {
    mediaType: randomText(random),
    digest: sha256(random.bytes(4)),
    size: random.pick([0, 1, Number.MAX_SAFE_INTEGER, random.int(0, 1e9)]),
    ...(random.int(0, 1) ? { urls: random.list(1, 2, () => randomText(random)) } : {}),
    ...(random.int(0, 1)
      ? { annotations: Object.fromEntries(random.list(1, 4, () => [randomText(random), randomText(random)])) }
      : {}),
    ...(random.int(0, 1) ? { data: Buffer.from(random.bytes(random.int(1, 9))).toString('base64') } : {}),
    ...(random.int(0, 1)
      ? {
          platform: { architecture: 'arm64', os: 'linux', 'os.features': ['x'], variant: randomText(random) },
        }
      : {}),
    ...(random.int(0, 1) ? { artifactType: randomText(random) } : {}),
  };
}

function randomIndex(random: Random): Index {
  return {
    schemaVersion: 2,
    ...(random.int(0, 1) ? { mediaType: randomText(random) } : {}),
    manifests: random.list(0, 4, () => randomDescriptor(random)),
  };
}
