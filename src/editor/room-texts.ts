import * as vscode from 'vscode';
import { sentences } from '../sentences';
import { language } from './language';

/** By bundle: its templates are many, and progress is said ten times a second. */
const known = new WeakMap<object, (sentence: string) => string>();

/**
 * What a room below the editor says, in the language of VS Code. The rooms speak English, as the command line shows it; the bundles
 * of l10n/ have their errors and the steps of their progress as templates (`scripts/l10n.mjs` takes them from the source).
 *
 * @returns the sentence as it is where no template fits, and in English
 */
export function translated(
  sentence: string,
  l10n: Pick<typeof vscode.l10n, 'bundle' | 't'> = vscode.l10n,
): string {
  const { bundle } = l10n;
  if (bundle === undefined) return sentence;
  let say = known.get(bundle);
  if (say === undefined) known.set(bundle, (say = sentences(Object.keys(bundle), l10n.t, language)));
  return say(sentence);
}
