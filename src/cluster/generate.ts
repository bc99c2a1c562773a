import { LensError } from '../errors';
import { CONFIG_KEYS, findKey, isReadBy } from './config-keys';
import type { LintImage } from './lint-lazy';
import { DEFAULT_SOCKET } from './lint-general';
import { hasInstanceStore, type NodeSpec } from './nodes';
import { isAtLeast, type Release } from './releases';

/** How images come to a node. `fallback`: lazily with an index, in parallel without one. */
export type PullMode = 'lazy' | 'parallel' | 'fallback';
export const PULL_MODES: readonly PullMode[] = ['lazy', 'parallel', 'fallback'];

/** Where credentials for private images come from (docs/registry-authentication.md of the snapshotter). */
export type CredentialSource = 'cri' | 'kubeconfig' | 'docker';
export const CREDENTIAL_SOURCES: readonly CredentialSource[] = ['cri', 'kubeconfig', 'docker'];

export interface ConfigWish {
  readonly release: Release;
  readonly mode: PullMode;
  readonly node: NodeSpec;
  /** The image that matters most on the node. */
  readonly image?: LintImage | undefined;
  /** Of all its layers, indexed or not. */
  readonly layers?: number | undefined;
  readonly credentials: CredentialSource;
  /** Where containerd listens; k3s and others have it elsewhere. */
  readonly containerdSocket?: string | undefined;
}

/** One key with its value, and why it has that value here. */
export interface Setting {
  readonly path: string;
  readonly value: boolean | number | string;
  readonly why: string;
}

/** What one stream of unpacking fills: 110–155 MB/s were measured. */
const UNPACK_MBPS = 130;
/** What one connection to object storage carries ("Performance design patterns for Amazon S3": 85–90 MB/s). */
const CONNECTION_MBPS = 85;
/** Upstream advises 10 to 20 (docs/parallel-mode.md); more are answered with 429. */
const MAX_DOWNLOADS = 20;
/** A span of 4 MiB, compressed two to one. */
const SPAN_MB = 2;

/**
 * The settings for a node, in the order of the file. Every value is computed from the node and the image, and says from what.
 *
 * @throws LensError `cluster/mode-not-in-release`
 */
export function chooseSettings(wish: ConfigWish): Setting[] {
  const needed: Release = wish.mode === 'parallel' ? '0.11' : wish.mode === 'fallback' ? '0.14' : '0.9';
  if (!isAtLeast(wish.release, needed)) {
    throw new LensError(
      'cluster/mode-not-in-release',
      `Release ${wish.release} of the snapshotter has no ${wish.mode === 'parallel' ? 'parallel pull' : 'parallel pull as a fallback'}; it came with ${needed}.`,
      `Update the snapshotter to ${needed} or newer, or choose lazy loading.`,
    );
  }
  const settings = [
    ...(wish.mode === 'parallel' ? [] : lazySettings(wish)),
    ...(wish.mode === 'lazy' ? [] : parallelSettings(wish)),
    ...commonSettings(wish),
  ];
  const order = new Map(CONFIG_KEYS.map(({ path }, index) => [path, index]));
  return settings
    .filter(({ path }) => isReadBy(keyOf(path), wish.release))
    .sort((a, b) => (order.get(a.path) ?? 0) - (order.get(b.path) ?? 0));
}

