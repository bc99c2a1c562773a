/** Draws the map: pure functions from a model, a theme and a width to pixels. */
import { formatBytes } from '../src/plan/format';
import type { Cell, Cells } from '../src/plan/picture/types';
import type { PlanLayer } from '../src/plan/types';
import type { Theme } from './theme';

/** Bytes of the blob, `[start, end)`. */
export interface View {
  readonly start: number;
  readonly end: number;
}

export interface MapModel {
  readonly layers: readonly PlanLayer[];
  /** The whole of each indexed layer, coarse; layers that have not been asked for yet are missing. */
  readonly overview: ReadonlyMap<number, Cells>;
  /** The selected layer and what part of it the strip shows. */
  readonly layer: number;
  readonly view: View;
  readonly strip: Cells | undefined;
  readonly span: number | null;
  /** Touched spans fade from early to late. */
  readonly byTime: boolean;
  /** Milliseconds of the latest first touch of the image, for the fade. */
  readonly latest: number;
}

export interface Columns {
  readonly label: number;
  readonly figures: number;
  /** Where the bars begin and how wide the longest is. */
  readonly left: number;
  readonly width: number;
}

const GAP = 12;
/** A layer of a few hundred bytes must still be seen. */
const NARROWEST_BAR = 3;
export const STRIP_HEIGHT = 64;
/** Room below the cells of the strip for the scale. */
const SCALE_HEIGHT = 16;

/** CSS pixels per layer: fewer when there are many. */
export function rowHeight(layers: number): number {
  return layers > 40 ? 18 : 26;
}

export function columns(width: number): Columns {
  const label = Math.min(300, Math.max(84, Math.round(width * 0.3)));
  const figures = width > 560 ? 132 : 0;
  const left = label + GAP;
  return { label, figures, left, width: Math.max(40, width - left - figures - (figures > 0 ? GAP : 0)) };
}

/** Width of a layer's bar: by its compressed bytes, against the largest layer. */
export function barWidth(layer: PlanLayer, layers: readonly PlanLayer[], full: number): number {
  const largest = Math.max(1, ...layers.map((one) => one.size));
  return Math.max(NARROWEST_BAR, (layer.size / largest) * full);
}

export function paintRows(
  context: CanvasRenderingContext2D,
  width: number,
  model: MapModel,
  theme: Theme,
): void {
  const height = rowHeight(model.layers.length);
  const at = columns(width);
  context.clearRect(0, 0, width, height * model.layers.length);
  context.font = theme.font;
  context.textBaseline = 'middle';
  model.layers.forEach((layer, index) => {
    const top = index * height;
    const middle = top + height / 2;
    const chosen = index === model.layer;
    if (chosen) {
      context.fillStyle = theme.focus;
      context.fillRect(0, top + 2, 3, height - 4);
    }
    context.fillStyle = chosen ? theme.text : theme.faint;
    context.textAlign = 'left';
    context.fillText(
      fit(context, `${layer.index}  ${layer.instruction ?? layer.digest.slice(7, 19)}`, at.label - 10),
      10,
      middle,
    );
    if (at.figures > 0) {
      context.textAlign = 'right';
      context.fillText(figuresOf(layer, model.overview.get(layer.index)), width - 2, middle);
    }
    const bar = {
      left: at.left,
      top: top + 4,
      width: barWidth(layer, model.layers, at.width),
      height: height - 8,
    };
    const cells = model.overview.get(layer.index);
    if (layer.indexed)
      paintCells(context, bar, { start: 0, end: layer.size }, cells?.cells ?? [], model, theme);
    else paintWhole(context, bar, theme);
  });
}

function figuresOf(layer: PlanLayer, cells: Cells | undefined): string {
  if (!layer.indexed || cells === undefined) return formatBytes(layer.size);
  return `${formatBytes(layer.size)} · ${cells.touched}/${cells.spans}`;
}

