/** The head of the page: which image, what can be done, the figures that matter most. */
import type { Overview, Settings } from '../src/plan/picture/types';
import type { PullMode } from '../src/plan/types';
import { MODE_NAMES, rangeOf } from '../src/plan/words';
import type { Events, IndexOrder } from '../src/protocol';
import { button, progressRing } from './controls';
import { byId, h } from './dom';
import { formatBytes, formatCount, formatSeconds, formatShare, formatSize, say, t } from './text';

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
  const create = button(t('Create index with these settings…'), true, () => {
    if (current === undefined) return;
    const { plan, spanSize } = current.overview;
    events.createIndex({
      spanSize,
      minLayerSize: plan.minLayerSize,
      prefetch: current.settings?.prefetch === true && plan.trace !== null,
      extra: current.settings?.extra ?? [],
    });
  });
  const record = button(t('Record a start'), false, () => {
    events.recordStart();
  });
  const optimize = button(t('Optimize image…'), false, () => {
    events.optimizeImage();
  });
  optimize.title = t('The same files, laid out for the recorded start: a start layer, or layers re-packed.');
  const report = button(t('Export report…'), false, () => {
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
      // A long name breaks between its parts.
      const parts = plan.image.reference.split(/(?<=[/:@])/);
      title.replaceChildren(...parts.flatMap((part) => [h('wbr'), part]));
      const size = plan.layers.reduce((sum, layer) => sum + layer.size, 0);
      subtitle.textContent = `${plan.image.platform} · ${plan.image.digest.slice(0, 19)} · ${layersOf(plan.layers.length)}, ${formatBytes(size)}`;
      if (pending > 0)
        state.replaceChildren(progressRing(), t('Reading layers, {0} to go', formatCount(pending)));
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
      figure(t('Start'), t('Not recorded'), t('Record a start to see which bytes it needs')),
      figure(t('Spans'), formatCount(row.spans), t('at {0}', formatSize(spanSize))),
      figure(t('Index'), formatBytes(row.ztocBytes), t('in ztocs')),
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
      t('Read by the start'),
      formatShare(all === 0 ? 0 : read / all),
      t('{0} of {1} in {2} files', formatBytes(read), formatBytes(all), formatCount(plan.trace.files)),
    ),
    figure(
      t('Spans fetched'),
      t('{0} of {1}', formatCount(row.touchedSpans), formatCount(row.spans)),
      t(
        '{0} at {1}, {2} of it unused',
        formatBytes(row.spanBytes),
        formatSize(spanSize),
        formatShare(row.waste),
      ),
    ),
    figure(
      t('Requests'),
      formatCount(shown.requests),
      t('{0} that wait for one another', formatCount(row.serialFetches)),
    ),
    figure(t('Index'), formatBytes(row.ztocBytes), t('in ztocs, fetched before the start')),
    figure(
      t('Ready: {0}', say(MODE_NAMES[mode])),
      formatSeconds(shown.totalSeconds),
      whole === undefined
        ? t('{0} to {1}', formatSeconds(low), formatSeconds(high))
        : t(
            '{0} to {1}; {2} with a plain pull',
            formatSeconds(low),
            formatSeconds(high),
            formatSeconds(whole.totalSeconds),
          ),
    ),
  ];
}

function layersOf(count: number): string {
  return count === 1 ? t('1 layer') : t('{0} layers', formatCount(count));
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
