import type { ConfigView } from '../config-view';
import type { Finding } from '../findings';
import { DEFAULT_SOCKET } from '../lint-general';
import { isAtLeast, type Release } from '../releases';
import { green, red, unknown, type Check } from './checks';
import type { LogFinding, LogReport } from './log';

/** What is known of a node; anything can be missing. */
export interface NodeFacts {
  readonly release: Release | undefined;
  readonly config: ConfigView | undefined;
  /** What the linter says to the config. */
  readonly findings: readonly Finding[];
  /** `1.7.13`. */
  readonly containerd: string | undefined;
  /** Where containerd listens, when that was told. */
  readonly containerdSocket: string | undefined;
  readonly log: LogReport | undefined;
}

const NEEDS_CONFIG = "Give the node's /etc/soci-snapshotter-grpc/config.toml with --config.";
const NEEDS_LOG = 'Give the log with --log: journalctl --unit soci-snapshotter --output cat > FILE.';

export function checkNode(node: NodeFacts, needed: Release): Check[] {
  return [
    modeEnabled(node),
    version(node, needed),
    config(node),
    containerd(node),
    socket(node),
    running(node),
    lazySeen(node),
  ];
}

function logged({ log }: NodeFacts, ...ids: readonly string[]): LogFinding | undefined {
  return log?.findings.find(({ id }) => ids.includes(id));
}

function seen({ example, firstLine, count }: LogFinding): string {
  return count > 1
    ? `Line ${firstLine} and ${count - 1} more of the log: ${example}`
    : `Line ${firstLine} of the log: ${example}`;
}

function modeEnabled(node: NodeFacts): Check {
  const refused = logged(node, 'no-mode');
  if (refused) return red('mode-enabled', seen(refused), 'Set [pull_modes.soci_v2] enable = true.');
  const { config: view } = node;
  if (!view) return unknown('mode-enabled', 'The config is not known.', NEEDS_CONFIG);
  if (view.flag('pull_modes.parallel_pull_unpack.enable')) {
    return red(
      'mode-enabled',
      'The parallel pull is on, which switches lazy loading off.',
      'Set [pull_modes.parallel_pull_unpack] enable = false.',
    );
  }
  if (!isAtLeast(view.release, '0.10')) return green('mode-enabled', 'Before 0.10 v1 is always looked for.');
  const on = ([1, 2] as const).filter((one) => view.flag(`pull_modes.soci_v${one}.enable`));
  if (on.length === 0) {
    return red('mode-enabled', 'Neither v1 nor v2 is on.', 'Set [pull_modes.soci_v2] enable = true.');
  }
  return green(
    'mode-enabled',
    `${on.map((one) => `v${one}`).join(' and ')} is looked for, and the parallel pull is off.`,
  );
}

function version({ release }: NodeFacts, needed: Release): Check {
  if (release === undefined) {
    return unknown(
      'version',
      'The version of the snapshotter is not known.',
      'Give it with --soci-version, or a log that has its start.',
    );
  }
  if (isAtLeast(release, needed)) {
    const members = isAtLeast(release, '0.14') ? [] : ['Layers of several gzip members need 0.14.'];
    return green('version', [`Release ${release}; the image needs ${needed}.`, ...members].join(' '));
  }
  return red(
    'version',
    `Release ${release}, and the image needs ${needed}.`,
    needed === '0.10'
      ? 'Update the snapshotter to 0.10 or newer, or push a v1 index.'
      : `Update the snapshotter to ${needed} or newer.`,
  );
}

function config(node: NodeFacts): Check {
  const refused = logged(node, 'config-refused', 'limits', 'parallel-store', 'decompressor');
  if (refused) return red('config', seen(refused), refused.fix ?? 'Run lint-config on the file.');
  if (!node.config && node.findings.length === 0)
    return unknown('config', 'The config is not known.', NEEDS_CONFIG);
  const [fault, ...others] = node.findings.filter(({ severity }) => severity === 'error');
  if (fault) {
    return red(
      'config',
      others.length > 0 ? `${fault.message} And ${others.length} more faults.` : fault.message,
      'Run lint-config on the file; it has the fixes.',
    );
  }
  const warnings = node.findings.filter(({ severity }) => severity === 'warning').length;
  return green(
    'config',
    warnings === 0 ? 'The linter finds nothing.' : `No faults; ${warnings} warnings of the linter.`,
  );
}

