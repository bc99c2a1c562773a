import { stringify } from 'yaml';
import { LensError } from '../errors';
import { PULL_MODES, renderConfig } from './generate';
import { SNAPSHOTTER_SOCKET } from './lint-general';
import type { NodeSpec } from './nodes';
import { LATEST_RELEASE } from './releases';

/** What the manifests are made for. */
export interface ManifestWish {
  readonly namespace: string;
  /** An image with a shell, `systemctl`, and the snapshotter in /usr/local/bin; named by its digest. */
  readonly installerImage: string;
  /** config.toml by pull mode: each becomes an overlay. */
  readonly configs: Readonly<Record<string, string>>;
  /** The image to compare with and without its index, by digest; no Deployments without one. */
  readonly compare?:
    { readonly plain: string; readonly indexed: string; readonly port: number | undefined } | undefined;
  /** Many images to index by a Job; no Job without them. */
  readonly indexing?:
    | {
        /** The container image of this command line, by digest. */
        readonly image: string;
        /** Lines of the list. */
        readonly list: string;
        readonly output: string;
        readonly shards: number;
      }
    | undefined;
}

/** The manifests for nodes of a kind, with the config.toml of each pull mode that is one of its own. */
export function clusterFiles(
  wish: Omit<ManifestWish, 'configs'>,
  node: NodeSpec,
): ReadonlyMap<string, string> {
  const configs = PULL_MODES.filter((mode) => mode !== 'fallback').map((mode) => [
    mode,
    renderConfig({ release: LATEST_RELEASE, mode, node, credentials: 'cri' }),
  ]);
  return renderManifests({ ...wish, configs: Object.fromEntries(configs) as Record<string, string> });
}

/** The labels by which everything of ours is found again, to be shown and removed. */
export const MANAGED_BY = { 'app.kubernetes.io/managed-by': 'soci-lens' } as const;
/** The RuntimeClass, and the name of the runtime in containerd's configuration. */
/** Where everything goes unless somebody wants it elsewhere. */
export const DEFAULT_NAMESPACE = 'soci';

export const RUNTIME_CLASS = 'soci';

type Yaml = Readonly<Record<string, unknown>>;

/**
 * The files of a kustomize tree, by path: `base` (installer and RuntimeClass), an overlay for each pull mode, and where
 * wished `compare` and `index-job`.
 *
 * @throws LensError `cluster/unpinned-image` for an image that a tag alone names
 */
export function renderManifests(wish: ManifestWish): ReadonlyMap<string, string> {
  const { namespace, compare, indexing } = wish;
  const files = new Map<string, string>([
    ['base/install.sh', INSTALL_SCRIPT],
    ['base/daemonset.yaml', document(installer(wish))],
    ['base/runtimeclass.yaml', document(runtimeClass())],
    [
      'base/kustomization.yaml',
      kustomization({
        namespace,
        resources: ['daemonset.yaml', 'runtimeclass.yaml'],
        configMapGenerator: [
          { name: 'soci-installer', files: ['install.sh'], options: { labels: MANAGED_BY } },
        ],
      }),
    ],
  ]);
  for (const [mode, config] of Object.entries(wish.configs)) {
    files.set(`overlays/${mode}/config.toml`, config);
    files.set(
      `overlays/${mode}/kustomization.yaml`,
      kustomization({
        resources: ['../../base'],
        configMapGenerator: [
          { name: 'soci-installer', namespace, behavior: 'merge', files: ['config.toml'] },
        ],
      }),
    );
  }
  if (compare) {
    const variants = { without: compare.plain, with: compare.indexed } as const;
    for (const [variant, image] of Object.entries(variants)) {
      files.set(`compare/${variant}.yaml`, document(deployment(variant as Variant, image, compare.port)));
    }
    const resources = Object.keys(variants).map((variant) => `${variant}.yaml`);
    files.set('compare/kustomization.yaml', kustomization({ namespace, resources }));
  }
  if (indexing) {
    files.set('index-job/images.txt', indexing.list);
    files.set('index-job/job.yaml', document(indexJob(indexing)));
    files.set('index-job/cronjob.yaml', document(indexCronJob(indexing)));
    files.set(
      'index-job/kustomization.yaml',
      kustomization({
        namespace,
        resources: ['job.yaml', 'cronjob.yaml'],
        configMapGenerator: [{ name: 'soci-images', files: ['images.txt'], options: { labels: MANAGED_BY } }],
      }),
    );
  }
  return files;
}

function document(value: Yaml): string {
  return stringify(value, { lineWidth: 0 });
}

