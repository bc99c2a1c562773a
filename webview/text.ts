/** What the page says, in the language of the editor: its bundle of l10n/ stands in the page (`src/plan/page.ts`). */
import { formatsOf } from '../src/plan/format';
import { sentences } from '../src/sentences';
import { byId } from './dom';

const bundle = JSON.parse(byId('texts').textContent) as Readonly<Record<string, string>>; // The host made it.

/** A text of the page, with `{0}`, `{1}` … filled in; `scripts/l10n.mjs` finds it where it is written as it is. */
export function t(text: string, ...filled: readonly (string | number)[]): string {
  return (bundle[text] ?? text).replace(/\{(\d)\}/g, (_, place: string) => String(filled[Number(place)]));
}

/** A sentence that the host made. */
export const say = sentences(Object.keys(bundle), t, document.documentElement.lang);

export const { formatSize, formatBytes, formatSeconds, formatCount, formatShare } = formatsOf(
  document.documentElement.lang,
);
