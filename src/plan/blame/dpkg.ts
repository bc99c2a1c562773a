/** Debian's package database (dpkg(1), deb822(5)), also in the form that distroless images have. */
import type { OwnedFiles, PackageDatabase } from './packages';

const STATUS = 'var/lib/dpkg/status';
const FOLDER = 'var/lib/dpkg/status.d/';
const INFO = 'var/lib/dpkg/info/';

export const dpkgDatabase: PackageDatabase = {
  wants: (path) =>
    path === STATUS || path.startsWith(FOLDER) || (path.startsWith(INFO) && path.endsWith('.list')),

  read(files) {
    const found: OwnedFiles[] = [];
    const text = (path: string): string | undefined => files.get(path)?.toString();
    for (const fields of paragraphs(text(STATUS) ?? '')) {
      const { Package: name, Version: version = '', Architecture: architecture, Status: status } = fields;
      if (name === undefined || status?.endsWith(' installed') !== true) continue;
      const list = text(`${INFO}${name}:${architecture ?? ''}.list`) ?? text(`${INFO}${name}.list`) ?? '';
      found.push({ package: { manager: 'dpkg', name, version }, paths: lines(list) });
    }
    for (const path of files.keys()) {
      if (!path.startsWith(FOLDER) || path.endsWith('.md5sums')) continue;
      for (const { Package: name, Version: version = '' } of paragraphs(text(path) ?? '')) {
        if (name === undefined) continue;
        // A line is a digest, two spaces and a path without a leading slash.
        const paths = lines(text(`${path}.md5sums`) ?? '').map((line) => `/${line.replace(/^\S+\s+/, '')}`);
        found.push({ package: { manager: 'dpkg', name, version }, paths });
      }
    }
    return found;
  },
};

function paragraphs(text: string): Readonly<Record<string, string | undefined>>[] {
  return text.split(/\n{2,}/).map((paragraph) =>
    Object.fromEntries(
      paragraph.split('\n').flatMap((line) => {
        const [, key, value] = /^([A-Za-z-]+):\s*(.*)$/.exec(line) ?? [];
        return key !== undefined && value !== undefined ? [[key, value]] : [];
      }),
    ),
  );
}

export function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
