/** The head of the page: which image, what can be done, the settings, the figures that matter most. */
import { formatBytes, formatCount, formatSeconds, formatShare, formatSize } from '../src/plan/format';
import { NETWORKS } from '../src/plan/network';
import type { Events, IndexOrder } from '../src/protocol';
import type { Overview, Settings } from '../src/plan/picture/types';
import type { Network } from '../src/plan/types';
import { button, checkbox, dropdown, progressRing, slider } from './controls';
import { byId, h } from './dom';

export interface HeadEvents {
  change(settings: Settings | null): void;
  byTime(on: boolean): void;
  prefetch(on: boolean): void;
  createIndex(order: IndexOrder): void;
  recordStart(): void;
  exportReport(): void;
}

export interface Head {
  show(overview: Overview, settings: Settings | null): void;
  progress(body: Events['progress']): void;
  busy(on: boolean): void;
  /** A task of the host came to its end: says so until the next one. */
  done(text: string): void;
}

const MIB = 1024 * 1024;
const MIN_LAYER_SIZES = [0, 1, 2, 5, 10, 20, 50, 100].map((mib) => mib * MIB);
/** 64 KiB to 64 MiB, two steps for each doubling. */
const SPAN_SIZES = Array.from(
  { length: 21 },
  (_, step) => Math.round((64 * 1024 * 2 ** (step / 2)) / 4096) * 4096,
);
/** The value of the choice that follows the recommendation. */
const BEST = 'best';

export function createHead(events: HeadEvents): Head {
  let current: Overview | undefined;
  let set: Settings | null = null;

  let prefetchOn = false;

  const title = h('h1');
  const subtitle = h('p', { class: 'subtitle' });
  const state = h('p', { class: 'state' });
  const create = button('Create and push index…', true, () => {
    if (current === undefined) return;
    const { plan, spanSize } = current;
    events.createIndex({
      spanSize,
      minLayerSize: plan.minLayerSize,
      prefetch: prefetchOn && plan.trace !== null,
      extra: [],
    });
  });
  const record = button('Record a start', false, () => {
    events.recordStart();
  });
  const report = button('Export report…', false, () => {
    events.exportReport();
  });
  const prefetch = checkbox('Have nodes prefetch the touched spans', (on) => {
    prefetchOn = on;
    events.prefetch(on);
  });
  prefetch.title = 'For nodes whose snapshotter has prefetch enabled; others pass it over.';
  byId('head').append(
    h('div', { class: 'titles' }, title, subtitle, state),
    h('div', { class: 'actions' }, prefetch, create, record, report),
  );

  const change = (part: Partial<Settings>): void => {
    if (current === undefined) return;
    const { minLayerSize, network, node } = current.plan;
    events.change({
      spanSize: set?.spanSize ?? null,
      minLayerSize,
      network,
      node,
      prefetch: false,
      extra: [],
      ...part,
    });
  };
  const spanSizes = dropdown('Span size', (value) => {
    change({ spanSize: value === BEST ? null : Number(value) });
  });
  const anySpanSize = slider('What if spans were of', SPAN_SIZES, formatSize, (spanSize) => {
    change({ spanSize });
  });
  const minLayerSizes = dropdown('Smallest layer to index', (value) => {
    change({ minLayerSize: Number(value) });
  });
  const networks = dropdown('Network', (value) => {
    const network = Object.hasOwn(NETWORKS, value) ? NETWORKS[value] : undefined;
    if (network !== undefined)
      change({ network: { rttMs: network.rttMs, bytesPerSecond: network.bytesPerSecond } });
  });
  const byTime = checkbox('Fade by time of first touch', (on) => {
    events.byTime(on);
  });
  byId('map-controls').append(
    spanSizes.element,
    anySpanSize.element,
    minLayerSizes.element,
    networks.element,
    byTime,
  );

  return {
    show(overview, settings) {
      current = overview;
      set = settings;
      const { plan, pending } = overview;
      title.textContent = plan.image.reference;
      subtitle.textContent = `${plan.image.platform} · ${plan.image.digest.slice(0, 19)} · ${formatCount(plan.layers.length)} ${plan.layers.length === 1 ? 'layer' : 'layers'}, ${formatBytes(total(overview))}`;
      if (pending > 0) state.replaceChildren(progressRing(), `Reading layers, ${formatCount(pending)} to go`);
      else state.replaceChildren();
      prefetch.hidden = plan.trace === null;
      create.disabled = pending > 0 || !plan.layers.some((layer) => layer.indexed);
      spanSizes.show(
        [
          {
            value: BEST,
            label: `${plan.trace === null ? 'Default' : 'Best'}: ${formatSize(plan.choice.spanSize)}`,
          },
          ...plan.rows.map((row) => ({ value: String(row.spanSize), label: formatSize(row.spanSize) })),
        ],
        settings?.spanSize == null ? BEST : String(settings.spanSize),
      );
      anySpanSize.show(overview.spanSize);
      const smallest = [...new Set([...MIN_LAYER_SIZES, plan.minLayerSize])].sort((a, b) => a - b);
      minLayerSizes.show(
        smallest.map((size) => ({
          value: String(size),
          label: size === 0 ? 'Every layer' : formatSize(size),
        })),
        String(plan.minLayerSize),
      );
      networks.show(...networkChoices(plan.network));
      byId('figures').replaceChildren(...figures(overview));
    },
    progress({ step, done, total: all }) {
      if (step === null) state.replaceChildren();
      else
        state.replaceChildren(
          progressRing(),
          done === null || !all ? step : `${step}, ${formatShare(done / all)}`,
        );
    },
    busy(on) {
      for (const one of [create, record, report]) one.disabled = on;
    },
    done(text) {
      state.replaceChildren(text);
    },
  };
}

