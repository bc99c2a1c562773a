// The npm packages that the sample image is made of, at fixed versions, checked by their SHA-512.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import tar from 'tar-stream';
import { npm } from '../npm.mjs';

/** Fetches what `packages` names and the cache lacks. Returns the tarball's path for each package name. */
export async function fetchPackages(packages, cache) {
  const file = ({ name, version }) =>
    path.join(cache, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`);
  const missing = packages.filter((wanted) => !existsSync(file(wanted)));
  if (missing.length > 0) {
    await mkdir(cache, { recursive: true });
    const folder = await mkdtemp(path.join(cache, 'fetch-'));
    try {
      const specs = missing.map(({ name, version }) => `${name}@${version}`);
      await npm(['pack', ...specs, '--pack-destination', folder, '--silent', '--prefer-offline'], {
        cwd: cache,
        output: 'pipe',
      });
      for (const wanted of missing) {
        const fetched = path.join(folder, path.basename(file(wanted)));
        const found = `sha512-${createHash('sha512')
          .update(await readFile(fetched))
          .digest('base64')}`;
        if (found !== wanted.integrity) {
          throw new Error(
            `${wanted.name}@${wanted.version} from the npm registry is not the package that sample/packages.json names (${found}).`,
          );
        }
        await rename(fetched, file(wanted));
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  return new Map(packages.map((wanted) => [wanted.name, file(wanted)]));
}

/** The files of an npm tarball, sorted by name, without the `package/` in front. */
export async function packageFiles(tarball) {
  const files = [];
  const extract = Readable.from([await readFile(tarball)])
    .pipe(createGunzip())
    .pipe(tar.extract());
  for await (const entry of extract) {
    const chunks = [];
    for await (const chunk of entry) chunks.push(chunk);
    if (entry.header.type !== 'file') continue;
    // npm strips the first folder, whatever it is called.
    const name = entry.header.name.split('/').slice(1).join('/');
    files.push({ name, data: Buffer.concat(chunks), executable: (entry.header.mode & 0o100) !== 0 });
  }
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}
