/** The modules that a Node.js program requires, as its text and the manifests (`package.json`) say. */
import { isBuiltin } from 'node:module';
import path from 'node:path';
import type { GuessedFiles } from './files';
import type { Loader } from './loader';

/** Beside `node_modules`: where Debian keeps its packages. */
const SYSTEM = [
  '/usr/share/nodejs',
  '/usr/lib/nodejs',
  '/usr/lib/x86_64-linux-gnu/nodejs',
  '/usr/lib/aarch64-linux-gnu/nodejs',
];
const ENDINGS = ['', '.js', '.json', '.node', '.cjs', '.mjs'];

export async function guessNode(
  files: GuessedFiles,
  loader: Loader,
  args: readonly string[],
  { cwd, nodePath }: { readonly cwd: string; readonly nodePath: readonly string[] },
): Promise<void> {
  const modules = new Modules(files, loader, [...nodePath, ...SYSTEM]);
  const ahead = args.flatMap((word, at) =>
    ['-r', '--require', '--import'].includes(word) ? [args[at + 1] ?? ''] : [],
  );
  for (const name of ahead) await modules.require(name, cwd);
  const script = args.find(
    (word, at) => !word.startsWith('-') && !ahead.includes(word) && !/^-[ep]$/.test(args[at - 1] ?? ''),
  );
  if (script !== undefined) await modules.require(path.posix.resolve(cwd, script), cwd);
}

class Modules {
  /** Followed already. A script that is started by its `#!` has been counted, and not followed. */
  readonly #seen = new Set<string>();

  constructor(
    private readonly files: GuessedFiles,
    private readonly loader: Loader,
    private readonly systemFolders: readonly string[],
  ) {}

  async require(name: string, from: string): Promise<void> {
    const file = /^\.{0,2}\//.test(name)
      ? await this.#place(path.posix.resolve(from, name))
      : isBuiltin(name)
        ? undefined
        : await this.#inPackages(name, from);
    if (file === undefined) return;
    this.#scope(path.posix.dirname(this.files.real(file)));
    this.files.use(file);
    const real = this.files.real(file);
    if (this.#seen.has(real)) return;
    this.#seen.add(real);
    if (real.endsWith('.node')) await this.loader.load(real);
    if (/\.(c|m)?js$|\/[^.]*$/.test(real)) {
      for (const next of requiresOf(await this.files.text(real)))
        await this.require(next, path.posix.dirname(real));
    }
  }

  /** A file, or a folder with a manifest or an index (nodejs.org, "All together"). */
  async #place(place: string): Promise<string | undefined> {
    const file = ENDINGS.map((ending) => place + ending).find((one) => this.files.isFile(one));
    if (file !== undefined || !this.files.isFolder(place)) return file;
    const main = mainOf(await readManifest(this.files, place));
    const inside = main === undefined ? undefined : await this.#place(path.posix.join(place, main));
    return inside ?? ENDINGS.map((ending) => `${place}/index${ending}`).find((one) => this.files.isFile(one));
  }

  async #inPackages(name: string, from: string): Promise<string | undefined> {
    const [, packageName = '', rest] = /^((?:@[^/]+\/)?[^/]+)(?:\/(.+))?$/.exec(name) ?? [];
    const folders: string[] = [];
    for (let folder = from; ; folder = path.posix.dirname(folder)) {
      if (path.posix.basename(folder) !== 'node_modules')
        folders.push(path.posix.join(folder, 'node_modules'));
      if (folder === '/') break;
    }
    for (const folder of [...folders, ...this.systemFolders]) {
      const home = `${folder}/${packageName}`;
      if (!this.files.isFolder(home)) {
        const file = await this.#place(`${folder}/${name}`);
        if (file !== undefined) return file;
        continue;
      }
      const manifest = await readManifest(this.files, home);
      const target = exported(manifest, rest === undefined ? '.' : `./${rest}`);
      const file = await this.#place(
        target === undefined ? `${folder}/${name}` : path.posix.join(home, target),
      );
      if (file !== undefined) return file;
    }
    return undefined;
  }

  /** Node looks for the nearest manifest, to know of which kind a file is. */
  #scope(folder: string): void {
    for (let at = folder; at !== '/' && !at.endsWith('/node_modules'); at = path.posix.dirname(at)) {
      if (!this.files.isFile(`${at}/package.json`)) continue;
      this.files.use(`${at}/package.json`);
      return;
    }
  }
}

async function readManifest(files: GuessedFiles, folder: string): Promise<Record<string, unknown>> {
  files.use(`${folder}/package.json`);
  try {
    const manifest: unknown = JSON.parse(await files.text(`${folder}/package.json`));
    return typeof manifest === 'object' && manifest !== null ? (manifest as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** What `npm start` or `yarn run serve` hands to a shell: the manifest's command of this name. */
export async function packageScript(
  files: GuessedFiles,
  args: readonly string[],
  cwd: string,
): Promise<string | undefined> {
  const words = args.filter((word) => !word.startsWith('-'));
  const name = (/^run(-script)?$/.test(words[0] ?? '') ? words[1] : words[0]) ?? '';
  const { scripts } = await readManifest(files, cwd);
  if (typeof scripts !== 'object' || scripts === null) return undefined;
  const script = new Map(Object.entries(scripts)).get(name) as unknown;
  return typeof script === 'string' ? script : undefined;
}

function mainOf(manifest: Record<string, unknown>): string | undefined {
  return typeof manifest['main'] === 'string' ? manifest['main'] : undefined;
}

/** nodejs.org, "Conditional exports": what `require` gets for `.` or `./sub`, where the manifest says. */
function exported({ exports }: Record<string, unknown>, wanted: string): string | undefined {
  if (typeof exports === 'string') return wanted === '.' ? exports : undefined;
  if (typeof exports !== 'object' || exports === null) return undefined;
  const all = exports as Record<string, unknown>;
  return condition(wanted in all ? all[wanted] : wanted === '.' && !('.' in all) ? all : undefined);
}

function condition(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return undefined;
  const all = value as Record<string, unknown>;
  return ['node', 'require', 'default', 'import'].flatMap((key) => condition(all[key]) ?? [])[0];
}

/** What a module asks for by constant names, in CommonJS and in modules. */
export function requiresOf(source: string): string[] {
  const text = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const calls = text.matchAll(/\brequire\(\s*['"]([^'"\n]+)['"]\s*\)/g);
  const statements = text.matchAll(/^\s*(?:import|export)\b[^'"\n;]*?['"]([^'"\n]+)['"]/gm);
  return [...calls, ...statements].map(([, name = '']) => name);
}
