import { defaultOf, findKey, isReadBy } from './config-keys';
import { findConfigs } from './embedded';
import { releaseIn } from './lint';
import { LATEST_RELEASE, type Release } from './releases';
import { readToml, type Span } from './toml';

/** The key of a config at an offset of the file that holds it: Markdown, and where the key stands. */
export function describeKeyAt(
  text: string,
  name: string,
  offset: number,
  wanted?: Release,
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
    const release = wanted ?? releaseIn(region.text) ?? LATEST_RELEASE;
    const times = [
      ...(key.since === undefined ? [] : [`since ${key.since}`]),
      ...(key.until === undefined ? [] : [`until ${key.until}`]),
    ];
    const standard = isReadBy(key, release)
      ? `Default in ${release}: \`${JSON.stringify(defaultOf(key, release))}\``
      : `Not read by ${release}`;
    const unit = key.unit === undefined ? '' : key.unit === 'ms' ? ' milliseconds' : ' seconds';
    return {
      at: region.toFile(entry.key),
      markdown: `**${key.path}**${times.length > 0 ? ` (${times.join(', ')})` : ''}\n\n${key.about}\n\n${standard}${unit}.`,
    };
  }
  return undefined;
}
