import assert from 'node:assert/strict';
import path from 'node:path';
import { suite, test } from 'node:test';
import { DaemonSet } from 'kubernetes-models/apps/v1/DaemonSet';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { CronJob } from 'kubernetes-models/batch/v1/CronJob';
import { Job } from 'kubernetes-models/batch/v1/Job';
import { RuntimeClass } from 'kubernetes-models/node.k8s.io/v1/RuntimeClass';
import { parse } from 'yaml';
import { renderManifests, type ManifestWish } from '../../../src/cluster/manifests';
import { lensError } from '../../support/errors';

const DIGEST = `@sha256:${'12'.repeat(32)}`;
const WISH: ManifestWish = {
  namespace: 'soci',
  installerImage: `host.example/installer${DIGEST}`,
  configs: { lazy: 'debug = false\n', parallel: '[pull_modes.parallel_pull_unpack]\nenable = true\n' },
  compare: { plain: `host.example/shop${DIGEST}`, indexed: `host.example/shop-soci${DIGEST}`, port: 8080 },
  indexing: {
    image: `host.example/soci-lens${DIGEST}`,
    list: 'host.example/shop:1\n',
    output: 'docker://{host}/{repository}:{tag}-soci',
    shards: 4,
  },
};

/** The classes hold the JSON schemas of Kubernetes' own OpenAPI document. */
const KINDS = { DaemonSet, Deployment, CronJob, Job, RuntimeClass } as const;

interface Container {
  readonly securityContext: {
    readonly privileged?: boolean;
    readonly capabilities?: { readonly drop: string[] };
  };
  readonly startupProbe?: { readonly periodSeconds: number; readonly failureThreshold: number };
  readonly args?: readonly string[];
}
interface PodSpec {
  readonly hostPID?: boolean;
  readonly hostNetwork?: boolean;
  readonly automountServiceAccountToken: boolean;
  readonly runtimeClassName?: string;
  readonly containers: readonly [Container];
}

const read = (file: string): unknown => parse(renderManifests(WISH).get(file) ?? '');
const podOf = (file: string) => (read(file) as { spec: { template: { spec: PodSpec } } }).spec.template.spec;

suite('manifests', () => {
  for (const [file, text] of renderManifests(WISH)) {
    const value = file.endsWith('.yaml') ? (parse(text) as { kind: string }) : undefined;
    if (!value || value.kind === 'Kustomization') continue;
    test(`${file} keeps the schema of Kubernetes`, () => {
      const Kind = KINDS[value.kind as keyof typeof KINDS];
      new Kind(value as never).validate();
      // That the schema is asked at all: a field of a wrong type is refused.
      assert.throws(() => {
        new Kind({ ...value, metadata: 'x' } as never).validate();
      });
    });
  }

  test('every file that a kustomization names is there, and none is left over', () => {
    const files = renderManifests(WISH);
    const named = new Set<string>();
    for (const [file, text] of files) {
      if (!file.endsWith('kustomization.yaml')) continue;
      named.add(file);
      const { resources = [], configMapGenerator = [] } = parse(text) as {
        resources?: string[];
        configMapGenerator?: { files: string[] }[];
      };
      for (const resource of [...resources, ...configMapGenerator.flatMap((map) => map.files)]) {
        const target = path.posix.join(path.posix.dirname(file), resource);
        named.add(files.has(target) ? target : `${target}/kustomization.yaml`);
      }
    }
    assert.deepEqual([...named].sort(), [...files.keys()].sort());
  });

  test('no pod is privileged, shares a namespace of the host, or may ask the API', () => {
    for (const file of [
      'base/daemonset.yaml',
      'compare/with.yaml',
      'compare/without.yaml',
      'index-job/job.yaml',
    ]) {
      const pod = podOf(file);
      assert.equal(pod.hostPID ?? pod.hostNetwork ?? false, false, file);
      assert.equal(pod.automountServiceAccountToken, false, file);
      assert.equal(pod.containers[0].securityContext.privileged ?? false, false, file);
    }
    assert.deepEqual(podOf('base/daemonset.yaml').containers[0].securityContext.capabilities, {
      drop: ['ALL'],
    });
  });

  test('the two Deployments differ in the image and how it gets to the node, and in nothing else', () => {
    const [withIt, without] = [podOf('compare/with.yaml'), podOf('compare/without.yaml')];
    assert.equal(withIt.runtimeClassName, 'soci');
    assert.equal(without.runtimeClassName, undefined);
    const strip = (pod: PodSpec) => ({
      ...pod,
      runtimeClassName: '',
      containers: [{ ...pod.containers[0], image: '' }],
    });
    assert.deepEqual(strip(withIt), strip(without));
    const probe = withIt.containers[0].startupProbe;
    assert.ok(probe && probe.periodSeconds * probe.failureThreshold >= 300, 'a lazy start gets its time');
  });

  test('an image that a tag alone names is refused', () => {
    assert.throws(
      () => renderManifests({ ...WISH, installerImage: 'host.example/installer:1' }),
      lensError('cluster/unpinned-image', /installer:1/),
    );
  });

  test('the Job hands its number of shards to the command line', () => {
    const { args = [] } = podOf('index-job/job.yaml').containers[0];
    assert.equal(args[args.indexOf('--shard') + 1], '4');
    const job = read('index-job/job.yaml') as { spec: { completions: number; completionMode: string } };
    assert.deepEqual([job.spec.completions, job.spec.completionMode], [4, 'Indexed']);
  });

  test('what is not wished for is not written', () => {
    const { namespace, installerImage, configs } = WISH;
    const files = [...renderManifests({ namespace, installerImage, configs }).keys()];
    assert.ok(
      files.every((file) => /^(base|overlays\/(lazy|parallel))\//.test(file)),
      files.join(' '),
    );
  });
});
