import { isAtLeast, type Release } from './releases';

/**
 * Every key that a release of soci-snapshotter reads from its `config.toml`: the structs with `toml:"…"` tags in the
 * folder `config/` of awslabs/soci-snapshotter at the tags v0.9.0 … v0.15.0, defaults from `config/defaults.go` and from the
 * `parse…Config` functions beside the structs. Each group below names its struct. What a key does was read where the value
 * is used; what was measured says so.
 */
export interface ConfigKey {
  /** Dotted, `*` for a name that the person chooses: `resolver.host.*.mirrors.host`. */
  readonly path: string;
  readonly kind: 'boolean' | 'integer' | 'string' | 'strings';
  /** The first release that reads it; all of them where not given. */
  readonly since?: Release;
  /** The last release that reads it. */
  readonly until?: Release;
  /** What holds when the key is missing. Zero and the empty text mean the same for most keys. */
  readonly fallback: boolean | number | string | ((release: Release) => number);
  readonly unit?: 'ms' | 's';
  /** The smallest number that means something; below it the snapshotter waits, refuses or wraps round. */
  readonly min?: number;
  /** The only texts that mean something. */
  readonly values?: readonly string[];
  /** When the snapshotter refuses any other text: as it reads the file, or later as it starts. */
  readonly refusesOthers?: 'reading' | 'starting';
  /** Read, but by nothing that still has an effect: why. */
  readonly dead?: string;
  readonly about: string;
}

type Extra = Partial<
  Pick<ConfigKey, 'since' | 'until' | 'unit' | 'min' | 'values' | 'refusesOthers' | 'dead'>
>;

/** The keys of one table: name, default, sentence, and what else is to be said. The kind follows from the default. */
function table(
  prefix: string,
  keys: Readonly<
    Record<string, readonly [fallback: ConfigKey['fallback'] | readonly [], about: string, extra?: Extra]>
  >,
  common: Extra = {},
): ConfigKey[] {
  return Object.entries(keys).map(([name, [fallback, about, extra]]) => ({
    path: prefix === '' ? name : `${prefix}.${name}`,
    kind: kindOf(fallback),
    fallback: typeof fallback === 'object' ? '' : fallback,
    about,
    ...common,
    ...extra,
  }));
}

function kindOf(fallback: ConfigKey['fallback'] | readonly []): ConfigKey['kind'] {
  if (typeof fallback === 'object') return 'strings';
  if (typeof fallback === 'boolean') return 'boolean';
  return typeof fallback === 'string' ? 'string' : 'integer';
}

