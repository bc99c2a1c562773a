/**
 * The controls of the page: the one module that knows `@vscode/webview-ui-toolkit`. The toolkit is no longer developed;
 * to swap it, swap this file. It sets its styles as constructed style sheets, so that the page's policy needs no inline
 * style.
 */
import {
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeCheckbox,
  vsCodeDataGrid,
  vsCodeDataGridCell,
  vsCodeDataGridRow,
  vsCodeDropdown,
  vsCodeOption,
  vsCodeProgressRing,
  vsCodeTextField,
} from '@vscode/webview-ui-toolkit';
import { h } from './dom';

/** What the page uses of the toolkit's elements. */
export interface ButtonElement extends HTMLElement {
  disabled: boolean;
}
interface CheckboxElement extends HTMLElement {
  checked: boolean;
}
interface ValueElement extends HTMLElement {
  value: string;
}

/** To be called once, before any control is made. */
export function registerControls(): void {
  provideVSCodeDesignSystem().register(
    vsCodeButton(),
    vsCodeCheckbox(),
    vsCodeDataGrid(),
    vsCodeDataGridCell(),
    vsCodeDataGridRow(),
    vsCodeDropdown(),
    vsCodeOption(),
    vsCodeProgressRing(),
    vsCodeTextField(),
  );
}

export function button(label: string, primary: boolean, onClick: () => void): ButtonElement {
  const element = h(
    'vscode-button',
    { appearance: primary ? 'primary' : 'secondary' },
    label,
  ) as ButtonElement;
  element.addEventListener('click', onClick);
  return element;
}

export function checkbox(label: string, onChange: (checked: boolean) => void): HTMLElement {
  const element = h('vscode-checkbox', {}, label) as CheckboxElement;
  element.addEventListener('change', () => {
    onChange(element.checked);
  });
  return element;
}

export function textField(label: string, onInput: (value: string) => void): HTMLElement {
  const element = h('vscode-text-field', { placeholder: label, 'aria-label': label }) as ValueElement;
  element.addEventListener('input', () => {
    onInput(element.value);
  });
  return element;
}

export function progressRing(): HTMLElement {
  return h('vscode-progress-ring', { 'aria-label': 'Working' });
}

export interface Choice {
  readonly value: string;
  readonly label: string;
}

export interface DropdownControl {
  /** The labelled control, for the page. */
  readonly element: HTMLElement;
  /** Sets the choices anew where they changed, and the chosen one. */
  show(choices: readonly Choice[], value: string): void;
}

export function dropdown(label: string, onChange: (value: string) => void): DropdownControl {
  const select = h('vscode-dropdown', { 'aria-label': label }) as ValueElement;
  select.addEventListener('change', () => {
    onChange(select.value);
  });
  let shown = '';
  return {
    element: h(
      'div',
      { class: 'field' },
      h('span', { class: 'field-label', 'aria-hidden': 'true' }, label),
      select,
    ),
    show(choices, value) {
      const wanted = JSON.stringify([choices, value]);
      if (wanted === shown) return;
      shown = wanted;
      select.replaceChildren(
        ...choices.map((choice) =>
          h(
            'vscode-option',
            { value: choice.value, ...(choice.value === value && { selected: '' }) },
            choice.label,
          ),
        ),
      );
      select.value = value;
    },
  };
}

export interface SliderControl {
  readonly element: HTMLElement;
  /** Moves to the nearest of the steps. */
  show(value: number): void;
}

/** A choice among steps by dragging or by the arrow keys; calls back while it moves. The toolkit has none. */
export function slider(
  label: string,
  steps: readonly number[],
  format: (value: number) => string,
  onInput: (value: number) => void,
): SliderControl {
  const input = document.createElement('input');
  Object.assign(input, { type: 'range', min: '0', max: String(steps.length - 1), step: '1' });
  const value = h('output');
  const say = (text: string): void => {
    value.textContent = text;
    input.setAttribute('aria-valuetext', text);
  };
  input.setAttribute('aria-label', label);
  input.addEventListener('input', () => {
    const chosen = steps[input.valueAsNumber];
    if (chosen === undefined) return;
    say(format(chosen));
    onInput(chosen);
  });
  return {
    element: h(
      'div',
      { class: 'field slider' },
      h('span', { class: 'field-label', 'aria-hidden': 'true' }, label, ' ', value),
      input,
    ),
    show(wanted) {
      // While the person moves it, the answer to an earlier place must not pull it back.
      if (document.activeElement === input) return;
      let nearest = 0;
      steps.forEach((step, index) => {
        const best = steps[nearest] ?? 1;
        if (Math.abs(Math.log(step / wanted)) < Math.abs(Math.log(best / wanted))) nearest = index;
      });
      input.valueAsNumber = nearest;
      say(format(wanted));
    },
  };
}

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

/** A table; Enter or a click on a row calls `onPick` with its key. */
export function grid(label: string, columns: readonly Column[], onPick?: (key: string) => void): GridControl {
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

  const pick = (event: Event): void => {
    const key =
      event.target instanceof Element ? event.target.closest('[data-key]')?.getAttribute('data-key') : null;
    if (key !== null && key !== undefined) onPick?.(key);
  };
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
