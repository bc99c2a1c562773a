/** The map as a drawing of its own: one SVG that needs nothing else and follows the reader's light or dark theme. */
import { formatBytes, formatCount, formatShare, formatSize } from '../format';
import type { PlanLayer } from '../types';
import type { Axis, Cell, Cells, CellsQuery, Overview } from './types';

export interface SvgOptions {
  readonly overview: Overview;
  readonly cells: (query: CellsQuery) => Cells;
  readonly axis: Axis;
  /** Said above the map; the image's name if not given. */
  readonly title?: string;
}

/** CSS pixels. */
const WIDTH = 1000;
const MARGIN = 24;
const LABEL = 300;
const FIGURES = 150;
const BAR_LEFT = MARGIN + LABEL + 12;
const BAR_WIDTH = WIDTH - BAR_LEFT - FIGURES - MARGIN - 12;
const ROW = 30;
const BAR = 20;
const HEAD = 84;
const LOW = 4;
const CELL = 2;
const LABEL_CHARACTERS = 37;

/** Everything that comes from outside goes through here, on its way into text and attributes alike. */
export function escapeXml(text: string): string {
  return (
    text
      // What XML 1.0 knows no character for (§2.2).
      // eslint-disable-next-line no-control-regex
      .replace(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/g, '\uFFFD')
      .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
  );
}

