import type { Fix } from './edits';
import type { Span } from './toml';

/**
 * `error`: the snapshotter does not start, or does something else than the file says. `warning`: it starts, and it will be
 * slow, unsafe or not do what was meant. `note`: good to know.
 */
export type Severity = 'error' | 'warning' | 'note';

export interface Finding {
  readonly rule: RuleId;
  readonly severity: Severity;
  readonly at: Span;
  /** What is wrong, in a sentence. */
  readonly message: string;
  /** Why it matters, in a sentence or two. */
  readonly reason: string;
  readonly fix?: Fix;
}

/** Every rule, and what it wants (the rules of a SARIF log). */
export const RULES = {
  'toml-syntax': 'The file is TOML 1.0.',
  'byte-order-mark': 'The file does not begin with a byte order mark.',
  'unknown-key': 'Each key is one that some release reads.',
  'wrong-table': 'Each key stands in the table where it is read.',
  'unknown-table': 'Each table is one that some release reads.',
  'table-or-value': 'Tables are tables, and values are values.',
  'wrong-type': 'Each value has the type of its key.',
  'not-in-release': 'Each key is one that this release reads.',
  'bad-value': 'Each value is one that its key knows.',
  'out-of-range': 'Each number is one that means something.',
  'no-effect': 'No key is without any effect.',
  'wrong-unit': 'Times are given in the unit of their key.',
  'chunk-size-unit': 'The chunk size is a number with b, kb, mb or gb.',
  'chunk-size': 'Chunks are neither so small that requests dominate nor so large that nothing is parallel.',
  'per-image-above-global': 'What one image may do at once is within what the node may do.',
  'parallel-store': 'Parallel pulling has a content store that it can work with.',
  'parallel-off': 'Settings of the parallel pull come with the parallel pull.',
  'parallel-unlimited': 'The number of requests for one image has a limit.',
  'lazy-off': 'Lazy loading is not switched off by accident.',
  'no-mode': 'Some way to pull is switched on.',
  'v1-off': 'The kind of index that the image has is looked for.',
  'prefetch-off': 'Prefetch is on when the image has prefetch artifacts.',
  'layer-below-minimum': 'The layers of the index are above the smallest size.',
  'background-off': 'What a pod has not read does not stay in the registry for ever.',
  'background-slow': 'The background fetch comes to an end in useful time.',
  'background-queue': 'The queue of the background fetch has room for the layers.',
  'retry-waits': 'The first pause between tries is not above the longest.',
  'retries-not-shared': 'Retries meant for spans are set where spans read them.',
  'check-interval': 'Only one of check_always and valid_interval is set.',
  'containerd-socket': 'The snapshotter talks to the containerd that uses it.',
  'socket-path': 'Sockets are absolute paths.',
  'keychain-off': 'Settings of a keychain come with the keychain.',
  'keychain-loop': 'The CRI keychain does not hand requests to itself.',
  'mirror-url': 'Mirrors are URLs with a scheme.',
  'mirror-insecure': 'Registries are asked over TLS.',
  decompressor: 'Programs for decompression are absolute paths for gzip and zstd.',
  'verification-off': 'Spans are checked against their digests.',
  'private-log': 'The log holds no names of files.',
  'metrics-off': 'Metrics that have an address are served.',
  'cache-in-memory': 'Fetched spans are kept on disk.',
  'bottlerocket-key': 'Each setting is one that Bottlerocket knows; it refuses all others.',
  'bottlerocket-value': 'Each setting has a value that Bottlerocket takes.',
} as const;

export type RuleId = keyof typeof RULES;
