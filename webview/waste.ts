/** What an image carries for nothing: files that later layers hide, and files of the same content. */
import type { Blame } from '../src/plan/blame/types';
import { button } from './controls';
import { h } from './dom';
import { grid } from './grid';
import { formatBytes, formatCount, t } from './text';

export interface WasteView {
  readonly element: HTMLElement;
  show(blame: Blame): void;
}

const REASONS = { replaced: t('a later layer replaces it'), removed: t('a later layer removes it') } as const;
/** Paths of copies that are named in a cell. */
const NAMED = 4;

export function createWaste(findDuplicates: () => void): WasteView {
  const summary = h('p', { class: 'more' });
  const look = button(t('Look for files of the same content'), false, findDuplicates);
  look.title = t('Reads the files that have the same size as another one once more.');
  const table = grid(t('Carried for nothing'), [
    { title: t('File'), width: 'minmax(18em, 4fr)' },
    { title: t('Layer'), width: '5em', numeric: true },
    { title: t('Bytes'), width: '7em', numeric: true },
    { title: t('Why'), width: 'minmax(14em, 2fr)' },
  ]);
  table.element.classList.add('tall');

  return {
    element: h(
      'div',
      {},
      h('h3', {}, t('Carried for nothing')),
      summary,
      h('div', { class: 'controls' }, look),
      table.element,
    ),
    show({ hidden, duplicates, total }) {
      look.hidden = duplicates !== null;
      const copies =
        duplicates === null
          ? t('copies were not looked for yet')
          : t('{0} are copies, of {1} files', formatBytes(duplicates.bytes), formatCount(duplicates.groups));
      summary.textContent = t('{0} are hidden by later layers; {1}.', formatBytes(total.hiddenBytes), copies);
      const rows = [
        ...hidden.map(({ layer, path, bytes, reason }) => ({
          paths: [path],
          layers: [layer],
          bytes,
          why: REASONS[reason],
        })),
        ...(duplicates?.dearest ?? []).map((group) => ({
          paths: group.copies.slice(0, NAMED).map(({ path }) => path),
          layers: [...new Set(group.copies.map(({ layer }) => layer))],
          bytes: group.bytes * (group.count - 1),
          why: t('the same content {0} times', formatCount(group.count)),
        })),
      ].sort((a, b) => b.bytes - a.bytes);
      table.element.hidden = rows.length === 0;
      table.show(
        rows.map(({ paths, layers, bytes, why }, index) => ({
          key: String(index),
          cells: [
            h('span', { class: 'instruction' }, ...paths.map((path) => h('bdi', { class: 'path' }, path))),
            layers.join(', '),
            formatBytes(bytes),
            why,
          ],
        })),
      );
    },
  };
}
