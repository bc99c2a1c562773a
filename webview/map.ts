/** The span map: one canvas with a row per layer, one with the selected layer at length, and the keys and the mouse. */
import { formatBytes, formatCount } from '../src/plan/format';
import type { Cell } from '../src/plan/picture/types';
import { h } from './dom';
import { barWidth, columns, paintRows, paintStrip, rowHeight, STRIP_HEIGHT } from './paint';
import type { MapModel, View } from './paint';
import { readTheme } from './theme';

export interface MapEvents {
  selectLayer(layer: number): void;
  /** A cell of the strip was picked: its first span. */
  selectSpan(span: number): void;
  zoom(view: View): void;
  /** Says what the selection is, for those who do not see it. */
  announce(text: string): void;
}

export interface SpanMap {
  show(model: MapModel): void;
  /** Draws again, for a new theme or size. */
  redraw(): void;
  /** CSS pixels that a layer's bar and the strip have. */
  readonly width: { rows: number; strip: number };
}

const KEYS =
  'Up and Down choose a layer, Left and Right a span, Page Up and Page Down the touched spans, Enter zooms in, Escape zooms out.';
const ZOOM_STEP = 4;

export function createMap(host: HTMLElement, events: MapEvents): SpanMap {
  const rows = h('canvas', { class: 'rows' }) as HTMLCanvasElement;
  const strip = h('canvas', { class: 'strip' }) as HTMLCanvasElement;
  const tip = h('div', { class: 'tip', hidden: '' });
  const rowsBox = h('div', { class: 'rows-box' }, rows);
  const none = h('p', { class: 'more', hidden: '' }, 'This image has no layers.');
  const box = h(
    'div',
    {
      class: 'map-box',
      tabindex: '0',
      role: 'application',
      'aria-label': 'Span map',
      'aria-describedby': 'map-keys',
    },
    rowsBox,
    strip,
    tip,
  );
  host.append(
    none,
    box,
    h(
      'div',
      { class: 'legend' },
      h('span', {}, h('i', { class: 'swatch touched' }), 'fetched by the start'),
      h('span', {}, h('i', { class: 'swatch untouched' }), 'never touched'),
      h('span', {}, h('i', { class: 'swatch whole' }), 'outside the index: pulled whole'),
      h('span', { id: 'map-keys', class: 'keys' }, KEYS),
    ),
  );
  let model: MapModel | undefined;
  let frame = 0;

  function paint(): void {
    frame = 0;
    if (model === undefined) return;
    const theme = readTheme();
    const width = box.clientWidth;
    const height = rowHeight(model.layers.length) * model.layers.length;
    paintRows(surface(rows, width, height), width, model, theme);
    paintStrip(surface(strip, width, STRIP_HEIGHT), width, model, theme);
  }
  const redraw = (): void => {
    if (frame === 0) frame = requestAnimationFrame(paint);
  };
  new ResizeObserver(redraw).observe(box);

  /** Brings the row of the selected layer into view, where the rows scroll. */
  function scrollTo({ layer, layers }: MapModel): void {
    const height = rowHeight(layers.length);
    const top = layer * height;
    if (top < rowsBox.scrollTop) rowsBox.scrollTop = top;
    const hidden = top + height - (rowsBox.scrollTop + rowsBox.clientHeight);
    if (hidden > 0) rowsBox.scrollTop += hidden;
  }

  function cellAt(x: number): Cell | undefined {
    if (model === undefined) return undefined;
    const byte = model.view.start + (x / box.clientWidth) * (model.view.end - model.view.start);
    return model.strip?.cells.find((cell) => cell.start <= byte && byte < cell.end);
  }

  function zoomBy(factor: number, around: number): void {
    const layer = model?.layers[model.layer];
    if (model === undefined || layer === undefined) return;
    const old = model.view.end - model.view.start;
    // Closer than a few spans there is nothing more to see.
    const narrowest = Math.min(
      layer.size,
      Math.max(1, (layer.size / Math.max(1, model.strip?.spans ?? 1)) * 4),
    );
    const length = Math.min(layer.size, Math.max(narrowest, Math.round(old * factor)));
    const place = (around - model.view.start) / Math.max(1, old);
    const start = Math.round(Math.min(Math.max(0, around - place * length), layer.size - length));
    events.zoom({ start, end: start + length });
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
    events.selectSpan(cell.first);
    events.announce(describe(cell));
  }

  box.addEventListener('keydown', (event) => {
    if (model === undefined) return;
    const cells = model.strip?.cells ?? [];
    const span = model.span;
    const here = span === null ? -1 : cells.findIndex((cell) => cell.first <= span && span <= cell.last);
    const middle = cells[here];
    const around =
      middle === undefined ? (model.view.start + model.view.end) / 2 : (middle.start + middle.end) / 2;
    switch (event.key) {
      case 'ArrowUp':
        events.selectLayer(Math.max(0, model.layer - 1));
        break;
      case 'ArrowDown':
        events.selectLayer(Math.min(model.layers.length - 1, model.layer + 1));
        break;
      case 'ArrowLeft':
        pick(step(here < 0 ? 1 : here, -1, () => true));
        break;
      case 'ArrowRight':
        pick(step(here, 1, () => true));
        break;
      case 'PageDown':
        pick(step(here, 1, (cell) => cell.touched > 0));
        break;
      case 'PageUp':
        pick(step(here < 0 ? cells.length : here, -1, (cell) => cell.touched > 0));
        break;
      case 'Home':
        pick(cells[0]);
        break;
      case 'End':
        pick(cells.at(-1));
        break;
      case 'Enter':
      case '+':
        zoomBy(1 / ZOOM_STEP, around);
        break;
      case 'Escape':
        tip.hidden = true;
        zoomBy(ZOOM_STEP, around);
        break;
      case '-':
        zoomBy(ZOOM_STEP, around);
        break;
      default:
        return;
    }
    event.preventDefault();
  });

  rows.addEventListener('click', (event) => {
    if (model === undefined) return;
    const layer = Math.min(
      model.layers.length - 1,
      Math.floor(event.offsetY / rowHeight(model.layers.length)),
    );
    if (layer >= 0) events.selectLayer(layer);
  });
  strip.addEventListener('click', (event) => {
    pick(cellAt(event.offsetX));
  });
  strip.addEventListener('dblclick', (event) => {
    const cell = cellAt(event.offsetX);
    if (cell !== undefined) zoomBy(1 / ZOOM_STEP, (cell.start + cell.end) / 2);
  });
  strip.addEventListener(
    'wheel',
    (event) => {
      if (model === undefined || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      const byte = model.view.start + (event.offsetX / box.clientWidth) * (model.view.end - model.view.start);
      zoomBy(Math.exp(event.deltaY / 300), byte);
    },
    { passive: false },
  );

  function hover(event: MouseEvent, text: string | undefined): void {
    tip.hidden = text === undefined;
    if (text === undefined) return;
    tip.textContent = text;
    const place = box.getBoundingClientRect();
    const x = event.clientX - place.left;
    tip.style.left = `${Math.max(0, Math.min(x + 12, box.clientWidth - tip.offsetWidth - 4))}px`;
    tip.style.top = `${event.clientY - place.top + 16}px`;
  }
  strip.addEventListener('mousemove', (event) => {
    const cell = cellAt(event.offsetX);
    hover(event, cell && describe(cell));
  });
  rows.addEventListener('mousemove', (event) => {
    if (model === undefined) return;
    const layer = model.layers[Math.floor(event.offsetY / rowHeight(model.layers.length))];
    if (layer === undefined) return;
    const at = columns(box.clientWidth);
    const byte = ((event.offsetX - at.left) / barWidth(layer, model.layers, at.width)) * layer.size;
    const cell = model.overview.get(layer.index)?.cells.find((one) => one.start <= byte && byte < one.end);
    const name = `Layer ${layer.index}: ${layer.instruction ?? layer.digest.slice(7, 19)}, ${formatBytes(layer.size)}`;
    hover(
      event,
      cell === undefined
        ? layer.notIndexed === null
          ? name
          : `${name}. ${layer.notIndexed}`
        : `${name}\n${describe(cell)}`,
    );
  });
  box.addEventListener('mouseleave', () => {
    tip.hidden = true;
  });

  return {
    show(next) {
      const moved = model?.layer !== next.layer;
      model = next;
      none.hidden = next.layers.length > 0;
      box.hidden = next.layers.length === 0;
      redraw();
      // The canvas gets its height with the drawing.
      if (moved)
        requestAnimationFrame(() => {
          scrollTo(next);
        });
    },
    redraw,
    get width() {
      return { rows: columns(box.clientWidth).width, strip: box.clientWidth };
    },
  };
}

/** One cell in words. */
export function describe(cell: Cell): string {
  const one = cell.first === cell.last;
  const spans = one
    ? `Span ${formatCount(cell.first)}`
    : `Spans ${formatCount(cell.first)}–${formatCount(cell.last)}`;
  const bytes = `${formatBytes(cell.end - cell.start)} at ${formatBytes(cell.start)}`;
  if (cell.touched === 0) return `${spans}, ${bytes}, not touched`;
  const when = cell.at === null ? '' : `, first after ${formatCount(Math.round(cell.at))} ms`;
  return `${spans}, ${bytes}, ${one ? 'touched' : `${formatCount(cell.touched)} touched`}${when}`;
}

/** The canvas at the size of the screen's own pixels, to be drawn on in CSS pixels. */
function surface(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = window.devicePixelRatio;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('This browser draws no canvas.');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}
