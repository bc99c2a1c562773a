import { ConfigView } from '../config-view';
import { findConfigs } from '../embedded';
import { lintFile } from '../lint';
import { LATEST_RELEASE, parseRelease, type Release } from '../releases';
import { readToml } from '../toml';
import { CHECKS, type Check } from './checks';
import { checkImage, neededRelease } from './check-image';
import { checkNode, type NodeFacts } from './check-node';
import type { ImageEvidence } from './evidence';
import { explainLog, type LogReport } from './log';

/** What a person knows of a node. */
export interface NodeInput {
  readonly release?: Release | undefined;
  readonly containerd?: string | undefined;
  readonly containerdSocket?: string | undefined;
  readonly config?: { readonly name: string; readonly text: string } | undefined;
  /** Pasted from `journalctl`, or a file of the node. */
  readonly log?: string | undefined;
}

export interface Diagnosis {
  readonly reference: string;
  /** `no`: something stands in the way. `yes`: nothing does. `unknown`: not enough was told. */
  readonly lazy: 'yes' | 'no' | 'unknown';
  /** In the order of `CHECKS`. */
  readonly checks: readonly Check[];
  readonly log: LogReport | undefined;
}

/** Checks that make a node slower or less safe, but do not keep it from loading lazily. */
const ASIDE: ReadonlySet<string> = new Set(['layers-indexed', 'zstd', 'min-layer-size', 'prefetch']);

/** Will this image be loaded lazily on that node? */
export function diagnose(image: ImageEvidence, input: NodeInput): Diagnosis {
  const log = input.log === undefined ? undefined : explainLog(input.log);
  const release = input.release ?? parseRelease(log?.version ?? '');
  const node: NodeFacts = {
    release,
    ...readConfig(input, release ?? LATEST_RELEASE),
    containerd: input.containerd,
    containerdSocket: input.containerdSocket,
    log,
  };
  const found = [...checkImage(image, node.config), ...checkNode(node, neededRelease(image))];
  const order = Object.keys(CHECKS);
  const checks = found.sort((a, b) => order.indexOf(a.id) - order.indexOf(b.id));
  const decisive = checks.filter(({ id }) => !ASIDE.has(id));
  const isSeen = checks.some(({ id, verdict }) => id === 'lazy-seen' && verdict === 'green');
  return {
    reference: image.reference,
    checks,
    log,
    lazy: decisive.some(({ verdict }) => verdict === 'red')
      ? 'no'
      : isSeen || decisive.every(({ verdict }) => verdict === 'green')
        ? 'yes'
        : 'unknown',
  };
}

/** The first config in the file, as that release reads it. */
function readConfig(
  { config, containerdSocket }: NodeInput,
  release: Release,
): Pick<NodeFacts, 'config' | 'findings'> {
  if (!config) return { config: undefined, findings: [] };
  const { findings } = lintFile(config.text, config.name, { release, containerdSocket });
  const region = findConfigs(config.text, config.name).find(({ dialect }) => dialect === 'snapshotter');
  const document = region && readToml(region.text, region.masked, region.unknown);
  return {
    config: document && 'entries' in document ? new ConfigView(document, release) : undefined,
    findings,
  };
}
