/** Finds a file of any layer and flies to it (WAI-ARIA combobox with a list). */
import type { SearchHit } from '../src/plan/picture/types';
import { h } from './dom';
import { formatBytes, formatCount, t } from './text';

export interface SearchEvents {
  find(text: string): Promise<readonly SearchHit[]>;
  fly(hit: SearchHit): void;
  announce(text: string): void;
  fail(error: unknown): void;
}

/** Milliseconds without a key before the host is asked. */
const PAUSE = 120;

export function createSearch(events: SearchEvents): HTMLElement {
  const input = h('input', {
    class: 'search',
    type: 'search',
    role: 'combobox',
    placeholder: t('Find a file'),
    'aria-label': t('Find a file in any layer'),
    'aria-expanded': 'false',
    'aria-controls': 'hits',
    'aria-autocomplete': 'list',
    spellcheck: 'false',
  }) as HTMLInputElement;
  const list = h('div', {
    class: 'hits',
    id: 'hits',
    role: 'listbox',
    'aria-label': t('Files found'),
    hidden: '',
  });
  let hits: readonly SearchHit[] = [];
  let active = -1;
  let typing = 0;
  let asked = 0;

  function show(open: boolean): void {
    list.hidden = !open;
    input.setAttribute('aria-expanded', String(open));
  }
  function mark(index: number): void {
    active = index;
    list.childNodes.forEach((row, at) => {
      if (row instanceof HTMLElement) row.setAttribute('aria-selected', String(at === index));
    });
    if (index < 0) input.removeAttribute('aria-activedescendant');
    else input.setAttribute('aria-activedescendant', `hit-${index}`);
    document.getElementById(`hit-${index}`)?.scrollIntoView({ block: 'nearest' });
  }
  function fly(index: number): void {
    const hit = hits[index];
    if (hit === undefined) return;
    show(false);
    events.fly(hit);
  }

  input.addEventListener('input', () => {
    window.clearTimeout(typing);
    typing = window.setTimeout(() => {
      const mine = ++asked;
      events.find(input.value.trim()).then(
        (found) => {
          if (mine !== asked) return;
          hits = found;
          list.replaceChildren(
            ...found.map((hit, index) => {
              const row = h(
                'div',
                { role: 'option', id: `hit-${index}`, class: 'hit', 'aria-selected': 'false' },
                h('bdi', { class: 'path' }, hit.path),
                h(
                  'small',
                  {},
                  [
                    t('Layer {0}', hit.layer),
                    formatBytes(hit.size),
                    ...(hit.touched > 0 ? [t('{0} read', formatBytes(hit.touched))] : []),
                  ].join(' · '),
                ),
              );
              // The pointer must not take the focus from the field before the click arrives.
              row.addEventListener('pointerdown', (event) => {
                event.preventDefault();
              });
              row.addEventListener('click', () => {
                fly(index);
              });
              return row;
            }),
          );
          mark(found.length > 0 ? 0 : -1);
          show(found.length > 0);
          if (input.value.trim() !== '') {
            events.announce(
              found.length === 0 ? t('No file found.') : t('{0} files found.', formatCount(found.length)),
            );
          }
        },
        (error: unknown) => {
          events.fail(error);
        },
      );
    }, PAUSE);
  });
  input.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown') mark(Math.min(hits.length - 1, active + 1));
    else if (event.key === 'ArrowUp') mark(Math.max(0, active - 1));
    else if (event.key === 'Enter') fly(active);
    else if (event.key === 'Escape') show(false);
    else return;
    event.preventDefault();
  });
  input.addEventListener('blur', () => {
    show(false);
  });
  return h('div', { class: 'search-box' }, input, list);
}