function lazySettings({ release, image, node, mode }: ConfigWish): Setting[] {
  const v1 = image?.indexVersions.includes(1) === true && !image.indexVersions.includes(2);
  const layers = image?.indexedLayerSizes.length ?? 0;
  const period = fetchPeriod(node);
  const minutes = (spans: number) => Math.max(1, Math.round((spans * period) / 60_000));
  return [
    {
      path: 'resolve_result_entry',
      value: Math.max(100, layers * 2),
      why: `The default of 30 holds about three images of ten layers${layers > 0 ? `; ${image?.reference ?? ''} has ${layers} indexed ones` : ''}.`,
    },
    ...(isAtLeast(release, '0.15')
      ? [
          {
            path: 'metadata_store',
            value: 'db-multi',
            why: 'Layers then do not wait for each other: about 20 µs for each file were measured, one layer after the other.',
          },
        ]
      : []),
    {
      path: 'metadata_db_no_sync',
      value: true,
      why: 'Nothing is lost with it: after a crash the lists are made anew.',
    },
    {
      path: 'pull_modes.soci_v1.enable',
      value: v1,
      why: v1
        ? `${image.reference} has only a v1 index.`
        : 'A v2 index moves with the image; looking for v1 costs every image without an index a request.',
    },
    {
      path: 'pull_modes.soci_v2.enable',
      value: !v1,
      why: v1
        ? 'One kind is enough here, and each costs a request.'
        : 'This is what images with a v2 index need.',
    },
    {
      path: 'prefetch.enable',
      value: true,
      why: 'It is off by default, and costs nothing for images without such artifacts.',
    },
    {
      path: 'background_fetch.disable',
      value: false,
      why: 'With it a pod becomes independent of the registry and of credentials that run out.',
    },
    {
      path: 'background_fetch.silence_period_msec',
      value: 30_000,
      why: 'A start of half a minute has the network for itself.',
    },
    {
      path: 'background_fetch.fetch_period_msec',
      value: period,
      why: `A quarter of the ${node.networkMbps} Mbit/s of this node at most: ${image && image.spans > 0 ? `the ${image.spans} spans of ${image.reference} are there after ${minutes(image.spans)} minutes` : `1000 spans, about 4 GB, take ${minutes(1000)} minutes`}. The default is 500.`,
    },
    {
      path: 'background_fetch.max_queue_size',
      value: Math.max(300, layers * 4),
      why: isAtLeast(release, '0.15')
        ? 'Layers that find no room are never fetched in the background.'
        : 'With a full queue mounting waits; the default of 100 is ten images of ten layers.',
    },
    ...(mode === 'fallback'
      ? []
      : [
          {
            path: 'pull_modes.parallel_pull_unpack.enable',
            value: false,
            why: 'It would switch lazy loading off.',
          },
        ]),
  ];
}

/** Milliseconds for each span, so that the background fetch leaves three quarters of the network to the pods. */
function fetchPeriod({ networkMbps }: NodeSpec): number {
  const exact = (SPAN_MB / (networkMbps / 8 / 4)) * 1000;
  return [50, 100, 200, 500].find((step) => step >= exact) ?? 500;
}

function parallelSettings({ node, layers, mode }: ConfigWish): Setting[] {
  const table = 'pull_modes.parallel_pull_unpack';
  const networkMBps = node.networkMbps / 8;
  const downloads = clamp(Math.ceil(networkMBps / CONNECTION_MBPS) * 2, 4, MAX_DOWNLOADS);
  const byDisk = Math.ceil(node.diskMBps / UNPACK_MBPS) + 1;
  const byCpu = Math.max(1, node.vcpus - 1);
  const unpacks = Math.max(1, Math.min(byDisk, byCpu, layers ?? Infinity));
  const reason =
    unpacks === layers
      ? `The image has ${layers} layers.`
      : unpacks === byCpu
        ? `All but one of the ${node.vcpus} vCPUs.`
        : `The disk takes ${node.diskMBps} MB/s, one stream ${UNPACK_MBPS}, and one more hides its pauses.`;
  const isFast = networkMBps >= 600;
  const store =
    hasInstanceStore(node.name) && !node.nvme ? ' The NVMe disk of this instance would take more.' : '';
  return [
    {
      path: `${table}.enable`,
      value: mode === 'parallel',
      why:
        mode === 'parallel'
          ? 'This node is to pull whole images.'
          : 'Images with an index are loaded lazily; the fallback below takes the others.',
    },
    ...(mode === 'fallback'
      ? [
          {
            path: `${table}.experimental_parallel_pull_as_fallback`,
            value: true,
            why: 'Without it, images without an index come through the container runtime, slower than without the snapshotter.',
          },
        ]
      : []),
    {
      path: `${table}.max_concurrent_downloads`,
      value: downloads * 2,
      why: 'Two images can come at once without waiting for each other. Registries count requests for each account.',
    },
    {
      path: `${table}.max_concurrent_downloads_per_image`,
      value: downloads,
      why: `Twice the connections of about ${CONNECTION_MBPS} MB/s that ${node.networkMbps} Mbit/s carry, within the 20 that upstream advises at most.`,
    },
    {
      path: `${table}.concurrent_download_chunk_size`,
      value: isFast ? '16mb' : '8mb',
      why: `Upstream advises 8 to 16 MB; ${isFast ? 'a fast network is better used by large chunks' : 'on a network of this size small ones share it better'}. Without it each layer is one request.`,
    },
    {
      path: `${table}.max_concurrent_unpacks`,
      value: Math.max(unpacks, byCpu),
      why: `All images together leave one of the ${node.vcpus} vCPUs to the pods.`,
    },
    {
      path: `${table}.max_concurrent_unpacks_per_image`,
      value: unpacks,
      why: `${reason}${store}`,
    },
    {
      path: `${table}.discard_unpacked_layers`,
      value: true,
      why: `The ${node.nvme ? 'disk' : `volume of ${node.diskIops} IOPS`} is written once instead of twice, and the content store need not be that of containerd.`,
    },
  ];
}

