/** What Python reads to begin, and the modules that a program imports as its text says. */
import path from 'node:path';
import type { GuessedFiles } from './files';
import type { Loader } from './loader';

/** Imported before a program, where they are not frozen into the interpreter (since 3.11 all but `encodings` are). */
const FIRST = ['encodings', 'encodings.aliases', 'encodings.utf_8'];
const FIRST_BEFORE_311 = [
  ...['codecs', 'io', 'abc', 'site', 'os', 'stat', 'posixpath', 'genericpath', '_collections_abc'],
  '_sitebuiltins',
];
const LAST = ['sitecustomize', 'usercustomize'];
/** Modules of the interpreter itself that are frozen into it (Lib/…, Python/frozen.c), so no file is read. */
const FROZEN = new Set([
  ...FIRST_BEFORE_311,
  'ntpath',
  'zipimport',
  'runpy',
  'importlib.util',
  'importlib.machinery',
]);

interface Python {
  readonly minor: number;
  /** `sys.path`. */
  readonly path: readonly string[];
  /** Ends of the names of extension modules. */
  readonly extensions: readonly string[];
}

/**
 * @param program the interpreter as it was called, which tells a virtual environment
 * @param args what follows it on the command line
 */
export async function guessPython(
  files: GuessedFiles,
  loader: Loader,
  program: string,
  args: readonly string[],
  { cwd, pythonPath }: { readonly cwd: string; readonly pythonPath: readonly string[] },
): Promise<void> {
  const [, version = ''] = /python(3\.\d+)$/.exec(files.real(program)) ?? [];
  if (version === '') return;
  const prefix = path.posix.dirname(path.posix.dirname(files.real(program)));
  const venv = path.posix.dirname(path.posix.dirname(program));
  const standard = `${prefix}/lib/python${version}`;
  if (files.use(`${venv}/pyvenv.cfg`) !== undefined)
    pythonPath = [...pythonPath, `${venv}/lib/python${version}/site-packages`];
  const { script, module } = mainOf(args);
  const python: Python = {
    minor: Number(version.slice(2)),
    path: [
      ...(script === undefined ? [cwd] : [path.posix.dirname(files.real(path.posix.resolve(cwd, script)))]),
      ...pythonPath,
      standard,
      `${standard}/lib-dynload`,
      ...['local/lib', 'lib'].map((lib) => `${prefix}/${lib}/python${version}/site-packages`),
      ...['local/lib', 'lib'].map((lib) => `${prefix}/${lib}/python${version}/dist-packages`),
      `${prefix}/lib/python3/dist-packages`,
    ],
    extensions: ['x86_64', 'aarch64']
      .flatMap((machine) =>
        ['gnu', 'musl'].map((libc) => `.cpython-${version.replace('.', '')}-${machine}-linux-${libc}.so`),
      )
      .concat('.abi3.so', '.so'),
  };
  const imports = new Imports(files, loader, python);
  for (const name of [...FIRST, ...(python.minor < 11 ? FIRST_BEFORE_311 : []), ...LAST])
    await imports.add(name);
  if (module !== undefined) {
    await imports.add(module);
    await imports.add(`${module}.__main__`);
  }
  if (script !== undefined) {
    const main = path.posix.resolve(cwd, script);
    const file = files.isFolder(main) ? `${main}/__main__.py` : main;
    files.use(file);
    await imports.follow(await files.text(file), '');
  }
}

/** python(1): `-m MODULE`, or the first word that is no option. */
function mainOf(args: readonly string[]): { script?: string; module?: string } {
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? '';
    if (word === '-m') return { module: args[at + 1] ?? '' };
    if (word === '-c' || word === '-') return {};
    if (word === '-W' || word === '-X') at++;
    else if (!word.startsWith('-')) return { script: word };
  }
  return {};
}

class Imports {
  readonly #seen = new Set<string>();
  /** Where each package is. */
  readonly #packages = new Map<string, string>();

  constructor(
    private readonly files: GuessedFiles,
    private readonly loader: Loader,
    private readonly python: Python,
  ) {}