function kustomization(rest: Yaml): string {
  return document({ apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', ...rest });
}

/** A tag may name something else tomorrow, on a part of the nodes. */
export function pinned(image: string): string {
  if (/@sha256:[0-9a-f]{64}$/.test(image)) return image;
  throw new LensError(
    'cluster/unpinned-image',
    `${image} is not named by its digest, so nodes may come to run different images.`,
    'Write NAME@sha256:…; `soci-lens inspect` shows the digest.',
  );
}

/** Everything that a container can do without. */
const CONFINED = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
} as const;

const hostPath = (name: string, path: string, type: string): Yaml => ({ name, hostPath: { path, type } });

/**
 * Puts the snapshotter on each node and keeps it there. It is root on the node's files that it must write and asks the
 * node's systemd over D-Bus, which takes that user's word: no privileged container, no host namespaces, no capability. What
 * containerd has to know of the snapshotter comes with the node (`soci-lens config`), since a pod that restarts the runtime
 * that runs it may not see the end of it.
 */
function installer({ installerImage }: ManifestWish): Yaml {
  const labels = { ...MANAGED_BY, 'app.kubernetes.io/name': 'soci-installer' };
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'soci-installer', labels },
    spec: {
      selector: { matchLabels: { 'app.kubernetes.io/name': 'soci-installer' } },
      // A config that does not work stops at the first node.
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } },
      template: {
        metadata: { labels },
        spec: {
          automountServiceAccountToken: false,
          priorityClassName: 'system-node-critical',
          nodeSelector: { 'kubernetes.io/os': 'linux' },
          tolerations: [{ operator: 'Exists' }],
          containers: [
            {
              name: 'installer',
              image: pinned(installerImage),
              command: ['/bin/sh', '/install/install.sh'],
              securityContext: { ...CONFINED, runAsUser: 0 },
              // Ready is a node whose snapshotter listens.
              readinessProbe: {
                exec: { command: ['/bin/sh', '-c', `test -S ${SNAPSHOTTER_SOCKET}`] },
                periodSeconds: 10,
              },
              resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { memory: '64Mi' } },
              volumeMounts: [
                { name: 'install', mountPath: '/install', readOnly: true },
                { name: 'bin', mountPath: '/host/bin' },
                { name: 'etc', mountPath: '/host/etc' },
                { name: 'units', mountPath: '/host/units' },
                { name: 'socket', mountPath: '/run/soci-snapshotter-grpc', readOnly: true },
                { name: 'systemd', mountPath: '/run/systemd', readOnly: true },
                { name: 'dbus', mountPath: '/run/dbus', readOnly: true },
              ],
            },
          ],
          volumes: [
            { name: 'install', configMap: { name: 'soci-installer' } },
            hostPath('bin', '/usr/local/bin', 'Directory'),
            hostPath('etc', '/etc/soci-snapshotter-grpc', 'DirectoryOrCreate'),
            hostPath('units', '/etc/systemd/system', 'Directory'),
            hostPath('socket', '/run/soci-snapshotter-grpc', 'DirectoryOrCreate'),
            hostPath('systemd', '/run/systemd', 'Directory'),
            hostPath('dbus', '/run/dbus', 'Directory'),
          ],
        },
      },
    },
  };
}

/** Changes a node only where it differs, restarts only what changed, and stays to notice when the snapshotter is gone. */
const INSTALL_SCRIPT = `#!/bin/sh
set -eu

# put SOURCE TARGET MODE: writes beside the target and renames, so that no half file is ever read.
put() {
  cmp -s "$1" "$2" && return 1
  cp "$1" "$2.new"
  chmod "$3" "$2.new"
  mv "$2.new" "$2"
}

# The unit as the snapshotter's project ships it.
unit=/usr/local/share/soci-snapshotter/soci-snapshotter.service

changed=no
put /usr/local/bin/soci-snapshotter-grpc /host/bin/soci-snapshotter-grpc 755 && changed=yes
put "$unit" /host/units/soci-snapshotter.service 644 && changed=yes
put /install/config.toml /host/etc/config.toml 644 && changed=yes

systemctl daemon-reload
systemctl enable soci-snapshotter
if [ "$changed" = yes ]; then
  systemctl restart soci-snapshotter
else
  systemctl start soci-snapshotter
fi

# Ends when the snapshotter does; the pod is started again then, and does all of the above again.
while systemctl is-active --quiet soci-snapshotter; do
  sleep 10 & wait $!
done
echo 'The snapshotter is not running any more; see journalctl --unit soci-snapshotter on the node.' >&2
exit 1
`;

/** Pods of this class get their snapshots from SOCI, where containerd has a runtime of that name with that snapshotter. */
function runtimeClass(): Yaml {
  return {
    apiVersion: 'node.k8s.io/v1',
    kind: 'RuntimeClass',
    metadata: { name: RUNTIME_CLASS, labels: MANAGED_BY },
    handler: RUNTIME_CLASS,
  };
}

export type Variant = 'without' | 'with';

/**
 * The pod of a comparison: equal in both variants but for what is compared. `with` asks for the runtime class, and tells
 * containerd 1.7 by an annotation with which snapshotter to pull (containerd 2 knows from the class).
 */
