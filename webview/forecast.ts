/** A bar for each way to pull, at the span size that the map shows: pull, start, and the range that runs fell into. */
import type { Overview } from '../src/plan/picture/types';
import type { Forecast } from '../src/plan/types';
import { assumptions, MODE_NAMES, rangeOf } from '../src/plan/words';
import { h } from './dom';
import { formatBytes, formatCount, formatSeconds, say, t } from './text';

export function showForecasts(host: HTMLElement, { plan, spanSize }: Overview): void {
  const row = plan.rows.find((one) => one.spanSize === spanSize);
  const whole = plan.modes.filter((mode) => mode.mode === 'docker-pull' || mode.mode === 'parallel-pull');
  const modes = [...whole, ...(row === undefined || plan.trace === null ? [] : [row.lazy, row.prefetch])];
  const longest = Math.max(...modes.map((mode) => rangeOf(mode).high));
  // What was opened stays open while the slider moves.
  const open = host.querySelector('details')?.open ?? false;
  const details = h(
    'details',
    {},
    h('summary', {}, t('What these forecasts assume')),
    h('p', {}, say(assumptions(plan))),
    h(
      'p',
      {},
      t(
        'The thin line is the range that single recorded starts fell into against such a forecast; equal runs differ among themselves.',
      ),
    ),
  ) as HTMLDetailsElement;
  details.open = open;
  host.replaceChildren(...modes.map((mode) => bar(mode, longest)), legend(), details);
}

function legend(): HTMLElement {
  const key = (name: string, text: string): HTMLElement =>
    h('span', {}, h('i', { class: 'track' }, h('span', { class: name })), text);
  return h(
    'div',
    { class: 'legend' },
    key('pull', t('pull')),
    key('start', t('start')),
    key('range', t('range of recorded starts')),
  );
}

function bar(mode: Forecast, longest: number): HTMLElement {
  const part = (name: string, from: number, to: number): HTMLElement => {
    const element = h('span', { class: name });
    element.style.insetInlineStart = `${(100 * from) / longest}%`;
    element.style.width = `${(100 * (to - from)) / longest}%`;
    return element;
  };
  const { low, high } = rangeOf(mode);
  const started = mode.totalSeconds - mode.startSeconds;
  return h(
    'div',
    { class: 'mode' },
    h('span', { class: 'mode-name' }, say(MODE_NAMES[mode.mode])),
    h('strong', {}, formatSeconds(mode.totalSeconds)),
    h(
      'span',
      { class: 'track', 'aria-hidden': 'true' },
      part('pull', 0, started),
      part('start', started, mode.totalSeconds),
      part('range', low, high),
    ),
    h(
      'span',
      { class: 'mode-more' },
      t(
        '{0} to {1}: {2} pull, {3} start; {4} in {5} requests',
        formatSeconds(low),
        formatSeconds(high),
        formatSeconds(mode.pullSeconds),
        formatSeconds(mode.startSeconds),
        formatBytes(mode.bytes),
        formatCount(mode.requests),
      ),
    ),
  );
}
