/** The files of an image that a start is thought to need, in the order in which they were thought of. */
import path from 'node:path';
import type { ImageTree } from '../tree';

/** Reads a whole file of the image. */
export type ReadEntry = (layer: number, entry: number) => Promise<Uint8Array>;

/** Larger files are no scripts and no libraries; they count as needed and are not looked into. */
const MAX_LOOK = 256 << 20;
/** A guess that reaches further has lost its way. */
const MAX_FILES = 20_000;

export class GuessedFiles {
  readonly #used = new Set<string>();

  constructor(
    private readonly tree: ImageTree,
    private readonly readEntry: ReadEntry,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /** Real paths. */
  get used(): ReadonlySet<string> {
    return this.#used;
  }

  isFile(file: string): boolean {
    return this.tree.resolve(file).found === 'file';
  }

  isFolder(folder: string): boolean {
    return this.tree.resolve(folder).found === 'folder';
  }

  /** What is in a folder, by path and in alphabetical order. */
  list(folder: string): string[] {
    const real = this.real(folder).slice(1);
    return [...this.tree.all()]
      .flatMap((one) => (path.posix.dirname(one.path) === real ? [`/${one.path}`] : []))
      .sort();
  }

  real(file: string): string {
    return this.tree.real(file) ?? file;
  }

  /** Counts a file as needed. @returns its real path where it is one that was not counted before */
  use(file: string): string | undefined {
    if (!this.isFile(file) || this.#used.size >= MAX_FILES) return undefined;
    const real = this.real(file);
    if (this.#used.has(real)) return undefined;
    this.#used.add(real);
    return real;
  }

  /** Its content, empty where it is no file or too large to be looked into. */
  async read(file: string): Promise<Buffer> {
    this.signal?.throwIfAborted();
    const found = this.tree.resolve(file);
    if (found.found !== 'file' || found.size > MAX_LOOK) return Buffer.alloc(0);
    const bytes = await this.readEntry(found.layer, found.entry);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  async text(file: string): Promise<string> {
    return (await this.read(file)).toString('utf8');
  }

  /** A command's file by its name, as the kernel or the shell looks for it. */
  find(name: string, searchPath: string, cwd: string): string | undefined {
    const places = name.includes('/')
      ? [path.posix.resolve(cwd, name)]
      : searchPath.split(':').map((folder) => path.posix.join(folder || cwd, name));
    return places.find((place) => this.isFile(place));
  }
}
