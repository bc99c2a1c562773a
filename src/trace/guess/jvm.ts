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
  const { path: given, main } = readArguments(args);
  const places = (given ?? classPath).map((place) => path.posix.resolve(cwd, place));
  for (const place of places) await useArchive(files, place);
  // A class of a folder is a file of its own name.
  const own = main && `${main.replaceAll('.', '/')}.class`;
  if (own !== undefined) for (const place of places) files.use(`${place}/${own}`);
}

/** java(1): `-jar FILE`, or `-cp PATH … CLASS`. */
function readArguments(args: readonly string[]): { path?: string[]; main?: string } {
  let classPath: string[] | undefined;
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? '';
    if (word === '-jar') return { path: [args[at + 1] ?? ''] };
    if (['-cp', '-classpath', '--class-path'].includes(word)) classPath = (args[++at] ?? '').split(':');
    else if (['-p', '--module-path', '--add-modules', '-m', '--module'].includes(word)) at++;
    else if (!word.startsWith('-') && !word.startsWith('@'))
      return { ...(classPath && { path: classPath }), main: word };
  }
  return classPath ? { path: classPath } : {};
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
