import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { ImageEvidence } from '../../../src/cluster/doctor/evidence';
import { diagnose, type NodeInput } from '../../../src/cluster/doctor/diagnose';
import { CHECKS, type CheckId, type Verdict } from '../../../src/cluster/doctor/checks';
import { loadProblems } from '../../../src/cluster/doctor/load';
import { explainLog } from '../../../src/cluster/doctor/log';
import { LOG_MEANINGS } from '../../../src/cluster/doctor/log-meanings';
import { describeDiagnosis } from '../../../src/cluster/doctor/report';
import { renderConfig } from '../../../src/cluster/generate';
import { parseNodeSpec } from '../../../src/cluster/nodes';
import { sentences } from '../../../src/sentences';
import type { Ztoc, ZtocFile } from '../../../src/soci/ztoc';
import { repoRoot } from '../../support/paths';

const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip';
const layer = (letter: string, size: number, mediaType = GZIP) => ({
  mediaType,
  digest: `sha256:${letter.repeat(64)}`,
  size,
});

/** An image of three layers, two of them in a v2 index, as a healthy registry has it. */
function evidence(change: Partial<ImageEvidence> = {}): ImageEvidence {
  const layers = [layer('a', 50_000_000), layer('b', 400_000_000), layer('c', 1_000_000)];
  return {
    reference: 'docker://r.example/shop/app:1',
    platform: { os: 'linux', architecture: 'amd64' },
    manifestDigest: `sha256:${'d'.repeat(64)}`,
    manifest: {
      schemaVersion: 2,
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        digest: `sha256:${'e'.repeat(64)}`,
        size: 2,
      },
      layers,
    },
    indexes: [
      {
        version: 2,
        digest: `sha256:${'f'.repeat(64)}`,
        problem: undefined,
        ztocs: layers
          .slice(0, 2)
          .map(({ digest }) => ({ layer: digest, problems: [], prefetch: false, dotSlash: false })),
      },
    ],
    referrersApi: true,
    isPublic: true,
    ranges: 'answered',
    ...change,
  };
}

const config = (text: string) => ({ name: 'config.toml', text });
const good: NodeInput = {
  release: '0.15',
  containerd: '2.2.6',
  containerdSocket: '/run/containerd/containerd.sock',
  config: config(
    renderConfig({ release: '0.15', mode: 'lazy', node: parseNodeSpec('m6i.large'), credentials: 'cri' }),
  ),
  log: `Nov 22 04:20:00 node soci-snapshotter-grpc[7]: {"level":"info","msg":"starting soci-snapshotter-grpc","revision":"abc","time":"2026-11-22T04:20:00Z","version":"v0.15.0"}
Nov 22 04:20:01 node soci-snapshotter-grpc[7]: {"address":"/run/soci-snapshotter-grpc/soci-snapshotter-grpc.sock","level":"info","msg":"soci-snapshotter-grpc successfully started"}
Nov 22 04:20:09 node soci-snapshotter-grpc[7]: {"key":"k8s.io/1","level":"info","msg":"remote snapshot successfully prepared.","remote-snapshot-prepared":"true"}
`,
};

function verdict(id: CheckId, image: ImageEvidence, node: NodeInput): Verdict | undefined {
  return diagnose(image, node).checks.find((check) => check.id === id)?.verdict;
}

