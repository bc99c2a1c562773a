/** `green`: nothing stands in the way. `red`: it does. `unknown`: more has to be told for an answer. */
export type Verdict = 'green' | 'red' | 'unknown';

export const CHECKS = {
  'index-there': 'The image has a SOCI index',
  discoverable: 'The node finds the index',
  'index-types': 'Index and ztocs are what the snapshotter takes',
  'ztocs-load': 'Every ztoc can be loaded',
  'layers-indexed': 'The layers that matter are indexed',
  zstd: 'No layer is compressed with zstd',
  ranges: 'The registry answers requests for a range',
  credentials: 'The snapshotter may read the image',
  'mode-enabled': 'The kind of index is looked for',
  version: 'The snapshotter is new enough',
  'min-layer-size': 'No layer is below min_layer_size',
  config: "The snapshotter's config has no faults",
  prefetch: 'Prefetch works',
  containerd: 'containerd is new enough',
  socket: 'The snapshotter reaches containerd',
  running: 'The snapshotter runs',
  'lazy-seen': 'The log shows layers loaded lazily',
} as const;

export type CheckId = keyof typeof CHECKS;

export interface Check {
  readonly id: CheckId;
  readonly verdict: Verdict;
  /** What was seen, or what is missing for an answer. */
  readonly evidence: string;
  /** What to do: of what is red, and of what is unknown how to know it. */
  readonly fix?: string;
}

export function green(id: CheckId, evidence: string): Check {
  return { id, verdict: 'green', evidence };
}

export function red(id: CheckId, evidence: string, fix: string): Check {
  return { id, verdict: 'red', evidence, fix };
}

export function unknown(id: CheckId, evidence: string, fix: string): Check {
  return { id, verdict: 'unknown', evidence, fix };
}
