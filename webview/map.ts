/** The span map: one canvas with a row per layer, one with the selected layer at length, and the keys and the mouse. */
import type { Cell, PlacedFile } from '../src/plan/picture/types';
import { h } from './dom';
import { attachGestures } from './gestures';
import { barWidth, columns, largestOf, lengthOf, paintRows, rowHeight } from './paint';
import type { MapModel, View } from './paint';
import { laneAt, paintStrip, STRIP_HEIGHT } from './paint-strip';
import type { Box } from './paint-strip';
import { perFrame, surface, whenRestored } from './surface';
import { formatBytes, formatCount, say, t } from './text';
import { readTheme } from './theme';

export interface MapEvents {
  selectLayer(layer: number): void;
  /** A span was picked: its details stay; null lets go of it. */
  selectSpan(span: number | null): void;
  zoom(view: View): void;
  /** A menu is asked for, about the span or the file under the pointer, or about what is selected. */
  menu(about: { span: number | null; file: number | null }, x: number, y: number): void;
  /** More than the map knows by itself about one span, in lines; undefined until the host has answered. */
  more(span: number): string | undefined;
  /** Says what the selection is, for those who do not see it. */
  announce(text: string): void;
}

export interface SpanMap {
  show(model: MapModel): void;
  /** Draws again, for a new theme or size. */
  redraw(): void;
  focus(): void;
  /** The rows and the strip as one picture. */
  png(): string;
  /** CSS pixels that the longest bar and the strip have. */
  readonly width: { rows: number; strip: number };
}

const ZOOM_STEP = 4;
/** The part of the view that one key moves it by. */
const PAN_STEP = 0.25;
/** Closer than so many bytes there is nothing more to see. */
const NARROWEST = 64;