export const CONFIG_KEYS: readonly ConfigKey[] = [
  // config/config.go Config and config/fs.go FSConfig: keys without a table.
  ...table('', {
    http_cache_type: ['', 'Was the kind of cache for HTTP responses.', { dead: 'no code reads the field' }],
    filesystem_cache_type: [
      '',
      'Where fetched spans are kept: on disk, or in memory with "memory".',
      { values: ['', 'memory', 'directory'] },
    ],
    resolve_result_entry: [
      30,
      'How many resolved layers are kept; an image with more indexed layers resolves some of them twice.',
      { min: 0 },
    ],
    debug: [false, 'Logs what FUSE does. The log then holds names of files.'],
    disable_verification: [
      false,
      'Serves spans without checking their digests: a wrong byte in the registry reaches the program.',
    ],
    allow_no_verification: [
      false,
      'Allowed layers without verification, as stargz has them.',
      { until: '0.9' },
    ],
    max_concurrency: [100, 'How many layers may be resolved at once; negative is no limit.'],
    no_prometheus: [false, 'Leaves out the metrics.'],
    mount_timeout_sec: [
      30,
      'How long one layer may take to resolve before the whole layer is pulled instead.',
      { unit: 's', min: 0 },
    ],
    fuse_metrics_emit_wait_duration_sec: [
      60,
      'When the counts of FUSE operations of an image are told.',
      { unit: 's', min: 0 },
    ],
    metrics_address: ['', 'Where metrics are served; nowhere when empty.'],
    metrics_network: [
      'tcp',
      'The kind of metrics_address.',
      { values: ['', 'tcp', 'tcp4', 'tcp6', 'unix'], refusesOthers: 'starting' },
    ],
    debug_address: ['', 'Where Go profiles are served; nowhere when empty.'],
    metadata_store: [
      'db',
      'Where the file lists of layers are kept: one database, or one for each layer with "db-multi".',
      { values: ['', 'db', 'db-multi'], refusesOthers: 'starting' },
    ],
    metadata_db_no_sync: [
      false,
      'Leaves out the fsync of the file lists; they are made anew from the ztocs anyway.',
      { since: '0.15' },
    ],
    metadata_insertion_chunk_size: [5000, 'Files per database transaction.', { since: '0.15', min: 0 }],
    skip_check_snapshotter_supported: [false, 'Leaves out the check for overlayfs when starting.'],
  }),
  // config/fs.go TimeoutConfig and RetryConfig: Go names, for they carry no toml tag.
  ...table('http', {
    DialTimeoutMsec: [3000, 'How long a connection may take.', { unit: 'ms', min: 0 }],
    ResponseHeaderTimeoutMsec: [3000, 'How long the head of an answer may take.', { unit: 'ms', min: 0 }],
    RequestTimeoutMsec: [
      (release) => (isAtLeast(release, '0.11') ? 300_000 : 30_000),
      'How long a whole request may take.',
      { unit: 'ms', min: 0 },
    ],
    MaxRetries: [8, 'How often a request is tried again.', { min: 0 }],
    MinWaitMsec: [30, 'The first pause between tries; it doubles each time.', { unit: 'ms', min: 0 }],
    MaxWaitMsec: [300_000, 'The longest pause between tries.', { unit: 'ms', min: 0 }],
  }),
  // config/fs.go BlobConfig.
  ...table('blob', {
    valid_interval: [
      60,
      'After how many idle seconds the address of a blob is checked again.',
      { unit: 's', min: 0 },
    ],
    fetching_timeout_sec: [300, 'How long one fetch of a span may take.', { unit: 's', min: 0 }],
    max_retries: [8, 'How often the fetch of a span is tried again.', { min: 0 }],
    min_wait_msec: [30, 'The first pause between tries.', { unit: 'ms', min: 0 }],
    max_wait_msec: [300_000, 'The longest pause between tries.', { unit: 'ms', min: 0 }],
    check_always: [
      false,
      'Checks the address of a blob before each fetch: one more round trip for each span.',
    ],
    force_single_range_mode: [false, 'Asks for one range per request. Spans are always asked for so.'],
    max_span_verification_retries: [
      0,
      'How often a span is fetched anew when its digest does not fit; negative means 3.',
    ],
  }),
  // config/fs.go DirectoryCacheConfig; cache/cache.go.
  ...table('directory_cache', {
    max_lru_cache_entry: [10, 'Spans kept in memory when direct is off.', { min: 0 }],
    max_cache_fds: [10, 'Open files kept when direct is off.', { min: 0 }],
    sync_add: [false, 'Writes a span to disk before it is served.'],
    direct: [true, 'Keeps no second copy of spans in memory.'],
  }),
  // config/fs.go FuseConfig.
  ...table('fuse', {
    attr_timeout: [1, 'How long the kernel keeps attributes.', { unit: 's', min: 0 }],
    entry_timeout: [1, 'How long the kernel keeps names.', { unit: 's', min: 0 }],
    negative_timeout: [1, 'How long the kernel keeps that a name is missing.', { unit: 's', min: 0 }],
    log_fuse_operations: [false, 'Logs each FUSE operation. The log then holds names of files.'],
  }),
  // config/fs.go BackgroundFetchConfig; the pace was measured: one span in 500 ms, 30 s after the first mount.
  ...table('background_fetch', {
    disable: [
      false,
      'Fetches nothing by itself: what a pod has not read yet stays in the registry for as long as it runs.',
    ],
    silence_period_msec: [
      30_000,
      'How long the background fetch keeps still after an image is mounted, so that the start has the network.',
      { unit: 'ms', min: 0 },
    ],
    fetch_period_msec: [
      500,
      'One span is fetched in this time, on the whole node, round robin over all layers.',
      { unit: 'ms', min: 0 },
    ],
    max_queue_size: [
      (release) => (isAtLeast(release, '0.15') ? 300 : 100),
      'How many layers can wait for the background fetch.',
    ],
    drop_policy: [
      'newest',
      'Which layer loses its background fetch when the queue is full.',
      { since: '0.15', values: ['', 'newest', 'oldest'], refusesOthers: 'reading' },
    ],
    emit_metric_period_sec: [10, 'How often the background fetch tells its metrics.', { unit: 's', min: 0 }],
  }),
  // config/fs.go ContentStoreConfig.
  ...table('content_store', {
    type: [
      'soci',
      'Where layers, indexes and ztocs are kept: in a store of its own, or in that of containerd.',
      { values: ['', 'soci', 'containerd'], refusesOthers: 'starting' },
    ],
    containerd_address: [
      '/run/containerd/containerd.sock',
      'The socket of containerd. It is needed with the store "soci" too: without it every layer that has no ztoc waits 10 s and is left to the container runtime (measured).',
    ],
    namespace: ['default', 'The namespace in the store of containerd.', { until: '0.9' }],
  }),
  // config/fs.go PrefetchConfig.
  ...table(
    'prefetch',
    {
      enable: [
        false,
        'Fetches the spans that a prefetch artifact of the index lists, before the layer is mounted.',
      ],
      max_concurrency: [0, 'How many layers may do so at once; 0 is no limit.'],
    },
    { since: '0.13' },
  ),
  // config/pull_modes.go V1, V2.
  ...table(
    'pull_modes',
    {
      'soci_v1.enable': [false, 'Looks for a v1 index with the referrers API.'],
      'soci_v2.enable': [true, 'Looks for a v2 index in the annotations of the image manifest.'],
    },
    { since: '0.10' },
  ),
  // config/pull_modes.go Parallel and config/parallel.go ParallelConfig; docs/parallel-mode.md.
  ...table(
    'pull_modes.parallel_pull_unpack',
    {
      enable: [
        false,
        'Pulls whole images with many requests and unpacks layers side by side. It switches lazy loading off.',
      ],
      max_concurrent_downloads: [-1, 'Requests at once on the node; -1 is no limit.', { min: -1 }],
      max_concurrent_downloads_per_image: [3, 'Requests at once for one image.', { min: -1 }],
      concurrent_download_chunk_size: [
        '',
        'The part of a layer that one request fetches: a number with b, kb, mb or gb (powers of 1024). Empty: the whole layer.',
      ],
      max_concurrent_unpacks: [-1, 'Layers unpacked at once on the node; -1 is no limit.', { min: -1 }],
      max_concurrent_unpacks_per_image: [1, 'Layers of one image unpacked at once.', { min: -1 }],
      discard_unpacked_layers: [false, 'Keeps no compressed copy of a layer: less disk, and a faster pull.'],
      experimental_parallel_pull_as_fallback: [
        false,
        'Pulls images in parallel that have no index; those with one are loaded lazily.',
        { since: '0.14' },
      ],
      'decompress_streams.*.path': ['', 'The program that decompresses: an absolute path.'],
      'decompress_streams.*.args': [[], 'What the program is started with.'],
    },
    { since: '0.11' },
  ),
  // config/service.go.
  ...table('kubeconfig_keychain', {
    enable_keychain: [false, 'Takes credentials from the secrets of the cluster.'],
    kubeconfig_path: ['', 'The kubeconfig for that; KUBECONFIG or the default place when empty.'],
  }),
  ...table('cri_keychain', {
    enable_keychain: [
      false,
      'Stands between the kubelet and containerd and keeps the credentials that pulls carry.',
    ],
    image_service_path: [
      '/run/containerd/containerd.sock',
      'The socket that image requests are handed on to.',
    ],
  }),
  // config/resolver.go.
  ...table('resolver', {
    auth_client_ttl_sec: [
      3600,
      'How long a client with its credentials is kept; negative is for ever.',
      { since: '0.15', unit: 's' },
    ],
    enable_auth_client_sharing: [
      false,
      'One token for all images of a registry instead of one each.',
      { since: '0.15' },
    ],
    'host.*.mirrors.host': ['', 'The mirror, as a URL with scheme.'],
    'host.*.mirrors.insecure': [false, 'Talks to the mirror without TLS.'],
    'host.*.mirrors.request_timeout_sec': [
      0,
      'How long a request to the mirror may take; negative is for ever.',
      { unit: 's' },
    ],
  }),
  ...table('snapshotter', {
    min_layer_size: [
      0,
      'Layers below this many bytes are pulled whole although they are in the index. Only clients that tell the size of a layer are heard: nerdctl does, the kubelet does not.',
    ],
    allow_invalid_mounts_on_restart: [
      false,
      'Starts although mounts of before cannot be made again, instead of not starting at all.',
    ],
  }),
];

