/** RPM's package database: headers (rpm.org, "Package header") as the values of an SQLite table or of a Berkeley DB. */
import { LensError } from '../../errors';
import { hashValues } from './berkeley';
import type { OwnedFiles, PackageDatabase } from './packages';
import { tableBlobs } from './sqlite';

/** /usr/lib/sysimage/rpm is where the database lies since RPM 4.17; the old folder is then a link. */
const FOLDERS = ['var/lib/rpm/', 'usr/lib/sysimage/rpm/'];
const SQLITE = 'rpmdb.sqlite';
/** Up to Fedora 32, RHEL 8 and Amazon Linux 2. */
const BERKELEY = 'Packages';
/** SUSE's own form. */
const NDB = 'Packages.db';

/** rpmtag.h */
const TAG = { name: 1000, version: 1001, release: 1002, dirIndexes: 1116, baseNames: 1117, dirNames: 1118 };
const INT32 = 4;

export const rpmDatabase: PackageDatabase = {
  wants: (path) =>
    FOLDERS.some((folder) => [SQLITE, BERKELEY, NDB].some((database) => path === folder + database)),

  read(files) {
    const unread = FOLDERS.map((folder) => folder + NDB).find((database) => files.has(database));
    if (unread !== undefined) {
      throw new LensError(
        'plan/unread-package-database',
        `/${unread} is an NDB database, as SUSE has it, and only SQLite and Berkeley DB are read.`,
        'Go by folder and instruction; the division by packages leaves these packages out.',
      );
    }
    const found = FOLDERS.flatMap((folder): Iterable<Buffer>[] => {
      const [sqlite, berkeley] = [files.get(folder + SQLITE), files.get(folder + BERKELEY)];
      return sqlite ? [tableBlobs(sqlite, 'Packages')] : berkeley ? [hashValues(berkeley)] : [];
    });
    try {
      return found.flatMap((headers) => Array.from(headers, readHeader));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw damaged(error);
    }
  },
};

/** A header as the database keeps it, without the magic: two counts, the index of tags, their data. */
function readHeader(header: Buffer): OwnedFiles {
  const tags = header.readUInt32BE(0);
  const data = 8 + tags * 16;
  const found = new Map<number, { type: number; at: number; count: number }>();
  for (let tag = 0; tag < tags; tag++) {
    const at = 8 + tag * 16;
    found.set(header.readUInt32BE(at), {
      type: header.readUInt32BE(at + 4),
      at: data + header.readUInt32BE(at + 8),
      count: header.readUInt32BE(at + 12),
    });
  }
  const texts = (tag: number): string[] => {
    const entry = found.get(tag);
    const result: string[] = [];
    for (let at = entry?.at ?? 0; entry && result.length < entry.count;) {
      const end = header.indexOf(0, at);
      if (end < 0) throw new RangeError('a text of a header has no end');
      result.push(header.toString('utf8', at, end));
      at = end + 1;
    }
    return result;
  };
  const numbers = (tag: number): number[] => {
    const entry = found.get(tag);
    if (entry?.type !== INT32) return [];
    return Array.from({ length: entry.count }, (_, i) => header.readUInt32BE(entry.at + i * 4));
  };
  const folders = texts(TAG.dirNames);
  const inFolder = numbers(TAG.dirIndexes);
  return {
    package: {
      manager: 'rpm',
      name: texts(TAG.name)[0] ?? '',
      version: [...texts(TAG.version), ...texts(TAG.release)].join('-'),
    },
    paths: texts(TAG.baseNames).map((base, i) => `${folders[inFolder[i] ?? -1] ?? '/'}${base}`),
  };
}

function damaged(cause: RangeError): LensError {
  return new LensError(
    'plan/bad-package-database',
    `the RPM database is damaged (${cause.message}).`,
    'Rebuild the image; the division by packages leaves these packages out.',
    { cause },
  );
}