export function comparisonPod(
  variant: Variant,
  image: string,
  port: number | undefined,
): { metadata: { readonly labels: Readonly<Record<string, string>> }; spec: Yaml } {
  const isLazy = variant === 'with';
  const labels = { ...MANAGED_BY, 'app.kubernetes.io/name': `soci-compare-${variant}` };
  const probe = port === undefined ? undefined : { tcpSocket: { port } };
  return {
    metadata: {
      labels,
      ...(isLazy && { annotations: { 'io.containerd.cri.runtime-handler': RUNTIME_CLASS } }),
    },
    spec: {
      automountServiceAccountToken: false,
      ...(isLazy && { runtimeClassName: RUNTIME_CLASS }),
      containers: [
        {
          name: 'app',
          image: pinned(image),
          // By digest it cannot change; Always would only add a request to every start.
          imagePullPolicy: 'IfNotPresent',
          ...(port !== undefined && { ports: [{ containerPort: port }] }),
          ...(probe && {
            // A lazy start pulls while it starts, so it gets the time that pulling took before: ten minutes.
            startupProbe: { ...probe, periodSeconds: 1, failureThreshold: 600 },
            readinessProbe: { ...probe, periodSeconds: 5, timeoutSeconds: 5 },
            // Parts of the image may come late, and slowly: no reason to kill it.
            livenessProbe: { ...probe, periodSeconds: 20, timeoutSeconds: 10, failureThreshold: 6 },
          }),
          securityContext: { allowPrivilegeEscalation: false, seccompProfile: { type: 'RuntimeDefault' } },
        },
      ],
    },
  };
}

function deployment(variant: Variant, image: string, port: number | undefined): Yaml {
  const { metadata, spec } = comparisonPod(variant, image, port);
  const name = `soci-compare-${variant}`;
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, labels: metadata.labels },
    spec: {
      replicas: 1,
      selector: { matchLabels: { 'app.kubernetes.io/name': name } },
      template: { metadata, spec },
    },
  };
}

type Indexing = NonNullable<ManifestWish['indexing']>;

/** Exit code 2 of the command line is a mistake in it: trying again would not help. */
const USAGE_ERROR = 2;

function jobSpec({ image, output, shards }: Indexing): Yaml {
  return {
    completionMode: 'Indexed',
    completions: shards,
    parallelism: shards,
    // A shard that fails goes on where it was, three times, without holding up the others.
    backoffLimitPerIndex: 3,
    maxFailedIndexes: shards,
    podFailurePolicy: {
      rules: [
        {
          action: 'FailJob',
          onExitCodes: { containerName: 'soci-lens', operator: 'In', values: [USAGE_ERROR] },
        },
        // A node that is taken away is nobody's failure.
        { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
      ],
    },
    ttlSecondsAfterFinished: 86_400,
    template: {
      metadata: { labels: { ...MANAGED_BY, 'app.kubernetes.io/name': 'soci-index' } },
      spec: {
        restartPolicy: 'Never',
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, runAsUser: 65_532, fsGroup: 65_532 },
        containers: [
          {
            name: 'soci-lens',
            image: pinned(image),
            args: [
              'index',
              '--from-list',
              '/list/images.txt',
              '--output',
              output,
              '--shard',
              String(shards),
              '--json',
            ],
            // Credentials as docker login writes them.
            env: [{ name: 'DOCKER_CONFIG', value: '/docker' }],
            securityContext: CONFINED,
            resources: {
              requests: { cpu: '1', memory: '512Mi', 'ephemeral-storage': '2Gi' },
              limits: { memory: '2Gi', 'ephemeral-storage': '20Gi' },
            },
            volumeMounts: [
              { name: 'list', mountPath: '/list', readOnly: true },
              { name: 'docker', mountPath: '/docker', readOnly: true },
              { name: 'tmp', mountPath: '/tmp' },
            ],
          },
        ],
        volumes: [
          { name: 'list', configMap: { name: 'soci-images' } },
          {
            name: 'docker',
            secret: {
              secretName: 'soci-registry',
              optional: true,
              items: [{ key: '.dockerconfigjson', path: 'config.json' }],
            },
          },
          { name: 'tmp', emptyDir: {} },
        ],
      },
    },
  };
}

function indexJob(indexing: Indexing): Yaml {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'soci-index', labels: MANAGED_BY },
    spec: jobSpec(indexing),
  };
}

/** Every night; what is indexed already costs one HEAD. */
function indexCronJob(indexing: Indexing): Yaml {
  return {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name: 'soci-index-nightly', labels: MANAGED_BY },
    spec: {
      schedule: '17 3 * * *',
      concurrencyPolicy: 'Forbid',
      startingDeadlineSeconds: 3600,
      jobTemplate: { spec: jobSpec(indexing) },
    },
  };
}
