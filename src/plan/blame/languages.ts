/** What language package managers leave beside the files: pip's RECORD and the folders of node_modules. */
import path from 'node:path/posix';
import { lines } from './dpkg';
import type { OwnedFiles, PackageDatabase } from './packages';

/** PyPA, "Recording installed projects": `NAME-VERSION.dist-info/RECORD` lists files relative to the folder around it. */
const RECORD = /^(.*\/)?([^/]+)-([^/-]+)\.dist-info\/RECORD$/;

export const pipDatabase: PackageDatabase = {
  wants: (file) => RECORD.test(file),

  read(files) {
    return [...files].flatMap(([file, bytes]): OwnedFiles[] => {
      const [, folder = '', name, version] = RECORD.exec(file) ?? [];
      if (name === undefined || version === undefined) return [];
      const paths = lines(bytes.toString()).map((line) => path.join('/', folder, firstField(line)));
      return [{ package: { manager: 'pip', name, version }, paths }];
    });
  },
};

/** Of a CSV line: a path with a comma or a quote in it stands in quotes. */
function firstField(line: string): string {
  const [, quoted] = /^"((?:[^"]|"")*)"/.exec(line) ?? [];
  return quoted?.replaceAll('""', '"') ?? line.slice(0, line.indexOf(',') >>> 0);
}

/** A package is a folder directly in a `node_modules`, or in a scope there. */
const MANIFEST = /^((?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/@][^/]*))\/package\.json$/;
const INSIDE = /^((?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/@][^/]*)\//;

export const npmDatabase: PackageDatabase = {
  wants: (file) => MANIFEST.test(file),

  read(files, paths) {
    const byFolder = new Map<string, OwnedFiles & { paths: string[] }>();
    for (const [file, bytes] of files) {
      const [, folder, name] = MANIFEST.exec(file) ?? [];
      if (folder === undefined || name === undefined) continue;
      byFolder.set(folder, { package: { manager: 'npm', name, version: versionOf(bytes) }, paths: [] });
    }
    // The greedy pattern finds the innermost package that a file lies in.
    for (const file of byFolder.size > 0 ? paths : []) {
      byFolder.get(INSIDE.exec(file)?.[1] ?? '')?.paths.push(`/${file}`);
    }
    return [...byFolder.values()];
  },
};

function versionOf(manifest: Buffer): string {
  try {
    const read: unknown = JSON.parse(manifest.toString());
    if (typeof read === 'object' && read !== null && 'version' in read && typeof read.version === 'string')
      return read.version;
  } catch {
    // A test's deliberately broken package.json is a package all the same.
  }
  return '';
}