/** docs/kubernetes.md, "Known Bugs"; the namespace was measured with 1.6.20. */
function containerd(node: NodeFacts): Check {
  const namespace = logged(node, 'no-namespace');
  if (namespace) return red('containerd', seen(namespace), 'Update containerd to 1.7.16 or newer.');
  const [, major, minor, patch] = /^v?(\d+)\.(\d+)(?:\.(\d+))?/.exec(node.containerd ?? '') ?? [];
  if (major === undefined || minor === undefined) {
    return unknown(
      'containerd',
      'The version of containerd is not known.',
      'Give it with --containerd: containerd --version tells it.',
    );
  }
  const [one, two, three] = [Number(major), Number(minor), Number(patch ?? 0)];
  if (one < 1 || (one === 1 && two < 7)) {
    return red(
      'containerd',
      `containerd ${node.containerd ?? ''} does not hand its namespace on: "context has no namespace attached".`,
      'Update containerd to 1.7.16 or newer.',
    );
  }
  if (one === 1 && two === 7 && three < 16) {
    return red(
      'containerd',
      `containerd ${node.containerd ?? ''} measures the snapshotter's disk wrongly: the kubelet collects no garbage and holds no storage limits.`,
      'Update containerd to 1.7.16 or newer.',
    );
  }
  return green('containerd', `containerd ${node.containerd ?? ''}.`);
}

function socket(node: NodeFacts): Check {
  const unreachable = logged(node, 'containerd-unreachable', 'socket-missing');
  if (unreachable) return red('socket', seen(unreachable), unreachable.fix ?? '');
  const fault = node.findings.find(({ rule }) => rule === 'containerd-socket' || rule === 'socket-path');
  if (fault) return red('socket', `${fault.message} ${fault.reason}`, fault.fix?.title ?? NEEDS_CONFIG);
  if (logged(node, 'lazy-layer', 'local-layer'))
    return green('socket', 'The log shows layers that were prepared.');
  if (!node.config) return unknown('socket', 'The config is not known.', NEEDS_CONFIG);
  const address = node.config.text('content_store.containerd_address');
  if (node.containerdSocket !== undefined) return green('socket', `Both use ${address}.`);
  return unknown(
    'socket',
    address === DEFAULT_SOCKET
      ? `It looks at ${address}; k3s, rke2 and microk8s have it elsewhere.`
      : `It looks at ${address}.`,
    'Give the socket of containerd with --containerd-socket, or a log.',
  );
}

function running(node: NodeFacts): Check {
  const ended = logged(node, 'cannot-start', 'service-failed', 'not-supported', 'service-stopped');
  const started = logged(node, 'started');
  if (!node.log) return unknown('running', 'There is no log.', NEEDS_LOG);
  if (ended && ended.firstLine > (started?.firstLine ?? 0)) {
    return red('running', seen(ended), ended.fix ?? 'Look at the lines before it.');
  }
  if (started) return green('running', seen(started));
  const alive = node.log.findings.find(
    ({ id }) => id === 'lazy-layer' || id === 'local-layer' || id === 'parallel-layer',
  );
  if (alive) return green('running', seen(alive));
  return unknown('running', `The ${node.log.lines} lines of the log do not show a start.`, NEEDS_LOG);
}

function lazySeen(node: NodeFacts): Check {
  const lazy = logged(node, 'lazy-layer');
  const failed = node.log?.findings.find(({ id }) =>
    [
      'deferred',
      'not-in-registry',
      'index-not-canonical',
      'resolve-timeout',
      'unauthorised',
      'no-mode',
      'not-lazy',
    ].includes(id),
  );
  if (!node.log) return unknown('lazy-seen', 'There is no log.', NEEDS_LOG);
  if (failed)
    return red('lazy-seen', seen(failed), failed.fix ?? 'The other checks say what stands in the way.');
  if (lazy) return green('lazy-seen', seen(lazy));
  return unknown(
    'lazy-seen',
    'No image was pulled in this log.',
    'Pull the image on the node and take the log again.',
  );
}