export function createMap(host: HTMLElement, events: MapEvents): SpanMap {
  const rows = h('canvas', { class: 'rows' }) as HTMLCanvasElement;
  const strip = h('canvas', { class: 'strip' }) as HTMLCanvasElement;
  const tip = h('div', { class: 'tip', hidden: '' });
  const rowsBox = h('div', { class: 'rows-box' }, rows);
  const none = h('p', { class: 'more', hidden: '' }, t('This image has no layers.'));
  const box = h(
    'div',
    {
      class: 'map-box',
      tabindex: '0',
      role: 'application',
      'aria-label': t('Span map'),
      'aria-describedby': 'map-keys',
    },
    rowsBox,
    strip,
    tip,
  );
  host.append(none, box);
  let model: MapModel | undefined;
  let selecting: Box | undefined;

  const redrawRows = perFrame(() => {
    if (model === undefined) return;
    const height = rowHeight(model.layers.length) * model.layers.length;
    paintRows(surface(rows, box.clientWidth, height), box.clientWidth, model, readTheme());
  });
  const redrawStrip = perFrame(() => {
    if (model === undefined) return;
    const width = box.clientWidth;
    paintStrip(surface(strip, width, STRIP_HEIGHT), width, model, readTheme(), selecting);
  });
  const redraw = (): void => {
    redrawRows();
    redrawStrip();
  };
  new ResizeObserver(redraw).observe(box);
  whenRestored(rows, redraw);
  whenRestored(strip, redraw);

  /** Brings the row of the selected layer into view, where the rows scroll. */
  function scrollTo({ layer, layers }: MapModel): void {
    const height = rowHeight(layers.length);
    const top = layer * height;
    if (top < rowsBox.scrollTop) rowsBox.scrollTop = top;
    const hidden = top + height - (rowsBox.scrollTop + rowsBox.clientHeight);
    if (hidden > 0) rowsBox.scrollTop += hidden;
  }

  const lengthOfLayer = (): number => {
    const layer = model?.layers[model.layer];
    return model === undefined || layer === undefined ? 1 : Math.max(1, lengthOf(layer, model.axis));
  };
  /** The place on the axis that is at a share of the strip's width. */
  const placeAt = ({ view }: MapModel, share: number): number => view.start + share * (view.end - view.start);

  function cellAt(x: number): Cell | undefined {
    if (model === undefined) return undefined;
    const place = placeAt(model, x / box.clientWidth);
    return model.strip?.cells.find((cell) => cell.start <= place && place < cell.end);
  }
  function fileAt(x: number): PlacedFile | undefined {
    if (model === undefined) return undefined;
    const place = placeAt(model, x / box.clientWidth);
    return model.files?.files.find((file) => file.start <= place && place < file.end);
  }

  function look(start: number, length: number): void {
    const all = lengthOfLayer();
    const wide = Math.round(Math.min(all, Math.max(length, NARROWEST)));
    const from = Math.round(Math.min(Math.max(0, start), all - wide));
    events.zoom({ start: from, end: from + wide });
  }
  function zoom(factor: number, share: number): void {
    if (model === undefined) return;
    const length = (model.view.end - model.view.start) * factor;
    look(placeAt(model, share) - share * length, length);
  }
  function pan(by: number): void {
    if (model === undefined) return;
    const length = model.view.end - model.view.start;
    look(model.view.start + by * length, length);
  }
  /** Centres the view on a place of the minimap. */
  function drag(x: number): void {
    if (model === undefined) return;
    const length = model.view.end - model.view.start;
    look((x / box.clientWidth) * lengthOfLayer() - length / 2, length);
  }

  function step(from: number, by: number, wanted: (cell: Cell) => boolean): Cell | undefined {
    const cells = model?.strip?.cells ?? [];
    for (let i = from + by; i >= 0 && i < cells.length; i += by) {
      const cell = cells[i];
      if (cell !== undefined && wanted(cell)) return cell;
    }
    return undefined;
  }
  function pick(cell: Cell | undefined): void {
    if (cell === undefined) return;
    // Of many spans in one cell that one which the start reads has most to tell.
    events.selectSpan(cell.firstTouched ?? cell.first);
    events.announce(describe(cell));
  }

  function selectedCell(): { at: number; share: number; cell: Cell | undefined } {
    const span = model?.span ?? null;
    const cells = model?.strip?.cells ?? [];
    const at = span === null ? -1 : cells.findIndex((cell) => cell.first <= span && span <= cell.last);
    const cell = cells[at];
    if (cell === undefined || model === undefined) return { at, share: 0.5, cell };
    const { view } = model;
    return { at, share: ((cell.start + cell.end) / 2 - view.start) / (view.end - view.start), cell };
  }

  box.addEventListener('keydown', (event) => {
    if (model === undefined) return;
    const cells = model.strip?.cells ?? [];
    const { at, share, cell } = selectedCell();
    const touched = (one: Cell): boolean => one.touched > 0;
    const actions: Record<string, () => void> = {
      ArrowUp: () => {
        events.selectLayer(Math.max(0, (model?.layer ?? 0) - 1));
      },
      ArrowDown: () => {
        events.selectLayer(Math.min((model?.layers.length ?? 1) - 1, (model?.layer ?? 0) + 1));
      },
      ArrowLeft: () => {
        if (event.shiftKey) pan(-PAN_STEP);
        else pick(step(at < 0 ? 1 : at, -1, () => true));
      },
      ArrowRight: () => {
        if (event.shiftKey) pan(PAN_STEP);
        else pick(step(at, 1, () => true));
      },
      PageDown: () => {
        pick(step(at, 1, touched));
      },
      PageUp: () => {
        pick(step(at < 0 ? cells.length : at, -1, touched));
      },
      Home: () => {
        pick(cells[0]);
      },
      End: () => {
        pick(cells.at(-1));
      },
      Enter: () => {
        zoom(1 / ZOOM_STEP, share);
      },
      '0': () => {
        look(0, lengthOfLayer());
      },
      Escape: () => {
        const whole = (model?.view.end ?? 0) - (model?.view.start ?? 0) >= lengthOfLayer();
        if (!tip.hidden) tip.hidden = true;
        else if (whole) events.selectSpan(null);
        else zoom(ZOOM_STEP, share);
      },
      '-': () => {
        zoom(ZOOM_STEP, share);
      },
    };
    actions['+'] = actions['='] = actions['Enter'] ?? (() => undefined);
    const isMenu = event.key === 'ContextMenu' || (event.shiftKey && event.key === 'F10');
    const action = isMenu
      ? () => {
          const { left, bottom } = strip.getBoundingClientRect();
          const x = left + share * box.clientWidth;
          events.menu(
            { span: cell?.first ?? null, file: null },
            x,
            Math.min(bottom, window.innerHeight) - 60,
          );
        }
      : actions[event.key];
    if (action === undefined || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    action();
  });

  rows.addEventListener('click', (event) => {
    if (model === undefined) return;
    const layer = Math.floor(event.offsetY / rowHeight(model.layers.length));
    if (layer >= 0 && layer < model.layers.length) events.selectLayer(layer);
  });
  attachGestures(strip, {
    zoom,
    pan,
    drag,
    box: (next) => {
      selecting = next;
      redrawStrip();
    },
    zoomTo: (from, to) => {
      if (model !== undefined) look(placeAt(model, from), (to - from) * (model.view.end - model.view.start));
    },
    grab: (x, y) => {
      if (laneAt(y) !== 'minimap') return false;
      drag(x);
      return true;
    },
    click: (event) => {
      pick(cellAt(event.offsetX));
    },
  });
  strip.addEventListener('dblclick', (event) => {
    zoom(1 / ZOOM_STEP, event.offsetX / box.clientWidth);
  });
  strip.addEventListener('contextmenu', (event) => {
    event.preventDefault();
    const file = laneAt(event.offsetY) === 'files' ? fileAt(event.offsetX)?.entry : undefined;
    const span = cellAt(event.offsetX)?.first ?? null;
    events.menu({ span, file: file ?? null }, event.clientX, event.clientY);
  });

  function hover(event: MouseEvent, text: string | undefined): void {
    tip.hidden = text === undefined;
    if (text === undefined) return;
    tip.textContent = text;
    const place = box.getBoundingClientRect();
    const x = event.clientX - place.left;
    tip.style.left = `${Math.max(0, Math.min(x + 12, box.clientWidth - tip.offsetWidth - 4))}px`;
    tip.style.top = `${event.clientY - place.top + 16}px`;
  }
  function stripTip(event: MouseEvent): string | undefined {
    const file = laneAt(event.offsetY) === 'files' ? fileAt(event.offsetX) : undefined;
    if (file !== undefined) {
      return `\u2068${file.path}\u2069\n${formatBytes(file.end - file.start)}, ${file.touched ? t('read by the start') : t('not read')}`;
    }
    const cell = cellAt(event.offsetX);
    if (cell === undefined || laneAt(event.offsetY) === 'minimap') return undefined;
    const more = cell.first === cell.last ? events.more(cell.first) : undefined;
    return more === undefined ? describe(cell) : `${t('Span {0}', formatCount(cell.first))}\n${more}`;
  }
  let lastMove: MouseEvent | undefined;
  strip.addEventListener('mousemove', (event) => {
    lastMove = event;
    hover(event, stripTip(event));
  });
  rows.addEventListener('mousemove', (event) => {
    lastMove = undefined;
    if (model === undefined) return;
    const layer = model.layers[Math.floor(event.offsetY / rowHeight(model.layers.length))];
    if (layer === undefined) return;
    const at = columns(box.clientWidth);
    const length = lengthOf(layer, model.axis);
    const place =
      ((event.offsetX - at.left) / barWidth(layer, largestOf(model), model.axis, at.width)) * length;
    const cell = model.overview.get(layer.index)?.cells.find((one) => one.start <= place && place < one.end);
    const name = t(
      'Layer {0}: {1}, {2}',
      layer.index,
      layer.instruction ?? layer.digest.slice(7, 19),
      formatBytes(layer.size),
    );
    const rest = cell === undefined ? say(layer.notIndexed ?? '') : describe(cell);
    hover(event, rest === '' ? name : `${name}\n${rest}`);
  });
  box.addEventListener('mouseleave', () => {
    lastMove = undefined;
    tip.hidden = true;
  });

  return {
    show(next) {
      const before = model;
      model = next;
      none.hidden = next.layers.length > 0;
      box.hidden = next.layers.length === 0;
      if (before === undefined || rowsDiffer(before, next)) redrawRows();
      redrawStrip();
      if (lastMove !== undefined && !tip.hidden) hover(lastMove, stripTip(lastMove));
      // The canvas gets its height with the drawing.
      if (before?.layer !== next.layer)
        requestAnimationFrame(() => {
          scrollTo(next);
        });
    },
    redraw,
    focus() {
      box.focus();
    },
    png() {
      const both = document.createElement('canvas');
      both.width = rows.width;
      both.height = rows.height + strip.height;
      const context = both.getContext('2d');
      if (context === null) throw new Error('This browser draws no canvas.');
      context.fillStyle = readTheme().background;
      context.fillRect(0, 0, both.width, both.height);
      context.drawImage(rows, 0, 0);
      context.drawImage(strip, 0, rows.height);
      return both.toDataURL('image/png').replace(/^[^,]*,/, '');
    },
    get width() {
      return { rows: columns(box.clientWidth).width, strip: box.clientWidth };
    },
  };
}

function rowsDiffer(a: MapModel, b: MapModel): boolean {
  const parts = ['layers', 'axis', 'overview', 'layer', 'prefetched', 'byTime', 'time', 'latest'] as const;
  return parts.some((part) => a[part] !== b[part]);
}

/** One cell in words. */
export function describe(cell: Cell): string {
  const one = cell.first === cell.last;
  const spans = one
    ? t('Span {0}', formatCount(cell.first))
    : t('Spans {0}–{1}', formatCount(cell.first), formatCount(cell.last));
  const parts = [spans, t('{0} at {1}', formatBytes(cell.end - cell.start), formatBytes(cell.start))];
  if (cell.touched === 0) return [...parts, t('not touched')].join(', ');
  parts.push(one ? t('touched') : t('{0} touched', formatCount(cell.touched)));
  if (cell.at !== null) parts.push(t('first after {0} ms', formatCount(Math.round(cell.at))));
  return [...parts, t('{0} % of it read', Math.round(cell.used * 100))].join(', ');
}