export function mapSvg({ overview, cells, axis, title }: SvgOptions): string {
  const { plan, spanSize } = overview;
  const row = plan.rows.find((one) => one.spanSize === spanSize);
  const largest = Math.max(1, ...plan.layers.map((layer) => lengthOf(layer, axis)));
  const height = HEAD + plan.layers.length * ROW + 56;
  const read = plan.layers.reduce((sum, layer) => sum + layer.touchedBytes, 0);
  const all = plan.layers.reduce((sum, layer) => sum + (layer.uncompressedSize ?? layer.size), 0);
  const facts =
    plan.trace === null || row === undefined
      ? `${formatCount(plan.layers.length)} layers, spans of ${formatSize(spanSize)}`
      : `The start reads ${formatShare(all === 0 ? 0 : read / all)} of ${formatBytes(all)}: ${formatCount(row.touchedSpans)} of ${formatCount(row.spans)} spans of ${formatSize(spanSize)}`;
  const rows = plan.layers.map((layer, index) => {
    const width = Math.max(3, (lengthOf(layer, axis) / largest) * BAR_WIDTH);
    const found = layer.indexed
      ? cells({
          layer: layer.index,
          spanSize,
          axis,
          start: 0,
          end: lengthOf(layer, axis),
          limit: Math.max(1, Math.floor(width / CELL)),
        })
      : undefined;
    return layerRow(layer, HEAD + index * ROW, width, lengthOf(layer, axis), found);
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escapeXml(`Span map of ${plan.image.reference}. ${facts}.`)}">
<style>${STYLE}</style>
<rect class="back" width="${WIDTH}" height="${height}" rx="8"/>
<text class="title" x="${MARGIN}" y="38">${escapeXml(title ?? plan.image.reference)}</text>
<text class="faint" x="${MARGIN}" y="60">${escapeXml(facts)}</text>
${rows.join('\n')}
${legend(height - 24)}
</svg>
`;
}

function layerRow(layer: PlanLayer, top: number, width: number, length: number, found?: Cells): string {
  const middle = top + ROW / 2 + 4;
  const name = layer.instruction ?? layer.digest.slice(0, 19);
  const label = name.length > LABEL_CHARACTERS ? `${name.slice(0, LABEL_CHARACTERS - 1)}…` : name;
  const figures =
    found === undefined
      ? `${formatBytes(layer.size)} · whole`
      : `${formatBytes(layer.size)} · ${formatCount(found.touched)}/${formatCount(found.spans)}`;
  const place = `translate(${BAR_LEFT} ${top + (ROW - BAR) / 2})`;
  const bar =
    found === undefined
      ? `<rect class="whole" x=".5" y=".5" width="${round(width)}" height="${BAR - 1}"/>`
      : cellPaths(found.cells, BAR, width / Math.max(1, length));
  return `<text class="number" x="${MARGIN + 16}" y="${middle}">${layer.index}</text><text class="label" x="${MARGIN + 28}" y="${middle}">${escapeXml(label)}</text><g transform="${place}">${bar}</g><text class="number" x="${WIDTH - MARGIN}" y="${middle}">${escapeXml(figures)}</text>`;
}

/**
 * Three paths instead of hundreds of rectangles: the low line of all spans, the fetched ones that stand up, and within
 * these the part that the start asked for.
 */
export function cellPaths(cells: readonly Cell[], height: number, scale: number): string {
  const box = (cell: Cell, tall: number): string => {
    const left = cell.start * scale;
    const right = Math.max(left + 0.8, cell.end * scale - 0.4);
    return `M${round(left)} ${height}H${round(right)}v-${round(tall)}H${round(left)}z`;
  };
  const stands = (cell: Cell): number =>
    cell.touched === 0
      ? 0
      : LOW + (height - LOW) * (0.5 + 0.5 * (cell.touched / (cell.last - cell.first + 1)));
  const fetched = cells.filter((cell) => cell.touched > 0);
  return [
    ['untouched', cells.map((cell) => box(cell, LOW))],
    ['unused', fetched.map((cell) => box(cell, stands(cell)))],
    ['touched', fetched.map((cell) => box(cell, Math.max(1.5, stands(cell) * cell.used)))],
  ]
    .map(([name, boxes]) => `<path class="${String(name)}" d="${(boxes as string[]).join('')}"/>`)
    .join('');
}

function legend(y: number): string {
  const parts = [
    ['touched', 'read by the start'],
    ['unused', 'fetched with it, unread'],
    ['untouched', 'never fetched'],
    ['whole', 'outside the index'],
  ] as const;
  return parts
    .map(([name, text], index) => {
      const x = MARGIN + index * 210;
      return `<rect class="${name}" x="${x + 0.5}" y="${name === 'untouched' ? y + 6.5 : y - 2.5}" width="14" height="${name === 'untouched' ? LOW : 13}"/><text class="faint" x="${x + 22}" y="${y + 9}">${text}</text>`;
    })
    .join('');
}

function lengthOf(layer: PlanLayer, axis: Axis): number {
  return axis === 'compressed' ? layer.size : (layer.uncompressedSize ?? layer.size);
}

export function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** Shared with the report: light by default, dark where the reader asks for it. */
export const MAP_COLORS = {
  light: {
    text: '#292929',
    faint: '#5f6368',
    back: '#ffffff',
    touched: '#c46a00',
    unused: '#efc38d',
    untouched: '#b5b9bd',
  },
  dark: {
    text: '#d6d6d6',
    faint: '#a0a0a0',
    back: '#1e1e1e',
    touched: '#f0a040',
    unused: '#7a5426',
    untouched: '#5b5f63',
  },
} as const;

function rules(colors: (typeof MAP_COLORS)['light' | 'dark']): string {
  return `text{fill:${colors.text}}.faint{fill:${colors.faint}}.back{fill:${colors.back}}.touched{fill:${colors.touched}}.unused{fill:${colors.unused}}.untouched{fill:${colors.untouched}}.whole{fill:none;stroke:${colors.faint};stroke-dasharray:2 2}`;
}

const STYLE = `text{font:13px system-ui,sans-serif}.title{font-size:20px;font-weight:600}.label{font:12px ui-monospace,monospace}.number{text-anchor:end;font-variant-numeric:tabular-nums}${rules(MAP_COLORS.light)}@media (prefers-color-scheme:dark){${rules(MAP_COLORS.dark)}}`;
