/** The tables under the map: span sizes, ways to pull, layers, notes. The layer table is the map's twin for reading. */
import { formatBytes, formatCount, formatSeconds, formatShare, formatSize } from '../src/plan/format';
import { assumptions, MODE_NAMES } from '../src/plan/words';
import type { Cells, Overview } from '../src/plan/picture/types';
import type { PlanLayer } from '../src/plan/types';
import { button, grid } from './controls';
import { byId, h } from './dom';

export interface TableEvents {
  pickSpanSize(spanSize: number): void;
  pickLayer(layer: number): void;
  announce(text: string): void;
}

export interface Tables {
  show(overview: Overview, layer: number): void;
  /** Whether the command line shall have the touched spans prefetched. */
  prefetch(on: boolean): void;
  /** Marks the layer that is now selected. */
  mark(layer: number): void;
  /** Fills in the touched spans of each layer when the map has them. */
  showTouched(cells: ReadonlyMap<number, Cells>): void;
}

export function createTables(events: TableEvents): Tables {
  const sizes = grid(
    'Span sizes',
    [
      { title: 'Span size', width: 'minmax(8.5em, 1.3fr)' },
      { title: 'Spans', width: 'minmax(7.5em, 1fr)', numeric: true },
      { title: 'Bytes of spans', width: 'minmax(7em, 1fr)', numeric: true },
      { title: 'Unused', width: 'minmax(5em, .7fr)', numeric: true },
      { title: 'Ztocs', width: 'minmax(5.5em, .8fr)', numeric: true },
      { title: 'Waits', width: 'minmax(5em, .7fr)', numeric: true },
      { title: 'Ready, lazy', width: 'minmax(6.5em, 1fr)', numeric: true },
      { title: 'Ready, prefetch', width: 'minmax(6.5em, 1fr)', numeric: true },
    ],
    (key) => {
      events.pickSpanSize(Number(key));
    },
  );
  const layers = grid(
    'Layers',
    [
      { title: 'Layer', width: '5em', numeric: true },
      { title: 'Made by', width: 'minmax(14em, 3fr)' },
      { title: 'Size', width: 'minmax(5.5em, .8fr)', numeric: true },
      { title: 'Files', width: 'minmax(5em, .7fr)', numeric: true },
      { title: 'Files read', width: 'minmax(5.5em, .7fr)', numeric: true },
      { title: 'Bytes read', width: 'minmax(6em, .8fr)', numeric: true },
      { title: 'Spans fetched', width: 'minmax(8em, 1fr)', numeric: true },
      { title: 'Bytes fetched', width: 'minmax(10em, 1fr)', numeric: true },
    ],
    (key) => {
      events.pickLayer(Number(key));
    },
  );
  const command = h('code');
  byId('command').append(
    command,
    button('Copy', false, () => {
      void navigator.clipboard.writeText(command.textContent).then(() => {
        events.announce('Copied.');
      });
    }),
  );
  byId('sizes').append(sizes.element);
  byId('layers').append(layers.element);
  let shown: { overview: Overview; layer: number } | undefined;
  let prefetch = false;
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
              ...(layer.notIndexed === null ? [] : [h('small', {}, layer.notIndexed)]),
            ),
            formatBytes(layer.size),
            layer.files === null ? '–' : formatCount(layer.files),
            formatCount(layer.touchedFiles),
            formatBytes(layer.touchedBytes),
            !layer.indexed
              ? 'whole layer'
              : spans === undefined
                ? '…'
                : `${formatCount(spans.touched)} of ${formatCount(spans.spans)}`,
            traced ? fetchedCell(fetched(layer), fetched(layer) === most) : '–',
          ],
        };
      }),
    );
  }

  return {
    show(overview, layer) {
      shown = { overview, layer };
      const { plan, spanSize } = overview;
      byId('reason').textContent = plan.choice.reason;
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
                  h('em', { class: 'best' }, traced ? 'best' : 'default'),
                )
              : formatSize(row.spanSize),
            traced ? `${formatCount(row.touchedSpans)} of ${formatCount(row.spans)}` : formatCount(row.spans),
            traced ? formatBytes(row.spanBytes) : '–',
            traced ? formatShare(row.waste) : '–',
            formatBytes(row.ztocBytes),
            traced ? formatCount(row.serialFetches) : '–',
            traced ? formatSeconds(row.lazy.totalSeconds) : '–',
            traced ? formatSeconds(row.prefetch.totalSeconds) : '–',
          ],
        })),
      );
      showModes(overview);
      showLayers();
      command.textContent = commandLine(overview, prefetch);
      byId('notes').replaceChildren(
        h('h2', {}, 'Notes'),
        h('ul', {}, ...[...plan.notes, assumptions(plan)].map((note) => h('li', {}, note))),
      );
    },
    prefetch(on) {
      prefetch = on;
      if (shown !== undefined) command.textContent = commandLine(shown.overview, on);
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
    ? h('span', {}, h('em', { class: 'best' }, 'most'), ' ', formatBytes(bytes))
    : formatBytes(bytes);
}

/** A bar per way to pull, at the span size that the map shows. */
function showModes({ plan, spanSize }: Overview): void {
  const row = plan.rows.find((one) => one.spanSize === spanSize);
  const whole = plan.modes.filter((mode) => mode.mode === 'docker-pull' || mode.mode === 'parallel-pull');
  const modes = [...whole, ...(row === undefined || plan.trace === null ? [] : [row.lazy, row.prefetch])];
  const longest = Math.max(...modes.map((mode) => mode.totalSeconds));
  byId('modes').replaceChildren(
    ...modes.map((mode) => {
      const pull = h('span', { class: 'pull' });
      const start = h('span', { class: 'start' });
      pull.style.width = `${(100 * (mode.totalSeconds - mode.startSeconds)) / longest}%`;
      start.style.width = `${(100 * mode.startSeconds) / longest}%`;
      const detail = `${formatSeconds(mode.pullSeconds)} pull, ${formatSeconds(mode.startSeconds)} start, ${formatBytes(mode.bytes)} in ${formatCount(mode.requests)} requests`;
      return h(
        'div',
        { class: 'mode' },
        h('span', { class: 'mode-name' }, MODE_NAMES[mode.mode]),
        h('strong', {}, formatSeconds(mode.totalSeconds)),
        h('span', { class: 'track', 'aria-hidden': 'true' }, pull, start),
        h('span', { class: 'mode-more' }, detail),
      );
    }),
  );
}

/** What makes the same index from a terminal. */
function commandLine({ plan, spanSize }: Overview, prefetch: boolean): string {
  const fixed = `--output DESTINATION --span-size ${spanSize} --min-layer-size ${plan.minLayerSize}`;
  const traced = prefetch && plan.trace !== null ? ' --trace TRACE --prefetch-from-trace' : '';
  return `soci-lens index ${quote(plan.image.reference)} ${fixed}${traced}`;
}

/** A word of a POSIX shell. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
