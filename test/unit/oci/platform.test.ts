import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LensError } from '../../../src/errors';
import {
  formatPlatform,
  hostPlatform,
  normalisePlatform,
  parsePlatform,
  samePlatform,
} from '../../../src/oci/platform';

test('names are normalised, a variant that was asked for stays', () => {
  const table: Record<string, string> = {
    'linux/amd64': 'linux/amd64',
    'linux/x86_64': 'linux/amd64',
    'Linux/AMD64/v1': 'linux/amd64',
    'linux/amd64/v2': 'linux/amd64/v2',
    'linux/aarch64': 'linux/arm64',
    'linux/arm64/v8': 'linux/arm64/v8',
    'linux/arm64/8': 'linux/arm64/v8',
    'linux/arm': 'linux/arm',
    'linux/armhf': 'linux/arm',
    'linux/armel': 'linux/arm/v6',
    'linux/arm/6': 'linux/arm/v6',
    'windows(10.0.17763)/amd64': 'windows(10.0.17763)/amd64',
    s390x: 'linux/s390x',
  };
  for (const [given, expected] of Object.entries(table))
    assert.equal(formatPlatform(parsePlatform(given)), expected, given);
  assert.equal(parsePlatform('linux').architecture, hostPlatform().architecture);
});

test('what is no platform is refused', () => {
  for (const given of ['', 'foo', 'linux/', '/amd64', 'linux/amd64/v1/x', 'linux/a*', 'a b/c']) {
    assert.throws(
      () => parsePlatform(given),
      (error) => error instanceof LensError && error.code === 'oci/bad-platform',
      given,
    );
  }
});

test('matching is strict after normalisation', () => {
  const same = (a: string, b: string) => samePlatform(parsePlatform(a), parsePlatform(b));
  assert.ok(same('linux/arm64', 'linux/arm64/v8'));
  assert.ok(same('linux/arm', 'linux/arm/v7'));
  assert.ok(!same('linux/amd64', 'linux/amd64/v2'));
  assert.ok(!same('linux/amd64', 'windows/amd64'));
  assert.ok(!same('linux/arm/v6', 'linux/arm/v7'));
});

test('a platform from a config loses the default variant', () => {
  assert.deepEqual(normalisePlatform({ os: 'linux', architecture: 'arm64', variant: 'v8' }), {
    os: 'linux',
    architecture: 'arm64',
  });
});
