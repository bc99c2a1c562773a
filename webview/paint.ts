/** Draws the rows of the map: pure functions from a model, a theme and a width to pixels. */
import type { Axis, Cell, Cells, PlacedFiles } from '../src/plan/picture/types';
import type { PlanLayer, SpanRuns } from '../src/plan/types';
import { fit } from './surface';
import { formatBytes } from './text';
import type { Theme } from './theme';

/** A stretch of the selected layer on the axis, `[start, end)`. */
export interface View {
  readonly start: number;
  readonly end: number;
}

/** A stretch of the recorded start, milliseconds. */
export interface TimeRange {
  readonly from: number;
  readonly to: number;
}

export interface MapModel {
  readonly layers: readonly PlanLayer[];
  readonly axis: Axis;
  /** The whole of each indexed layer, coarse; layers that have not been asked for yet are missing. */
  readonly overview: ReadonlyMap<number, Cells>;
  /** The selected layer and what part of it the strip shows. */
  readonly layer: number;
  readonly view: View;
  readonly strip: Cells | undefined;
  /** The files in view; undefined until they are known. */
  readonly files: PlacedFiles | undefined;
  readonly span: number | null;
  /** By layer. */
  readonly prefetched: ReadonlyMap<number, SpanRuns>;
  /** Touched spans go from early to late. */
  readonly byTime: boolean;
  /** Only what is first touched in this time counts as touched: a brush, or the replay. */
  readonly time: TimeRange | undefined;
  /** Milliseconds of the latest first touch of the image. */
  readonly latest: number;
}

export interface Columns {
  readonly label: number;
  readonly figures: number;
  /** Where the bars begin and how wide the longest is. */
  readonly left: number;
  readonly width: number;
}

export interface Bar {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const GAP = 12;
/** A layer of a few hundred bytes must still be seen. */
const NARROWEST_BAR = 3;

/** CSS pixels per layer: fewer when there are many. */
export function rowHeight(layers: number): number {
  return layers > 40 ? 18 : 26;
}

export function columns(width: number): Columns {
  const label = Math.min(340, Math.max(84, Math.round(width * 0.3)));
  const figures = width > 560 ? 132 : 0;
  const left = label + GAP;
  return { label, figures, left, width: Math.max(40, width - left - figures - (figures > 0 ? GAP : 0)) };
}

/** Bytes of a layer on the axis. */
export function lengthOf(layer: PlanLayer, axis: Axis): number {
  return axis === 'compressed' ? layer.size : (layer.uncompressedSize ?? layer.size);
}

/** Width of a layer's bar, against the largest layer. */
export function barWidth(layer: PlanLayer, largest: number, axis: Axis, full: number): number {
  return Math.max(NARROWEST_BAR, (lengthOf(layer, axis) / largest) * full);
}

export function largestOf({ layers, axis }: Pick<MapModel, 'layers' | 'axis'>): number {
  return layers.reduce((most, layer) => Math.max(most, lengthOf(layer, axis)), 1);
}

export function paintRows(
  context: CanvasRenderingContext2D,
  width: number,
  model: MapModel,
  theme: Theme,
): void {
  const height = rowHeight(model.layers.length);
  const at = columns(width);
  const largest = largestOf(model);
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
      width: barWidth(layer, largest, model.axis, at.width),
      height: height - 8,
    };
    if (!layer.indexed) {
      paintWhole(context, bar, theme);
      return;
    }
    const view = { start: 0, end: lengthOf(layer, model.axis) };
    const cells = model.overview.get(layer.index)?.cells ?? [];
    paintCells(context, bar, view, cells, model, layer.index, theme);
  });
}

function figuresOf(layer: PlanLayer, cells: Cells | undefined): string {
  if (!layer.indexed || cells === undefined) return formatBytes(layer.size);
  return `${formatBytes(layer.size)} · ${cells.touched}/${cells.spans}`;
}

/** Where a stretch of the axis lies on a bar. */
export function extent(
  stretch: { readonly start: number; readonly end: number },
  view: View,
  bar: Bar,
): { left: number; right: number } {
  const scale = bar.width / Math.max(1, view.end - view.start);
  return {
    left: bar.left + Math.max(0, (stretch.start - view.start) * scale),
    right: bar.left + Math.min(bar.width, (stretch.end - view.start) * scale),
  };
}

/**
 * Touched spans stand tall, the others are a low line; of a touched span the lower part is what the start asked for,
 * the faint part above travels with it unused. Height says it as well as colour.
 */
export function paintCells(
  context: CanvasRenderingContext2D,
  bar: Bar,
  view: View,
  cells: readonly Cell[],
  model: Pick<MapModel, 'byTime' | 'latest' | 'prefetched' | 'time'>,
  layer: number,
  theme: Theme,
): void {
  const low = Math.max(3, Math.round(bar.height * 0.22));
  const bottom = bar.top + bar.height;
  const runs = model.prefetched.get(layer) ?? [];
  let run = 0;
  for (const cell of cells) {
    while ((runs[run]?.[1] ?? Infinity) < cell.first) run++;
    const prefetched = (runs[run]?.[0] ?? Infinity) <= cell.last;
    const { left, right } = extent(cell, view, bar);
    if (right <= left) continue;
    // A line of background between cells, where they are wide enough to lose it.
    const width = right - left > 4 ? right - left - 1 : right - left;
    context.globalAlpha = theme.outline === undefined ? 0.35 : 0.55;
    context.fillStyle = theme.untouched;
    context.fillRect(left, bottom - low, width, low);
    const { time } = model;
    const inTime = time === undefined || (cell.at !== null && time.from <= cell.at && cell.at <= time.to);
    const touched = cell.touched > 0 && inTime;
    if (!touched && !prefetched) continue;
    const share = touched ? cell.touched / (cell.last - cell.first + 1) : 0;
    const height = low + (bar.height - low) * (0.45 + 0.55 * share);
    const color =
      model.byTime && touched && cell.at !== null
        ? theme.ramp(cell.at / Math.max(1, model.latest))
        : prefetched
          ? theme.prefetched
          : theme.touched;
    const wide = Math.max(1.5, width);
    context.fillStyle = color;
    context.globalAlpha = theme.outline === undefined ? 0.38 : 0.5;
    context.fillRect(left, bottom - height, wide, height);
    context.globalAlpha = 1;
    const used = touched ? Math.max(2, height * cell.used) : 0;
    context.fillRect(left, bottom - used, wide, used);
    if (!prefetched || theme.outline === undefined) continue;
    // A notch, where the colours may be too few to tell it by.
    context.fillStyle = theme.background;
    context.fillRect(left, bottom - height + 3, wide, 2);
  }
  context.globalAlpha = 1;
  if (theme.outline !== undefined) outline(context, bar, theme.outline);
}

/** A layer that the index leaves out is hatched: it is always pulled whole. */
export function paintWhole(context: CanvasRenderingContext2D, bar: Bar, theme: Theme): void {
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

export function outline(context: CanvasRenderingContext2D, bar: Bar, color: string): void {
  context.strokeStyle = color;
  context.lineWidth = 1;
  context.strokeRect(bar.left + 0.5, bar.top + 0.5, Math.max(1, bar.width - 1), bar.height - 1);
}
