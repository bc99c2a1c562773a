/** The tables under the map: span sizes, ways to pull, layers, notes. The layer table is the map's twin for reading. */
import type { Cells, Overview, Settings } from '../src/plan/picture/types';
import type { PlanLayer } from '../src/plan/types';
import { button } from './controls';
import { byId, h } from './dom';
import { showForecasts } from './forecast';
import { grid } from './grid';
import { formatBytes, formatCount, formatSeconds, formatShare, formatSize, say, t } from './text';

export interface TableEvents {
  pickSpanSize(spanSize: number): void;
  pickLayer(layer: number): void;
  copy(text: string): void;
}

export interface Tables {
  show(overview: Overview, settings: Settings | null, extra: readonly string[], layer: number): void;
  /** Marks the layer that is now selected. */
  mark(layer: number): void;
  /** Fills in the touched spans of each layer when the map has them. */
  showTouched(cells: ReadonlyMap<number, Cells>): void;
}

export function createTables(events: TableEvents): Tables {
  const sizes = grid(
    t('Span sizes'),
    [
      { title: t('Span size'), width: 'minmax(8.5em, 1.3fr)' },
      { title: t('Spans'), width: 'minmax(7.5em, 1fr)', numeric: true },
      { title: t('Bytes of spans'), width: 'minmax(9.5em, 1fr)', numeric: true },
      { title: t('Unused'), width: 'minmax(5em, .7fr)', numeric: true },
      { title: t('Ztocs'), width: 'minmax(5.5em, .8fr)', numeric: true },
      { title: t('Waits'), width: 'minmax(5em, .7fr)', numeric: true },
      { title: t('Ready, lazy'), width: 'minmax(6.5em, 1fr)', numeric: true },
      { title: t('Ready, prefetch'), width: 'minmax(10em, 1fr)', numeric: true },
    ],
    (key) => {
      events.pickSpanSize(Number(key));
    },
  );
  const layers = grid(
    t('Layers'),
    [
      { title: t('Layer'), width: '5em', numeric: true },
      { title: t('Made by'), width: 'minmax(14em, 3fr)' },
      { title: t('Size'), width: 'minmax(5.5em, .8fr)', numeric: true },
      { title: t('Files'), width: 'minmax(5em, .7fr)', numeric: true },
      { title: t('Files read'), width: 'minmax(5.5em, .7fr)', numeric: true },
      { title: t('Bytes read'), width: 'minmax(6em, .8fr)', numeric: true },
      { title: t('Spans fetched'), width: 'minmax(8em, 1fr)', numeric: true },
      { title: t('Bytes fetched'), width: 'minmax(10em, 1fr)', numeric: true },
    ],
    (key) => {
      events.pickLayer(Number(key));
    },
  );
  const command = h('code');
  byId('command').append(
    command,
    button(t('Copy'), false, () => {
      events.copy(command.textContent);
    }),
  );
  byId('sizes').append(sizes.element);
  byId('layers').append(layers.element);
  let shown: { overview: Overview; layer: number } | undefined;
  /** Of the span size before, until the new one's are there. */
  let known: ReadonlyMap<number, Cells> = new Map();

  function showLayers(): void {
    if (shown === undefined) return;
    const { overview, layer: selected } = shown;
    const traced = overview.plan.trace !== null;
    const fetched = (layer: PlanLayer): number | undefined =>
      layer.indexed ? known.get(layer.index)?.fetchedBytes : layer.size;
    const most = Math.max(0, ...overview.plan.layers.map((layer) => fetched(layer) ?? 0));
    layers.show(
      overview.plan.layers.map((layer) => {
        const spans = known.get(layer.index);
        return {
          key: String(layer.index),
          current: layer.index === selected,
          cells: [
            String(layer.index),
            h(
              'span',
              { class: 'instruction' },
              h('bdi', {}, layer.instruction ?? layer.digest.slice(0, 19)),
              ...(layer.notIndexed === null ? [] : [h('small', {}, say(layer.notIndexed))]),
            ),
            formatBytes(layer.size),
            layer.files === null ? '–' : formatCount(layer.files),
            formatCount(layer.touchedFiles),
            formatBytes(layer.touchedBytes),
            !layer.indexed
              ? t('whole layer')
              : spans === undefined
                ? '…'
                : t('{0} of {1}', formatCount(spans.touched), formatCount(spans.spans)),
            traced ? fetchedCell(fetched(layer), fetched(layer) === most) : '–',
          ],
        };
      }),
    );
  }

  return {
    show(overview, settings, extra, layer) {
      shown = { overview, layer };
      const { plan, spanSize, pending } = overview;
      byId('reason').textContent = say(plan.choice.reason);
      const traced = plan.trace !== null;
      sizes.show(
        plan.rows.map((row) => ({
          key: String(row.spanSize),
          current: row.spanSize === spanSize,
          cells: [
            row.spanSize === plan.choice.spanSize
              ? h(
                  'span',
                  {},
                  formatSize(row.spanSize),
                  ' ',
                  h('em', { class: 'best' }, traced ? t('best') : t('default')),
                )
              : formatSize(row.spanSize),
            traced
              ? t('{0} of {1}', formatCount(row.touchedSpans), formatCount(row.spans))
              : formatCount(row.spans),
            traced ? formatBytes(row.spanBytes) : '–',
            traced ? formatShare(row.waste) : '–',
            formatBytes(row.ztocBytes),
            traced ? formatCount(row.serialFetches) : '–',
            traced ? formatSeconds(row.lazy.totalSeconds) : '–',
            traced ? formatSeconds(row.prefetch.totalSeconds) : '–',
          ],
        })),
      );
      showForecasts(byId('modes'), overview);
      showLayers();
      command.textContent = commandLine(overview, settings, extra);
      // They are about the whole picture.
      byId('notes').hidden = pending > 0 || plan.notes.length === 0;
      byId('notes').replaceChildren(
        h('h2', {}, t('Notes')),
        h('ul', {}, ...plan.notes.map((note) => h('li', {}, say(note)))),
      );
    },
    mark(layer) {
      if (shown !== undefined) shown = { ...shown, layer };
      layers.mark(String(layer));
    },
    showTouched(cells) {
      known = cells;
      showLayers();
    },
  };
}

function fetchedCell(bytes: number | undefined, isMost: boolean): string | Node {
  if (bytes === undefined) return '…';
  return isMost && bytes > 0
    ? h('span', {}, h('em', { class: 'best' }, t('most')), ' ', formatBytes(bytes))
    : formatBytes(bytes);
}

/** What makes the same index from a terminal; `extra` are the paths of the files that are prefetched too. */
function commandLine(
  { plan, spanSize }: Overview,
  settings: Settings | null,
  extra: readonly string[],
): string {
  const words = [
    'soci-lens',
    'index',
    quote(plan.image.reference),
    '--output DESTINATION',
    `--span-size ${spanSize}`,
    `--min-layer-size ${plan.minLayerSize}`,
    ...(settings?.prefetch === true && plan.trace !== null ? ['--trace TRACE --prefetch-from-trace'] : []),
    ...extra.map((path) => `--prefetch-file ${quote(path)}`),
  ];
  return words.join(' ');
}

/** A word of a POSIX shell. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
