/** The files of a layer or of all: as a list that can be sorted and filtered, or as a tree; rows come as they are seen. */
import { packageKey } from '../src/plan/picture/types';
import type { Package } from '../src/plan/blame/types';
import type {
  EntriesPage,
  EntriesQuery,
  EntryFilter,
  EntryRef,
  EntryRow,
  EntrySort,
  FolderPage,
  ListFolderQuery,
} from '../src/plan/picture/types';
import type { PlanLayer } from '../src/plan/types';
import { button, checkbox, dropdown, textField } from './controls';
import { h } from './dom';
import { ENTRY_TYPES, typeName } from './entry-types';
import { createFileTree } from './file-tree';
import type { TimeRange } from './paint';
import { formatBytes, formatCount, t } from './text';
import { virtualTable } from './virtual';
import type { SortState, VirtualRow } from './virtual';

export interface FilesSource {
  ask(query: EntriesQuery): Promise<EntriesPage>;
  folder(query: ListFolderQuery): Promise<FolderPage>;
  fly(entry: EntryRef): void;
  menu(entry: EntryRef, path: string, x: number, y: number): void;
  export(filter: EntryFilter): void;
  fail(error: unknown): void;
}

export interface Files {
  /** `fresh` says that the rows may be others than before. */
  show(layers: readonly PlanLayer[], layer: number, traced: boolean, fresh: boolean): void;
  packages(list: readonly Package[]): void;
  /** Only what was first touched in this time. */
  time(range: TimeRange | undefined): void;
}

const PAGE = 100;
/** Milliseconds without a key, in the filter or in the map, before the host is asked. */
const PAUSE = 150;

