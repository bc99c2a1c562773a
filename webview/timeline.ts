/** The recorded start in time: brush a stretch of it, or play it again. */
import type { EntryRef, Timeline } from '../src/plan/picture/types';
import { button } from './controls';
import { h } from './dom';
import { grid } from './grid';
import type { TimeRange } from './paint';
import { paintTimeline, timelineHeight, timeScale } from './paint-timeline';
import { perFrame, surface, whenRestored } from './surface';
import { formatBytes, formatCount, t } from './text';
import { readTheme } from './theme';

export interface TimelineEvents {
  /** What the map and the files shall show of the start; undefined for all of it. */
  time(range: TimeRange | undefined): void;
  fly(entry: EntryRef): void;
  announce(text: string): void;
}

export interface TimelineView {
  show(timeline: Timeline): void;
  redraw(): void;
}

/** A replay lasts so many milliseconds, whatever the start took; where motion is unwelcome it goes in as few steps. */
const REPLAY = 6000;
const QUIET_STEPS = 10;
/** The part of the start that a key moves the brush by. */
const KEY_STEP = 0.02;
const ROWS = 40;

export function createTimeline(host: HTMLElement, events: TimelineEvents): TimelineView {
  const canvas = h('canvas', { class: 'timeline' }) as HTMLCanvasElement;
  const box = h(
    'div',
    {
      class: 'map-box',
      tabindex: '0',
      role: 'application',
      'aria-label': t('Timeline of the start'),
      'aria-describedby': 'timeline-keys',
    },
    canvas,
  );
  const scrub = h('input', {
    type: 'range',
    min: '0',
    max: '1000',
    step: '1',
    'aria-label': t('Place in the replay'),
  });
  const place = scrub as HTMLInputElement;
  const output = h('output', { class: 'count' });
  const play = button(t('Play'), false, () => {
    if (playing === 0) start();
    else stop();
  });
  const all = button(t('Show all of it'), false, () => {
    stop();
    now = undefined;
    setBrush(undefined);
  });
  const none = h('p', { class: 'more' }, t('Record a start to see it in time.'));
  const twin = grid(
    t('Files in the order of their first touch'),
    [
      { title: t('First touch'), width: '8em', numeric: true },
      { title: t('File'), width: 'minmax(18em, 4fr)' },
      { title: t('Layer'), width: '5.5em', numeric: true },
      { title: t('Read'), width: '7em', numeric: true },
    ],
    (key) => {
      const [layer = 0, entry = 0] = key.split(' ').map(Number);
      events.fly({ layer, entry });
    },
  );
  twin.element.classList.add('tall');
  const rest = h('p', { class: 'more' });
  const content = h(
    'div',
    {},
    h('div', { class: 'controls' }, play, h('div', { class: 'slider' }, place), output, all),
    box,
    h(
      'p',
      { class: 'more', id: 'timeline-keys' },
      t(
        'Drag to select a stretch: the map and the list of files then show only that. Left and Right move the selection, with Shift its end; Space plays, Escape shows all.',
      ),
    ),
    h('h3', {}, t('Files in the order of their first touch')),
    twin.element,
    rest,
  );
  host.append(none, content);
  content.hidden = true;

  let timeline: Timeline | undefined;
  let brush: TimeRange | undefined;
  let now: number | undefined;
  let playing = 0;

  const redraw = perFrame(() => {
    if (timeline === undefined || content.hidden) return;
    const width = box.clientWidth;
    if (width === 0) return;
    const model = { timeline, brush, now };
    paintTimeline(surface(canvas, width, timelineHeight(timeline)), width, model, readTheme());
  });
  new ResizeObserver(redraw).observe(box);
  whenRestored(canvas, redraw);

  function tell(): void {
    redraw();
    events.time(now === undefined ? brush : { from: brush?.from ?? 0, to: now });
    const ms = (at: number): string => `${formatCount(Math.round(at))} ms`;
    output.textContent =
      now !== undefined ? ms(now) : brush === undefined ? '' : `${ms(brush.from)} – ${ms(brush.to)}`;
    place.setAttribute('aria-valuetext', ms(now ?? timeline?.length ?? 0));
  }
  function setBrush(range: TimeRange | undefined): void {
    brush = range;
    tell();
    showFiles();
  }
  function showFiles(): void {
    const inside = (timeline?.files ?? []).filter(
      ({ start }) => brush === undefined || (start >= brush.from && start <= brush.to),
    );
    twin.show(
      inside.slice(0, ROWS).map((file) => ({
        key: `${file.layer} ${file.entry}`,
        cells: [
          `${formatCount(Math.round(file.start))} ms`,
          h('bdi', { class: 'path' }, file.path),
          String(file.layer),
          formatBytes(file.bytes),
        ],
      })),
    );
    rest.textContent =
      inside.length > ROWS
        ? t('… and {0} more; “Files” lists them all.', formatCount(inside.length - ROWS))
        : '';
  }

  function seek(at: number): void {
    now = at;
    place.valueAsNumber = timeline === undefined ? 0 : Math.round((1000 * at) / timeline.length);
    tell();
  }
  function start(): void {
    if (timeline === undefined) return;
    const { length } = timeline;
    const quiet = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const from = now === undefined || now >= length ? 0 : now;
    const began = performance.now() - (from / length) * REPLAY;
    play.textContent = t('Pause');
    const step = (): void => {
      const share = Math.min(1, (performance.now() - began) / REPLAY);
      seek(length * (quiet ? Math.floor(share * QUIET_STEPS) / QUIET_STEPS : share));
      if (share < 1) next();
      else stop();
    };
    const next = (): void => {
      playing = quiet ? window.setTimeout(step, REPLAY / QUIET_STEPS) : requestAnimationFrame(step);
    };
    next();
  }
  function stop(): void {
    window.clearTimeout(playing);
    cancelAnimationFrame(playing);
    playing = 0;
    play.textContent = t('Play');
  }
  place.addEventListener('input', () => {
    stop();
    if (timeline !== undefined) seek((place.valueAsNumber / 1000) * timeline.length);
  });

  let pressed: number | undefined;
  canvas.addEventListener('pointerdown', (event) => {
    if (timeline === undefined || event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    pressed = timeScale(box.clientWidth, timeline).at(event.offsetX);
  });
  canvas.addEventListener('pointermove', (event) => {
    if (timeline === undefined || pressed === undefined) return;
    const at = timeScale(box.clientWidth, timeline).at(event.offsetX);
    now = undefined;
    brush = { from: Math.min(pressed, at), to: Math.max(pressed, at) };
    tell();
  });
  canvas.addEventListener('pointerup', () => {
    if (pressed === undefined) return;
    pressed = undefined;
    showFiles();
  });
  box.addEventListener('keydown', (event) => {
    if (timeline === undefined || event.target !== box) return;
    const { length } = timeline;
    const range = brush ?? { from: 0, to: length / 10 };
    const clamp = (at: number): number => Math.min(length, Math.max(0, at));
    const move = (by: number): void => {
      const from = event.shiftKey ? range.from : clamp(range.from + by);
      setBrush({ from, to: Math.max(from, clamp(range.to + by)) });
      events.announce(
        t(
          '{0} to {1} milliseconds',
          formatCount(Math.round(brush?.from ?? 0)),
          formatCount(Math.round(brush?.to ?? 0)),
        ),
      );
    };
    if (event.key === 'ArrowLeft') move(-length * KEY_STEP);
    else if (event.key === 'ArrowRight') move(length * KEY_STEP);
    else if (event.key === ' ') play.click();
    else if (event.key === 'Escape') all.click();
    else return;
    event.preventDefault();
  });

  return {
    show(next) {
      stop();
      timeline = next;
      now = undefined;
      none.hidden = next.length > 0;
      content.hidden = next.length === 0;
      if (brush !== undefined && brush.to > next.length) setBrush(undefined);
      showFiles();
      redraw();
    },
    redraw,
  };
}
