/** What one kind of line in the snapshotter's log says. */
export interface LogMeaning {
  readonly id: string;
  /** `good`: as it should be. `bad`: lazy loading fails or the node is ill. `info`: neither. */
  readonly kind: 'good' | 'bad' | 'info';
  readonly pattern: RegExp;
  /** What it means, in a sentence or two. */
  readonly meaning: string;
  readonly fix?: string;
}

/**
 * Lines of soci-snapshotter-grpc, of systemd and of containerd about it: the `log.G(ctx)` calls and errors of
 * awslabs/soci-snapshotter v0.9.0 … v0.15.0 (cmd, fs, service, snapshot), docs/debug.md, and what was measured. The first
 * pattern that fits a line gives its meaning, so the more particular come first.
 */
export const LOG_MEANINGS: readonly LogMeaning[] = [
  {
    id: 'config-refused',
    kind: 'bad',
    pattern: /failed to (?:load|unmarshal|open) config file|config file at .* failed to parse config/,
    meaning: 'The snapshotter cannot read its config and does not start.',
    fix: 'Run lint-config on the file; it shows the line.',
  },
  {
    id: 'limits',
    kind: 'bad',
    pattern: /global (?:download|unpack) limit less than per-image/,
    meaning: 'One image may do more at once than the whole node, so the snapshotter does not start.',
    fix: 'Lower the limit for one image, or raise that of the node.',
  },
  {
    id: 'parallel-store',
    kind: 'bad',
    pattern: /requires containerd content store/,
    meaning:
      'The parallel pull has no content store that it can work with, so the snapshotter does not start.',
    fix: 'Set discard_unpacked_layers = true.',
  },
  {
    id: 'decompressor',
    kind: 'bad',
    pattern: /decompressor path validation failed/,
    meaning:
      'A program for decompression is not there or not an absolute path, so the snapshotter does not start.',
    fix: 'Install it, or take it out of decompress_streams.',
  },
  {
    id: 'not-supported',
    kind: 'bad',
    pattern: /snapshotter is not supported/,
    meaning: 'The disk below the snapshotter cannot carry overlayfs.',
    fix: 'Put its root on ext4 or xfs (ftype=1).',
  },
  {
    id: 'cannot-start',
    kind: 'bad',
    pattern:
      /failed to (?:configure (?:filesystem|snapshotter|metadata store)|create new snapshotter|serve snapshotter|prepare logger)/,
    meaning: 'The snapshotter could not start; the error beside it says why.',
  },
  {
    id: 'service-failed',
    kind: 'bad',
    pattern: /soci-snapshotter\S*: (?:Main process exited|Failed with result|Start request repeated)/,
    meaning: 'systemd saw the snapshotter end.',
    fix: 'Look at the lines before it; `systemctl status soci-snapshotter` tells the rest.',
  },
  {
    id: 'service-stopped',
    kind: 'bad',
    pattern: /(?:Stopped|Deactivated).*soci|soci-snapshotter\S*: Deactivated/i,
    meaning: 'The snapshotter was stopped. Mounted layers cannot be read without it.',
  },
  {
    id: 'socket-missing',
    kind: 'bad',
    pattern:
      /soci-snapshotter-grpc\.sock.*(?:no such file|connection refused)|failed to dial.*soci-snapshotter/,
    meaning: 'containerd or the kubelet cannot reach the snapshotter.',
    fix: 'Start soci-snapshotter before containerd.',
  },
  {
    id: 'starting',
    kind: 'info',
    pattern: /starting soci-snapshotter-grpc/,
    meaning: 'The snapshotter starts.',
  },
  {
    id: 'started',
    kind: 'good',
    pattern: /soci-snapshotter-grpc successfully started/,
    meaning: 'The snapshotter listens.',
  },
  {
    id: 'containerd-unreachable',
    kind: 'bad',
    pattern:
      /cannot get image manifest.*(?:connection error|connection refused|timeout|deadline|no such file)/,
    meaning:
      'The snapshotter cannot reach containerd. Each layer without a ztoc waits 10 s for it and is then left to the container runtime.',
    fix: 'Set [content_store] containerd_address to the socket of this containerd.',
  },
  {
    id: 'no-namespace',
    kind: 'bad',
    pattern: /(?:no|context has no|could not find) namespace(?: attached)?/,
    meaning: 'containerd does not tell its namespace, so every layer is refused. containerd 1.6 does so.',
    fix: 'Update containerd to 1.7.16 or newer.',
  },
  {
    id: 'no-mode',
    kind: 'bad',
    pattern: /all lazy pull modes are disabled/,
    meaning: 'Neither v1 nor v2 is switched on.',
    fix: 'Set [pull_modes.soci_v2] enable = true.',
  },
  {
    id: 'index-not-canonical',
    kind: 'bad',
    pattern: /unable to store index in local store/,
    meaning:
      'The index is not written as the snapshotter writes it, so its digest does not fit and the whole image is pulled.',
    fix: 'Make the index anew.',
  },
  {
    id: 'toc-rejected',
    kind: 'bad',
    pattern: /invalid toc entry/,
    meaning: 'The list of files of a layer cannot be loaded; the layer is pulled whole.',
    fix: 'An entry claims bytes that it does not have (a directory with a size, a sparse file): make the layer anew.',
  },
  {
    id: 'non-monotonic',
    kind: 'bad',
    pattern: /span offsets are non-monotonic/,
    meaning: 'A ztoc has two checkpoints at the same place; snapshotters since 0.14 refuse it.',
    fix: 'Compress the layer anew, as one gzip member without an empty first block.',
  },
  {
    id: 'hardlink',
    kind: 'bad',
    pattern: /received a hardlink but cannot get link destination/,
    meaning: 'A hard link comes before its target in the layer; the layer is pulled whole.',
    fix: 'Make the layer anew with the target first.',
  },
  {
    id: 'span-digest',
    kind: 'bad',
    pattern: /span digests do not match/,
    meaning: 'Bytes of the layer are not those that were indexed: corrupted on the way, or another blob.',
    fix: 'Verify the index; then look at mirrors and proxies between node and registry.',
  },
  {
    id: 'no-ranges',
    kind: 'bad',
    pattern: /does not support ranged GET|failed to get header with code/,
    meaning: 'The registry, or a proxy before it, does not answer requests for a range.',
    fix: 'Let range requests through, or pull without lazy loading.',
  },
  {
    id: 'unauthorised',
    kind: 'bad',
    pattern: /\b(?:401|403)\b|[Uu]nauthorized|no basic auth credentials|pull access denied/,
    meaning: 'The registry refuses the snapshotter: it has no credentials, or they ran out.',
    fix: 'Switch a keychain on (cri_keychain for the kubelet), and give the kubelet the image service of the snapshotter.',
  },
  {
    id: 'throttled',
    kind: 'bad',
    pattern: /\b429\b|[Tt]oo [Mm]any [Rr]equests|toomanyrequests/,
    meaning: 'The registry limits requests.',
    fix: 'Lower max_concurrent_downloads_per_image, or fetch_period_msec less often.',
  },
  {
    id: 'resolve-timeout',
    kind: 'bad',
    pattern: /timeout waiting for layer|failed to resolve layer \(timeout\)/,
    meaning: 'A layer took longer than mount_timeout_sec to resolve and is pulled whole.',
    fix: 'Look at the latency to the registry, and at the size of the ztocs.',
  },
  {
    id: 'read-failed',
    kind: 'bad',
    pattern: /failed to read the file|unexpected copied data size for on-demand fetch|statFile error/,
    meaning: 'A read of a running container could not be answered; the program saw EIO.',
    fix: 'Look for refused or failed requests around it.',
  },
  {
    id: 'not-restored',
    kind: 'bad',
    pattern: /failed to restore remote snapshot/,
    meaning: 'After a restart a layer could not be mounted again.',
    fix: 'Give it credentials that hold; allow_invalid_mounts_on_restart lets it start at least.',
  },
  {
    id: 'no-ztoc',
    kind: 'info',
    pattern: /no ztoc for layer|no zTOC for layer/i,
    meaning:
      'A layer is not in the index (small, or zstd), so it is pulled whole before the start. That is expected, one layer after the other.',
  },
  {
    id: 'fallback-parallel',
    kind: 'info',
    pattern: /falling back to parallel pull/,
    meaning: 'No index, so the image is pulled in parallel.',
  },
  {
    id: 'referrers-missing',
    kind: 'bad',
    pattern: /cannot fetch list of referrers|no existing referrers|soci v1 referrers not found/,
    meaning: 'No v1 index was found.',
    fix: 'Push one, or use a v2 index, which needs no referrers.',
  },
  {
    id: 'not-in-registry',
    kind: 'bad',
    pattern: /no valid SOCI index found|unable to fetch SOCI artifacts|error trying to fetch SOCI artifacts/,
    meaning:
      'The index or a ztoc could not be had. That is remembered for this image until the snapshotter restarts.',
    fix: 'Push the index with all its ztocs, then restart the snapshotter.',
  },
  {
    id: 'deferred',
    kind: 'bad',
    pattern: /defer(?:ring|red)? to container runtime|"defer-snapshot-runtime":"true"/,
    meaning:
      'The image is left to the container runtime and pulled whole, slower than without the snapshotter.',
  },
  {
    id: 'lazy-layer',
    kind: 'good',
    pattern: /remote snapshot successfully prepared/,
    meaning: 'A layer is loaded lazily.',
  },
  {
    id: 'not-lazy',
    kind: 'bad',
    pattern: /failed to prepare remote snapshot/,
    meaning: 'A layer could not be mounted lazily; the error beside it says why.',
  },
  {
    id: 'v2-used',
    kind: 'good',
    pattern: /using soci v2 index annotation/,
    meaning: 'A v2 index was found.',
  },
  {
    id: 'v1-used',
    kind: 'good',
    pattern: /using soci v1 index via referrers/,
    meaning: 'A v1 index was found.',
  },
  {
    id: 'digest-used',
    kind: 'good',
    pattern: /using provided soci index digest/,
    meaning: 'The client named the index.',
  },
  {
    id: 'index-fetched',
    kind: 'good',
    pattern: /fetching SOCI artifacts using index descriptor/,
    meaning: 'An index was found, and its ztocs are fetched.',
  },
  {
    id: 'v1-disabled',
    kind: 'info',
    pattern: /soci v1 is disabled/,
    meaning: 'v1 indexes are not looked for (the default since 0.10).',
  },
  {
    id: 'v2-disabled',
    kind: 'info',
    pattern: /soci v2 is disabled/,
    meaning: 'v2 indexes are not looked for.',
  },
  {
    id: 'v2-absent',
    kind: 'info',
    pattern: /soci v2 index annotation not found/,
    meaning: 'The image manifest names no v2 index.',
  },
  {
    id: 'parallel-on',
    kind: 'good',
    pattern: /Parallel image pull enabled/,
    meaning: 'The parallel pull is switched on.',
  },
  {
    id: 'parallel-layer',
    kind: 'good',
    pattern: /preparing snapshot with parallel pull/,
    meaning: 'A layer is pulled in parallel.',
  },
  {
    id: 'local-layer',
    kind: 'info',
    pattern: /preparing snapshot as local snapshot|local snapshot successfully prepared/,
    meaning: 'A layer is pulled whole by the snapshotter itself.',
  },
  {
    id: 'background-off',
    kind: 'info',
    pattern: /background fetch is disabled/,
    meaning: 'Pods stay tied to the registry, for nothing is fetched in the background.',
  },
  {
    id: 'background-on',
    kind: 'good',
    pattern: /constructing background fetcher/,
    meaning: 'The background fetch is on.',
  },
  {
    id: 'background-failed',
    kind: 'bad',
    pattern: /error trying to resolve layer, removing it from the queue/,
    meaning: 'A span could not be fetched, so this layer gets no background fetch any more.',
  },
  {
    id: 'background-full',
    kind: 'info',
    pattern: /background fetch work queue full/,
    meaning: 'A layer found no room in the queue and is fetched on demand only.',
  },
  {
    id: 'background-span',
    kind: 'info',
    pattern: /"?fetching span"?/,
    meaning: 'The background fetch takes a span.',
  },
  {
    id: 'reads',
    kind: 'good',
    pattern: /fuse operation count|FUSE operation/,
    meaning: 'Containers read lazily loaded files: spans are fetched on demand.',
  },
  {
    id: 'small-layer',
    kind: 'info',
    pattern: /less than runtime min_layer_size/,
    meaning: 'A layer is below min_layer_size and is pulled whole.',
  },
  {
    id: 'prefetched',
    kind: 'good',
    pattern: /Successfully loaded prefetch artifact/,
    meaning: 'The spans of a prefetch artifact are fetched before the mount.',
  },
  {
    id: 'refreshed',
    kind: 'info',
    pattern: /Refreshing URL and retrying|Authorizing\.\.\./,
    meaning: 'An address or token ran out and was renewed.',
  },
  {
    id: 'retry',
    kind: 'info',
    pattern: /[Rr]etrying request/,
    meaning: 'A request to the registry failed and is tried again.',
  },
];
