/** The files of the selected layer, a page of rows at a time. */
import { formatBytes, formatCount } from '../src/plan/format';
import type { EntriesPage, EntriesQuery } from '../src/plan/picture/types';
import type { PlanLayer } from '../src/plan/types';
import { button, checkbox, grid, textField } from './controls';
import { h } from './dom';

export interface FilesSource {
  ask(query: EntriesQuery): Promise<EntriesPage>;
  open(entry: number): void;
  fail(error: unknown): void;
}

export interface Files {
  show(layer: PlanLayer | undefined, pending: number): void;
}

const PAGE = 50;
const EVERY = { type: null, package: null, time: null, sort: 'archive', descending: false } as const;
/** Milliseconds without a key, in the filter or in the map, before the host is asked. */
const PAUSE = 150;

export function createFiles(host: HTMLElement, source: FilesSource): Files {
  let layer: PlanLayer | undefined;
  let offset = 0;
  let filter = '';
  let touchedOnly = false;
  let asked = 0;
  let typing = 0;
  let shown = '';

  const name = h('p', { class: 'subtitle' });
  const count = h('span', { class: 'count', role: 'status' });
  const search = textField('Part of a path', (value) => {
    window.clearTimeout(typing);
    typing = window.setTimeout(() => {
      filter = value;
      turn(0);
    }, PAUSE);
  });
  const only = checkbox('Read by the start only', (checked) => {
    touchedOnly = checked;
    turn(0);
  });
  const back = button('Previous', false, () => {
    turn(Math.max(0, offset - PAGE));
  });
  const next = button('Next', false, () => {
    turn(offset + PAGE);
  });
  const rows = grid(
    'Files of the layer',
    [
      { title: 'Path', width: 'minmax(18em, 5fr)' },
      { title: 'Type', width: 'minmax(5em, .7fr)' },
      { title: 'Size', width: 'minmax(5.5em, .8fr)', numeric: true },
      { title: 'Read', width: 'minmax(5.5em, .8fr)', numeric: true },
      { title: 'First touch', width: 'minmax(6.5em, .8fr)', numeric: true },
    ],
    (key) => {
      source.open(Number(key));
    },
  );
  rows.element.classList.add('tall');
  host.append(name, h('div', { class: 'controls' }, search, only, back, next, count), rows.element);

  function turn(to: number): void {
    offset = to;
    if (layer === undefined) return;
    const mine = ++asked;
    const [wanted, from] = [layer, offset];
    source.ask({ ...EVERY, layer: wanted.index, offset: from, limit: PAGE, filter, touchedOnly }).then(
      (page) => {
        if (mine !== asked) return;
        rows.show(
          page.rows.map((row) => ({
            key: String(row.entry),
            cells: [
              h('bdi', { class: 'path' }, row.path),
              row.type,
              row.type === 'reg' ? formatBytes(row.size) : '–',
              row.touched > 0 ? formatBytes(row.touched) : '–',
              row.at === null ? '–' : `${formatCount(Math.round(row.at))} ms`,
            ],
          })),
        );
        back.disabled = from === 0;
        next.disabled = from + PAGE >= page.total;
        count.textContent =
          page.total === 0
            ? 'No file'
            : `${formatCount(from + 1)}–${formatCount(Math.min(from + PAGE, page.total))} of ${formatCount(page.total)}`;
      },
      (error: unknown) => {
        source.fail(error);
      },
    );
  }

  return {
    show(wanted, pending) {
      layer = wanted;
      // The same layer of the same scan keeps its page; a new one begins at its first row.
      const key = JSON.stringify([
        wanted?.digest,
        wanted?.index,
        wanted?.files,
        wanted?.touchedFiles,
        pending,
      ]);
      if (key === shown) return;
      shown = key;
      name.textContent =
        wanted === undefined
          ? ''
          : `Layer ${wanted.index}: ${wanted.instruction ?? wanted.digest.slice(0, 19)}`;
      window.clearTimeout(typing);
      typing = window.setTimeout(() => {
        turn(0);
      }, PAUSE);
    },
  };
}
