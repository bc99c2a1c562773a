/** What is known of one span: where it lies, when the start needs it and for whom, which files it holds. */
import type { SpanDetail } from '../src/plan/picture/types';
import { grid } from './grid';
import { h } from './dom';
import { formatBytes, formatCount, formatShare, t } from './text';

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
  const close = h('button', { class: 'plain', type: 'button' }, t('Close'));
  const facts = h('dl', { class: 'facts' });
  const more = h('p', { class: 'more' });
  const files = grid(
    t('Files in this span'),
    [
      { title: t('File'), width: 'minmax(16em, 4fr)' },
      { title: t('Size'), width: 'minmax(5.5em, 1fr)', numeric: true },
      { title: t('In this span'), width: 'minmax(6.5em, 1fr)', numeric: true },
      { title: t('Read'), width: 'minmax(5.5em, 1fr)', numeric: true },
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
      title.textContent = t('Span {0} of layer {1}', formatCount(span.span), span.layer);
      const fact = (name: string, ...value: (string | Node)[]): HTMLElement[] => [
        h('dt', {}, name),
        h('dd', {}, ...value),
      ];
      facts.replaceChildren(
        ...(instruction === null ? [] : fact(t('Made by'), h('bdi', { class: 'path' }, instruction))),
        ...fact(t('In the blob'), `${range(span.compressed)}${bits(span.bits)}`),
        ...fact(t('In the tar'), range(span.uncompressed)),
        ...fact(
          t('Read by the start'),
          t('{0}, {1} of it', formatBytes(span.touchedBytes), formatShare(readShare(span))),
        ),
        ...fact(t('First touch'), when(span)),
        ...(span.readers.length === 0 ? [] : fact(t('Read by'), h('bdi', {}, span.readers.join(', ')))),
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
      more.textContent = left > 0 ? t('… and {0} more files.', formatCount(left)) : '';
    },
    clear() {
      host.hidden = true;
    },
  };
}

/** The same in a few lines, for the pointer. */
export function briefly(span: SpanDetail): string {
  return [
    t('Blob {0}', `${range(span.compressed)}${bits(span.bits)}`),
    t('Tar {0}', range(span.uncompressed)),
    t('{0} files, {1} read by the start', formatCount(span.fileCount), formatShare(readShare(span))),
    t('First touch {0}', when(span)),
    ...(span.readers.length === 0 ? [] : [t('Read by {0}', `\u2068${span.readers.join(', ')}\u2069`)]),
  ].join('\n');
}

function readShare({ uncompressed: [start, end], touchedBytes }: SpanDetail): number {
  return end === start ? 0 : touchedBytes / (end - start);
}

function bits(count: number): string {
  return count === 0 ? '' : t(', from bit {0} of its first byte', 8 - count);
}

function range([start, end]: readonly [number, number]): string {
  return `${formatCount(start)} – ${formatCount(end)} (${formatBytes(end - start)})`;
}

function when({ at, fetched, touchedBytes }: SpanDetail): string {
  if (!fetched || at === null) return t('never: the start does not fetch it');
  const time = t('after {0} ms', formatCount(Math.round(at)));
  return touchedBytes > 0 ? time : t('{0}, for a file’s header or a neighbour’s last byte', time);
}
