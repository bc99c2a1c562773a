/** The libraries that the loader maps with a program: the closure of `NEEDED` as ld.so(8) searches, glibc's and musl's. */
import path from 'node:path';
import { readElf, readLoaderCache, type ElfNeeds } from './elf';
import type { GuessedFiles } from './files';

const CACHE = '/etc/ld.so.cache';
/** `e_machine` → where Debian's glibc looks by itself, also in an image that has no cache. */
const DEBIAN: Readonly<Record<number, string>> = {
  3: 'i386-linux-gnu',
  40: 'arm-linux-gnueabihf',
  62: 'x86_64-linux-gnu',
  183: 'aarch64-linux-gnu',
};

export class Loader {
  readonly #caches = new Map<number, ReadonlyMap<string, string>>();
  /** The folders of musl's loader; `undefined` while the programs are glibc's. */
  #musl: readonly string[] | undefined;

  constructor(
    private readonly files: GuessedFiles,
    private readonly libraryPath: readonly string[],
  ) {}

  /** Counts the libraries of a program or library, which has been counted already. */
  async load(file: string, inherited: readonly string[] = []): Promise<void> {
    const elf = readElf(await this.files.read(file));
    if (!elf) return;
    if (elf.interpreter !== undefined) {
      this.files.use(elf.interpreter);
      this.#musl = await this.#muslFolders(elf.interpreter);
      if (elf.needed.length > 0 && !this.#musl) this.files.use(CACHE);
    }
    const origin = (folders: readonly string[]) =>
      folders.map((folder) =>
        folder.replace(/\$(ORIGIN|\{ORIGIN\})/g, path.posix.dirname(this.files.real(file))),
      );
    // An RPATH holds for what its libraries need too; a RUNPATH for its own needs only, but to musl (dynlink.c).
    if (this.#musl) {
      const passed = [...origin(elf.runpath.length > 0 ? elf.runpath : elf.rpath), ...inherited];
      await this.#loadAll(elf, [...this.libraryPath, ...passed], passed);
      return;
    }
    const passed = elf.runpath.length > 0 ? inherited : [...origin(elf.rpath), ...inherited];
    const folders = [...(elf.runpath.length > 0 ? [] : passed), ...this.libraryPath, ...origin(elf.runpath)];
    await this.#loadAll(elf, folders, passed);
  }

  async #loadAll(elf: ElfNeeds, folders: readonly string[], passed: readonly string[]): Promise<void> {
    for (const name of elf.needed) {
      const found = await this.#find(name, folders, elf);
      const real = found === undefined ? undefined : this.files.use(found);
      if (real !== undefined) await this.load(real, passed);
    }
  }

  async #find(name: string, folders: readonly string[], elf: ElfNeeds): Promise<string | undefined> {
    if (name.includes('/')) return this.files.isFile(name) ? name : undefined;
    const known = this.#musl ? undefined : (await this.#cache(elf.machine)).get(name);
    const debian = DEBIAN[elf.machine];
    const lib = this.#musl ?? [
      ...(debian === undefined ? [] : [`/lib/${debian}`, `/usr/lib/${debian}`]),
      ...['/lib', '/usr/lib', '/lib64', '/usr/lib64', '/usr/local/lib'],
    ];
    const places = [
      ...folders.map((folder) => path.posix.join(folder, name)),
      ...(known === undefined ? [] : [known]),
      ...lib.map((folder) => `${folder}/${name}`),
    ];
    return places.find((place) => this.files.isFile(place));
  }

  /** musl reads a list of folders where there is one (ldso/dynlink.c, `load_library`). */
  async #muslFolders(interpreter: string): Promise<readonly string[] | undefined> {
    const [, machine] = /\/ld-musl-(.+)\.so\.1$/.exec(interpreter) ?? [];
    if (machine === undefined) return undefined;
    const list = `/etc/ld-musl-${machine}.path`;
    this.files.use(list);
    const folders = (await this.files.text(list)).split(/[:\n]/).filter(Boolean);
    return folders.length > 0 ? folders : ['/lib', '/usr/local/lib', '/usr/lib'];
  }

  async #cache(machine: number): Promise<ReadonlyMap<string, string>> {
    const known = this.#caches.get(machine) ?? readLoaderCache(await this.files.read(CACHE), machine);
    this.#caches.set(machine, known);
    return known;
  }
}
