/** Who costs the start what, as a part of the report: a treemap by folder, and tables. */
import type { Blame, Costs, FolderCosts } from '../blame/types';
import { formatBytes, formatCount } from '../format';
import { escapeXml, round } from '../picture/svg';
import { placeTree } from '../picture/treemap';
import { name, shorten, table, WIDE } from './html';

/** CSS pixels. */
const HEIGHT = 300;
const CHARACTER = 6.6;
/** Rows of each table. */
const ROWS = 20;

const COSTS = [
  { title: 'Read', numeric: true },
  { title: 'Travels', numeric: true },
  { title: 'For nothing', numeric: true },
  { title: 'Hidden', numeric: true },
] as const;

export function blameSection(blame: Blame): string {
  const { instructions, packages, hidden, duplicates, total } = blame;
  const dearest = [...instructions].sort((a, b) => b.fetchedBytes - a.fetchedBytes).slice(0, ROWS);
  const owned = (packages ?? []).filter(({ fetchedBytes }) => fetchedBytes > 0).slice(0, ROWS);
  return [
    '<h2>Who costs the start what</h2>',
    `<p>${formatBytes(total.fetchedBytes)} travel before the service is ready, ${formatBytes(total.unusedBytes)} of it for nothing. By folder:</p>`,
    treemap(blame.folders),
    table(
      [{ title: 'Instruction' }, ...COSTS],
      dearest.map((one) => [name(`${one.layer}  ${one.instruction ?? 'Layer'}`), ...costsOf(one)]),
    ),
    owned.length === 0
      ? ''
      : `<h3>By package</h3>${table(
          [{ title: 'Package' }, ...COSTS],
          owned.map((one) => [
            name(
              one.package === null
                ? 'Of no package'
                : `${one.package.name} ${one.package.version} (${one.package.manager})`,
            ),
            ...costsOf(one),
          ]),
        )}`,
    hidden.length === 0
      ? ''
      : `<h3>Hidden by later layers: ${formatBytes(total.hiddenBytes)}</h3>${table(
          [{ title: 'File' }, { title: 'Layer', numeric: true }, { title: 'Bytes', numeric: true }],
          hidden
            .slice(0, ROWS)
            .map(({ path, layer, bytes }) => [name(path), String(layer), formatBytes(bytes)]),
        )}`,
    duplicates === null || duplicates.groups === 0
      ? ''
      : `<h3>Copies: ${formatBytes(duplicates.bytes)}</h3>${table(
          [{ title: 'File' }, { title: 'Times', numeric: true }, { title: 'Bytes of one', numeric: true }],
          duplicates.dearest
            .slice(0, ROWS)
            .map(({ copies, count, bytes }) => [
              name(copies[0]?.path ?? ''),
              formatCount(count),
              formatBytes(bytes),
            ]),
        )}`,
  ].join('\n');
}

function costsOf({ touchedBytes, fetchedBytes, unusedBytes, hiddenBytes }: Costs): string[] {
  return [touchedBytes, fetchedBytes, unusedBytes, hiddenBytes].map(formatBytes);
}

/** Areas are what travels; the table below has the figures. */
function treemap({ children }: FolderCosts): string {
  const placed = placeTree(
    children,
    { x: 0, y: 0, width: WIDE, height: HEIGHT },
    { value: ({ fetchedBytes }) => fetchedBytes, children: (folder) => folder.children },
  );
  if (placed.length === 0) return '';
  const boxes = placed.map(({ x, y, width, height, part, depth }) => {
    const label =
      part.kind === 'rest' ? 'smaller ones' : part.kind === 'folder' ? `${part.name}/` : part.name;
    const said = `${label} · ${formatBytes(part.fetchedBytes)}`;
    const shown = [said, label].find((text) => height > 15 && width > text.length * CHARACTER + 8);
    return `<g><title>${escapeXml(`${shorten(label)}: ${formatBytes(part.touchedBytes)} read, ${formatBytes(part.fetchedBytes)} travel, ${formatBytes(part.unusedBytes)} for nothing`)}</title><rect class="box d${depth}" x="${round(x)}" y="${round(y)}" width="${round(Math.max(1, width - 1))}" height="${round(Math.max(1, height - 1))}"/>${
      shown === undefined ? '' : `<text x="${round(x + 4)}" y="${round(y + 13)}">${escapeXml(shown)}</text>`
    }</g>`;
  });
  return `<svg class="drawing" viewBox="0 0 ${WIDE} ${HEIGHT}" role="img" aria-label="Treemap of the bytes that travel, by folder">${boxes.join('')}</svg>`;
}
