import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { findKey, isReadBy } from '../../../src/cluster/config-keys';
import { chooseSettings, PULL_MODES, renderConfig, type ConfigWish } from '../../../src/cluster/generate';
import { lintFile } from '../../../src/cluster/lint';
import {
  bottlerocketSettings,
  CONTAINERD_VERSIONS,
  containerdConfig,
  nodeadmConfig,
  userData,
} from '../../../src/cluster/node-setup';
import { parseNodeSpec } from '../../../src/cluster/nodes';
import { isAtLeast, RELEASES } from '../../../src/cluster/releases';
import { readToml } from '../../../src/cluster/toml';

const NODES = [
  't3.large',
  'm6i.xlarge',
  'g5.4xlarge,iops=16000,disk=1000',
  'g6e.48xlarge,nvme',
  'vcpu=1,mem=1,net=100',
];

function wish(change: Partial<ConfigWish> = {}): ConfigWish {
  return { release: '0.15', mode: 'lazy', node: parseNodeSpec('m6i.2xlarge'), credentials: 'cri', ...change };
}

/** Every release, mode, kind of node and source of credentials that go together. */
const wishes = RELEASES.flatMap((release) =>
  PULL_MODES.filter((mode) =>
    isAtLeast(release, mode === 'parallel' ? '0.11' : mode === 'fallback' ? '0.14' : '0.9'),
  ).flatMap((mode) =>
    NODES.flatMap((node) =>
      (['cri', 'kubeconfig', 'docker'] as const).map((credentials) =>
        wish({ release, mode, node: parseNodeSpec(node), credentials }),
      ),
    ),
  ),
);

function value(text: string, path: string) {
  const document = readToml(text);
  assert.ok('entries' in document);
  return document.entries.find((entry) => entry.path.join('.') === path)?.content.value;
}