function commonSettings({ release, credentials, containerdSocket = DEFAULT_SOCKET }: ConfigWish): Setting[] {
  return [
    ...(isAtLeast(release, '0.11')
      ? []
      : [
          {
            path: 'http.RequestTimeoutMsec',
            value: 300_000,
            why: 'This release gives up after 30 s, which a layer of 1 GB does not make; newer ones wait 300 s.',
          },
        ]),
    {
      path: 'content_store.type',
      value: 'soci',
      why: 'It is the default; lazy loading from that of containerd has edge cases in its garbage collection (issue 1843).',
    },
    {
      path: 'content_store.containerd_address',
      value: containerdSocket,
      why:
        containerdSocket === DEFAULT_SOCKET
          ? 'Where containerd listens on this node.'
          : 'This node has it elsewhere than usual.',
    },
    ...(credentials === 'cri'
      ? [
          {
            path: 'cri_keychain.enable_keychain',
            value: true,
            why: 'The kubelet needs --image-service-endpoint=unix:///run/soci-snapshotter-grpc/soci-snapshotter-grpc.sock for it.',
          },
          {
            path: 'cri_keychain.image_service_path',
            value: containerdSocket,
            why: 'Where containerd listens on this node.',
          },
        ]
      : []),
    ...(credentials === 'kubeconfig'
      ? [
          {
            path: 'kubeconfig_keychain.enable_keychain',
            value: true,
            why: 'The account of the node has to be allowed to list secrets of type docker config.',
          },
        ]
      : []),
    {
      path: 'resolver.enable_auth_client_sharing',
      value: true,
      why: 'Credentials have to be equal for that, so no image sees those of another.',
    },
  ];
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

function keyOf(path: string) {
  const key = findKey(path.split('.'));
  if (!key) throw new Error(`${path} is no key of the snapshotter`);
  return key;
}

const WIDTH = 100;

/** The file: each key below what it does and why it has that value. */
export function renderConfig(wish: ConfigWish): string {
  const { node, mode, release } = wish;
  const settings = chooseSettings(wish);
  const modeName = {
    lazy: 'lazy loading',
    parallel: 'parallel pull',
    fallback: 'lazy loading, parallel pull without an index',
  };
  const lines = [
    `# For soci-snapshotter ${release}: ${modeName[mode]} on ${node.name}`,
    `# (${node.vcpus} vCPUs, ${node.memoryGib} GiB, ${node.networkMbps} Mbit/s, disk ${node.diskMBps} MB/s${node.nvme ? ', NVMe' : ` and ${node.diskIops} IOPS`}).`,
    '# Place: /etc/soci-snapshotter-grpc/config.toml. Restart soci-snapshotter after a change.',
  ];
  let table = '';
  for (const { path, value, why } of settings) {
    const parts = path.split('.');
    const name = parts.pop() ?? '';
    if (parts.join('.') !== table) {
      table = parts.join('.');
      lines.push('', `[${table}]`);
    } else {
      lines.push('');
    }
    lines.push(...wrap(`${keyOf(path).about} ${why}`), `${name} = ${JSON.stringify(value)}`);
  }
  // A header is followed by its first key, not by a blank line.
  return `${lines.join('\n').replaceAll(/\]\n\n/g, ']\n')}\n`;
}

/** Comment lines of at most 100 letters. */
function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = '#';
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
