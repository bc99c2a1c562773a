import { defaultOf, findKey, isReadBy, type ConfigKey } from './config-keys';
import { findConfigs } from './embedded';
import { releaseIn } from './lint';
import { LATEST_RELEASE, type Release } from './releases';
import { readToml, type Span } from './toml';

/**
 * The key of a config at an offset of the file that holds it: Markdown, and where the key stands.
 *
 * @param say says a sentence in the language of the reader
 */
export function describeKeyAt(
  text: string,
  name: string,
  offset: number,
  say: (sentence: string) => string = (sentence) => sentence,
): { readonly at: Span; readonly markdown: string } | undefined {
  for (const region of findConfigs(text, name)) {
    if (region.dialect !== 'snapshotter') continue;
    const document = readToml(region.text, region.masked, region.unknown);
    if (!('entries' in document)) continue;
    const entry = document.entries.find(({ key }) => {
      const { start, end } = region.toFile(key);
      return start <= offset && offset <= end;
    });
    const key = entry && findKey(entry.path);
    if (!key) continue;
    const release = releaseIn(region.text) ?? LATEST_RELEASE;
    const times = [
      ...(key.since === undefined ? [] : [say(`since release ${key.since}`)]),
      ...(key.until === undefined ? [] : [say(`until release ${key.until}`)]),
    ];
    return {
      at: region.toFile(entry.key),
      markdown: `**${key.path}**${times.length > 0 ? ` (${times.join(', ')})` : ''}\n\n${say(key.about)}\n\n${say(standardOf(key, release))}`,
    };
  }
  return undefined;
}

function standardOf(key: ConfigKey, release: Release): string {
  if (!isReadBy(key, release)) return `Release ${release} does not read it.`;
  const value = JSON.stringify(defaultOf(key, release));
  if (key.unit === 'ms') return `Default in ${release}: \`${value}\` milliseconds.`;
  if (key.unit === 's') return `Default in ${release}: \`${value}\` seconds.`;
  return `Default in ${release}: \`${value}\`.`;
}