export function createFiles(host: HTMLElement, source: FilesSource): Files {
  let filter: EntryFilter = {
    layer: null,
    filter: '',
    touchedOnly: false,
    type: null,
    package: null,
    time: null,
    sort: 'touched',
    descending: true,
  };
  let everyLayer = false;
  let selected = 0;
  let pages = new Map<number, readonly EntryRow[] | 'asked'>();
  let total = 0;
  let typing = 0;

  const search = textField(t('Part of a path'), (value) => {
    later({ filter: value });
  });
  const only = checkbox(t('Read by the start only'), (touchedOnly) => {
    change({ touchedOnly });
  });
  const where = dropdown(t('Layers'), (value) => {
    everyLayer = value === 'all';
    change({ layer: everyLayer ? null : selected });
    tree.show(selected);
  });
  const type = dropdown(t('Type'), (value) => {
    change({ type: value === 'all' ? null : value });
  });
  const owner = dropdown(t('Package'), (value) => {
    change({ package: value === 'all' ? null : value });
  });
  const look = dropdown(t('Show as'), (value) => {
    tree.element.hidden = value !== 'tree';
    table.element.hidden = value === 'tree';
    lists.forEach((one) => (one.hidden = value === 'tree'));
  });
  const save = button(t('Export list…'), false, () => {
    source.export(filter);
  });
  const count = h('p', { class: 'count', role: 'status' });
  const table = virtualTable<EntrySort>({
    label: t('Files'),
    columns: [
      { title: t('Path'), width: 'minmax(18em, 5fr)', sort: 'path' },
      { title: t('Layer'), width: '5.5em', numeric: true, sort: 'archive' },
      { title: t('Type'), width: 'minmax(5em, .7fr)' },
      { title: t('Size'), width: 'minmax(6em, .8fr)', numeric: true, sort: 'size' },
      { title: t('Read'), width: 'minmax(9em, 1fr)', numeric: true, sort: 'touched' },
      { title: t('First touch'), width: 'minmax(7em, .8fr)', numeric: true, sort: 'at' },
    ],
    row: (index) => {
      const page = pages.get(Math.floor(index / PAGE));
      if (page === undefined) fetchPage(Math.floor(index / PAGE));
      const row = page === 'asked' ? undefined : page?.[index % PAGE];
      return row && cellsOf(row);
    },
    onPick: (index) => {
      const row = rowAt(index);
      if (row !== undefined) source.fly(row);
    },
    onMenu: (index, x, y) => {
      const row = rowAt(index);
      if (row !== undefined) source.menu(row, row.path, x, y);
    },
    onSort: (by) => {
      const falling = by !== 'path' && by !== 'archive' && by !== 'at';
      change({ sort: by, descending: filter.sort === by ? !filter.descending : falling });
    },
  });
  const tree = createFileTree(source);
  const lists = [search, only, type.element, owner.element, save];
  host.append(
    h(
      'div',
      { class: 'controls' },
      look.element,
      where.element,
      type.element,
      owner.element,
      search,
      only,
      save,
    ),
    count,
    table.element,
    tree.element,
  );
  tree.element.hidden = true;
  owner.element.hidden = true;
  look.show(
    [
      { value: 'list', label: t('List') },
      { value: 'tree', label: t('Tree') },
    ],
    'list',
  );
  type.show(
    [
      { value: 'all', label: t('All') },
      ...Object.entries(ENTRY_TYPES).map(([value, { all }]) => ({ value, label: all })),
    ],
    'all',
  );

  const rowAt = (index: number): EntryRow | undefined => {
    const page = pages.get(Math.floor(index / PAGE));
    return page === 'asked' ? undefined : page?.[index % PAGE];
  };

  function change(part: Partial<EntryFilter>): void {
    filter = { ...filter, ...part };
    pages = new Map();
    fetchPage(0);
  }
  function later(part: Partial<EntryFilter>): void {
    window.clearTimeout(typing);
    typing = window.setTimeout(() => {
      change(part);
    }, PAUSE);
  }

  function fetchPage(page: number): void {
    const into = pages;
    into.set(page, 'asked');
    source.ask({ ...filter, offset: page * PAGE, limit: PAGE }).then(
      (answer) => {
        // The filter has changed meanwhile: these rows belong to a list that is gone.
        if (into !== pages) return;
        into.set(page, answer.rows);
        const isNew = page === 0 && into.size === 1;
        total = answer.total;
        count.textContent =
          total === 0 ? t('No file') : total === 1 ? t('1 file') : t('{0} files', formatCount(total));
        const sort: SortState<EntrySort> = { by: filter.sort, descending: filter.descending };
        table.show(total, sort, isNew);
      },
      (error: unknown) => {
        source.fail(error);
      },
    );
  }

  return {
    show(layers, layer, traced, fresh) {
      only.hidden = !traced;
      const moved = selected !== layer;
      selected = layer;
      const name = layers[layer]?.instruction ?? '';
      where.show(
        [
          { value: 'one', label: t('Layer {0}: {1}', layer, name.slice(0, 60)) },
          { value: 'all', label: t('All layers') },
        ],
        everyLayer ? 'all' : 'one',
      );
      if (!fresh && !moved) return;
      tree.show(layer);
      if (fresh || !everyLayer) later({ layer: everyLayer ? null : layer });
    },
    packages(list) {
      owner.element.hidden = list.length === 0;
      owner.show(
        [
          { value: 'all', label: t('All') },
          { value: '', label: t('Of no package') },
          ...list.map((one) => ({ value: packageKey(one), label: `${one.name} (${one.manager})` })),
        ],
        filter.package ?? 'all',
      );
    },
    time(range) {
      change({ time: range === undefined ? null : [range.from, range.to] });
    },
  };
}

function cellsOf(row: EntryRow): VirtualRow {
  const read = row.touched > 0 ? `${formatBytes(row.touched)} ` : '–';
  const bar = h('span', { class: 'meter', 'aria-hidden': 'true' }, h('span'));
  const fill = bar.firstElementChild;
  if (fill instanceof HTMLElement)
    fill.style.width = `${row.size === 0 ? 0 : (100 * row.touched) / row.size}%`;
  return {
    cells: [
      h('bdi', { class: 'path', title: row.path.slice(0, 500) }, row.path),
      String(row.layer),
      typeName(row.type),
      row.type === 'reg' ? formatBytes(row.size) : '–',
      row.touched > 0 ? h('span', {}, read, bar) : read,
      row.at === null ? '–' : `${formatCount(Math.round(row.at))} ms`,
    ],
  };
}
