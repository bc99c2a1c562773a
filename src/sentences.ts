/** Sentences that were made in English, said in another language: known by the template that made them. */

/** Signs that a template has of its own at least, a word among them, so that it cannot be taken for another one's sentence. */
const OWN_SIGNS = 7;
/** An amount as `formatsOf('en')` writes it: with its unit, or with its thousands set apart. Bare digits may be a version or a port. */
const AMOUNT =
  /(?<![\w.,:/@-])(?:(\d[\d,]*(?:\.\d+)?)(?= (?:[kMGT]?B|[KMG]iB|m?s|min|%)(?!\w))|(\d{1,3}(?:,\d{3})+)(?![\w.,:/@-]))/g;

interface Template {
  readonly text: string;
  readonly pattern: RegExp;
  /** The number of each place, from left to right. */
  readonly places: readonly number[];
}

/**
 * @param texts those that can be translated, with `{0}`, `{1}` … for what is filled in
 * @param t says a text in the other language, filled in
 * @param language of `t`, a BCP 47 tag: amounts that are filled in are written as it writes them
 * @returns what says a sentence: as it is where no template fits. What is filled in may be such a sentence too.
 */
export function sentences(
  texts: Iterable<string>,
  t: (text: string, ...filled: string[]) => string,
  language: string,
): (sentence: string) => string {
  const known = new Set(texts);
  // The template with the most text of its own says most exactly what the sentence is.
  const templates = [...known]
    .filter((text) => /[A-Za-z]{3}/.test(ownText(text)))
    .filter((text) => ownText(text).replace(/\s/g, '').length >= OWN_SIGNS)
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
      places.forEach((place, at) => {
        const text = found[at + 1] ?? '';
        const said = say(text);
        filled[place] = said === text ? amountsIn(text, language) : said;
      });
      return t(text, ...filled);
    }
    return sentence;
  };
  return say;
}

function amountsIn(text: string, language: string): string {
  return text.replace(AMOUNT, (amount) => {
    const digits = amount.split('.')[1]?.length ?? 0;
    return new Intl.NumberFormat(language, {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
      useGrouping: amount.includes(','),
    }).format(Number(amount.replaceAll(',', '')));
  });
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
