/** Draws the waterfall of a start: processes, files, spans on demand and ahead of time, and the mark of readiness. */
import type { Timeline } from '../src/plan/picture/types';
import { ticks } from '../src/plan/ticks';
import type { TimeRange } from './paint';
import { fit } from './surface';
import { formatCount, t } from './text';
import type { Theme } from './theme';

const MARGIN = 8;
const LABEL = 120;
const AXIS = 22;
const PROCESS = 18;
const LANES = 110;
const HEADING = 20;
/** CSS pixels between two figures of the axis. */
const TICKS = 110;
const MOST_PROCESSES = 8;

export interface TimelineModel {
  readonly timeline: Timeline;
  readonly brush: TimeRange | undefined;
  /** The replay's place, milliseconds. */
  readonly now: number | undefined;
}

export function timelineHeight(timeline: Timeline): number {
  return AXIS + 2 * (HEADING + LANES) + HEADING + shownProcesses(timeline) * PROCESS + MARGIN;
}

function shownProcesses({ processes }: Timeline): number {
  return Math.min(MOST_PROCESSES, processes.length);
}

/** From milliseconds to CSS pixels and back. */
export function timeScale(
  width: number,
  timeline: Timeline,
): { readonly x: (at: number) => number; readonly at: (x: number) => number } {
  const left = labelWidth(width);
  const room = Math.max(1, width - left - MARGIN);
  return {
    x: (at) => left + (at / timeline.length) * room,
    at: (x) => Math.min(timeline.length, Math.max(0, ((x - left) / room) * timeline.length)),
  };
}

function labelWidth(width: number): number {
  return width < 560 ? MARGIN : LABEL;
}

export function paintTimeline(
  context: CanvasRenderingContext2D,
  width: number,
  { timeline, brush, now }: TimelineModel,
  theme: Theme,
): void {
  const height = timelineHeight(timeline);
  const { x } = timeScale(width, timeline);
  context.font = theme.font;
  paintAxis(context, width, height, timeline, theme);

  let top = AXIS;
  const heading = (text: string): void => {
    context.fillStyle = theme.faint;
    context.textAlign = 'left';
    context.textBaseline = 'middle';
    context.fillText(text, 0, top + HEADING / 2);
    top += HEADING;
  };
  const dim = (from: number, to: number): number =>
    (brush !== undefined && (to < brush.from || from > brush.to)) || (now !== undefined && from > now)
      ? 0.2
      : 1;

  heading(t('Processes'));
  for (const process of timeline.processes.slice(0, MOST_PROCESSES)) {
    const end = process.end ?? timeline.length;
    const left = x(process.start);
    const wide = Math.max(2, x(Math.min(end, timeline.length)) - left);
    context.globalAlpha = 0.3 * dim(process.start, end);
    context.fillStyle = theme.untouched;
    context.fillRect(left, top + 2, wide, PROCESS - 4);
    context.globalAlpha = 1;
    context.fillStyle = theme.text;
    const name = `${process.program.split('/').at(-1) ?? ''} · ${t('{0} files first', formatCount(process.files))}`;
    const inside = wide > 140;
    const room = inside ? wide - 8 : width - left - wide - 8;
    context.fillText(fit(context, name, room), inside ? left + 4 : left + wide + 4, top + PROCESS / 2);
    top += PROCESS;
  }

  heading(headed(t('Files'), timeline.fileCount, timeline.files.length));
  const lane = LANES / Math.max(1, timeline.files.length);
  timeline.files.forEach((file, index) => {
    const left = x(file.start);
    context.globalAlpha = dim(file.start, file.end);
    context.fillStyle = theme.touched;
    context.fillRect(left, top + index * lane, Math.max(1.5, x(file.end) - left), Math.max(1, lane - 0.4));
  });
  context.globalAlpha = 1;
  top += LANES;

  heading(headed(t('Spans'), timeline.spanCount, timeline.spans.length));
  const row = LANES / Math.max(1, timeline.spans.length);
  timeline.spans.forEach((span, index) => {
    context.globalAlpha = dim(span.at, span.at);
    context.fillStyle = span.prefetched ? theme.prefetched : theme.touched;
    // A prefetched span is there before it is asked for: only its use is marked.
    const left = x(span.at);
    const wide = span.prefetched
      ? 2
      : Math.max(1.5, x(Math.min(timeline.length, span.at + span.wait)) - left);
    context.fillRect(left, top + index * row, wide, Math.max(1, row - 0.4));
  });
  context.globalAlpha = 1;

  if (brush !== undefined) {
    context.globalAlpha = 0.15;
    context.fillStyle = theme.focus;
    context.fillRect(x(brush.from), AXIS, x(brush.to) - x(brush.from), height - AXIS);
    context.globalAlpha = 1;
    mark(context, x(brush.from), height, theme.focus, 1);
    mark(context, x(brush.to), height, theme.focus, 1);
  }
  if (now !== undefined) mark(context, x(now), height, theme.text, 2);
}

function headed(name: string, all: number, shown: number): string {
  return all === shown
    ? `${name} (${formatCount(all)})`
    : t('{0} (the largest {1} of {2})', name, formatCount(shown), formatCount(all));
}

function mark(
  context: CanvasRenderingContext2D,
  x: number,
  height: number,
  color: string,
  width: number,
): void {
  context.fillStyle = color;
  context.fillRect(x - width / 2, AXIS - 4, width, height - AXIS + 4);
}

function paintAxis(
  context: CanvasRenderingContext2D,
  width: number,
  height: number,
  timeline: Timeline,
  theme: Theme,
): void {
  const { x } = timeScale(width, timeline);
  context.textBaseline = 'middle';
  context.textAlign = 'center';
  for (const at of ticks(0, timeline.length, Math.max(2, Math.floor((width - labelWidth(width)) / TICKS)))) {
    const label = `${formatCount(at)} ms`;
    const half = context.measureText(label).width / 2;
    context.fillStyle = theme.faint;
    context.fillText(label, Math.min(Math.max(x(at), half), width - half), AXIS / 2);
    context.globalAlpha = 0.2;
    context.fillRect(x(at), AXIS, 1, height - AXIS);
    context.globalAlpha = 1;
  }
  if (timeline.ready === null) return;
  const at = x(timeline.ready);
  mark(context, at, height, theme.prefetched, 2);
  context.fillStyle = theme.prefetched;
  context.textAlign = 'right';
  context.fillText(
    `${t('ready')}, ${formatCount(Math.round(timeline.ready))} ms`,
    at - 5,
    AXIS + HEADING / 2,
  );
}
