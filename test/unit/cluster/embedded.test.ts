import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parseAllDocuments, parse } from 'yaml';
import { applyEdits } from '../../../src/cluster/edits';
import { fixAll, lintFile } from '../../../src/cluster/lint';

/** The findings of a file, as `line:rule`. */
function found(text: string, name: string): string[] {
  return lintFile(text, name).findings.map(
    ({ at, rule }) => `${text.slice(0, at.start).split('\n').length}:${rule}`,
  );
}

const CONFIG_MAP = `apiVersion: v1
kind: ConfigMap
metadata: { name: soci }
data:
  config.toml: |
    debug = true
    [background_fetch]
      disable = true
`;

describe('configs within other files', () => {
  it('finds a block of YAML, at its place in the file', () => {
    assert.deepEqual(found(CONFIG_MAP, 'soci.yaml'), ['6:private-log', '8:background-off']);
  });

  it('finds them in each of several documents, and leaves the others alone', () => {
    const other =
      'apiVersion: v1\nkind: ConfigMap\ndata:\n  settings.toml: |\n    [server]\n    port = 1\n    # soci\n';
    const text = `${other}---\n${CONFIG_MAP}---\n${other}---\n${CONFIG_MAP}`;
    assert.equal(parseAllDocuments(text).length, 4);
    assert.equal(lintFile(text, 'all.yml').configs, 2);
    assert.equal(found(text, 'all.yml').length, 4);
  });

  it('makes fixes that keep the YAML and its indentation', () => {
    const text = readFileSync('test/fixtures/walkthrough/daemonset.yaml', 'utf8');
    const { text: fixed, fixes } = fixAll(text, 'daemonset.yaml');
    // The keys together, and then what a parallel pull needs besides.
    assert.equal(fixes, 2);
    assert.deepEqual(found(fixed, 'daemonset.yaml'), []);
    const args = (yaml: string): string =>
      (parse(yaml) as { spec: { template: { spec: { containers: { args: string[] }[] } } } }).spec.template
        .spec.containers[0]?.args[0] ?? '';
    assert.equal(
      args(fixed),
      args(text).replace(
        /\[blob\]\n(.*)\n(.*)\n/,
        '[blob]\n\n[pull_modes.parallel_pull_unpack]\ndiscard_unpacked_layers = true\nenable = true\n$1\n$2\n',
      ),
    );
  });

  it('puts a key of the root above the first table, indented as the block is', () => {
    const text = CONFIG_MAP.replace('    debug = true\n', '').replace(
      'disable = true',
      'mount_timeout_sec = 60',
    );
    const { text: fixed } = fixAll(text, 'soci.yaml');
    const { data } = parse(fixed) as { data: Record<string, string> };
    assert.equal(data['config.toml'], 'mount_timeout_sec = 60\n[background_fetch]\n');
  });

  it('reads templates as places whose values it does not know', () => {
    const helm = `data:
  config.toml: |
{{- if .Values.lazy }}
    debug = {{ .Values.debug }}
    [content_store]
    containerd_address = "{{ .Values.socket }}"
{{- else }}
    [pull_modes.parallel_pull_unpack]
    enable = true
    discard_unpacked_layers = {{ .Values.discard }}
    max_concurrent_downloads = {{ .Values.downloads | int }}
    max_concurrent_downloads_per_image = 20
    flavour = {{ quote .Values.flavour }}
{{- end }}
`;
    assert.deepEqual(found(helm, 'templates/soci.yaml'), ['13:unknown-key']);
  });

  it('says nothing about a line that a template makes', () => {
    const text =
      '# soci\ncat > /etc/soci-snapshotter-grpc/config.toml <<EOF\n[blob]\nmax_retries = 1${ZEROES}\nEOF\n';
    assert.deepEqual(found(text, 'setup.sh'), []);
  });

  it('finds here-documents in scripts, with tabs, tee and quotes', () => {
    const script = `#!/bin/sh
sudo tee /etc/soci-snapshotter-grpc/config.toml > /dev/null <<-'EOF'
\t[blob]
\tconcurrent_download_chunk_size = "16mb"
\tEOF
cat <<EOF >> /etc/soci-snapshotter-grpc/config.toml
mount_timeout_sec = $TIMEOUT
debug = true
EOF
cat > /etc/containerd/config.toml <<EOF
[proxy_plugins.soci]
type = "snapshot"
EOF
`;
    assert.deepEqual(found(script, 'install.sh'), ['4:wrong-table', '8:private-log']);
    assert.equal(lintFile(script, 'install.sh').configs, 2);
  });

  it("finds Bottlerocket's settings in the user data of a node class", () => {
    const text = `apiVersion: karpenter.k8s.aws/v1
kind: EC2NodeClass
spec:
  userData: |
    [settings.container-runtime]
    snapshotter = "soci"

    [settings.container-runtime-plugins.soci-snapshotter]
    pull-mode = "parallel-pull-unpack"

    [settings.container-runtime-plugins.soci-snapshotter.parallel-pull-unpack]
    max-concurrent-downloads-per-image = 20
    concurrent-download-chunk-size = "16mib"
    max_concurrent_unpacks_per_image = 12
`;
    assert.deepEqual(found(text, 'nodeclass.yaml'), ['14:bottlerocket-key']);
  });

  /** As eksctl takes it: maps of YAML, of which it makes the TOML of the user data. */
  const EKSCTL = `apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
managedNodeGroups:
  - name: fast
    amiFamily: Bottlerocket
    bottlerocket:
      settings:
        container-runtime:
          snapshotter: soci # or nothing of this is used
        container-runtime-plugins:
          soci-snapshotter:
            pull-mode: parallel-pull-unpack
            parallel-pull-unpack:
              max-concurrent-downloads: 20
              max-concurrent-downloads-per-image: 10
              concurrent-download-chunk-size: "16mib"
              discard-unpacked-layers: true
    labels: { role: fast }
`;

  it("finds Bottlerocket's settings as maps of YAML, and nothing in good ones", () => {
    assert.deepEqual(lintFile(EKSCTL, 'cluster.yaml'), { configs: 1, findings: [] });
    const templated = EKSCTL.replace('downloads: 20', 'downloads: {{ .Values.downloads }}');
    assert.deepEqual(lintFile(templated, 'cluster.yaml').findings, []);
  });

  /** A line of it, how it is planted wrong, what is pointed at, and the line after the fix. */
  const PLANTED: readonly (readonly [
    rule: string,
    line: string,
    wrong: string,
    at: string,
    fixed: string,
  ])[] = [
    [
      ...(['bottlerocket-key', 'max-concurrent-downloads: 20', 'max_concurrent_downloads: 20'] as const),
      ...(['max_concurrent_downloads', 'max-concurrent-downloads: 20'] as const),
    ],
    ['bottlerocket-key', 'discard-unpacked-layers: true', 'flavour: mint', 'flavour', ''],
    [
      'bottlerocket-value',
      'pull-mode: parallel-pull-unpack',
      'pull-mode: lazy',
      'lazy',
      'pull-mode: "parallel-pull-unpack"',
    ],
    [
      ...(['bottlerocket-value', 'concurrent-download-chunk-size: "16mib"'] as const),
      ...([
        'concurrent-download-chunk-size: 16 mib',
        '16 mib',
        'concurrent-download-chunk-size: "16mib"',
      ] as const),
    ],
    [
      ...([
        'bottlerocket-value',
        'discard-unpacked-layers: true',
        'discard-unpacked-layers: "true"',
      ] as const),
      ...(['"true"', 'discard-unpacked-layers: true'] as const),
    ],
    [
      ...(['per-image-above-global', 'max-concurrent-downloads-per-image: 10'] as const),
      ...([
        'max-concurrent-downloads-per-image: 30',
        '30',
        'max-concurrent-downloads-per-image: 20',
      ] as const),
    ],
    ['parallel-off', 'snapshotter: soci #', 'snapshotter: overlayfs #', 'overlayfs', 'snapshotter: "soci" #'],
  ];
  for (const [rule, line, wrong, at, fixed] of PLANTED) {
    it(`mends it in maps of YAML too: ${wrong}`, () => {
      for (const newline of ['\n', '\r\n']) {
        const planted = (put: string) => {
          // A line that goes, goes with its break.
          const from = put === '' ? new RegExp(`\\n *${line}`) : line;
          return EKSCTL.replace(from, put).replaceAll('\n', newline);
        };
        const text = planted(wrong);
        const { findings } = lintFile(text, 'cluster.yaml');
        assert.deepEqual(
          findings.map((one) => [one.rule, text.slice(one.at.start, one.at.end)]),
          [[rule, at]],
        );
        assert.equal(fixAll(text, 'cluster.yaml').text, planted(fixed));
      }
    });
  }

  it('moves a setting of YAML to its map, and makes the map where there is none', () => {
    const lines = EKSCTL.split('\n');
    const short = [...lines.slice(0, 12), '            max-concurrent-downloads: 8', ...lines.slice(17)].join(
      '\n',
    );
    const { findings } = lintFile(short, 'cluster.yaml');
    assert.deepEqual(
      findings.map(({ message }) => message),
      ['max-concurrent-downloads belongs to …soci-snapshotter.parallel-pull-unpack.'],
    );
    assert.deepEqual(fixAll(short, 'cluster.yaml').text.split('\n').slice(11, 15), [
      '            pull-mode: parallel-pull-unpack',
      '            parallel-pull-unpack:',
      '              max-concurrent-downloads: 8',
      '    labels: { role: fast }',
    ]);
    const without = EKSCTL.replace(/ +container-runtime:\n.*\n/, '');
    const mended = fixAll(without, 'cluster.yaml').text;
    assert.match(mended, /layers: true\n {8}container-runtime:\n {10}snapshotter: "soci"\n {4}labels/);
    assert.deepEqual(lintFile(mended, 'cluster.yaml').findings, []);
  });

  it('points at the whole of a quoted text, and makes no edit in it', () => {
    const text = 'data:\n  soci.toml: "debug = true\\n[background_fetch]\\ndisable = true\\n"\n';
    const { findings } = lintFile(text, 'soci.yaml');
    assert.deepEqual(found(text, 'soci.yaml').sort(), ['2:background-off', '2:private-log']);
    assert.ok(findings.every(({ fix, at }) => fix === undefined && text[at.start] === '"'));
  });

  it('tells where TOML does not parse, in the file that holds it', () => {
    const text = CONFIG_MAP.replace('[background_fetch]', '[background_fetch');
    assert.deepEqual(found(text, 'soci.yaml'), ['7:toml-syntax']);
  });

  it('works with lines that end in CR LF', () => {
    const text = CONFIG_MAP.replaceAll('\n', '\r\n');
    assert.deepEqual(found(text, 'soci.yaml'), ['6:private-log', '8:background-off']);
    assert.deepEqual(found('debug = true\r\n[blob]\r\nflavour = 1\r\n', 'config.toml'), [
      '1:private-log',
      '3:unknown-key',
    ]);
  });

  it('goes on when the YAML is broken', () => {
    const text = `${CONFIG_MAP}  : [unbalanced\n`;
    assert.deepEqual(found(text, 'soci.yaml'), ['6:private-log', '8:background-off']);
  });

  it("takes containerd's own config for what it is", () => {
    assert.equal(lintFile('version = 2\n[plugins."io.containerd.grpc.v1.cri"]\n', 'config.toml').configs, 0);
  });

  it('finds nothing in YAML that has no config, however large', () => {
    const large = Array.from({ length: 50_000 }, (_, index) => `- { name: soci-${index}, value: 1 }\n`).join(
      '',
    );
    assert.deepEqual(lintFile(large, 'list.yaml'), { configs: 0, findings: [] });
  });

  it('refuses a file that no config can be', () => {
    assert.throws(() => lintFile('#'.repeat(9 * 1024 * 1024), 'config.toml'), { code: 'cluster/too-large' });
  });

  it('never throws on pieces of configs, and its edits are within the text', () => {
    const whole = CONFIG_MAP + readFileSync('test/fixtures/walkthrough/daemonset.yaml', 'utf8');
    for (let end = 0; end < whole.length; end += 17) {
      const text = whole.slice(0, end);
      for (const { fix, at } of lintFile(text, 'soci.yaml').findings) {
        assert.ok(at.start <= at.end && at.end <= text.length);
        if (fix) assert.doesNotThrow(() => applyEdits(text, fix.edits));
      }
    }
  });
});
