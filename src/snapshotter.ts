/**
 * What the editor needs for the snapshotter's config, as a bundle of its own: its parsers are loaded with the first file that
 * holds such a config (`await import('./snapshotter')`).
 */
export { describeKeyAt } from './cluster/hover';
export { lintFile } from './cluster/lint';
export { describeFindings } from './cluster/lint-report';
export { clusterFiles, DEFAULT_NAMESPACE, pinned } from './cluster/manifests';
export { DEFAULT_NODE_SPEC, parseNodeSpec } from './cluster/nodes';
export { parseRelease } from './cluster/releases';
