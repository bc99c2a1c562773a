/** What an image carries for nothing: files that later layers hide, and files of the same content. */
import type { Blame } from '../src/plan/blame/types';
import { formatBytes, formatCount } from '../src/plan/format';
import { button } from './controls';
import { h } from './dom';
import { grid } from './grid';

export interface WasteView {
  readonly element: HTMLElement;
  show(blame: Blame): void;
}

const REASONS = { replaced: 'a later layer replaces it', removed: 'a later layer removes it' } as const;
/** Paths of copies that are named in a cell. */
const NAMED = 4;

export function createWaste(findDuplicates: () => void): WasteView {
  const summary = h('p', { class: 'more' });
  const look = button('Look for files of the same content', false, findDuplicates);
  look.title = 'Reads the files that have the same size as another one once more.';
  const table = grid('Carried for nothing', [
    { title: 'File', width: 'minmax(18em, 4fr)' },
    { title: 'Layer', width: '5em', numeric: true },
    { title: 'Bytes', width: '7em', numeric: true },
    { title: 'Why', width: 'minmax(14em, 2fr)' },
  ]);
  table.element.classList.add('tall');

  return {
    element: h(
      'div',
      {},
      h('h3', {}, 'Carried for nothing'),
      summary,
      h('div', { class: 'controls' }, look),
      table.element,
    ),
    show({ hidden, duplicates, total }) {
      look.hidden = duplicates !== null;
      const copies =
        duplicates === null
          ? 'copies were not looked for yet'
          : `${formatBytes(duplicates.bytes)} are copies, of ${formatCount(duplicates.groups)} files`;
      summary.textContent = `${formatBytes(total.hiddenBytes)} are hidden by later layers; ${copies}.`;
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
          why: `the same content ${formatCount(group.count)} times`,
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