function total({ plan }: Overview): number {
  return plan.layers.reduce((sum, layer) => sum + layer.size, 0);
}

function networkChoices(network: Network): [{ value: string; label: string }[], string] {
  const choices = Object.entries(NETWORKS).map(([value, profile]) => ({
    value,
    label: `${profile.label} (${figuresOf(profile)})`,
  }));
  const found = Object.entries(NETWORKS).find(
    ([, one]) => one.rttMs === network.rttMs && one.bytesPerSecond === network.bytesPerSecond,
  );
  if (found !== undefined) return [choices, found[0]];
  return [[...choices, { value: 'own', label: figuresOf(network) }], 'own'];
}

function figuresOf({ rttMs, bytesPerSecond }: Network): string {
  return `${formatCount(rttMs)} ms, ${formatBytes(bytesPerSecond)}/s`;
}

function figures({ plan, spanSize }: Overview): HTMLElement[] {
  const row = plan.rows.find((one) => one.spanSize === spanSize);
  const whole = plan.modes.find((mode) => mode.mode === 'docker-pull');
  if (row === undefined) return [];
  if (plan.trace === null) {
    return [
      figure('Start', 'Not recorded', 'Record a start to see which bytes it needs'),
      figure('Spans', formatCount(row.spans), `at ${formatSize(spanSize)}`),
      figure('Index', formatBytes(row.ztocBytes), 'in ztocs'),
    ];
  }
  const all = plan.layers.reduce((sum, layer) => sum + (layer.uncompressedSize ?? 0), 0);
  const read = plan.layers.reduce((sum, layer) => sum + layer.touchedBytes, 0);
  return [
    figure(
      'Read by the start',
      formatShare(all === 0 ? 0 : read / all),
      `${formatBytes(read)} of ${formatBytes(all)} in ${formatCount(plan.trace.files)} files`,
    ),
    figure(
      'Spans fetched',
      `${formatCount(row.touchedSpans)} of ${formatCount(row.spans)}`,
      `${formatBytes(row.spanBytes)} at ${formatSize(spanSize)}, ${formatShare(row.waste)} of it unused`,
    ),
    figure('Index', formatBytes(row.ztocBytes), 'in ztocs, fetched before the start'),
    figure(
      'Ready after about',
      formatSeconds(row.lazy.totalSeconds),
      whole === undefined ? '' : `${formatSeconds(whole.totalSeconds)} with a plain pull`,
    ),
  ];
}

function figure(label: string, value: string, more: string): HTMLElement {
  return h(
    'div',
    { class: 'figure' },
    h('span', { class: 'figure-label' }, label),
    h('strong', {}, value),
    h('span', { class: 'figure-more' }, more),
  );
}
