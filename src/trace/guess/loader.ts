/** The libraries that the loader maps with a program: the closure of `NEEDED` as ld.so(8) searches, glibc's and musl's. */
import path from 'node:path';
import { readElf, readLoaderCache, type ElfNeeds } from './elf';
import type { GuessedFiles } from './files';

const CACHE = '/etc/ld.so.cache';

export class Loader {
  readonly #caches = new Map<number, ReadonlyMap<string, string>>();

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
      if (elf.needed.length > 0) this.files.use(CACHE);
    }
    const origin = (folders: readonly string[]) =>
      folders.map((folder) =>
        folder.replace(/\$(ORIGIN|\{ORIGIN\})/g, path.posix.dirname(this.files.real(file))),
      );
    // An RPATH holds for what its libraries need too; a RUNPATH for its own needs only.
    const passed = elf.runpath.length > 0 ? inherited : [...origin(elf.rpath), ...inherited];
    const folders = [...(elf.runpath.length > 0 ? [] : passed), ...this.libraryPath, ...origin(elf.runpath)];
    for (const name of elf.needed) {
      const found = await this.#find(name, folders, elf);
      const real = found === undefined ? undefined : this.files.use(found);
      if (real !== undefined) await this.load(real, passed);
    }
  }

  async #find(name: string, folders: readonly string[], elf: ElfNeeds): Promise<string | undefined> {
    if (name.includes('/')) return this.files.isFile(name) ? name : undefined;
    const known = (await this.#cache(elf.machine)).get(name);
    const lib = ['/lib', '/usr/lib', '/lib64', '/usr/lib64', '/usr/local/lib'];
    const places = [
      ...folders.map((folder) => path.posix.join(folder, name)),
      ...(known === undefined ? [] : [known]),
      ...lib.map((folder) => `${folder}/${name}`),
    ];
    return places.find((place) => this.files.isFile(place));
  }

  async #cache(machine: number): Promise<ReadonlyMap<string, string>> {
    const known = this.#caches.get(machine) ?? readLoaderCache(await this.files.read(CACHE), machine);
    this.#caches.set(machine, known);
    return known;
  }
}
