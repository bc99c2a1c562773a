/** What is known of one span: where it lies, when the start needs it, which files it holds. */
import { formatBytes, formatCount, formatShare } from '../src/plan/format';
import type { SpanDetail } from '../src/plan/picture/types';
import { grid } from './controls';
import { h } from './dom';

export interface Detail {
  show(span: SpanDetail): void;
  clear(): void;
}

export function createDetail(host: HTMLElement, open: (entry: number) => void): Detail {
  const title = h('h3');
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
      open(Number(key));
    },
  );
  host.hidden = true;
  files.element.classList.add('tall');
  host.append(title, facts, files.element, more);

  return {
    show(span) {
      host.hidden = false;
      const inflated = span.uncompressed[1] - span.uncompressed[0];
      title.textContent = `Span ${formatCount(span.span)} of layer ${span.layer}`;
      const fact = (name: string, value: string): HTMLElement[] => [h('dt', {}, name), h('dd', {}, value)];
      facts.replaceChildren(
        ...fact('In the blob', range(span.compressed)),
        ...fact('In the tar', range(span.uncompressed)),
        ...fact(
          'Read by the start',
          `${formatBytes(span.touchedBytes)}, ${formatShare(inflated === 0 ? 0 : span.touchedBytes / inflated)} of it`,
        ),
        ...fact('First touch', when(span)),
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

function range([start, end]: readonly [number, number]): string {
  return `${formatCount(start)} – ${formatCount(end)} (${formatBytes(end - start)})`;
}

function when({ at, fetched, touchedBytes }: SpanDetail): string {
  if (!fetched || at === null) return 'never: the start does not fetch it';
  const time = `after ${formatCount(Math.round(at))} ms`;
  return touchedBytes > 0 ? time : `${time}, for a file’s header or a neighbour’s last byte`;
}
