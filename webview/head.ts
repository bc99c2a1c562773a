/** The head of the page: which image, what can be done, the figures that matter most. */
import { formatBytes, formatCount, formatSeconds, formatShare, formatSize } from '../src/plan/format';
import type { Overview, Settings } from '../src/plan/picture/types';
import type { PullMode } from '../src/plan/types';
import { MODE_NAMES, rangeOf } from '../src/plan/words';
import type { Events, IndexOrder } from '../src/protocol';
import { button, progressRing } from './controls';
import { byId, h } from './dom';

export interface HeadEvents {
  createIndex(order: IndexOrder): void;
  recordStart(): void;
  optimizeImage(): void;
  exportReport(): void;
}

export interface Head {
  show(overview: Overview, settings: Settings | null, mode: PullMode): void;
  progress(body: Events['progress']): void;
  busy(on: boolean): void;
  /** A task of the host came to its end: says so until the next one. */
  done(text: string): void;
}

export function createHead(events: HeadEvents): Head {
  let current: { overview: Overview; settings: Settings | null } | undefined;
  let working = false;

  const title = h('h1');
  const subtitle = h('p', { class: 'subtitle' });
  const state = h('p', { class: 'state' });
  const create = button('Create index with these settings…', true, () => {
    if (current === undefined) return;
    const { plan, spanSize } = current.overview;
    events.createIndex({
      spanSize,
      minLayerSize: plan.minLayerSize,
      prefetch: current.settings?.prefetch === true && plan.trace !== null,
      extra: current.settings?.extra ?? [],
    });
  });
  const record = button('Record a start', false, () => {
    events.recordStart();
  });
  const optimize = button('Optimize image…', false, () => {
    events.optimizeImage();
  });
  optimize.title = 'The same files, laid out for the recorded start: a start layer, or layers re-packed.';
  const report = button('Export report…', false, () => {
    events.exportReport();
  });
  byId('head').append(
    h('div', { class: 'titles' }, title, subtitle, state),
    h('div', { class: 'actions' }, create, optimize, record, report),
  );
  const enable = (): void => {
    const { plan, pending } = current?.overview ?? { plan: undefined, pending: 0 };
    create.disabled = working || pending > 0 || plan?.layers.some((layer) => layer.indexed) !== true;
    record.disabled = working;
    optimize.disabled = working || pending > 0 || (plan?.trace ?? null) === null;
    report.disabled = working;
  };

  return {
    show(overview, settings, mode) {
      current = { overview, settings };
      const { plan, pending } = overview;
      title.textContent = plan.image.reference;
      const size = plan.layers.reduce((sum, layer) => sum + layer.size, 0);
      subtitle.textContent = `${plan.image.platform} · ${plan.image.digest.slice(0, 19)} · ${formatCount(plan.layers.length)} ${plan.layers.length === 1 ? 'layer' : 'layers'}, ${formatBytes(size)}`;
      if (pending > 0) state.replaceChildren(progressRing(), `Reading layers, ${formatCount(pending)} to go`);
      else if (!working) state.replaceChildren();
      enable();
      byId('figures').replaceChildren(...figures(overview, mode));
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
      working = on;
      enable();
    },
    done(text) {
      state.replaceChildren(text);
    },
  };
}

function figures({ plan, spanSize }: Overview, mode: PullMode): HTMLElement[] {
  const row = plan.rows.find((one) => one.spanSize === spanSize);
  const whole = plan.modes.find((one) => one.mode === 'docker-pull');
  if (row === undefined) return [];
  if (plan.trace === null) {
    return [
      figure('Start', 'Not recorded', 'Record a start to see which bytes it needs'),
      figure('Spans', formatCount(row.spans), `at ${formatSize(spanSize)}`),
      figure('Index', formatBytes(row.ztocBytes), 'in ztocs'),
    ];
  }
  const shown =
    mode === 'lazy'
      ? row.lazy
      : mode === 'lazy-prefetch'
        ? row.prefetch
        : (plan.modes.find((one) => one.mode === mode) ?? row.lazy);
  const all = plan.layers.reduce((sum, layer) => sum + (layer.uncompressedSize ?? 0), 0);
  const read = plan.layers.reduce((sum, layer) => sum + layer.touchedBytes, 0);
  const { low, high } = rangeOf(shown);
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
    figure(
      'Requests',
      formatCount(shown.requests),
      `${formatCount(row.serialFetches)} that wait for one another`,
    ),
    figure('Index', formatBytes(row.ztocBytes), 'in ztocs, fetched before the start'),
    figure(
      `Ready, ${MODE_NAMES[mode].toLowerCase()}`,
      formatSeconds(shown.totalSeconds),
      `${formatSeconds(low)} to ${formatSeconds(high)}${whole === undefined ? '' : `; ${formatSeconds(whole.totalSeconds)} with a plain pull`}`,
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
