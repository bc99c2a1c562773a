/**
 * A table of any number of rows, of which only those in view exist: the rows are asked for a page at a time. One stop
 * of the Tab key; arrows move within (WAI-ARIA grid and treegrid patterns).
 */
import type { Column } from './grid';
import { h } from './dom';

export interface VirtualRow {
  readonly cells: readonly (string | Node)[];
  /** Of a tree: 1 for the outermost; `expanded` undefined where there is nothing to expand. */
  readonly level?: number;
  readonly expanded?: boolean | undefined;
}

export interface SortState<S extends string> {
  readonly by: S;
  readonly descending: boolean;
}

export interface VirtualOptions<S extends string> {
  readonly label: string;
  /** `sort` names the order that a click on the heading asks for. */
  readonly columns: readonly (Column & { readonly sort?: S })[];
  /** The row, or undefined when it is still being fetched: `refresh` draws it when it has come. */
  readonly row: (index: number) => VirtualRow | undefined;
  readonly onPick: (index: number) => void;
  readonly onMenu: (index: number, x: number, y: number) => void;
  readonly onSort: (by: S) => void;
  /** Right and Left on a row of a tree. */
  readonly onExpand?: (index: number, open: boolean) => void;
}

export interface VirtualTable<S extends string> {
  readonly element: HTMLElement;
  /** How many rows there are, and how they are sorted; begins at the first row again where `top` says so. */
  show(total: number, sort: SortState<S> | undefined, top: boolean): void;
  refresh(): void;
}

/** CSS pixels of a row. */
const ROW = 24;
/** No browser makes an element of any height; above this the scroll bar stands for more rows than it has pixels. */
const TALLEST = 4_000_000;
let tables = 0;

export function virtualTable<S extends string>(options: VirtualOptions<S>): VirtualTable<S> {
  const id = `rows-${tables++}`;
  const template = options.columns.map(({ width }) => width).join(' ');
  const role = options.onExpand === undefined ? 'grid' : 'treegrid';
  const spacer = h('div', { class: 'spacer' });
  const window_ = h('div', { class: 'window', role: 'rowgroup' });
  const heads = options.columns.map(({ title, sort, numeric }) => {
    const head = h(
      'div',
      { role: 'columnheader', class: numeric === true ? 'numeric' : '' },
      ...(sort === undefined ? [title] : [h('button', { class: 'sort', type: 'button' }, title)]),
    );
    if (sort !== undefined) {
      head.firstElementChild?.addEventListener('click', () => {
        options.onSort(sort);
      });
    }
    return head;
  });
  const header = h('div', { class: 'virtual-row head', role: 'row', 'aria-rowindex': '1' }, ...heads);
  header.style.gridTemplateColumns = template;
  const element = h(
    'div',
    { class: 'virtual', role, 'aria-label': options.label, tabindex: '0' },
    h('div', { class: 'virtual-head', role: 'rowgroup' }, header),
    window_,
    spacer,
  );

  let total = 0;
  let active = 0;
  let drawn: { readonly first: number; readonly rows: HTMLElement[] } = { first: 0, rows: [] };

  /** CSS pixels of rows in view: the heading stays above them. */
  const seen = (): number => Math.max(ROW, element.clientHeight - ROW);
  const inView = (): number => Math.max(1, Math.ceil(seen() / ROW));
  const height = (): number => Math.min(total * ROW, TALLEST);
  /** Rows per pixel of the scroll bar. */
  const scale = (): number => Math.max(0, total * ROW - seen()) / Math.max(1, height() - seen()) / ROW;

  function draw(): void {
    const first = Math.max(0, Math.min(Math.floor(element.scrollTop * scale()), total - inView()));
    const count = Math.min(total - first, inView() + 1);
    window_.style.transform = `translateY(${element.scrollTop - (height() < TALLEST ? element.scrollTop % ROW : 0)}px)`;
    const rows = Array.from({ length: Math.max(0, count) }, (_, place) => rowElement(first + place));
    window_.replaceChildren(...rows);
    drawn = { first, rows };
    element.setAttribute('aria-activedescendant', `${id}-${active}`);
  }

  function rowElement(index: number): HTMLElement {
    const row = options.row(index);
    const made = h('div', {
      class: 'virtual-row',
      role: 'row',
      id: `${id}-${index}`,
      'aria-rowindex': String(index + 2),
      'aria-selected': String(index === active),
      ...(row?.level !== undefined && { 'aria-level': String(row.level) }),
      ...(row?.expanded !== undefined && { 'aria-expanded': String(row.expanded) }),
    });
    made.style.gridTemplateColumns = template;
    options.columns.forEach(({ numeric }, column) => {
      made.append(
        h(
          'div',
          { role: 'gridcell', class: numeric === true ? 'numeric' : '' },
          row?.cells[column] ?? (column === 0 ? '…' : ''),
        ),
      );
    });
    return made;
  }

  function reveal(): void {
    const { first } = drawn;
    const last = first + Math.floor(seen() / ROW) - 1;
    if (active < first) element.scrollTop = active / Math.max(1e-9, scale());
    else if (active > last) element.scrollTop = (active - inView() + 2) / Math.max(1e-9, scale());
    draw();
  }

  const indexOf = (target: EventTarget | null): number => {
    const row = target instanceof Element ? target.closest<HTMLElement>('.window > .virtual-row') : null;
    return row === null ? -1 : drawn.first + drawn.rows.indexOf(row);
  };
  element.addEventListener('scroll', draw);
  new ResizeObserver(draw).observe(element);
  window_.addEventListener('click', (event) => {
    const index = indexOf(event.target);
    if (index < 0) return;
    active = index;
    draw();
    options.onPick(index);
  });
  window_.addEventListener('contextmenu', (event) => {
    const index = indexOf(event.target);
    if (index < 0) return;
    event.preventDefault();
    active = index;
    draw();
    options.onMenu(index, event.clientX, event.clientY);
  });
  element.addEventListener('keydown', (event) => {
    if (event.target !== element || total === 0) return;
    const page = inView() - 1;
    const moves: Record<string, number> = {
      ArrowUp: active - 1,
      ArrowDown: active + 1,
      PageUp: active - page,
      PageDown: active + page,
      Home: 0,
      End: total - 1,
    };
    const to = moves[event.key];
    if (to !== undefined) {
      active = Math.max(0, Math.min(total - 1, to));
      reveal();
    } else if (event.key === 'Enter') options.onPick(active);
    else if (event.key === 'ArrowRight') options.onExpand?.(active, true);
    else if (event.key === 'ArrowLeft') options.onExpand?.(active, false);
    else if (event.key === 'ContextMenu' || (event.shiftKey && event.key === 'F10')) {
      const place = drawn.rows[active - drawn.first]?.getBoundingClientRect();
      options.onMenu(active, (place?.left ?? 0) + 40, place?.bottom ?? 0);
    } else return;
    event.preventDefault();
  });

  return {
    element,
    show(rows, sort, top) {
      total = rows;
      if (top) {
        active = 0;
        element.scrollTop = 0;
      }
      active = Math.max(0, Math.min(active, total - 1));
      spacer.style.height = `${height()}px`;
      element.setAttribute('aria-rowcount', String(total + 1));
      options.columns.forEach((column, at) => {
        const mine = sort !== undefined && column.sort === sort.by;
        heads[at]?.setAttribute('aria-sort', mine ? (sort.descending ? 'descending' : 'ascending') : 'none');
      });
      draw();
    },
    refresh: draw,
  };
}
