/** What to do: the best index, how to pull, what to change in the Dockerfile. Each with what it rests on. */
import type { Overview } from '../src/plan/picture/types';
import type { Best, BuildAdvice, Rule } from '../src/plan/types';
import type { Requests } from '../src/protocol';
import { button } from './controls';
import { byId, h } from './dom';
import { grid } from './grid';
import { formatBytes, formatCount, formatSeconds, say, t } from './text';

export interface AdviceEvents {
  createBestIndex(): void;
}

export interface AdvicePart {
  /** `found` is missing while the host looks for it. */
  show(overview: Overview, found?: Requests['recommend']['reply']): void;
}

export function createAdvice(events: AdviceEvents): AdvicePart {
  const ways = grid(t('Ways to index'), [
    { title: t('Way to index'), width: 'minmax(16em, 3fr)' },
    { title: t('Ready'), width: 'minmax(5em, .7fr)', numeric: true },
    { title: t('Bytes'), width: 'minmax(6em, .8fr)', numeric: true },
    { title: t('Requests'), width: 'minmax(6em, .8fr)', numeric: true },
    { title: t('Ztocs'), width: 'minmax(6em, .8fr)', numeric: true },
  ]);
  const create = button(t('Create this index…'), false, () => {
    events.createBestIndex();
  });
  const best = h('div', { class: 'best-index' });
  const table = h('div', {}, ways.element, create);
  const rules = h('div', {});
  const build = h('div', {});
  byId('advice').append(
    h('h2', {}, t('Best index')),
    best,
    table,
    h('h2', { class: 'next' }, t('How to pull')),
    rules,
    h('h2', { class: 'next' }, t('What to change in the Dockerfile')),
    build,
  );

  function showBest(found: Best | null): void {
    table.hidden = found === null;
    if (found === null) {
      best.replaceChildren(h('p', {}, t('Record a start: it tells which index serves it best.')));
      return;
    }
    best.replaceChildren(sentence({ text: found.reason, evidence: found.evidence }, 'p'));
    ways.show(
      found.table.map((row, index) => {
        const name = say(row.name);
        return {
          key: String(index),
          current: row.best,
          cells: [
            row.best ? h('span', {}, name, ' ', h('em', { class: 'best' }, t('best'))) : name,
            formatSeconds(row.totalSeconds),
            formatBytes(row.bytes),
            formatCount(row.requests),
            formatBytes(row.indexBytes),
          ],
        };
      }),
    );
  }

  return {
    show({ plan }, found) {
      rules.replaceChildren(
        h('p', {}, say(plan.advice.reason)),
        h('ul', {}, ...plan.advice.rules.map((rule) => sentence(rule, 'li'))),
      );
      if (found === undefined) {
        table.hidden = true;
        best.replaceChildren(h('p', {}, t('Comparing ways to index…')));
        build.replaceChildren();
        return;
      }
      showBest(found.best);
      build.replaceChildren(
        found.build.length === 0
          ? h('p', {}, t('Nothing wins more than 3 % of the time.'))
          : h('ul', {}, ...found.build.map((one) => sentence(withWin(one), 'li'))),
      );
    },
  };
}

function withWin({ text, evidence, before, after }: BuildAdvice): Rule {
  return {
    text: `${say(text)} ${t('Ready after {0} instead of {1}.', formatSeconds(after.totalSeconds), formatSeconds(before.totalSeconds))}`,
    evidence,
  };
}

function sentence({ text, evidence }: Rule, tag: 'p' | 'li'): HTMLElement {
  return h(tag, {}, `${say(text)} `, h('small', { class: 'evidence' }, say(evidence)));
}
