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
  vsCodePanels,
  vsCodePanelTab,
  vsCodePanelView,
  vsCodeProgressRing,
  vsCodeTextField,
} from '@vscode/webview-ui-toolkit';
import { h } from './dom';
import { t } from './text';

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
    vsCodePanels(),
    vsCodePanelTab(),
    vsCodePanelView(),
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
  // The toolkit takes the name from the text, which it shows above the field; the placeholder is enough to see.
  const element = h('vscode-text-field', { placeholder: label }, label) as ValueElement;
  element.addEventListener('input', () => {
    onInput(element.value);
  });
  return element;
}

export function progressRing(): HTMLElement {
  return h('vscode-progress-ring', { 'aria-label': t('Working') });
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
  /** Moves to the nearest of the steps. `best` is the value to mark, with its reason. */
  show(value: number, best?: { readonly value: number; readonly reason: string }): void;
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
  const mark = h('button', { class: 'best-mark', type: 'button', hidden: '' }, t('best'));
  let best: number | undefined;
  const nearest = (wanted: number): number => {
    let found = 0;
    const distance = (step: number): number => Math.abs(Math.log((step + 1) / (wanted + 1)));
    steps.forEach((step, index) => {
      if (distance(step) < distance(steps[found] ?? 0)) found = index;
    });
    return found;
  };
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
  mark.addEventListener('click', () => {
    if (best === undefined) return;
    input.valueAsNumber = nearest(best);
    say(format(best));
    onInput(best);
  });
  return {
    element: h(
      'div',
      { class: 'field slider' },
      h('span', { class: 'field-label', 'aria-hidden': 'true' }, label, ' ', value),
      h('div', { class: 'slider-track' }, input, mark),
    ),
    show(wanted, marked) {
      best = marked?.value;
      mark.hidden = marked === undefined;
      if (marked !== undefined) {
        mark.style.insetInlineStart = `${(nearest(marked.value) / (steps.length - 1)) * 100}%`;
        mark.title = marked.reason;
        mark.setAttribute('aria-label', t('Best: {0}. {1}', format(marked.value), marked.reason));
      }
      // While the person moves it, the answer to an earlier place must not pull it back.
      if (document.activeElement === input) return;
      input.valueAsNumber = nearest(wanted);
      say(format(wanted));
    },
  };
}

export interface TabsControl {
  readonly element: HTMLElement;
  /** Brings a tab to the front by its name. */
  select(name: string): void;
}

/** Panels of which one is in front; `onChange` hears which. */
export function tabs(
  panels: readonly { readonly name: string; readonly title: string; readonly content: Node }[],
  chosen: string,
  onChange: (name: string) => void,
): TabsControl {
  const element = h(
    'vscode-panels',
    { activeid: `tab-${chosen}`, 'aria-label': t('Parts of the picture') },
    ...panels.map(({ name, title }) => h('vscode-panel-tab', { id: `tab-${name}` }, title)),
    ...panels.map(({ name, content }) => h('vscode-panel-view', { id: `view-${name}` }, content)),
  );
  element.addEventListener('change', (event) => {
    // Dropdowns and checkboxes in the panels say "change" as well; a tab comes with it only here.
    const tab: unknown = event instanceof CustomEvent ? event.detail : undefined;
    if (tab instanceof HTMLElement && event.target === element) onChange(tab.id.replace(/^tab-/, ''));
  });
  return {
    element,
    select(name) {
      element.setAttribute('activeid', `tab-${name}`);
    },
  };
}
