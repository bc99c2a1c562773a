/** Sentences that were made in English, said in another language: known by the template that made them. */

/** Letters that a template has of its own at least, so that it cannot be taken for another one's sentence. */
const OWN_LETTERS = 7;

interface Template {
  readonly text: string;
  readonly pattern: RegExp;
  /** The number of each place, from left to right. */
  readonly places: readonly number[];
}

/**
 * @param texts those that can be translated, with `{0}`, `{1}` … for what is filled in
 * @param t says a text in the other language, filled in
 * @returns what says a sentence: as it is where no template fits. What is filled in may be such a sentence too.
 */
export function sentences(
  texts: Iterable<string>,
  t: (text: string, ...filled: string[]) => string,
): (sentence: string) => string {
  const known = new Set(texts);
  // The template with the most text of its own says most exactly what the sentence is.
  const templates = [...known]
    .filter((text) => ownText(text).replace(/[^A-Za-z]/g, '').length >= OWN_LETTERS)
    .sort((a, b) => ownText(b).length - ownText(a).length)
    .map(templateOf);
  const say = (sentence: string): string => {
    if (known.has(sentence)) return t(sentence);
    // Several in a row, if each was made by a template of its own.
    const parts = sentence.split(/(?<=\.) (?=[A-Z])/);
    const said = parts.length > 1 ? parts.map(say) : parts;
    if (said.every((one, at) => one !== parts[at])) return said.join(' ');
    for (const { text, pattern, places } of templates) {
      const found = pattern.exec(sentence);
      if (!found) continue;
      const filled: string[] = [];
      places.forEach((place, at) => (filled[place] = say(found[at + 1] ?? '')));
      return t(text, ...filled);
    }
    return sentence;
  };
  return say;
}

const ownText = (text: string): string => text.replace(/\{\d\}/g, '');

function templateOf(text: string): Template {
  const parts = text.split(/\{\d\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return {
    text,
    pattern: new RegExp(`^${parts.join('(.+?)')}$`, 's'),
    places: [...text.matchAll(/\{(\d)\}/g)].map(([, place]) => Number(place)),
  };
}