  /** Imports `a.b.c`: `a`, then `a.b`, then `a.b.c`. */
  async add(name: string): Promise<void> {
    const parts = name.split('.');
    for (let length = 1; length <= parts.length; length++) await this.#one(parts.slice(0, length).join('.'));
  }

  /** The imports that run with a module's text; `self` is the package that dots begin from. */
  async follow(text: string, self: string): Promise<void> {
    for (const { from, names } of importsOf(text)) {
      const dots = /^\.*/.exec(from)?.[0].length ?? 0;
      const up = self.split('.').slice(0, dots > 1 ? 1 - dots : undefined);
      const base = dots === 0 ? from : [...up, from.slice(dots)].filter(Boolean).join('.');
      if (base !== '') await this.add(base);
      // What is imported from a package may be a module of it.
      for (const name of names) await this.#one(base === '' ? name : `${base}.${name}`);
    }
  }

  async #one(name: string): Promise<void> {
    if (this.#seen.has(name) || (this.python.minor >= 11 && FROZEN.has(name))) return;
    this.#seen.add(name);
    const dot = name.lastIndexOf('.');
    const parent = this.#packages.get(name.slice(0, Math.max(0, dot)));
    // A package's own folder is where its modules are.
    for (const folder of dot < 0 ? this.python.path : parent === undefined ? [] : [parent]) {
      const base = `${folder}/${name.slice(dot + 1)}`;
      if (this.files.isFile(`${base}/__init__.py`)) {
        this.#packages.set(name, base);
        return this.#source(`${base}/__init__.py`, name);
      }
      const extension = this.python.extensions.find((end) => this.files.isFile(base + end));
      if (extension !== undefined) {
        const real = this.files.use(base + extension);
        if (real !== undefined) await this.loader.load(real);
        return;
      }
      if (this.files.isFile(`${base}.py`)) return this.#source(`${base}.py`, name.slice(0, Math.max(0, dot)));
    }
    // A folder without __init__.py is a package of its own kind (PEP 420), after all else.
    const plain = this.python.path.map((folder) => `${folder}/${name.replaceAll('.', '/')}`);
    const folder = plain.find((one) => this.files.isFolder(one));
    if (folder !== undefined) this.#packages.set(name, folder);
  }

  /** Python reads the compiled module where there is one. */
  async #source(file: string, self: string): Promise<void> {
    const { dir, name } = path.posix.parse(file);
    const compiled = `${dir}/__pycache__/${name}.cpython-3${this.python.minor}.pyc`;
    this.files.use(this.files.isFile(compiled) ? compiled : file);
    await this.follow(await this.files.text(file), self);
  }
}

/** The import statements that run when a module is loaded: not those in functions, nor those for type checkers. */
export function importsOf(source: string): { from: string; names: string[] }[] {
  const text = source
    .replace(/("""|''')[\s\S]*?\1/g, '""')
    .replace(/#.*$/gm, '')
    .replace(/\\\r?\n/g, ' ')
    .replace(/\(([^()]*)\)/g, (_all, inner: string) => `(${inner.replace(/\s+/g, ' ')})`);
  const found: { from: string; names: string[] }[] = [];
  let skipped: number | undefined;
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const indent = line.length - line.trimStart().length;
    if (skipped !== undefined && indent > skipped) continue;
    skipped = /^\s*(async\s+def|def)\s|^\s*if\s.*TYPE_CHECKING/.test(line) ? indent : undefined;
    const [, from, list, modules] = /^\s*(?:from\s+([.\w]+)\s+import\s+(.+)|import\s+(.+))$/.exec(line) ?? [];
    const words = (text: string) =>
      text
        .replace(/[()]/g, '')
        .split(/[,;]/)
        .map((word) => word.trim().split(/\s/)[0] ?? '')
        .filter((word) => /^[\w.]+$/.test(word));
    if (from !== undefined && list !== undefined) found.push({ from, names: words(list) });
    else if (modules !== undefined)
      for (const module of words(modules)) found.push({ from: module, names: [] });
  }
  return found;
}
