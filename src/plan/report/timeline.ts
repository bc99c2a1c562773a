/** The recorded start in time, as a drawing of the report. */
import { formatCount } from '../format';
import { escapeXml, round } from '../picture/svg';
import type { Timeline } from '../picture/types';
import { ticks } from '../ticks';
import { WIDE } from './html';

/** CSS pixels. */
const LEFT = 110;
const AXIS = 22;
const LANES = 110;
const GAP = 18;
const PROCESS = 16;
const PROCESSES = 8;
const TICKS = 8;
const LABEL = 40;

/** Empty without a recorded start. The tables of the report say the same in words. */
export function timelineSvg({
  length,
  ready,
  processes,
  files,
  spans,
  fileCount,
  spanCount,
}: Timeline): string {
  if (length === 0) return '';
  const x = (at: number): number => LEFT + (Math.min(at, length) / length) * (WIDE - LEFT - 2);
  const shown = processes.slice(0, PROCESSES);
  const filesTop = AXIS + shown.length * PROCESS + GAP;
  const spansTop = filesTop + LANES + GAP;
  const height = spansTop + LANES;
  const scale = ticks(0, length, TICKS).map((at) => {
    // At the very end there is no room on both sides.
    const anchor = x(at) > WIDE - LABEL ? 'end' : 'middle';
    return `<text class="faint" x="${round(x(at))}" y="12" text-anchor="${anchor}">${formatCount(at)} ms</text><path class="tick" d="M${round(x(at))} ${AXIS - 4}V${height}"/>`;
  });
  const bars = shown.map(({ program, start, end, files: first }, index) => {
    const top = AXIS + index * PROCESS;
    const label = `${program.split('/').at(-1) ?? ''} · ${formatCount(first)} files first`;
    return `<rect class="untouched" x="${round(x(start))}" y="${top}" width="${round(Math.max(2, x(end ?? length) - x(start)))}" height="${PROCESS - 3}"/><text x="${round(x(start) + 4)}" y="${top + 11}">${escapeXml(label.slice(0, LABEL))}</text>`;
  });
  const lanes = (name: string, rows: readonly string[]): string =>
    `<path class="${name}" d="${rows.join('')}"/>`;
  const file = LANES / Math.max(1, files.length);
  const span = LANES / Math.max(1, spans.length);
  const box = (left: number, right: number, top: number, tall: number): string =>
    `M${round(left)} ${round(top)}H${round(Math.max(left + 1.5, right))}v${round(Math.max(0.6, tall - 0.3))}H${round(left)}z`;
  const spansOf = (prefetched: boolean): string[] =>
    spans.flatMap(({ at, wait, prefetched: early }, index) =>
      early === prefetched
        ? [box(x(at), early ? x(at) + 2 : x(at + wait), spansTop + index * span, span)]
        : [],
    );
  const heading = (text: string, top: number): string =>
    `<text class="faint" x="0" y="${round(top + 10)}">${text}</text>`;
  return `<svg class="drawing" viewBox="0 0 ${WIDE} ${height}" role="img" aria-label="Timeline of the start">${[
    ...scale,
    heading('Processes', AXIS),
    ...bars,
    heading(`${formatCount(fileCount)} files`, filesTop),
    lanes(
      'touched',
      files.map(({ start, end }, index) => box(x(start), x(end), filesTop + index * file, file)),
    ),
    heading(`${formatCount(spanCount)} spans`, spansTop),
    lanes('touched', spansOf(false)),
    lanes('pull', spansOf(true)),
    ready === null
      ? ''
      : `<path class="ready" d="M${round(x(ready))} ${AXIS - 4}V${height}"/><text x="${round(x(ready) - 4)}" y="${height - 4}" text-anchor="end">ready</text>`,
  ].join('')}</svg>`;
}
