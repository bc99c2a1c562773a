/** What a Java virtual machine reads to begin, and the archives of a program's class path. */
import path from 'node:path';
import { inflateRawSync } from 'node:zlib';
import type { GuessedFiles } from './files';
import type { Loader } from './loader';

/** Below JAVA_HOME, from JDK 9 on; what a release does not have is passed over. */
const OF_THE_MACHINE = [
  ...['lib/jvm.cfg', 'lib/server/libjvm.so', 'lib/server/classes.jsa', 'lib/modules', 'lib/libjli.so'],
  ...[
    'lib/libjimage.so',
    'lib/libjava.so',
    'lib/libzip.so',
    'lib/libnio.so',
    'lib/libnet.so',
    'lib/libjsvml.so',
  ],
  ...['lib/libextnet.so', 'lib/tzdb.dat', 'lib/security/default.policy', 'conf/security/java.security'],
  ...['conf/security/java.policy', 'conf/net.properties', 'conf/logging.properties'],
];

export async function guessJava(
  files: GuessedFiles,
  loader: Loader,
  program: string,
  args: readonly string[],
  { cwd, classPath }: { readonly cwd: string; readonly classPath: readonly string[] },
): Promise<void> {
  const home = path.posix.dirname(path.posix.dirname(files.real(program)));
  for (const name of OF_THE_MACHINE) {
    const real = files.use(`${home}/${name}`);
    if (real?.endsWith('.so')) await loader.load(real);
  }
  const { path: given, modules = [], main } = readArguments(await withFiles(files, args, cwd));
  const archives = (folder: string) => files.list(folder).filter((file) => /\.jar$/i.test(file));
  const places = (given ?? classPath).flatMap((place) => {
    const whole = path.posix.resolve(cwd, place);
    // java(1): all archives of a folder, and no classes.
    return path.posix.basename(whole) === '*' ? archives(path.posix.dirname(whole)) : [whole];
  });
  for (const place of places) await useArchive(files, place);
  for (const place of modules.map((module) => path.posix.resolve(cwd, module)))
    for (const archive of files.isFolder(place) ? archives(place) : [place]) files.use(archive);
  // A class of a folder is a file of its own name.
  const own = main && `${main.replaceAll('.', '/')}.class`;
  if (own !== undefined) for (const place of places) files.use(`${place}/${own}`);
}

/** java(1), "@argfiles": words that stand in a file, up to the main class. */
async function withFiles(files: GuessedFiles, args: readonly string[], cwd: string): Promise<string[]> {
  const words: string[] = [];
  for (const word of args) {
    const file = path.posix.resolve(cwd, word.slice(1));
    if (!word.startsWith('@') || !files.isFile(file)) {
      words.push(word);
      continue;
    }
    files.use(file);
    for (const [, quoted, plain = ''] of (await files.text(file)).matchAll(/"([^"]*)"|(\S+)/g))
      words.push(quoted ?? plain);
  }
  return words;
}

/** java(1): `-jar FILE`, or `-cp PATH … CLASS`, or `-p PATH … -m MODULE`. */
function readArguments(args: readonly string[]): { path?: string[]; modules?: string[]; main?: string } {
  let classPath: string[] | undefined;
  let modules: string[] | undefined;
  for (let at = 0; at < args.length; at++) {
    const [option = '', value] = /^(--[a-z-]+)=(.*)$/s.exec(args[at] ?? '')?.slice(1) ?? [args[at]];
    const next = () => value ?? args[++at] ?? '';
    const found = { ...(classPath && { path: classPath }), ...(modules && { modules }) };
    if (option === '-jar') return { ...found, path: [next()] };
    if (['-cp', '-classpath', '--class-path'].includes(option)) classPath = next().split(':');
    else if (['-p', '--module-path'].includes(option)) modules = next().split(':');
    else if (['-m', '--module'].includes(option)) return found;
    else if (option === '--add-modules') next();
    else if (!option.startsWith('-') && !option.startsWith('@')) return { ...found, main: option };
  }
  return { ...(classPath && { path: classPath }), ...(modules && { modules }) };
}

/** A jar and those that its manifest names (JAR specification, `Class-Path`). */
async function useArchive(files: GuessedFiles, file: string): Promise<void> {
  const real = files.use(file);
  if (real === undefined) return;
  const manifest = manifestOf(await files.read(real)).replace(/\r?\n /g, '');
  const [, list = ''] = /^Class-Path: *(.*)$/m.exec(manifest) ?? [];
  for (const name of list.trim().split(/\s+/).filter(Boolean)) {
    await useArchive(files, path.posix.resolve(path.posix.dirname(real), name));
  }
}

/** `META-INF/MANIFEST.MF` of a zip archive (APPNOTE 4.3), empty where there is none. */
export function manifestOf(archive: Buffer): string {
  const end = archive.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0 || end + 22 > archive.length) return '';
  let at = archive.readUInt32LE(end + 16);
  for (let left = archive.readUInt16LE(end + 10); left > 0 && at + 46 <= archive.length; left--) {
    const [method, packed] = [archive.readUInt16LE(at + 10), archive.readUInt32LE(at + 20)];
    const [name, extra, comment] = [28, 30, 32].map((field) => archive.readUInt16LE(at + field)) as [
      number,
      number,
      number,
    ];
    if (archive.toString('latin1', at + 46, at + 46 + name) === 'META-INF/MANIFEST.MF') {
      const local = archive.readUInt32LE(at + 42);
      if (local + 30 > archive.length) return '';
      const data = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
      const bytes = archive.subarray(data, data + packed);
      try {
        return (method === 0 ? bytes : inflateRawSync(bytes)).toString('utf8');
      } catch {
        return '';
      }
    }
    at += 46 + name + extra + comment;
  }
  return '';
}
