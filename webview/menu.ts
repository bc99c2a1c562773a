/** A menu at the pointer or at the focus, by mouse and by keyboard (WAI-ARIA menu pattern). */
import { h } from './dom';
import { t } from './text';

export interface MenuItem {
  readonly label: string;
  readonly run: () => void;
}

let shown: { readonly element: HTMLElement; readonly close: () => void } | undefined;

/** Shows the menu with its corner at a place of the window; the focus comes back when it closes. */
export function showMenu(items: readonly MenuItem[], x: number, y: number): void {
  shown?.close();
  if (items.length === 0) return;
  const before = document.activeElement instanceof HTMLElement ? document.activeElement : undefined;
  const away = new AbortController();
  const close = (): void => {
    away.abort();
    element.remove();
    shown = undefined;
    before?.focus();
  };
  const rows = items.map(({ label, run }) => {
    const row = h('div', { class: 'menu-item', role: 'menuitem', tabindex: '-1' }, label);
    row.addEventListener('click', () => {
      close();
      run();
    });
    // Not `mouseenter`: a menu that opens under a pointer at rest must leave the focus where the keys put it.
    row.addEventListener('pointermove', () => {
      row.focus();
    });
    return row;
  });
  const element = h('div', { class: 'menu', role: 'menu', 'aria-label': t('Actions') }, ...rows);
  element.addEventListener('keydown', (event) => {
    const at = rows.findIndex((row) => row === document.activeElement);
    const go = (to: number): void => rows[(to + rows.length) % rows.length]?.focus();
    if (event.key === 'ArrowDown') go(at + 1);
    else if (event.key === 'ArrowUp') go(at - 1);
    else if (event.key === 'Home') go(0);
    else if (event.key === 'End') go(-1);
    else if (event.key === 'Escape' || event.key === 'Tab') close();
    else if (event.key === 'Enter' || event.key === ' ') rows[at]?.click();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  document.addEventListener(
    'pointerdown',
    (event) => {
      if (!(event.target instanceof Node) || !element.contains(event.target)) close();
    },
    { signal: away.signal, capture: true },
  );
  window.addEventListener('blur', close, { signal: away.signal });
  document.body.append(element);
  const { innerWidth, innerHeight } = window;
  element.style.left = `${Math.max(0, Math.min(x, innerWidth - element.offsetWidth - 4))}px`;
  element.style.top = `${Math.max(0, Math.min(y, innerHeight - element.offsetHeight - 4))}px`;
  shown = { element, close };
  rows[0]?.focus();
}
