/** The files of one layer as a tree: folders ask for their children when they are opened. */
import type { EntryRef, FolderPage, FolderRow, ListFolderQuery } from '../src/plan/picture/types';
import { h } from './dom';
import { typeName } from './entry-types';
import { formatBytes, formatCount, t } from './text';
import { virtualTable } from './virtual';

export interface TreeSource {
  folder(query: ListFolderQuery): Promise<FolderPage>;
  fly(entry: EntryRef): void;
  menu(entry: EntryRef, path: string, x: number, y: number): void;
  fail(error: unknown): void;
}

export interface FileTree {
  readonly element: HTMLElement;
  show(layer: number): void;
}

const PAGE = 500;

interface Item {
  /** Undefined for the row that stands for the rest of a long folder. */
  readonly row: FolderRow | undefined;
  readonly path: string;
  readonly level: number;
  open: boolean;
  /** Children that the folder of this item has had so far; of the rest, from where it goes on. */
  readonly from: number;
}

export function createFileTree(source: TreeSource): FileTree {
  let layer = 0;
  let items: Item[] = [];

  const table = virtualTable<never>({
    label: t('Files as a tree'),
    columns: [
      { title: t('Name'), width: 'minmax(20em, 5fr)' },
      { title: t('Files'), width: 'minmax(5em, .7fr)', numeric: true },
      { title: t('Size'), width: 'minmax(6em, .8fr)', numeric: true },
      { title: t('Read'), width: 'minmax(6em, .8fr)', numeric: true },
    ],
    row: (index) => {
      const item = items[index];
      if (item === undefined) return undefined;
      const { row, level, open } = item;
      const name = h('span', { class: 'tree-name' });
      name.style.paddingInlineStart = `${(level - 1) * 16}px`;
      if (row === undefined) {
        name.append(t('More…'));
        return { cells: [name, '', '', ''], level };
      }
      const isFolder = row.entry === null;
      name.append(
        h('span', { class: 'twist', 'aria-hidden': 'true' }, isFolder ? (open ? '▾' : '▸') : ''),
        h('bdi', { class: 'path' }, row.name),
      );
      return {
        level,
        expanded: isFolder ? open : undefined,
        cells: [
          name,
          isFolder ? formatCount(row.files) : '',
          row.type === 'reg' || isFolder ? formatBytes(row.size) : typeName(row.type),
          row.touched > 0 ? formatBytes(row.touched) : '–',
        ],
      };
    },
    onPick: (index) => {
      const item = items[index];
      if (item?.row?.entry == null) expand(index, !(item?.open ?? false));
      else source.fly({ layer, entry: item.row.entry });
    },
    onMenu: (index, x, y) => {
      const item = items[index];
      if (item?.row?.entry != null) source.menu({ layer, entry: item.row.entry }, item.path, x, y);
    },
    onSort: () => undefined,
    onExpand: expand,
  });

  function expand(index: number, open: boolean): void {
    const item = items[index];
    if (item === undefined) return;
    if (item.row === undefined) {
      load(item.path, item.level, item, item.from);
    } else if (item.row.entry === null && open !== item.open) {
      item.open = open;
      if (open) load(item.path, item.level + 1, item, 0);
      else {
        const end = items.findIndex((other, at) => at > index && other.level <= item.level);
        items.splice(index + 1, (end < 0 ? items.length : end) - index - 1);
        table.show(items.length, undefined, false);
      }
    }
  }

  /** Puts a page of a folder's children in behind its row, or in the place of the row for the rest if that asked. */
  function load(path: string, level: number, asker: Item | undefined, from: number): void {
    const wanted = layer;
    source.folder({ layer, path, offset: from, limit: PAGE }).then(
      ({ rows, total }) => {
        if (wanted !== layer) return;
        const made = rows.map((row): Item => ({
          row,
          path: path === '' ? row.name : `${path}/${row.name}`,
          level,
          open: false,
          from: 0,
        }));
        const next = from + rows.length;
        if (next < total) made.push({ row: undefined, path, level, open: false, from: next });
        const place = asker === undefined ? 0 : items.indexOf(asker);
        const isRest = asker !== undefined && asker.row === undefined;
        // Closed again, or gone with its parent, before the answer came.
        if (place < 0 || (asker !== undefined && !isRest && !asker.open)) return;
        const at = asker === undefined || isRest ? place : place + 1;
        items = [...items.slice(0, at), ...made, ...items.slice(at + (isRest ? 1 : 0))];
        table.show(items.length, undefined, false);
      },
      (error: unknown) => {
        source.fail(error);
      },
    );
  }

  return {
    element: table.element,
    show(next) {
      layer = next;
      items = [];
      load('', 1, undefined, 0);
    },
  };
}
