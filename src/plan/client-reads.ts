/** What containerd's client reads of the image before the start: a trace from inside the container cannot know it. */
import type { LayerScan } from '../layer/types';
import type { Touch } from '../trace/types';

/** Read to find the user and the groups of the process, also where the image names them by number (docs/model.md). */
const READ_BY_CLIENT = ['passwd', 'group'];

/**
 * The reads of `/etc/passwd` and `/etc/group`, at the time 0, from the topmost layer that has the file. A link in its
 * place is passed over.
 */
export function clientReads(scans: readonly (LayerScan | undefined)[]): Touch[] {
  return READ_BY_CLIENT.flatMap((name): Touch[] => {
    const hidden = new Set([`etc/.wh.${name}`, 'etc/.wh..wh..opq', '.wh.etc']);
    for (let layer = scans.length - 1; layer >= 0; layer--) {
      const entries = scans[layer]?.entries;
      let hides = false;
      for (let entry = (entries?.length ?? 0) - 1; entries && entry >= 0; entry--) {
        const path = entries.name(entry).replace(/^\.?\//, '');
        if (path === `etc/${name}`) {
          if (entries.type(entry) !== 'reg') return [];
          const end = entries.size(entry);
          return [{ layer, entry, start: 0, end, at: 0, pid: 0, kind: 'read', executable: false }];
        }
        hides ||= hidden.has(path);
      }
      if (hides) return [];
    }
    return [];
  });
}
