/** A small table whose rows are all there: the toolkit's data grid. */
import { h } from './dom';

export interface Column {
  readonly title: string;
  /** A CSS grid track: `1fr`, `minmax(8em, 2fr)`. */
  readonly width: string;
  readonly numeric?: boolean;
}

export interface GridRow {
  /** Names the row across renderings, so that the focus stays where it was. */
  readonly key: string;
  readonly cells: readonly (string | Node)[];
  /** Marks the row that the map shows. */
  readonly current?: boolean;
}

export interface GridControl {
  readonly element: HTMLElement;
  show(rows: readonly GridRow[]): void;
  /** Marks the row with this key as the current one, and no other. */
  mark(key: string): void;
}

/** A table; Enter or a click on a row calls `onPick` with its key, a right click or Shift F10 `onMenu`. */
export function grid(
  label: string,
  columns: readonly Column[],
  onPick?: (key: string) => void,
  onMenu?: (key: string, x: number, y: number) => void,
): GridControl {
  const template = columns.map((column) => column.width).join(' ');
  const element = h('vscode-data-grid', {
    'aria-label': label,
    'grid-template-columns': template,
    'generate-header': 'none',
  });
  const cell = (content: string | Node, column: number, type: string): HTMLElement =>
    h(
      'vscode-data-grid-cell',
      {
        'grid-column': String(column + 1),
        ...(type !== 'default' && { 'cell-type': type }),
        class: columns[column]?.numeric === true ? 'numeric' : '',
      },
      content,
    );
  const row = (key: string | undefined, type: string, cells: readonly HTMLElement[]): HTMLElement =>
    h(
      'vscode-data-grid-row',
      {
        'grid-template-columns': template,
        ...(type !== 'default' && { 'row-type': type }),
        ...(key !== undefined && { 'data-key': key }),
      },
      ...cells,
    );

  const keyOf = (event: Event): string | undefined =>
    (event.target instanceof Element
      ? event.target.closest('[data-key]')?.getAttribute('data-key')
      : undefined) ?? undefined;
  const pick = (event: Event): void => {
    const key = keyOf(event);
    if (key !== undefined) onPick?.(key);
  };
  if (onMenu !== undefined) {
    element.addEventListener('contextmenu', (event) => {
      const key = keyOf(event);
      if (key === undefined) return;
      event.preventDefault();
      // The key for menus has no place of its own: under the row it is then.
      const place = (event.target as Element).getBoundingClientRect();
      const byKey = event.button !== 2;
      onMenu(key, byKey ? place.left + 20 : event.clientX, byKey ? place.bottom : event.clientY);
    });
  }
  if (onPick !== undefined) {
    element.classList.add('pickable');
    element.addEventListener('click', pick);
    element.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter') return;
      event.preventDefault();
      pick(event);
    });
  }

  const header = row(
    undefined,
    'header',
    columns.map((column, index) => cell(column.title, index, 'columnheader')),
  );
  return {
    // A scrolling box must be reachable by keyboard; the cells of the grid are.
    element: h('div', { class: 'scroll-x' }, element),
    mark(key) {
      for (const row of element.querySelectorAll('[data-key]')) {
        row.setAttribute('aria-selected', String(row.getAttribute('data-key') === key));
      }
    },
    show(rows) {
      const focused = document.activeElement;
      const focusedKey = focused?.closest('[data-key]')?.getAttribute('data-key');
      const focusedColumn = focused?.getAttribute('grid-column');
      const hadFocus = focused !== null && element.contains(focused);
      const made = rows.map(({ key, cells, current }) => {
        const line = row(
          key,
          'default',
          cells.map((content, index) => cell(content, index, index === 0 ? 'rowheader' : 'default')),
        );
        if (current !== undefined) line.setAttribute('aria-selected', String(current));
        return line;
      });
      element.replaceChildren(header, ...made);
      if (!hadFocus || focusedKey === undefined || focusedKey === null) return;
      // The cells become focusable once the grid has taken the new rows in.
      requestAnimationFrame(() => {
        const line = made.find((one) => one.getAttribute('data-key') === focusedKey);
        line?.querySelector<HTMLElement>(`[grid-column="${focusedColumn ?? '1'}"]`)?.focus();
      });
    },
  };
}
