/** What is known of one span: where it lies, when the start needs it and for whom, which files it holds. */
import { formatBytes, formatCount, formatShare } from '../src/plan/format';
import type { SpanDetail } from '../src/plan/picture/types';
import { grid } from './grid';
import { h } from './dom';

export interface DetailEvents {
  open(entry: number): void;
  menu(entry: number, path: string, x: number, y: number): void;
  close(): void;
}

export interface Detail {
  show(span: SpanDetail, instruction: string | null): void;
  clear(): void;
}

export function createDetail(host: HTMLElement, events: DetailEvents): Detail {
  let shown: SpanDetail | undefined;
  const title = h('h3');
  const close = h('button', { class: 'plain', type: 'button' }, 'Close');
  const facts = h('dl', { class: 'facts' });
  const more = h('p', { class: 'more' });
  const files = grid(
    'Files in this span',
    [
      { title: 'File', width: 'minmax(16em, 4fr)' },
      { title: 'Size', width: 'minmax(5.5em, 1fr)', numeric: true },
      { title: 'In this span', width: 'minmax(6.5em, 1fr)', numeric: true },
      { title: 'Read', width: 'minmax(5.5em, 1fr)', numeric: true },
    ],
    (key) => {
      events.open(Number(key));
    },
    (key, x, y) => {
      const path = shown?.files.find((file) => file.entry === Number(key))?.path ?? '';
      events.menu(Number(key), path, x, y);
    },
  );
  close.addEventListener('click', () => {
    events.close();
  });
  host.hidden = true;
  files.element.classList.add('tall');
  host.append(h('div', { class: 'detail-head' }, title, close), facts, files.element, more);

  return {
    show(span, instruction) {
      host.hidden = false;
      shown = span;
      title.textContent = `Span ${formatCount(span.span)} of layer ${span.layer}`;
      const fact = (name: string, ...value: (string | Node)[]): HTMLElement[] => [
        h('dt', {}, name),
        h('dd', {}, ...value),
      ];
      facts.replaceChildren(
        ...(instruction === null ? [] : fact('Made by', h('bdi', { class: 'path' }, instruction))),
        ...fact('In the blob', `${range(span.compressed)}${bits(span.bits)}`),
        ...fact('In the tar', range(span.uncompressed)),
        ...fact(
          'Read by the start',
          `${formatBytes(span.touchedBytes)}, ${formatShare(readShare(span))} of it`,
        ),
        ...fact('First touch', when(span)),
        ...(span.readers.length === 0 ? [] : fact('Read by', h('bdi', {}, span.readers.join(', ')))),
      );
      files.show(
        span.files.map((file) => ({
          key: String(file.entry),
          cells: [
            h('bdi', { class: 'path' }, file.path),
            formatBytes(file.size),
            formatBytes(file.inside),
            file.touched > 0 ? formatBytes(file.touched) : '–',
          ],
        })),
      );
      const left = span.fileCount - span.files.length;
      more.textContent = left > 0 ? `… and ${formatCount(left)} more files.` : '';
    },
    clear() {
      host.hidden = true;
    },
  };
}

/** The same in a few lines, for the pointer. */
export function briefly(span: SpanDetail): string {
  return [
    `Blob ${range(span.compressed)}${bits(span.bits)}`,
    `Tar ${range(span.uncompressed)}`,
    `${formatCount(span.fileCount)} files, ${formatShare(readShare(span))} read by the start`,
    `First touch ${when(span)}`,
    ...(span.readers.length === 0 ? [] : [`Read by \u2068${span.readers.join(', ')}\u2069`]),
  ].join('\n');
}

function readShare({ uncompressed: [start, end], touchedBytes }: SpanDetail): number {
  return end === start ? 0 : touchedBytes / (end - start);
}

function bits(count: number): string {
  return count === 0 ? '' : `, from bit ${8 - count} of its first byte`;
}

function range([start, end]: readonly [number, number]): string {
  return `${formatCount(start)} – ${formatCount(end)} (${formatBytes(end - start)})`;
}

function when({ at, fetched, touchedBytes }: SpanDetail): string {
  if (!fetched || at === null) return 'never: the start does not fetch it';
  const time = `after ${formatCount(Math.round(at))} ms`;
  return touchedBytes > 0 ? time : `${time}, for a file’s header or a neighbour’s last byte`;
}
