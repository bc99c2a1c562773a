import { parseNodeSpec } from '../../../src/cluster/nodes';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { LensError } from '../../../src/errors';
import { formatBytes, formatCount, formatSeconds, formatShare, formatSize } from '../../../src/plan/format';
import { checkNetwork, parseNetwork } from '../../../src/plan/network';
import { checkNode, networkOf, parseNode } from '../../../src/plan/node';

describe('the settings of the editor', () => {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
    contributes: { configuration: { properties: Record<string, { pattern?: string }> }[] };
  };
  const settings = Object.assign(
    {},
    ...manifest.contributes.configuration.map((one) => one.properties),
  ) as Record<string, { pattern?: string }>;
  const takes = (name: string, text: string) => new RegExp(settings[name]?.pattern ?? '$^').test(text);
  const reads = (parse: (text: string) => unknown, text: string) => {
    try {
      parse(text);
      return true;
    } catch {
      return false;
    }
  };

  test('take while typing what is read afterwards, and nothing else', () => {
    const networks = [
      'local',
      'slow',
      'rtt=5,bw=12.5',
      'rtt=5, registry=30, tcp',
      'kept',
      'slo',
      'rtt=',
      'bw=1 rtt=2',
    ];
    for (const text of networks)
      assert.equal(takes('sociLens.plan.network', text), reads(parseNetwork, text), text);
    const nodes = [
      'm6i.xlarge',
      'm6i.xlarge, disk=500',
      'cores=4,memory=8,disk=130',
      'workers=2',
      'm6i',
      'cores',
      'disk=x',
    ];
    for (const text of nodes) assert.equal(takes('sociLens.plan.node', text), reads(parseNode, text), text);
    assert.ok(takes('sociLens.plan.network', '') && takes('sociLens.plan.node', ''));
  });
});

describe('networks', () => {
  test('by name, and by figures', () => {
    assert.deepEqual(parseNetwork('slow'), { rttMs: 20, bytesPerSecond: 20e6, connections: 'tls' });
    assert.deepEqual(parseNetwork('rtt=5,bw=10,registry=30,tcp'), {
      rttMs: 5,
      bytesPerSecond: 10e6,
      registryMs: 30,
      connections: 'tcp',
    });
    assert.deepEqual(parseNetwork('rtt=5,bw=12.5'), { rttMs: 5, bytesPerSecond: 12.5e6 });
    assert.deepEqual(parseNetwork('bw=1'), { rttMs: 20, bytesPerSecond: 1e6 });
    assert.deepEqual(parseNetwork('rtt=0'), { rttMs: 0, bytesPerSecond: 100e6 });
  });

  for (const text of [
    '',
    'fast',
    'rtt=-1',
    'rtt=NaN',
    'bw=0',
    'bw=Infinity',
    'rtt=1e9',
    'rtt=99999999',
    'bw=5,',
    'rtt',
    'toString',
    'cores=2',
  ]) {
    test(`"${text}" is refused`, () => {
      assert.throws(
        () => parseNetwork(text),
        (error) => error instanceof LensError && error.code === 'plan/bad-network',
      );
    });
  }

  test('figures that no network has are refused wherever they come from', () => {
    for (const network of [
      { rttMs: NaN, bytesPerSecond: 1e6 },
      { rttMs: -1, bytesPerSecond: 1e6 },
      { rttMs: 10, bytesPerSecond: 0 },
      { rttMs: 10, bytesPerSecond: Infinity },
      { rttMs: Infinity, bytesPerSecond: 1e6 },
    ]) {
      assert.throws(
        () => {
          checkNetwork(network);
        },
        { code: 'plan/bad-network' },
      );
    }
  });
});

describe('nodes', () => {
  test('by figures', () => {
    assert.deepEqual(parseNode('cores=8'), {
      cores: 8,
      unpackBytesPerSecond: 199e6,
      diskBytesPerSecond: 1000e6,
    });
    assert.deepEqual(parseNode('cores=4,disk=500,memory=1,network=8,workers=16'), {
      cores: 4,
      unpackBytesPerSecond: 199e6,
      diskBytesPerSecond: 500e6,
      memoryBytes: 2 ** 30,
      networkBytesPerSecond: 1e9,
      workers: 16,
    });
  });

  test('by instance type, whose volume is the usual one and whose network the sustained one, unless said otherwise', () => {
    assert.deepEqual(parseNode('g5.2xlarge'), {
      name: 'g5.2xlarge',
      cores: 8,
      unpackBytesPerSecond: 199e6,
      diskBytesPerSecond: 125e6,
      memoryBytes: 32 * 2 ** 30,
      networkBytesPerSecond: 625e6,
    });
    const own = parseNode('g5.4xlarge,disk=1000,network=25');
    assert.deepEqual([own.diskBytesPerSecond, own.networkBytesPerSecond], [1000e6, 3.125e9]);
    const spec = parseNodeSpec('g5.2xlarge');
    assert.equal(spec.networkMbps * 125_000, parseNode('g5.2xlarge').networkBytesPerSecond, 'one table');
  });

  for (const text of ['', 'cores=0', 'disk=0', 'm5.enormous', 'rtt=5', 'cores=4,m5.large', 'toString']) {
    test(`"${text}" is refused`, () => {
      assert.throws(() => parseNode(text), { code: 'plan/bad-node' });
    });
  }

  test('figures that no node has are refused wherever they come from', () => {
    for (const part of [
      { cores: 0 },
      { cores: NaN },
      { diskBytesPerSecond: Infinity },
      { memoryBytes: -1 },
    ]) {
      assert.throws(
        () => {
          checkNode({ ...parseNode('cores=2'), ...part });
        },
        { code: 'plan/bad-node' },
      );
    }
  });

  test('a node’s own card limits a faster network', () => {
    const network = { rttMs: 5, bytesPerSecond: 10e9 };
    assert.equal(networkOf(network, parseNode('network=8')).bytesPerSecond, 1e9);
    assert.equal(networkOf(network, parseNode('cores=2')), network);
  });
});

test('numbers as people read them', () => {
  assert.equal(formatSize(65536), '64 KiB');
  assert.equal(formatSize(4 * 1024 * 1024), '4 MiB');
  assert.equal(formatSize(3_000_000), '2.86 MiB');
  assert.equal(formatBytes(0), '0 B');
  assert.equal(formatBytes(999), '999 B');
  assert.equal(formatBytes(111_793_806), '112 MB');
  assert.equal(formatBytes(1_470_000_000), '1.47 GB');
  assert.equal(formatSeconds(0.123), '0.12 s');
  assert.equal(formatSeconds(5.35), '5.4 s');
  assert.equal(formatSeconds(132.4), '132 s');
  assert.equal(formatCount(37838), '37,838');
  assert.equal(formatShare(0), '0 %');
  assert.equal(formatShare(0.0001), '< 1 %');
  assert.equal(formatShare(0.123), '12 %');
});
