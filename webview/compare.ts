/** This picture beside another one: another span size, another run, another build. */
import type { Comparable, ComparedFile, Comparison, Delta, Overview } from '../src/plan/picture/types';
import type { CompareQuery } from '../src/protocol';
import { dropdown } from './controls';
import { h } from './dom';
import { grid } from './grid';
import { formatBytes, formatCount, formatSeconds, formatShare, formatSize, say, t } from './text';

export interface CompareEvents {
  list(): Promise<readonly Comparable[]>;
  compare(other: CompareQuery['with']): Promise<Comparison>;
  fail(error: unknown): void;
}

export interface CompareView {
  show(overview: Overview): void;
}

const FORMATS: Readonly<Record<Delta['unit'], (value: number) => string>> = {
  bytes: formatBytes,
  count: formatCount,
  seconds: formatSeconds,
  share: formatShare,
};
const NONE = 'none';
const CHANGES = {
  added: t('read now'),
  gone: t('no longer read'),
  moved: t('moved'),
  changed: t('changed'),
} as const;

export function createCompare(host: HTMLElement, events: CompareEvents): CompareView {
  let chosen = NONE;
  let others: readonly Comparable[] = [];
  let shown: Overview | undefined;
  let asked = 0;

  const choice = dropdown(t('Compare with'), (value) => {
    chosen = value;
    load();
  });
  const title = h('h3', {});
  const summary = h('p', { class: 'more', role: 'status' });
  const deltas = grid(t('Figures'), [
    { title: t('Figure'), width: 'minmax(12em, 2fr)' },
    { title: t('Here'), width: '9em', numeric: true },
    { title: t('There'), width: '9em', numeric: true },
    { title: t('Change'), width: '12em', numeric: true },
  ]);
  const layers = grid(t('Layers of both'), [
    { title: t('Layer'), width: 'minmax(16em, 4fr)' },
    { title: t('Size here'), width: '8em', numeric: true },
    { title: t('Size there'), width: '8em', numeric: true },
    { title: t('Fetched here'), width: '10em', numeric: true },
    { title: t('Fetched there'), width: '10em', numeric: true },
  ]);
  const files = grid(t('Files that the start reads differently'), [
    { title: t('File'), width: 'minmax(16em, 4fr)' },
    { title: t('What'), width: '11em' },
    { title: t('Layer'), width: '7em', numeric: true },
    { title: t('Read here'), width: '8em', numeric: true },
    { title: t('Read there'), width: '8em', numeric: true },
  ]);
  layers.element.classList.add('tall');
  files.element.classList.add('tall');
  const content = h(
    'div',
    {},
    title,
    deltas.element,
    h('h3', {}, t('Layers')),
    layers.element,
    h('h3', {}, t('What the start reads differently')),
    summary,
    files.element,
  );
  content.hidden = true;
  host.append(h('div', { class: 'controls' }, choice.element), content);

  function offer(): void {
    if (shown === undefined) return;
    const { plan, spanSize } = shown;
    choice.show(
      [
        { value: NONE, label: t('Nothing') },
        ...plan.rows
          .filter((row) => row.spanSize !== spanSize)
          .map((row) => ({
            value: String(row.spanSize),
            label: t('Spans of {0}', formatSize(row.spanSize)),
          })),
        ...others.map(({ id, label, kind }) => ({
          value: id,
          label: kind === 'run' ? t('Start {0}', label) : t('Image {0}', label),
        })),
      ],
      chosen,
    );
  }

  function load(): void {
    content.hidden = chosen === NONE;
    if (chosen === NONE) return;
    const mine = ++asked;
    const other = others.some(({ id }) => id === chosen) ? { id: chosen } : { spanSize: Number(chosen) };
    events.compare(other).then(
      (comparison) => {
        if (mine === asked) fill(comparison);
      },
      (error: unknown) => {
        events.fail(error);
      },
    );
  }

  function fill({ before, after, ...found }: Comparison): void {
    title.textContent = `${say(before)} → ${say(after)}`;
    deltas.show(
      found.deltas.map((delta) => ({
        key: delta.name,
        cells: [
          say(delta.name),
          FORMATS[delta.unit](delta.before),
          FORMATS[delta.unit](delta.after),
          changeOf(delta),
        ],
      })),
    );
    layers.show(
      found.layers.map((layer, index) => ({
        key: String(index),
        cells: [
          h('span', { class: 'instruction' }, h('bdi', {}, layer.name), ...noteOf(layer)),
          layer.before === null ? '–' : formatBytes(layer.sizeBefore),
          layer.after === null ? '–' : formatBytes(layer.sizeAfter),
          layer.before === null ? '–' : formatBytes(layer.fetchedBefore),
          layer.after === null ? '–' : formatBytes(layer.fetchedAfter),
        ],
      })),
    );
    const { added, gone, moved, changed } = found.counts;
    files.element.hidden = found.files.length === 0;
    summary.textContent =
      added + gone + moved + changed === 0
        ? t('Nothing: the same files, to the same extent.')
        : t(
            '{0} files are read there and not here, {1} the other way round; {2} lie in another layer, {3} are read to another extent.',
            formatCount(added),
            formatCount(gone),
            formatCount(moved),
            formatCount(changed),
          );
    files.show(
      found.files.map((file) => ({
        key: file.path,
        cells: [
          h('bdi', { class: 'path' }, file.path),
          CHANGES[file.change],
          placeOf(file),
          file.change === 'added' ? '–' : formatBytes(file.before),
          file.change === 'gone' ? '–' : formatBytes(file.after),
        ],
      })),
    );
  }

  return {
    show(overview) {
      shown = overview;
      if (chosen === String(overview.spanSize)) chosen = NONE;
      offer();
      load();
      events.list().then(
        (list) => {
          others = list;
          offer();
        },
        (error: unknown) => {
          events.fail(error);
        },
      );
    },
  };
}

function changeOf({ unit, before, after }: Delta): string {
  if (before === after) return '=';
  const sign = after > before ? '+' : '−';
  const share =
    before === 0 || unit === 'share' ? '' : ` (${sign}${formatShare(Math.abs(after - before) / before)})`;
  const difference = Math.abs(after - before);
  // From 61 % to 9 % it is 52 points less, not 52 % less.
  const amount =
    unit === 'share' ? t('{0} points', formatCount(Math.round(difference * 100))) : FORMATS[unit](difference);
  return `${sign}${amount}${share}`;
}

function noteOf({ before, after }: { before: number | null; after: number | null }): HTMLElement[] {
  if (before === null) return [h('small', {}, t('only there'))];
  return after === null ? [h('small', {}, t('only here'))] : [];
}

function placeOf({ layerBefore, layerAfter }: ComparedFile): string {
  if (layerBefore === null || layerAfter === null) return String(layerBefore ?? layerAfter ?? '');
  return layerBefore === layerAfter ? String(layerBefore) : `${layerBefore} → ${layerAfter}`;
}
