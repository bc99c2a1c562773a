/** Draws the selected layer at length: its spans in view, the files in them, the scale, and where in the layer it is. */
import { ticks } from '../src/plan/ticks';
import { extent, lengthOf, outline, paintCells, paintWhole } from './paint';
import type { Bar, MapModel, View } from './paint';
import { fit } from './surface';
import { formatBytes, formatCount, t } from './text';
import type { Theme } from './theme';

/** CSS pixels from top to bottom: spans, files, scale, the whole layer. */
const SPANS = 48;
const FILES_TOP = 54;
const FILES = 22;
const SCALE_TOP = 80;
const SCALE = 18;
export const MINIMAP_TOP = 104;
const MINIMAP = 16;
export const STRIP_HEIGHT = MINIMAP_TOP + MINIMAP + 2;
/** Narrower files get no name. */
const NAMED = 30;
/** CSS pixels between two figures of the scale. */
const TICKS = 130;

export interface Box {
  readonly from: number;
  readonly to: number;
}

export function paintStrip(
  context: CanvasRenderingContext2D,
  width: number,
  model: MapModel,
  theme: Theme,
  box: Box | undefined,
): void {
  const layer = model.layers[model.layer];
  if (layer === undefined) return;
  const bar: Bar = { left: 0, top: 1, width, height: SPANS };
  if (layer.indexed) {
    paintCells(context, bar, model.view, model.strip?.cells ?? [], model, model.layer, theme);
    paintPicked(context, bar, model, theme);
    paintFiles(context, width, model, theme);
  } else {
    paintWhole(context, bar, theme);
  }
  paintScale(context, width, model.view, theme);
  paintMinimap(context, width, lengthOf(layer, model.axis), model, theme);
  if (box !== undefined) {
    const [left, right] = [Math.min(box.from, box.to), Math.max(box.from, box.to)];
    context.globalAlpha = 0.25;
    context.fillStyle = theme.focus;
    context.fillRect(left, 0, right - left, FILES_TOP + FILES);
    context.globalAlpha = 1;
    outline(context, { left, top: 0, width: right - left, height: FILES_TOP + FILES }, theme.focus);
  }
}

function paintPicked(context: CanvasRenderingContext2D, bar: Bar, model: MapModel, theme: Theme): void {
  const picked = model.strip?.cells.find(
    (cell) => model.span !== null && cell.first <= model.span && model.span <= cell.last,
  );
  if (picked === undefined) return;
  const { left, right } = extent(picked, model.view, bar);
  context.strokeStyle = theme.text;
  context.lineWidth = 2;
  context.strokeRect(left + 1, bar.top, Math.max(3, right - left - 2), bar.height);
}

function paintFiles(context: CanvasRenderingContext2D, width: number, model: MapModel, theme: Theme): void {
  const { files } = model;
  if (files === undefined) return;
  context.font = theme.monospace;
  context.textBaseline = 'middle';
  context.textAlign = 'left';
  const lane: Bar = { left: 0, top: FILES_TOP, width, height: FILES };
  if (files.files.length === 0) {
    context.fillStyle = theme.faint;
    const hint =
      files.total === 0
        ? t('No files here')
        : t('{0} files in view: zoom in to see their names', formatCount(files.total));
    context.fillText(fit(context, hint, width), 2, lane.top + FILES / 2);
    return;
  }
  for (const file of files.files) {
    const { left, right } = extent(file, model.view, lane);
    if (right <= left) continue;
    const wide = Math.max(1, right - left - 1);
    context.globalAlpha = file.touched ? 0.3 : 0.12;
    context.fillStyle = file.touched ? theme.touched : theme.untouched;
    context.fillRect(left, lane.top, wide, FILES);
    context.globalAlpha = 1;
    if (file.touched) {
      context.fillStyle = theme.touched;
      context.fillRect(left, lane.top + FILES - 2, wide, 2);
    }
    if (theme.outline !== undefined && wide > 3) {
      outline(context, { ...lane, left, width: wide }, theme.outline);
    }
    if (wide < NAMED) continue;
    context.fillStyle = file.touched ? theme.text : theme.faint;
    // Direction marks around the name: one from right to left must not turn its neighbours around.
    const name = file.path.split('/').findLast((part) => part !== '') ?? file.path;
    context.fillText(`\u2068${fit(context, name, wide - 8)}\u2069`, left + 4, lane.top + FILES / 2 - 1);
  }
}

function paintScale(context: CanvasRenderingContext2D, width: number, view: View, theme: Theme): void {
  context.font = theme.font;
  context.fillStyle = theme.faint;
  context.textBaseline = 'top';
  // Far zoomed in all places would read the same: from the exact first one on they count on.
  const { start, end } = view;
  const counted = end - start <= start / 10;
  const base = counted ? start : 0;
  let free = 0;
  for (const at of ticks(start - base, end - base, Math.max(2, Math.floor(width / TICKS)))) {
    const x = ((base + at - start) / Math.max(1, end - start)) * width;
    const label = !counted ? formatBytes(at) : at === 0 ? `${formatCount(start)} B` : `+${formatBytes(at)}`;
    const half = context.measureText(label).width / 2;
    context.fillRect(Math.min(width - 1, x), SCALE_TOP - 2, 1, 4);
    const middle = Math.min(Math.max(x, half), width - half);
    // The exact first place is longer than the others.
    if (middle - half < free) continue;
    context.textAlign = 'center';
    context.fillText(label, middle, SCALE_TOP + 4);
    free = middle + half + 8;
  }
}

function paintMinimap(
  context: CanvasRenderingContext2D,
  width: number,
  length: number,
  model: MapModel,
  theme: Theme,
): void {
  const bar: Bar = { left: 0, top: MINIMAP_TOP, width, height: MINIMAP };
  const whole = { start: 0, end: Math.max(1, length) };
  context.globalAlpha = 0.12;
  context.fillStyle = theme.untouched;
  context.fillRect(0, bar.top, width, bar.height);
  context.globalAlpha = 1;
  paintCells(context, bar, whole, model.overview.get(model.layer)?.cells ?? [], model, model.layer, theme);
  const { left, right } = extent(model.view, whole, bar);
  if (right - left >= width - 1) return;
  context.globalAlpha = 0.6;
  context.fillStyle = theme.background;
  context.fillRect(0, bar.top, left, bar.height);
  context.fillRect(right, bar.top, width - right, bar.height);
  context.globalAlpha = 1;
  context.strokeStyle = theme.focus;
  context.lineWidth = 2;
  context.strokeRect(left, bar.top, Math.max(4, right - left), bar.height);
}

/** Heights that mean something under a pointer: the spans, the files, the minimap. */
export function laneAt(y: number): 'spans' | 'files' | 'minimap' {
  return y >= SCALE_TOP + SCALE ? 'minimap' : y >= FILES_TOP - 2 && y < SCALE_TOP - 4 ? 'files' : 'spans';
}
