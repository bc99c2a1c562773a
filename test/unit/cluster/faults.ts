import type { RuleId } from '../../../src/cluster/findings';
import type { LintImage } from '../../../src/cluster/lint-lazy';
import type { Release } from '../../../src/cluster/releases';

/** A config with one thing wrong in it. */
export interface Fault {
  readonly rule: RuleId;
  readonly text: string;
  /** What the finding points at. */
  readonly at: string;
  /** The text after the fix; none where the linter cannot know. */
  readonly fixed?: string;
  readonly release?: Release;
  readonly image?: LintImage;
  readonly containerdSocket?: string;
  /** The ending of the file; `.toml` where not given. */
  readonly file?: string;
}

const PARALLEL = '[pull_modes.parallel_pull_unpack]\nenable = true\ndiscard_unpacked_layers = true\n';

const indexed: LintImage = {
  reference: 'shop/app:1',
  indexVersions: [1],
  prefetch: false,
  indexedLayerSizes: [50_000_000, 12_000_000],
  spans: 40,
};

export const FAULTS: readonly Fault[] = [
  { rule: 'toml-syntax', text: '[blob\nvalid_interval = 60\n', at: '' },
  { rule: 'toml-syntax', text: '[blob]\nvalid_interval = \n', at: '' },
  { rule: 'toml-syntax', text: 'debug = false\ndebug = false\n', at: 'debug = false' },
  {
    rule: 'toml-syntax',
    text: '[pull_modes.parallel_pull_unpack]\nconcurrent_download_chunk_size = 16mb\n',
    at: '',
  },
  { rule: 'byte-order-mark', text: '\uFEFFdebug = false\n', at: '\uFEFF', fixed: 'debug = false\n' },
  {
    rule: 'unknown-key',
    text: 'max_concurency = 10\n',
    at: 'max_concurency',
    fixed: 'max_concurrency = 10\n',
  },
  {
    rule: 'unknown-key',
    text: '[http]\nmax_retries = 3\n[blob]\nmax_retries = 3\n',
    at: 'max_retries',
    fixed: '[http]\nMaxRetries = 3\n[blob]\nmax_retries = 3\n',
  },
  {
    rule: 'unknown-key',
    text: '[fuse]\nattr_timeout = 1\nflavour = "mint"\n',
    at: 'flavour',
    fixed: '[fuse]\nattr_timeout = 1\n',
  },
  {
    rule: 'unknown-key',
    text: '[pull_modes.soci_v1]\nenabled = true\n',
    at: 'enabled',
    fixed: '[pull_modes.soci_v1]\nenable = true\n',
  },
  {
    rule: 'wrong-table',
    text: '[blob]\nmax_concurrent_downloads_per_image = 10\nconcurrent_download_chunk_size = "16mb"\ndiscard_unpacked_layers = true\n',
    at: 'max_concurrent_downloads_per_image',
    fixed:
      '[blob]\n\n[pull_modes.parallel_pull_unpack]\nenable = true\nmax_concurrent_downloads_per_image = 10\nconcurrent_download_chunk_size = "16mb"\ndiscard_unpacked_layers = true\n',
  },
  {
    rule: 'wrong-table',
    text: '[blob]\nvalid_interval = 60\nmount_timeout_sec = 60\n',
    at: 'mount_timeout_sec',
    fixed: 'mount_timeout_sec = 60\n[blob]\nvalid_interval = 60\n',
  },
  {
    rule: 'wrong-table',
    text: 'silence_period_msec = 60000\n',
    at: 'silence_period_msec',
    fixed: '[background_fetch]\nsilence_period_msec = 60000\n',
  },
  {
    rule: 'wrong-table',
    text: '[content_store]\nimage_service_path = "/run/containerd/containerd.sock"\n[cri_keychain]\nenable_keychain = true\n',
    at: 'image_service_path',
    fixed:
      '[content_store]\n[cri_keychain]\nimage_service_path = "/run/containerd/containerd.sock"\nenable_keychain = true\n',
  },
  {
    rule: 'unknown-table',
    text: '[parallel_pull_unpack]\nenable = true\ndiscard_unpacked_layers = true\n',
    at: '[parallel_pull_unpack]',
    fixed: PARALLEL,
  },
  {
    rule: 'unknown-table',
    text: '[pull_mode.soci_v1]\nenable = true\n',
    at: '[pull_mode.soci_v1]',
    fixed: '[pull_modes.soci_v1]\nenable = true\n',
  },
  { rule: 'unknown-table', text: '[weather]\nrain = true\n', at: '[weather]' },
  { rule: 'table-or-value', text: 'blob = 5\n', at: 'blob' },
  { rule: 'table-or-value', text: '[debug]\nlevel = 1\n', at: '[debug]' },
  {
    rule: 'table-or-value',
    text: '[[blob]]\nvalid_interval = 30\n',
    at: '[[blob]]',
    fixed: '[blob]\nvalid_interval = 30\n',
  },
  {
    rule: 'table-or-value',
    release: '0.14',
    text: '[resolver.host."r.example".mirrors]\nhost = "https://m.example"\n',
    at: '[resolver.host."r.example".mirrors]',
    fixed: '[[resolver.host."r.example".mirrors]]\nhost = "https://m.example"\n',
  },
  { rule: 'wrong-type', text: 'max_concurrency = "10"\n', at: '"10"', fixed: 'max_concurrency = 10\n' },
  { rule: 'wrong-type', text: 'no_prometheus = "true"\n', at: '"true"', fixed: 'no_prometheus = true\n' },
  { rule: 'wrong-type', text: 'mount_timeout_sec = 45.0\n', at: '45.0', fixed: 'mount_timeout_sec = 45\n' },
  {
    rule: 'wrong-type',
    text: `${PARALLEL}concurrent_download_chunk_size = 16777216\n`,
    at: '16777216',
    fixed: `${PARALLEL}concurrent_download_chunk_size = "16777216"\n`,
  },
  {
    rule: 'wrong-type',
    text: `${PARALLEL}[pull_modes.parallel_pull_unpack.decompress_streams.gzip]\npath = "/usr/bin/unpigz"\nargs = "-d -c"\n`,
    at: '"-d -c"',
    fixed: `${PARALLEL}[pull_modes.parallel_pull_unpack.decompress_streams.gzip]\npath = "/usr/bin/unpigz"\nargs = ["-d", "-c"]\n`,
  },
  { rule: 'wrong-type', text: 'resolve_result_entry = 99999999999999999999\n', at: '99999999999999999999' },
  {
    rule: 'not-in-release',
    release: '0.12',
    text: '[prefetch]\nenable = true\n',
    at: 'enable',
    fixed: '[prefetch]\n',
  },
  {
    rule: 'not-in-release',
    release: '0.10',
    text: 'allow_no_verification = true\n',
    at: 'allow_no_verification',
    fixed: '',
  },
  {
    rule: 'not-in-release',
    release: '0.9',
    text: '[pull_modes.soci_v1]\nenable = true\n',
    at: 'enable',
    fixed: '[pull_modes.soci_v1]\n',
  },
  {
    rule: 'bad-value',
    text: '[background_fetch]\ndrop_policy = "random"\n',
    at: '"random"',
  },
  {
    rule: 'bad-value',
    text: '[content_store]\ntype = "containerdd"\n',
    at: '"containerdd"',
    fixed: '[content_store]\ntype = "containerd"\n',
  },
  {
    rule: 'bad-value',
    release: '0.14',
    text: 'metadata_store = "db-multi"\n',
    at: '"db-multi"',
    fixed: 'metadata_store = "db"\n',
  },
  {
    rule: 'out-of-range',
    text: '[background_fetch]\nsilence_period_msec = -1\n',
    at: '-1',
    fixed: '[background_fetch]\n',
  },
  { rule: 'no-effect', text: 'http_cache_type = "memory"\n', at: 'http_cache_type', fixed: '' },
  {
    rule: 'no-effect',
    text: `${PARALLEL}experimental_parallel_pull_as_fallback = true\n`,
    at: 'experimental_parallel_pull_as_fallback',
    fixed: PARALLEL,
  },
  {
    rule: 'wrong-unit',
    text: '[background_fetch]\nsilence_period_msec = 30\n',
    at: '30',
    fixed: '[background_fetch]\nsilence_period_msec = 30000\n',
  },
  { rule: 'wrong-unit', text: 'mount_timeout_sec = 30000\n', at: '30000', fixed: 'mount_timeout_sec = 30\n' },
  {
    rule: 'wrong-unit',
    text: '[snapshotter]\nmin_layer_size = 10\n',
    at: '10',
    fixed: '[snapshotter]\nmin_layer_size = 10485760\n',
  },
  {
    rule: 'chunk-size-unit',
    text: `${PARALLEL}concurrent_download_chunk_size = "16mib"\n`,
    at: '"16mib"',
    fixed: `${PARALLEL}concurrent_download_chunk_size = "16mb"\n`,
  },
  {
    rule: 'chunk-size-unit',
    text: `${PARALLEL}concurrent_download_chunk_size = "8M"\n`,
    at: '"8M"',
    fixed: `${PARALLEL}concurrent_download_chunk_size = "8mb"\n`,
  },
  {
    rule: 'chunk-size',
    text: `${PARALLEL}concurrent_download_chunk_size = "16kb"\n`,
    at: '"16kb"',
    fixed: `${PARALLEL}concurrent_download_chunk_size = "16mb"\n`,
  },
  {
    rule: 'per-image-above-global',
    text: `${PARALLEL}max_concurrent_downloads = 10\nmax_concurrent_downloads_per_image = 20\n`,
    at: '20',
    fixed: `${PARALLEL}max_concurrent_downloads = 10\nmax_concurrent_downloads_per_image = 10\n`,
  },
  {
    rule: 'per-image-above-global',
    text: `${PARALLEL}max_concurrent_downloads = 2\n`,
    at: '2',
    fixed:
      '[pull_modes.parallel_pull_unpack]\nmax_concurrent_downloads_per_image = 2\nenable = true\ndiscard_unpacked_layers = true\nmax_concurrent_downloads = 2\n',
  },
  {
    rule: 'per-image-above-global',
    text: `${PARALLEL}max_concurrent_unpacks = 4\nmax_concurrent_unpacks_per_image = 10\n`,
    at: '10',
    fixed: `${PARALLEL}max_concurrent_unpacks = 4\nmax_concurrent_unpacks_per_image = 4\n`,
  },
  {
    rule: 'parallel-store',
    text: '[pull_modes.parallel_pull_unpack]\nenable = true\n',
    at: 'enable',
    fixed: '[pull_modes.parallel_pull_unpack]\ndiscard_unpacked_layers = true\nenable = true\n',
  },
  {
    rule: 'parallel-off',
    text: '[pull_modes.parallel_pull_unpack]\nmax_concurrent_downloads_per_image = 20\n',
    at: 'max_concurrent_downloads_per_image',
  },
  {
    rule: 'parallel-unlimited',
    text: `${PARALLEL}concurrent_download_chunk_size = "8mb"\nmax_concurrent_downloads_per_image = -1\n`,
    at: '-1',
    fixed: `${PARALLEL}concurrent_download_chunk_size = "8mb"\nmax_concurrent_downloads_per_image = 20\n`,
  },
  {
    rule: 'lazy-off',
    text: `[pull_modes.soci_v2]\nenable = true\n${PARALLEL}`,
    at: 'enable',
  },
  {
    rule: 'no-mode',
    text: '[pull_modes.soci_v2]\nenable = false\n',
    at: 'false',
    fixed: '[pull_modes.soci_v2]\nenable = true\n',
  },
  {
    rule: 'v1-off',
    image: indexed,
    text: '[pull_modes.soci_v1]\nenable = false\n',
    at: 'false',
    fixed: '[pull_modes.soci_v1]\nenable = true\n',
  },
  {
    rule: 'prefetch-off',
    image: { ...indexed, indexVersions: [2], prefetch: true },
    text: '[prefetch]\nenable = false\n',
    at: 'false',
    fixed: '[prefetch]\nenable = true\n',
  },
  {
    rule: 'layer-below-minimum',
    image: { ...indexed, indexVersions: [2] },
    text: '[snapshotter]\nmin_layer_size = 20000000\n',
    at: '20000000',
    fixed: '[snapshotter]\n',
  },
  {
    rule: 'background-off',
    text: '[background_fetch]\ndisable = true\n',
    at: 'disable',
    fixed: '[background_fetch]\ndisable = false\n',
  },
  {
    rule: 'background-slow',
    text: '[background_fetch]\nfetch_period_msec = 60000\n',
    at: '60000',
    fixed: '[background_fetch]\n',
  },
  {
    rule: 'background-slow',
    image: { ...indexed, indexVersions: [2], spans: 5000 },
    text: '[background_fetch]\nfetch_period_msec = 2000\n',
    at: '2000',
    fixed: '[background_fetch]\n',
  },
  {
    rule: 'background-queue',
    release: '0.14',
    text: '[background_fetch]\nmax_queue_size = -1\n',
    at: '-1',
    fixed: '[background_fetch]\n',
  },
  {
    rule: 'background-queue',
    text: '[background_fetch]\nmax_queue_size = 2\n',
    at: '2',
    fixed: '[background_fetch]\n',
  },
  {
    rule: 'retry-waits',
    text: '[blob]\nmin_wait_msec = 5000\nmax_wait_msec = 1000\n',
    at: '1000',
    fixed: '[blob]\nmax_wait_msec = 1000\n',
  },
  {
    rule: 'retries-not-shared',
    text: '[http]\nMaxRetries = 3\n',
    at: 'MaxRetries',
    fixed: '[http]\nMaxRetries = 3\n\n[blob]\nmax_retries = 3\n',
  },
  {
    rule: 'check-interval',
    text: '[blob]\ncheck_always = true\nvalid_interval = 30\n',
    at: 'valid_interval',
    fixed: '[blob]\ncheck_always = true\n',
  },
  {
    rule: 'containerd-socket',
    text: '[cri_keychain]\nenable_keychain = true\nimage_service_path = "/run/k3s/containerd/containerd.sock"\n',
    at: '"/run/k3s/containerd/containerd.sock"',
    fixed:
      '[cri_keychain]\nenable_keychain = true\nimage_service_path = "/run/k3s/containerd/containerd.sock"\n\n[content_store]\ncontainerd_address = "/run/k3s/containerd/containerd.sock"\n',
  },
  {
    rule: 'containerd-socket',
    containerdSocket: '/run/k3s/containerd/containerd.sock',
    text: '[content_store]\ntype = "soci"\ncontainerd_address = "/run/containerd/containerd.sock"\n',
    at: '"/run/containerd/containerd.sock"',
    fixed: '[content_store]\ntype = "soci"\ncontainerd_address = "/run/k3s/containerd/containerd.sock"\n',
  },
  {
    rule: 'socket-path',
    text: '[content_store]\ncontainerd_address = "containerd.sock"\n',
    at: '"containerd.sock"',
    fixed: '[content_store]\ncontainerd_address = "/run/containerd/containerd.sock"\n',
  },
  {
    rule: 'keychain-off',
    text: '[cri_keychain]\nimage_service_path = "/run/containerd/containerd.sock"\n',
    at: 'image_service_path',
    fixed: '[cri_keychain]\nenable_keychain = true\nimage_service_path = "/run/containerd/containerd.sock"\n',
  },
  {
    rule: 'keychain-loop',
    text: '[cri_keychain]\nenable_keychain = true\nimage_service_path = "/run/soci-snapshotter-grpc/soci-snapshotter-grpc.sock"\n',
    at: '"/run/soci-snapshotter-grpc/soci-snapshotter-grpc.sock"',
    fixed: '[cri_keychain]\nenable_keychain = true\nimage_service_path = "/run/containerd/containerd.sock"\n',
  },
  {
    rule: 'mirror-url',
    text: '[[resolver.host."r.example".mirrors]]\nhost = "mirror.example:5000"\n',
    at: '"mirror.example:5000"',
    fixed: '[[resolver.host."r.example".mirrors]]\nhost = "https://mirror.example:5000"\n',
  },
  {
    rule: 'mirror-insecure',
    text: '[resolver.host."r.example"]\nmirrors = [{ host = "http://m.example", insecure = true }]\n',
    at: 'insecure',
  },
  {
    rule: 'decompressor',
    text: `${PARALLEL}[pull_modes.parallel_pull_unpack.decompress_streams.gzip]\npath = "unpigz"\n`,
    at: '"unpigz"',
    fixed: `${PARALLEL}[pull_modes.parallel_pull_unpack.decompress_streams.gzip]\npath = "/usr/bin/unpigz"\n`,
  },
  {
    rule: 'decompressor',
    text: `${PARALLEL}[pull_modes.parallel_pull_unpack.decompress_streams.xz]\npath = "/usr/bin/xz"\n`,
    at: 'path',
  },
  {
    rule: 'verification-off',
    text: 'disable_verification = true\n',
    at: 'disable_verification',
    fixed: 'disable_verification = false\n',
  },
  { rule: 'private-log', text: 'debug = true\n', at: 'debug', fixed: 'debug = false\n' },
  {
    rule: 'private-log',
    text: '[fuse]\nlog_fuse_operations = true\n',
    at: 'log_fuse_operations',
    fixed: '[fuse]\nlog_fuse_operations = false\n',
  },
  {
    rule: 'metrics-off',
    text: 'metrics_address = "localhost:1338"\nno_prometheus = true\n',
    at: 'metrics_address',
    fixed: 'metrics_address = "localhost:1338"\n',
  },
  { rule: 'cache-in-memory', text: 'filesystem_cache_type = "memory"\n', at: '"memory"', fixed: '' },
  {
    rule: 'bottlerocket-key',
    text: '[settings.container-runtime]\nsnapshotter = "soci"\n[settings.container-runtime-plugins.soci-snapshotter.parallel-pull-unpack]\nmax_concurrent_downloads = 10\n',
    at: 'max_concurrent_downloads',
    fixed:
      '[settings.container-runtime]\nsnapshotter = "soci"\n[settings.container-runtime-plugins.soci-snapshotter.parallel-pull-unpack]\nmax-concurrent-downloads = 10\n',
  },
  {
    rule: 'bottlerocket-value',
    text: '[settings.container-runtime]\nsnapshotter = "soci"\n[settings.container-runtime-plugins.soci-snapshotter]\npull-mode = "lazy"\n',
    at: '"lazy"',
    fixed:
      '[settings.container-runtime]\nsnapshotter = "soci"\n[settings.container-runtime-plugins.soci-snapshotter]\npull-mode = "parallel-pull-unpack"\n',
  },
  {
    rule: 'parallel-off',
    text: '[settings.container-runtime-plugins.soci-snapshotter]\npull-mode = "parallel-pull-unpack"\n',
    at: 'pull-mode',
    fixed:
      '[settings.container-runtime-plugins.soci-snapshotter]\npull-mode = "parallel-pull-unpack"\n\n[settings.container-runtime]\nsnapshotter = "soci"\n',
  },
];