describe('the doctor', () => {
  it('says yes, with every check green, when all is well', () => {
    const { lazy, checks } = diagnose(evidence(), good);
    assert.equal(lazy, 'yes');
    assert.deepEqual(
      checks.filter((check) => check.verdict !== 'green'),
      [],
    );
    assert.deepEqual(
      checks.map(({ id }) => id),
      Object.keys(CHECKS),
    );
  });

  it('says that it does not know, and how to know, when nothing is told of the node', () => {
    const { lazy, checks } = diagnose(evidence(), {});
    assert.equal(lazy, 'unknown');
    const unknown = checks.filter((check) => check.verdict === 'unknown');
    assert.ok(unknown.length >= 6);
    assert.ok(unknown.every(({ fix }) => fix !== undefined));
  });

  const index = evidence().indexes[0]!;
  const faults: readonly [
    id: CheckId,
    why: string,
    image: Partial<ImageEvidence>,
    node: Partial<NodeInput>,
  ][] = [
    ['index-there', 'no index', { indexes: [] }, {}],
    ['discoverable', 'v1 only, v1 off', { indexes: [{ ...index, version: 1 }] }, {}],
    [
      'index-types',
      'a wrong type',
      { indexes: [{ ...index, problem: 'it is no SOCI index.', ztocs: [] }] },
      {},
    ],
    [
      'ztocs-load',
      'a ztoc that the loader refuses',
      { indexes: [{ ...index, ztocs: [{ ...index.ztocs[0]!, problems: ['invalid toc entry'] }] }] },
      {},
    ],
    [
      'layers-indexed',
      'a large layer left out',
      { indexes: [{ ...index, ztocs: index.ztocs.slice(0, 1) }] },
      {},
    ],
    [
      'zstd',
      'a layer of zstd',
      {
        manifest: {
          ...evidence().manifest,
          layers: [layer('a', 9, 'application/vnd.oci.image.layer.v1.tar+zstd')],
        },
      },
      {},
    ],
    ['ranges', 'a proxy that ignores ranges', { ranges: 'refused' }, {}],
    [
      'credentials',
      'a private image and no keychain',
      { isPublic: false },
      { config: config('debug = false\n') },
    ],
    [
      'mode-enabled',
      'the parallel pull',
      {},
      {
        config: config('[pull_modes.parallel_pull_unpack]\nenable = true\ndiscard_unpacked_layers = true\n'),
      },
    ],
    ['mode-enabled', 'v2 off', {}, { config: config('[pull_modes.soci_v2]\nenable = false\n') }],
    ['version', 'v2 with 0.9', {}, { release: '0.9' }],
    [
      'version',
      'prefetch with 0.12',
      { indexes: [{ ...index, ztocs: index.ztocs.map((one) => ({ ...one, prefetch: true })) }] },
      { release: '0.12' },
    ],
    [
      'min-layer-size',
      'a limit above a layer',
      {},
      { config: config('[snapshotter]\nmin_layer_size = 100000000\n') },
    ],
    ['config', 'a fault of the config', {}, { config: config('[blob]\ndiscard_unpacked_layers = true\n') }],
    ['config', 'a config that is no TOML', {}, { config: config('[blob\n') }],
    [
      'prefetch',
      'artifacts, and prefetch off',
      { indexes: [{ ...index, ztocs: index.ztocs.map((one) => ({ ...one, prefetch: true })) }] },
      { config: config('debug = false\n') },
    ],
    ['containerd', 'no namespace', {}, { containerd: '1.6.20' }],
    ['containerd', 'the garbage collection', {}, { containerd: 'v1.7.13' }],
    ['socket', 'another socket', {}, { containerdSocket: '/run/k3s/containerd/containerd.sock' }],
    [
      'socket',
      'a stall in the log',
      {},
      {
        log: '{"error":"cannot get image manifest: connection error: desc = \\"transport: Error while dialing: timeout\\"","level":"warning","msg":"failed to prepare local snapshot; deferring to container runtime"}\n',
      },
    ],
    [
      'running',
      'an end',
      {},
      { log: 'systemd[1]: soci-snapshotter.service: Main process exited, code=exited, status=1/FAILURE\n' },
    ],
    [
      'lazy-seen',
      'a fallback',
      {},
      {
        log: '{"error":"no valid SOCI index found","level":"warning","msg":"failed to prepare remote snapshot"}\n',
      },
    ],
  ];
  for (const [id, why, image, node] of faults) {
    it(`finds ${why}: ${id}`, () => {
      const found = diagnose(evidence(image), { ...good, ...node }).checks.find((check) => check.id === id);
      assert.equal(found?.verdict, 'red', found?.evidence);
      assert.ok((found.fix?.length ?? 0) > 10);
      assert.equal(verdict(id, evidence(), good), 'green');
    });
  }

  it('takes 1.7.16 and 2.x of containerd, and v1 of a node that looks for it', () => {
    assert.equal(verdict('containerd', evidence(), { containerd: '1.7.16' }), 'green');
    const v1 = evidence({ indexes: [{ ...index, version: 1 }], referrersApi: false });
    const node = { ...good, config: config('[pull_modes.soci_v1]\nenable = true\n') };
    assert.equal(verdict('discoverable', v1, node), 'green');
    assert.equal(verdict('mode-enabled', v1, node), 'green');
  });

  it('is not kept from a yes by what only makes the node slower', () => {
    const slow = diagnose(evidence({ indexes: [{ ...index, ztocs: index.ztocs.slice(0, 1) }] }), good);
    assert.equal(slow.lazy, 'yes');
  });

  it('tells it all in words', () => {
    const text = describeDiagnosis(diagnose(evidence({ indexes: [] }), good));
    assert.match(text, /will not be loaded lazily/);
    assert.match(text, /✗ no {7}The image has a SOCI index/);
    assert.match(text, /Fix: Make one and push it/);
    assert.match(text, /✓ once, in line 3: A layer is loaded lazily/);
  });
});

