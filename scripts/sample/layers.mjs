// What is in the sample image, layer by layer. The first three archives are what sample/Dockerfile ADDs; written as they are here
// and compressed, they and the rest are the layers of the embedded image.
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { archive, file } from './archive.mjs';
import { catalogue } from './catalogue.mjs';
import { packageFiles } from './packages.mjs';
import { rm, storefront } from './programs.mjs';

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
