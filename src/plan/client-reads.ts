/** What containerd's client reads of the image before the start: a trace from inside the container cannot know it. */
import type { LayerScan, TarEntries } from '../layer/types';
import type { Touch } from '../trace/types';

/** Read to find the user and the groups of the process, also where the image names them by number (docs/model.md). */
const READ_BY_CLIENT = ['passwd', 'group'];

/**
 * The reads of `/etc/passwd` and `/etc/group`, at the time 0, from the topmost layer that has the file. A link in its
 * place is passed over.
 */
export function clientReads(scans: readonly (LayerScan | undefined)[]): Touch[] {
  const topmost = new Map<string, Touch | undefined>();
  const missing = (): boolean => topmost.size < READ_BY_CLIENT.length;
  for (let layer = scans.length - 1; layer >= 0 && missing(); layer--) {
    const entries = scans[layer]?.entries;
    /** What the layer hides of the layers below it. */
    const hidden = new Set<string>();
    for (let entry = (entries?.length ?? 0) - 1; entries && entry >= 0 && missing(); entry--) {
      if (entries.nameLength(entry) > LONGEST) continue;
      const [, whole, name = ''] = IN_ETC.exec(entries.name(entry)) ?? [];
      if (whole !== undefined) READ_BY_CLIENT.forEach((one) => hidden.add(one));
      else if (name.startsWith('.wh.')) hidden.add(name.slice(4));
      else if (name && !topmost.has(name)) topmost.set(name, readOf(layer, entry, entries));
    }
    for (const name of hidden) if (!topmost.has(name)) topmost.set(name, undefined);
  }
  return READ_BY_CLIENT.flatMap((name) => topmost.get(name) ?? []);
}

/** `/etc` hidden as a whole, or one of the files and what hides it. */
const IN_ETC = /^(?:\.?\/)?(?:(etc\/\.wh\.\.wh\.\.opq|\.wh\.etc)|etc\/((?:\.wh\.)?(?:passwd|group)))$/;
/** No name of these is longer, in bytes: most others need not be looked at. */
const LONGEST = './etc/.wh..wh..opq'.length;

/** The whole file; nothing where a link or a folder has its place. */
function readOf(layer: number, entry: number, entries: TarEntries): Touch | undefined {
  if (entries.type(entry) !== 'reg') return undefined;
  const end = entries.size(entry);
  return { layer, entry, start: 0, end, at: 0, pid: 0, kind: 'read', executable: false };
}
