import type { Ztoc, ZtocFile } from '../../soci/ztoc';

const BLOCK = 512;
const decoder = new TextDecoder();

/** What keeps a snapshotter from loading a ztoc although it reads well (soci-format §1.6, span-manager of v0.14). */
export function loadProblems(ztoc: Ztoc): string[] {
  return [...headerOverlaps(ztoc), ...unresolvedLinks(ztoc), ...repeatedCheckpoints(ztoc)];
}

/** Where each header begins is computed from the entry before it, sizes of directories and links included. */
function headerOverlaps({ files }: Ztoc): string[] {
  const sorted = [...files].sort((a, b) => a.offset - b.offset);
  for (const [index, file] of sorted.entries()) {
    const before = sorted[index - 1];
    if (!before) continue;
    const header = Math.ceil((before.offset + before.size) / BLOCK) * BLOCK;
    if (header > file.offset) {
      return [
        `"${nameOf(before)}" claims more bytes than it has, so the list of files is refused: "invalid toc entry".`,
      ];
    }
  }
  return [];
}

function unresolvedLinks({ files }: Ztoc): string[] {
  const seen = new Set<string>();
  for (const file of files) {
    if (file.type === 'hardlink' && !seen.has(clean(decoder.decode(file.linkname)))) {
      return [
        `The hard link "${nameOf(file)}" has no earlier entry as its target, so the list of files is refused.`,
      ];
    }
    seen.add(clean(nameOf(file)));
  }
  return [];
}

function repeatedCheckpoints({ zinfo }: Ztoc): string[] {
  if (zinfo.kind !== 'gzip') return [];
  for (let index = 1; index < zinfo.out.length; index++) {
    if ((zinfo.out[index] ?? 0) <= (zinfo.out[index - 1] ?? 0)) {
      return ['Two checkpoints are at the same place; snapshotters since 0.14 refuse that.'];
    }
  }
  return [];
}

function nameOf({ name }: ZtocFile): string {
  return decoder.decode(name);
}

/** As the snapshotter compares names. */
function clean(name: string): string {
  return name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}
