/** Alpine's package database (apk-db(5)): paragraphs of one-letter fields; `F:` a folder, `R:` a file in it. */
import type { OwnedFiles, PackageDatabase } from './packages';

const INSTALLED = ['lib/apk/db/installed', 'usr/lib/apk/db/installed'];

export const apkDatabase: PackageDatabase = {
  wants: (path) => INSTALLED.includes(path),

  read(files) {
    const text = INSTALLED.map((path) => files.get(path)?.toString() ?? '').join('\n\n');
    return text.split(/\n{2,}/).flatMap((paragraph): OwnedFiles[] => {
      let [name, version, folder] = ['', '', ''];
      const paths: string[] = [];
      for (const line of paragraph.split('\n')) {
        const value = line.slice(2);
        if (line.startsWith('P:')) name = value;
        else if (line.startsWith('V:')) version = value;
        else if (line.startsWith('F:')) folder = value;
        else if (line.startsWith('R:')) paths.push(`/${folder}/${value}`);
      }
      return name === '' ? [] : [{ package: { manager: 'apk', name, version }, paths }];
    });
  },
};
