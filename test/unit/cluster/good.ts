import type { Release } from '../../../src/cluster/releases';

/** A config that there is nothing to say against. */
export interface Good {
  readonly about: string;
  readonly text: string;
  readonly release?: Release;
}

const PARALLEL = `[pull_modes.parallel_pull_unpack]
enable = true
`;

export const GOOD: readonly Good[] = [
  { about: 'nothing: the defaults', text: '' },
  { about: 'a comment', text: '# soci-snapshotter 0.15\n' },
  {
    about: 'what docs/eks.md writes',
    text: '[cri_keychain]\n# This tells the soci-snapshotter to act as a proxy ImageService\nenable_keychain = true\nimage_service_path = "/run/containerd/containerd.sock"\n',
  },
  {
    about: 'the example of docs/parallel-mode.md',
    text: `[content_store]
  type = "containerd"

${PARALLEL}max_concurrent_downloads = 50
max_concurrent_downloads_per_image = 10
concurrent_download_chunk_size = "8mb"
max_concurrent_unpacks = 20
max_concurrent_unpacks_per_image = 10
discard_unpacked_layers = true

  [pull_modes.parallel_pull_unpack.decompress_streams."gzip"]
    path = "/usr/bin/unpigz"
    args = ["-d", "-c"]
`,
  },
  {
    about: 'what nodeadm writes for FastImagePull',
    text: `debug = false

[content_store]
type = 'containerd'

[cri_keychain]
enable_keychain = true
image_service_path = '/run/containerd/containerd.sock'

${PARALLEL}concurrent_download_chunk_size = "16mb"
discard_unpacked_layers = true
max_concurrent_downloads = -1
max_concurrent_downloads_per_image = 20
max_concurrent_unpacks = -1
max_concurrent_unpacks_per_image = 12

[pull_modes.parallel_pull_unpack.decompress_streams."gzip"]
path = '/usr/bin/unpigz'
args = ['-d', '-c']
`,
  },
  {
    about: 'the fallback of docs/parallel-mode.md',
    release: '0.14',
    text: `[pull_modes.soci_v2]
  enable = true

[pull_modes.parallel_pull_unpack]
  enable = false
  experimental_parallel_pull_as_fallback = true
  max_concurrent_downloads_per_image = 10
  concurrent_download_chunk_size = "16mb"
  max_concurrent_unpacks_per_image = 10
  discard_unpacked_layers = true
`,
  },
  { about: 'v1 for an older fleet', release: '0.10', text: '[pull_modes.soci_v1]\nenable = true\n' },
  { about: 'both kinds', text: '[pull_modes]\nsoci_v1 = { enable = true }\nsoci_v2 = { enable = true }\n' },
  { about: 'dotted keys', text: 'pull_modes.soci_v1.enable = true\nprefetch.enable = true\n' },
  { about: 'inline tables', text: 'blob = { valid_interval = 30, max_retries = 4 }\n' },
  {
    about: 'other letter case, which the reader takes',
    text: 'MAX_CONCURRENCY = 5\n[HTTP]\ndialtimeoutmsec = 5000\n',
  },
  {
    about: 'zero for the default',
    text: 'mount_timeout_sec = 0\nmax_concurrency = 0\n[background_fetch]\nmax_queue_size = 0\n',
  },
  {
    about: 'no limits where they are allowed',
    text: `max_concurrency = -1\n${PARALLEL}discard_unpacked_layers = true\nmax_concurrent_downloads = -1\n`,
  },
  {
    about: 'chunk sizes in every unit',
    text: `${PARALLEL}discard_unpacked_layers = true\nconcurrent_download_chunk_size = " 8.5 MB "\n`,
  },
  {
    about: 'a chunk size in bytes',
    text: `${PARALLEL}discard_unpacked_layers = true\nconcurrent_download_chunk_size = "16777216"\n`,
  },
  {
    about: 'hexadecimal and underscores',
    text: 'resolve_result_entry = 0x40\n[background_fetch]\nsilence_period_msec = 60_000\n',
  },
  {
    about: 'mirrors',
    text: '[resolver.host."docker.io"]\nmirrors = [{ host = "https://mirror.example" }]\n\n[[resolver.host."r.example".mirrors]]\nhost = "https://a.example/v2"\nrequest_timeout_sec = 30\n\n[[resolver.host."r.example".mirrors]]\nhost = "http://b.example"\n',
  },
  {
    about: 'k3s, with both sockets',
    text: '[content_store]\ncontainerd_address = "/run/k3s/containerd/containerd.sock"\n[cri_keychain]\nenable_keychain = true\nimage_service_path = "unix:///run/k3s/containerd/containerd.sock"\n',
  },
  {
    about: 'a keychain switched off in so many words',
    text: '[kubeconfig_keychain]\nenable_keychain = false\nkubeconfig_path = "/etc/kubernetes/kubelet.conf"\n',
  },
  {
    about: 'keys of the newest release',
    release: '0.15',
    text: 'metadata_store = "db-multi"\nmetadata_db_no_sync = true\n[background_fetch]\ndrop_policy = "oldest"\nmax_queue_size = -1\n[resolver]\nauth_client_ttl_sec = -1\n',
  },
  {
    about: 'keys of the oldest',
    release: '0.9',
    text: '[content_store]\ntype = "containerd"\nnamespace = "k8s.io"\n',
  },
  { about: 'metrics', text: 'metrics_address = "localhost:1338"\nmetrics_network = "tcp"\n' },
  {
    about: 'a faster background fetch',
    text: '[background_fetch]\nfetch_period_msec = 50\nsilence_period_msec = 10000\n',
  },
  { about: 'retries for both', text: '[http]\nMaxRetries = 4\n[blob]\nmax_retries = 4\n' },
  { about: 'lines that end in CR LF', text: '[blob]\r\nvalid_interval = 30\r\n' },
  { about: 'empty texts', text: 'http_cache_type = ""\nfilesystem_cache_type = ""\ndebug_address = ""\n' },
];
