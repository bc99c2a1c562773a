import { forwardLinks, type Found } from './hard-links';
import type { ArchiveEnd } from './tar';
import type { Boundaries, LayerWarning, TarEntries } from './types';

const BLOCK = 512;

/** What is valid and indexes well, but will not load lazily, or not everywhere (soci-format §1.6, §2.3). */
export function layerWarnings(
  entries: TarEntries,
  boundaries: Boundaries,
  members: number,
  end: ArchiveEnd | undefined,
): LayerWarning[] {
  const warnings: LayerWarning[] = [];
  const warn = (
    code: LayerWarning['code'],
    { first, count }: Found,
    messageOf: (who: string) => string,
  ): void => {
    if (first === undefined) return;
    const name = JSON.stringify(entries.name(first));
    const who = count > 1 ? `${name} and ${count - 1} more` : name;
    warnings.push({ code, message: messageOf(who), entry: first });
  };
  const { rejected, unreadable } = overlaps(entries);
  warn(
    'toc-overlap',
    rejected,
    (who) =>
      `The snapshotter rejects the index of this layer and pulls the layer whole, because of the entry before ${who}: it claims bytes that it does not have.`,
  );
  warn(
    'toc-overlap',
    unreadable,
    (who) =>
      `Reading ${who} fails at run time, because of the entry before: it claims bytes that it does not have.`,
  );
  warn(
    'hardlink-not-earlier',
    forwardLinks(entries),
    (who) =>
      `The snapshotter rejects the index of this layer and pulls the layer whole, because of the hard link ${who}: its target is no earlier entry of the same layer.`,
  );
  if (boundaries.length > 1 && boundaries.out[1] === 0) {
    warnings.push({
      code: 'non-monotonic',
      message:
        'The gzip stream begins with an empty block or member; snapshotters from v0.14 on refuse its index ("span offsets are non-monotonic").',
    });
  }
  if (members > 1) {
    warnings.push({
      code: 'multi-member',
      message: `The layer has ${members} gzip members; nodes need soci-snapshotter v0.14 or later to load it lazily.`,
    });
  }
  if (end !== 'zero-blocks') {
    warnings.push({
      code: 'short-archive',
      message:
        'The tar does not end with two blocks of zeros; Go reads it, but other tools may call it truncated.',
    });
  }
  return warnings;
}

/** The snapshotter computes where each header begins from the entry before it (soci-format §1.6). */
function overlaps(entries: TarEntries): { rejected: Found; unreadable: Found } {
  const rejected: Found = { first: undefined, count: 0 };
  const unreadable: Found = { first: undefined, count: 0 };
  for (let i = 1; i < entries.length; i++) {
    const end = Math.ceil((entries.offset(i - 1) + entries.size(i - 1)) / BLOCK) * BLOCK;
    if (end <= entries.headerOffset(i)) continue;
    const found = end > entries.offset(i) ? rejected : unreadable;
    found.first ??= i;
    found.count++;
  }
  return { rejected, unreadable };
}
