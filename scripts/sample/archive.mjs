// Tar archives as the sample images are made of: the same bytes everywhere.
import tar from 'tar-stream';

const MTIME = new Date('2026-11-01T00:00:00Z');

/** One file of an archive. */
export const file = (name, data, mode = 0o644) => ({ name, type: 'file', mode, data: Buffer.from(data) });

/** A tar of `entries` and of the folders they need, in the order of their names, all owned by root and of one date. */
export async function archive(entries) {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  for (const { name } of entries) {
    for (let end = name.indexOf('/'); end !== -1; end = name.indexOf('/', end + 1)) {
      const folder = name.slice(0, end + 1);
      if (!byName.has(folder)) byName.set(folder, { name: folder, type: 'directory', mode: 0o755 });
    }
  }
  // A hard link comes after its target: `usr/bin/` sorts before `usr/local/`.
  const sorted = [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const pack = tar.pack();
  const chunks = [];
  const done = (async () => {
    for await (const chunk of pack) chunks.push(chunk);
  })();
  for (const { data, ...header } of sorted) {
    pack.entry({ ...header, mtime: MTIME, uid: 0, gid: 0, uname: '', gname: '' }, data ?? Buffer.alloc(0));
  }
  pack.finalize();
  await done;
  return Buffer.concat(chunks);
}