/** The part of the selected layer that is in view, full width. */
export function paintStrip(
  context: CanvasRenderingContext2D,
  width: number,
  model: MapModel,
  theme: Theme,
): void {
  context.clearRect(0, 0, width, STRIP_HEIGHT);
  const layer = model.layers[model.layer];
  if (layer === undefined) return;
  const bar = { left: 0, top: 1, width, height: STRIP_HEIGHT - SCALE_HEIGHT - 2 };
  if (!layer.indexed) {
    paintWhole(context, bar, theme);
  } else {
    paintCells(context, bar, model.view, model.strip?.cells ?? [], model, theme);
    const picked = model.strip?.cells.find(
      (cell) => model.span !== null && cell.first <= model.span && model.span <= cell.last,
    );
    if (picked !== undefined) {
      const { left, right } = extent(picked, model.view, bar);
      context.strokeStyle = theme.text;
      context.lineWidth = 2;
      context.strokeRect(left - 1, bar.top, Math.max(4, right - left + 2), bar.height);
    }
  }
  context.font = theme.font;
  context.fillStyle = theme.faint;
  context.textBaseline = 'bottom';
  context.textAlign = 'left';
  context.fillText(formatBytes(model.view.start), 0, STRIP_HEIGHT);
  context.textAlign = 'right';
  context.fillText(formatBytes(model.view.end), width, STRIP_HEIGHT);
}

interface Bar {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

function extent(cell: Cell, view: View, bar: Bar): { left: number; right: number } {
  const scale = bar.width / Math.max(1, view.end - view.start);
  return {
    left: bar.left + Math.max(0, (cell.start - view.start) * scale),
    right: bar.left + Math.min(bar.width, (cell.end - view.start) * scale),
  };
}

/** Touched spans stand tall and filled, the others are a low line: height says it as well as colour. */
function paintCells(
  context: CanvasRenderingContext2D,
  bar: Bar,
  view: View,
  cells: readonly Cell[],
  model: MapModel,
  theme: Theme,
): void {
  const low = Math.max(3, Math.round(bar.height * 0.22));
  const bottom = bar.top + bar.height;
  for (const cell of cells) {
    const { left, right } = extent(cell, view, bar);
    if (right <= left) continue;
    // A line of background between cells, where they are wide enough to lose it.
    const width = right - left > 4 ? right - left - 1 : right - left;
    context.globalAlpha = theme.outline === undefined ? 0.35 : 0.8;
    context.fillStyle = theme.untouched;
    context.fillRect(left, bottom - low, width, low);
    if (cell.touched === 0) continue;
    const share = cell.touched / (cell.last - cell.first + 1);
    const height = low + (bar.height - low) * (0.45 + 0.55 * share);
    context.globalAlpha =
      model.byTime && cell.at !== null ? 1 - 0.7 * (cell.at / Math.max(1, model.latest)) : 1;
    context.fillStyle = theme.touched;
    context.fillRect(left, bottom - height, Math.max(1.5, width), height);
  }
  context.globalAlpha = 1;
  if (theme.outline !== undefined) outline(context, bar, theme.outline);
}

/** A layer that the index leaves out is hatched: it is always pulled whole. */
function paintWhole(context: CanvasRenderingContext2D, bar: Bar, theme: Theme): void {
  context.save();
  context.beginPath();
  context.rect(bar.left, bar.top, bar.width, bar.height);
  context.clip();
  context.globalAlpha = 0.6;
  context.strokeStyle = theme.faint;
  context.lineWidth = 1;
  context.beginPath();
  for (let x = bar.left - bar.height; x < bar.left + bar.width; x += 6) {
    context.moveTo(x, bar.top + bar.height);
    context.lineTo(x + bar.height, bar.top);
  }
  context.stroke();
  context.restore();
  outline(context, bar, theme.outline ?? theme.faint);
}

function outline(context: CanvasRenderingContext2D, bar: Bar, color: string): void {
  context.strokeStyle = color;
  context.lineWidth = 1;
  context.strokeRect(bar.left + 0.5, bar.top + 0.5, Math.max(1, bar.width - 1), bar.height - 1);
}

/** The text, cut with an ellipsis to a width in pixels. */
function fit(context: CanvasRenderingContext2D, text: string, width: number): string {
  if (context.measureText(text).width <= width) return text;
  let low = 0;
  let high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (context.measureText(`${text.slice(0, middle)}…`).width <= width) low = middle;
    else high = middle - 1;
  }
  return `${text.slice(0, low)}…`;
}
