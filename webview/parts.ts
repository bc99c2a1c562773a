/** The panels under the map, one in front: each has its place here and is filled by its own module. */
import { tabs } from './controls';
import type { TabsControl } from './controls';
import { byId, h } from './dom';
import type { TABS } from './state';
import { t } from './text';

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
        t('Span size'),
        h('h2', {}, t('Span sizes')),
        h('p', { id: 'reason' }),
        place('sizes'),
        h('h3', {}, t('The same on the command line')),
        place('command', 'command'),
        h('h2', { class: 'next' }, t('Time to ready')),
        place('modes'),
      ),
      panel('advice', t('Advice'), place('advice')),
      panel('timeline', t('Timeline'), h('h2', {}, t('Timeline')), place('timeline')),
      panel('layers', t('Layers'), h('h2', {}, t('Layers')), place('layers')),
      panel('files', t('Files'), h('h2', {}, t('Files')), place('files')),
      panel('blame', t('Blame'), h('h2', {}, t('Who costs the start what')), place('blame')),
      panel('compare', t('Compare'), h('h2', {}, t('Compare')), place('compare')),
    ],
    chosen,
    onChange,
  );
  byId('parts').append(control.element);
  return control;
}
