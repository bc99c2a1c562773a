/** What the colours of the map mean, and what can be set about them. */
import type { Axis } from '../src/plan/picture/types';
import { button, checkbox, dropdown } from './controls';
import { byId, h } from './dom';
import { t } from './text';

export interface LegendEvents {
  byTime(on: boolean): void;
  axis(axis: Axis): void;
  export(kind: 'svg' | 'png'): void;
}

const MAP_KEYS = t(
  'Up and Down choose a layer, Left and Right a span, Page Up and Page Down the touched spans. Enter or + zooms in, Escape or − zooms out, Shift with Left and Right moves the view, 0 shows all, Shift F10 opens the menu. With the mouse: Ctrl and wheel zoom, dragging moves, dragging with Shift zooms to a box.',
);

export function createLegend(
  events: LegendEvents,
  chosen: { readonly byTime: boolean; readonly axis: Axis },
): void {
  const swatch = (name: string, text: string): HTMLElement =>
    h('span', {}, h('i', { class: `swatch ${name}` }), text);
  const ramp = h('span', { class: 'ramp-key' }, t('first'), h('i', { class: 'swatch ramp' }), t('last'));
  ramp.hidden = !chosen.byTime;
  const byTime = checkbox(t('Colour by time of first touch'), (on) => {
    ramp.hidden = !on;
    events.byTime(on);
  });
  Object.assign(byTime, { checked: chosen.byTime });
  const axis = dropdown(t('Width'), (value) => {
    events.axis(value === 'uncompressed' ? 'uncompressed' : 'compressed');
  });
  axis.show(
    [
      { value: 'compressed', label: t('Compressed bytes') },
      { value: 'uncompressed', label: t('Unpacked bytes') },
    ],
    chosen.axis,
  );
  byId('map-controls').append(
    axis.element,
    byTime,
    button(t('SVG…'), false, () => {
      events.export('svg');
    }),
    button(t('PNG…'), false, () => {
      events.export('png');
    }),
  );
  byId('legend').append(
    swatch('touched', t('read by the start')),
    swatch('unused', t('fetched with it, unread')),
    swatch('prefetched', t('prefetched')),
    swatch('untouched', t('never fetched')),
    swatch('whole', t('outside the index: pulled whole')),
    ramp,
    h('details', { class: 'keys' }, h('summary', {}, t('Keys')), h('p', { id: 'map-keys' }, MAP_KEYS)),
  );
}
