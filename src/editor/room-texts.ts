import * as vscode from 'vscode';

/** Letters that a template has of its own at least, so that it cannot be taken for another one's sentence. */
const OWN_LETTERS = 7;

/**
 * What a room below the editor says, in the language of VS Code. The rooms speak English, as the command line shows it; the bundles
 * of l10n/ have their errors and the steps of their progress as templates (`scripts/l10n.mjs` takes them from the source), and a
 * sentence is known by the template that made it. What is filled in may be such a sentence too.
 *
 * @returns the sentence as it is where no template fits, and in English
 */
export function translated(
  sentence: string,
  l10n: Pick<typeof vscode.l10n, 'bundle' | 't'> = vscode.l10n,
): string {
  // The template with the most text of its own says most exactly what the sentence is.
  const templates = Object.keys(l10n.bundle ?? {})
    .filter((template) => ownText(template).replace(/[^A-Za-z]/g, '').length >= OWN_LETTERS)
    .sort((a, b) => ownText(b).length - ownText(a).length);
  for (const template of templates) {
    const found = patternOf(template).exec(sentence);
    if (!found) continue;
    const places = [...template.matchAll(/\{(\d)\}/g)].map(([, place]) => Number(place));
    const filled: string[] = [];
    places.forEach((place, at) => (filled[place] = translated(found[at + 1] ?? '', l10n)));
    return l10n.t(template, ...filled);
  }
  return sentence;
}

const ownText = (template: string): string => template.replace(/\{\d\}/g, '');

function patternOf(template: string): RegExp {
  const parts = template.split(/\{\d\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('(.+?)')}$`, 's');
}
