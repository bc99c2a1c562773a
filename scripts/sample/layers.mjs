// What is in the sample image, layer by layer. The first three archives are what sample/Dockerfile ADDs; written as they are here
// and compressed, they and the rest are the layers of the embedded image.
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import tar from 'tar-stream';
import { catalogue } from './catalogue.mjs';
import { packageFiles } from './packages.mjs';
import { rm, storefront } from './programs.mjs';

const MTIME = new Date('2026-11-01T00:00:00Z');

/** `tarballs`: package name → file of the npm tarball. `architecture`: `amd64` or `arm64`. */
export async function runtimeLayer(tarballs, architecture) {
  const server = await packageFiles(
    tarballs.get(`@esbuild/linux-${architecture === 'amd64' ? 'x64' : architecture}`),
  );
  const esbuild = server.find(({ name }) => name === 'bin/esbuild').data;
  return archive([
    file('etc/group', 'root:x:0:\nshop:x:65532:\n'),
    file('etc/passwd', 'root:x:0:0:root:/:/sbin/nologin\nshop:x:65532:65532:shop:/app:/sbin/nologin\n'),
    { name: 'tmp/', type: 'directory', mode: 0o1777 },
    file('usr/bin/esbuild', esbuild, 0o755),
    file('usr/bin/rm', rm(architecture), 0o755),
    file('usr/bin/storefront', storefront(architecture), 0o755),
    { name: 'usr/local/bin/esbuild', type: 'link', linkname: 'usr/bin/esbuild', mode: 0o755 },
  ]);
}

export async function librariesLayer(tarballs) {
  const entries = [];
  for (const [name, tarball] of tarballs) {
    if (name.startsWith('@esbuild/')) continue;
    for (const { name: inner, data } of await packageFiles(tarball))
      entries.push(file(`app/node_modules/${name}/${inner}`, data));
  }
  return archive(entries);
}

/** The Dockerfile's clean-up step: whiteouts (OCI image-spec, layer.md) for what `rm` unlinks. */
export const cleanUpLayer = (removed) =>
  archive(
    removed.map((name) =>
      file(path.posix.join(path.posix.dirname(name), `.wh.${path.posix.basename(name)}`), ''),
    ),
  );

export const catalogueLayer = () =>
  archive([
    { name: 'app/public/catalogue', type: 'symlink', linkname: '/data/current', mode: 0o777 },
    { name: 'data/current', type: 'symlink', linkname: 'releases/2026-11', mode: 0o777 },
    file('data/releases/2026-11/catalogue.db', catalogue()),
  ]);

/** A folder of this project, as `COPY folder /target` puts it. */
export async function copyLayer(folder, target) {
  const entries = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const source = path.join(entry.parentPath ?? entry.path, entry.name);
    const name = path.relative(folder, source).split(path.sep).join('/');
    entries.push(file(`${target}/${name}`, await readFile(source)));
  }
  return archive(entries);
}

const file = (name, data, mode = 0o644) => ({ name, type: 'file', mode, data: Buffer.from(data) });

/** A tar of `entries` and of the folders they need, in the order of their names, all owned by root and of one date. */
async function archive(entries) {
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
