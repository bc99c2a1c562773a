/** The settings that the whole picture follows while they move: span size, smallest layer, network, node, way to pull. */
import { NETWORKS } from '../src/plan/network';
import { DEFAULT_NODE, parseNode } from '../src/plan/node';
import type { Overview, Settings } from '../src/plan/picture/types';
import type { Network, Node, PullMode } from '../src/plan/types';
import { MODE_NAMES } from '../src/plan/words';
import { button, checkbox, dropdown, slider } from './controls';
import { byId } from './dom';
import { formatBytes, formatCount, formatSize, say, t } from './text';

export interface WhatIfEvents {
  change(settings: Settings | null): void;
  /** The way to pull that the figures speak of. */
  mode(mode: PullMode): void;
}

export interface WhatIf {
  show(overview: Overview, settings: Settings | null): void;
}

const MIB = 1024 * 1024;
const MIN_LAYER_SIZES = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500].map((mib) => mib * MIB);
/** 64 KiB to 64 MiB, two steps for each doubling. */
const SPAN_SIZES = Array.from(
  { length: 21 },
  (_, step) => Math.round((64 * 1024 * 2 ** (step / 2)) / 4096) * 4096,
);
const MODES: readonly PullMode[] = ['lazy', 'lazy-prefetch', 'parallel-pull', 'docker-pull'];
const OWN = 'own';

/** The node of the measurements, and instance types of some sizes and kinds; the command line knows more. */
const NODES: readonly { readonly label: string; readonly node: Node }[] = [
  { label: t('{0} processors, as measured', DEFAULT_NODE.cores), node: DEFAULT_NODE },
  ...['t3.large', 'm6i.large', 'm6i.xlarge', 'm6i.4xlarge', 'g5.2xlarge', 'p4d.24xlarge'].map((name) => {
    const node = parseNode(name);
    return { label: t('{0}, {1} processors', name, node.cores), node };
  }),
];

/** What the page sets where the person has set nothing yet. */
export function settingsOf({ plan }: Overview, set: Settings | null): Settings {
  const { minLayerSize, network, node } = plan;
  return set ?? { spanSize: null, minLayerSize, network, node, prefetch: false, extra: [] };
}

export function createWhatIf(events: WhatIfEvents): WhatIf {
  let current: Overview | undefined;
  let set: Settings | null = null;
  let mode: PullMode = 'lazy';

  const change = (part: Partial<Settings>): void => {
    if (current === undefined) return;
    events.change({ ...settingsOf(current, set), ...part });
  };
  const spanSizes = slider(t('Span size'), SPAN_SIZES, formatSize, (spanSize) => {
    change({ spanSize });
  });
  const minLayerSizes = slider(t('Smallest layer to index'), MIN_LAYER_SIZES, smallest, (minLayerSize) => {
    change({ minLayerSize });
  });
  const networks = dropdown(t('Network'), (value) => {
    const network = Object.hasOwn(NETWORKS, value) ? NETWORKS[value] : undefined;
    if (network !== undefined)
      change({ network: { rttMs: network.rttMs, bytesPerSecond: network.bytesPerSecond } });
  });
  const nodes = dropdown(t('Node'), (value) => {
    const node = NODES[Number(value)]?.node;
    if (node !== undefined) change({ node });
  });
  const modes = dropdown(t('Pulled'), (value) => {
    mode = MODES.find((one) => one === value) ?? 'lazy';
    events.mode(mode);
  });
  const prefetch = checkbox(t('Prefetch the touched spans'), (on) => {
    change({ prefetch: on });
  });
  prefetch.title = t('For nodes whose snapshotter has prefetch enabled; others pass it over.');
  const reset = button(t('Back to the recommendation'), false, () => {
    events.change(null);
  });
  byId('what-if').append(
    spanSizes.element,
    minLayerSizes.element,
    modes.element,
    networks.element,
    nodes.element,
    prefetch,
    reset,
  );
  modes.show(
    MODES.map((value) => ({ value, label: say(MODE_NAMES[value]) })),
    mode,
  );

  return {
    show(overview, settings) {
      current = overview;
      set = settings;
      const { plan } = overview;
      spanSizes.show(
        overview.spanSize,
        plan.trace === null ? undefined : { value: plan.choice.spanSize, reason: say(plan.choice.reason) },
      );
      minLayerSizes.show(plan.minLayerSize);
      networks.show(...networkChoices(plan.network));
      nodes.show(...nodeChoices(plan.node));
      prefetch.hidden = plan.trace === null;
      prefetch.toggleAttribute('checked', settings?.prefetch === true);
      Object.assign(prefetch, { checked: settings?.prefetch === true });
      modes.element.hidden = plan.trace === null;
      reset.hidden = settings === null;
    },
  };
}

function smallest(size: number): string {
  return size === 0 ? t('every layer') : formatSize(size);
}

function networkChoices(network: Network): [{ value: string; label: string }[], string] {
  const choices = Object.entries(NETWORKS).map(([value, profile]) => ({
    value,
    label: `${say(profile.label)} (${figuresOf(profile)})`,
  }));
  const found = Object.entries(NETWORKS).find(
    ([, one]) => one.rttMs === network.rttMs && one.bytesPerSecond === network.bytesPerSecond,
  );
  if (found !== undefined) return [choices, found[0]];
  return [[...choices, { value: OWN, label: figuresOf(network) }], OWN];
}

function figuresOf({ rttMs, bytesPerSecond }: Network): string {
  return `${formatCount(rttMs)} ms, ${formatBytes(bytesPerSecond)}/s`;
}

function nodeChoices(node: Node): [{ value: string; label: string }[], string] {
  const choices = NODES.map(({ label }, index) => ({ value: String(index), label }));
  const known = NODES.findIndex((one) => sameNode(one.node, node));
  if (known >= 0) return [choices, String(known)];
  return [[...choices, { value: OWN, label: node.name ?? t('{0} processors, as set', node.cores) }], OWN];
}

function sameNode(a: Node, b: Node): boolean {
  const keys = Object.keys({ ...a, ...b }) as (keyof Node)[]; // Both are nodes.
  return keys.every((key) => a[key] === b[key]);
}