/** The tables that some release reads, with `*` for names that a person chooses. */
export const CONFIG_TABLES: ReadonlySet<string> = new Set(
  CONFIG_KEYS.flatMap(({ path }) => {
    const parts = path.split('.');
    return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('.'));
  }),
);

const byPath = new Map(CONFIG_KEYS.map((key) => [key.path.toLowerCase(), key]));

/** The key at a path; letters count alike in either case, as the snapshotter's TOML reader takes them. */
export function findKey(path: readonly string[]): ConfigKey | undefined {
  return byPath.get(patternOf(path));
}

export function isTable(path: readonly string[]): boolean {
  return CONFIG_TABLES.has(patternOf(path));
}

/** `resolver.host.example.com.mirrors` is `resolver.host.*.mirrors` in the table of keys. */
function patternOf(path: readonly string[]): string {
  const lower = path.map((part) => part.toLowerCase());
  if (lower[0] === 'resolver' && lower[1] === 'host' && lower.length > 2) lower[2] = '*';
  if (lower[2] === 'decompress_streams' && lower.length > 3) lower[3] = '*';
  return lower.join('.');
}

/** True when that release reads the key. */
export function isReadBy({ since, until }: ConfigKey, release: Release): boolean {
  return (
    (since === undefined || isAtLeast(release, since)) && (until === undefined || isAtLeast(until, release))
  );
}

/** What holds in a release when the key is missing. */
export function defaultOf({ fallback }: ConfigKey, release: Release): boolean | number | string {
  return typeof fallback === 'function' ? fallback(release) : fallback;
}