it('says every sentence of its report in the language of the reader', () => {
  const file = path.join(repoRoot, 'l10n', 'bundle.l10n.de.json');
  const bundle = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
  const fill = (text: string, ...filled: string[]) =>
    `⟦${text.replace(/\{(\d)\}/g, (_, place: string) => filled[Number(place)] ?? '')}⟧`;
  const say = sentences(Object.keys(bundle), fill, 'de');
  const known = evidence();
  for (const [image, node] of [
    [known, good],
    [known, {}],
    [evidence({ indexes: [] }), good],
    [evidence({ isPublic: false, ranges: 'refused', referrersApi: false }), { ...good, release: '0.9' }],
    [known, { ...good, containerd: '1.6.2', config: config('[pull_modes.soci_v2]\nenable = false\n') }],
    [known, { ...good, config: config('[blob]\nmax_concurrent_downloads = 3\n[') }],
  ] as const) {
    const report = describeDiagnosis(diagnose(image, node), say);
    // From the innermost brackets outwards; the lines of the log are as the node wrote them.
    let rest = report.replace(/^ {4}(?![ ⟦]).*$/gm, '');
    while (/⟦[^⟦⟧]*⟧/.test(rest)) rest = rest.replace(/⟦[^⟦⟧]*⟧/g, '');
    assert.doesNotMatch(rest, /[A-Za-z]{2,} [a-z]{2,}/);
    assert.match(report, /⟦/);
  }
});