describe('the config for a node', () => {
  it(`is without a finding, in all ${wishes.length} combinations, and every key is one that the release reads`, () => {
    assert.ok(wishes.length >= 100);
    for (const one of wishes) {
      const text = renderConfig(one);
      assert.deepEqual(lintFile(text, 'config.toml', { release: one.release }).findings, [], text);
      for (const { path } of chooseSettings(one)) {
        const key = findKey(path.split('.'));
        assert.ok(key && isReadBy(key, one.release), `${path} in ${one.release}`);
      }
    }
  });

  it('says why, above every key', () => {
    const lines = renderConfig(wish()).split('\n');
    lines.forEach((line, index) => {
      if (/^\w+ = /.test(line)) assert.match(lines[index - 1] ?? '', /^# /, line);
      assert.ok(line.length <= 100, line);
    });
  });

  it('names its release, which the linter then goes by', () => {
    const text = renderConfig(wish({ release: '0.12' })) + '\n[prefetch]\nenable = true\n';
    assert.deepEqual(
      lintFile(text, 'config.toml').findings.map(({ rule }) => rule),
      ['not-in-release'],
    );
  });

  it('comes to the published figures for a g5.4xlarge with a fast volume', () => {
    // The walkthrough's own choice there: 20 downloads in chunks of 16 MB and 10 unpacks.
    const text = renderConfig(
      wish({ mode: 'parallel', node: parseNodeSpec('g5.4xlarge,iops=16000,disk=1000') }),
    );
    const table = 'pull_modes.parallel_pull_unpack';
    assert.equal(value(text, `${table}.max_concurrent_downloads_per_image`), 20);
    assert.equal(value(text, `${table}.concurrent_download_chunk_size`), '16mb');
    assert.equal(value(text, `${table}.max_concurrent_unpacks_per_image`), 9);
  });

  it('never lets one image do more than the node, nor more unpacks than it has layers', () => {
    for (const type of [
      't3.large',
      'c7g.4xlarge',
      'm6i.32xlarge',
      'i4i.8xlarge',
      'g5.4xlarge',
      'p5.48xlarge',
    ]) {
      const node = parseNodeSpec(`${type},nvme`);
      const settings = chooseSettings(wish({ mode: 'parallel', node, layers: 3 }));
      const number = (name: string) => Number(settings.find(({ path }) => path.endsWith(`.${name}`))?.value);
      assert.ok(number('max_concurrent_downloads_per_image') <= number('max_concurrent_downloads'));
      assert.ok(number('max_concurrent_unpacks_per_image') <= number('max_concurrent_unpacks'));
      assert.ok(number('max_concurrent_unpacks_per_image') <= 3);
      assert.ok(number('max_concurrent_downloads_per_image') <= 20);
    }
  });

  it('looks for the kind of index that the image has', () => {
    const image = {
      reference: 'shop/app:1',
      indexVersions: [1] as const,
      prefetch: true,
      indexedLayerSizes: Array.from({ length: 60 }, () => 20_000_000),
      spans: 2000,
    };
    const text = renderConfig(wish({ image }));
    assert.equal(value(text, 'pull_modes.soci_v1.enable'), true);
    assert.equal(value(text, 'resolve_result_entry'), 120);
    assert.deepEqual(lintFile(text, 'config.toml', { image }).findings, []);
  });

  it('refuses a mode that the release does not have', () => {
    assert.throws(() => renderConfig(wish({ release: '0.10', mode: 'parallel' })), {
      code: 'cluster/mode-not-in-release',
    });
    assert.throws(() => renderConfig(wish({ release: '0.13', mode: 'fallback' })), {
      code: 'cluster/mode-not-in-release',
    });
  });
});

describe('nodes', () => {
  it('reads a type, figures, and a type with figures of its own', () => {
    assert.deepEqual(parseNodeSpec('g5.2xlarge'), {
      name: 'g5.2xlarge',
      vcpus: 8,
      memoryGib: 32,
      networkMbps: 5000,
      diskIops: 3000,
      diskMBps: 125,
      nvme: false,
    });
    assert.equal(parseNodeSpec('m7g.medium').vcpus, 1);
    assert.equal(parseNodeSpec('m6i.large,iops=16000').diskIops, 16000);
    assert.equal(parseNodeSpec('vcpu=8,mem=32,net=5000,nvme').nvme, true);
  });

  for (const bad of [
    '',
    'm6i',
    'm6i.huge',
    'vcpu=8',
    'm6i.large,iops=-1',
    'm6i.large,speed=2',
    'toString.large',
  ]) {
    it(`refuses "${bad}"`, () => {
      assert.throws(() => parseNodeSpec(bad), { code: 'cluster/bad-node' });
    });
  }
});

describe("containerd's part and the forms of it", () => {
  for (const version of CONTAINERD_VERSIONS) {
    it(`is TOML for containerd ${version}, with the plugin and the annotations`, () => {
      const text = containerdConfig(version);
      assert.equal(value(text, 'proxy_plugins.soci.type'), 'snapshot');
      assert.match(text, /snapshotter = "soci"/);
      assert.match(
        text,
        version === '2.1'
          ? /enable_remote_snapshot_annotations = "true"/
          : /disable_snapshot_annotations = false/,
      );
    });
  }

  it('goes into nodeadm as text, with the kubelet sent to the snapshotter when credentials come by the CRI', () => {
    const config = parse(nodeadmConfig(wish(), '2.0')) as {
      spec: { kubelet?: { config: { imageServiceEndpoint: string } }; containerd: { config: string } };
    };
    assert.equal(config.spec.containerd.config, containerdConfig('2.0'));
    assert.match(config.spec.kubelet?.config.imageServiceEndpoint ?? '', /^unix:\/\/\/run\/soci/);
    assert.doesNotMatch(nodeadmConfig(wish({ credentials: 'docker' }), '2.0'), /imageServiceEndpoint/);
  });

  it('makes user data whose config the linter finds, and finds nothing in', () => {
    const { configs, findings } = lintFile(userData(wish(), '2.1'), 'user-data.txt');
    assert.equal(configs, 1);
    assert.deepEqual(findings, []);
  });

  it('makes settings for Bottlerocket that it knows, for the parallel pull only', () => {
    const text = bottlerocketSettings(wish({ mode: 'parallel' }));
    const { configs, findings } = lintFile(text, 'user-data.toml');
    assert.equal(configs, 1);
    assert.deepEqual(findings, []);
    assert.throws(() => bottlerocketSettings(wish()), { code: 'cluster/mode-not-in-form' });
  });
});

describe('the walkthrough', () => {
  const read = (name: string) => readFileSync(`test/fixtures/walkthrough/${name}`, 'utf8');

  it('has the right table in one file, and the wrong one in two', () => {
    assert.deepEqual(lintFile(read('config-parallel.toml'), 'config-parallel.toml').findings, []);
    const wrong = lintFile(read('config-blob.toml'), 'config-blob.toml').findings;
    assert.deepEqual([...new Set(wrong.map(({ rule }) => rule))], ['wrong-table']);
    assert.equal(wrong.length, 6);
    const embedded = lintFile(read('daemonset.yaml'), 'daemonset.yaml');
    assert.equal(embedded.configs, 1);
    assert.equal(embedded.findings.length, 2);
  });
});
