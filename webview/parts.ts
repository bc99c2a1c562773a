/** The panels under the map, one in front: each has its place here and is filled by its own module. */
import { tabs } from './controls';
import type { TabsControl } from './controls';
import { byId, h } from './dom';
import type { TABS } from './state';

type Tab = (typeof TABS)[number];

export function createParts(chosen: string, onChange: (name: string) => void): TabsControl {
  const panel = (
    name: Tab,
    title: string,
    ...content: Node[]
  ): { name: Tab; title: string; content: Node } => ({
    name,
    title,
    content: h('div', { class: 'panel' }, ...content),
  });
  const place = (id: string, className = ''): HTMLElement => h('div', { id, class: className });
  const control = tabs(
    [
      panel(
        'sizes',
        'Span size',
        h('h2', {}, 'Span sizes'),
        h('p', { id: 'reason' }),
        place('sizes'),
        h('h3', {}, 'The same on the command line'),
        place('command', 'command'),
        h('h2', { class: 'next' }, 'Time to ready'),
        place('modes'),
      ),
      panel('advice', 'Advice', place('advice')),
      panel('timeline', 'Timeline', h('h2', {}, 'Timeline'), place('timeline')),
      panel('layers', 'Layers', h('h2', {}, 'Layers'), place('layers')),
      panel('files', 'Files', h('h2', {}, 'Files'), place('files')),
      panel('blame', 'Blame', h('h2', {}, 'Who costs the start what'), place('blame')),
      panel('compare', 'Compare', h('h2', {}, 'Compare'), place('compare')),
    ],
    chosen,
    onChange,
  );
  byId('parts').append(control.element);
  return control;
}