describe('lines of the log', () => {
  const lines: readonly [id: string, line: string][] = [
    ['starting', '{"level":"info","msg":"starting soci-snapshotter-grpc","version":"v0.12.1"}'],
    [
      'config-refused',
      '{"error":"failed to load config file \\"config.toml\\": toml: cannot decode","level":"fatal"}',
    ],
    [
      'limits',
      '{"error":"error creating unpack jobs: error validating image pull config: global download limit less than per-image download limit","level":"fatal","msg":"failed to configure filesystem"}',
    ],
    [
      'parallel-store',
      'time="2026-11-22T04:20:00Z" level=fatal msg="failed to configure filesystem" error="parallel_pull_unpack mode requires containerd content store"',
    ],
    [
      'no-ztoc',
      '{"layerDigest":"sha256:aa","level":"info","msg":"skipping mounting layer as FUSE mount: no ztoc for layer"}',
    ],
    ['parallel-on', '{"level":"info","max_concurrent_downloads":40,"msg":"Parallel image pull enabled"}'],
    ['parallel-layer', '{"level":"info","msg":"preparing snapshot with parallel pull/unpack"}'],
    [
      'fallback-parallel',
      '{"level":"info","msg":"no SOCI index found; falling back to parallel pull/unpack"}',
    ],
    ['reads', '{"level":"info","msg":"fuse operation count for image sha256:aa: node.Open = 812"}'],
    ['background-span', '{"level":"debug","msg":"fetching span","spanId":4}'],
    ['no-namespace', '{"error":"context has no namespace attached: unknown","level":"warning"}'],
    [
      'unauthorised',
      '{"error":"unable to fetch SOCI artifacts: 401 Unauthorized","level":"warning","msg":"failed to prepare remote snapshot"}',
    ],
    [
      'index-not-canonical',
      '{"error":"no valid SOCI index found: error trying to fetch SOCI artifacts: unable to store index in local store","msg":"failed to prepare remote snapshot"}',
    ],
    [
      'deferred',
      '{"defer-snapshot-runtime":"true","level":"warning","msg":"no index; deferring to container runtime"}',
    ],
    ['throttled', '{"error":"unexpected status 429 Too Many Requests","msg":"retry"}'],
    [
      'span-digest',
      '{"error":"expected sha256:a but got sha256:b: span digests do not match","msg":"failed to read the file"}',
    ],
  ];
  for (const [id, line] of lines) {
    it(id, () => {
      const { findings } = explainLog(`something else\n${line}\n`);
      assert.deepEqual(
        findings.map((one) => one.id),
        [id],
      );
      assert.equal(findings[0]?.firstLine, 2);
    });
  }

  it('has a meaning for each, a fix for most that is bad, and no two of one name', () => {
    assert.equal(new Set(LOG_MEANINGS.map(({ id }) => id)).size, LOG_MEANINGS.length);
    assert.ok(LOG_MEANINGS.length >= 40);
  });

  it('counts, puts what is bad first, and reads the version of the last start', () => {
    const text = `${lines[0]![1]}\n${lines[5]![1]}\n${lines[5]![1]}\n${lines[13]![1]}\n${lines[0]![1].replace('0.12.1', '0.15.0')}\n`;
    const { findings, version } = explainLog(text);
    assert.equal(version, '0.15.0');
    assert.deepEqual(
      findings.map(({ id, count }) => `${id} ${count}`),
      ['deferred 1', 'parallel-on 2', 'starting 2'],
    );
  });

  it('is quick with much text that means nothing', () => {
    const report = explainLog('a line of another program without meaning\n'.repeat(20_000));
    assert.deepEqual(report.findings, []);
  });
});

describe('what keeps a ztoc from being loaded', () => {
  const file = (name: string, offset: number, size: number, more: Partial<ZtocFile> = {}): ZtocFile =>
    ({
      name: Buffer.from(name),
      linkname: Buffer.from(''),
      type: 'reg',
      offset,
      size,
      ...more,
    }) as ZtocFile;
  const ztoc = (files: ZtocFile[], out = [0, 100]) =>
    ({ files, zinfo: { kind: 'gzip', out: Float64Array.from(out) } }) as unknown as Ztoc;

  it('finds nothing in an ordinary one', () => {
    const files = [
      file('a', 512, 100),
      file('b', 1536, 0, { type: 'hardlink', linkname: Buffer.from('./a') }),
      file('c', 2048, 9),
    ];
    assert.deepEqual(loadProblems(ztoc(files)), []);
  });

  it('finds a directory with a size, a link before its target, and two checkpoints at one place', () => {
    assert.match(
      loadProblems(ztoc([file('d/', 512, 4096, { type: 'dir' }), file('a', 1024, 1)]))[0] ?? '',
      /invalid toc entry/,
    );
    const links = [file('b', 512, 0, { type: 'hardlink', linkname: Buffer.from('a') }), file('a', 1024, 1)];
    assert.match(loadProblems(ztoc(links))[0] ?? '', /no earlier entry/);
    assert.match(loadProblems(ztoc([], [0, 0]))[0] ?? '', /same place/);
  });
});
