import { entryFields } from './entries';
import type { Slice, TarEntries } from './types';

/** Entries of which a warning names the first and counts the others. */
export interface Found {
  first: number | undefined;
  count: number;
}

/** The hard links of a layer whose target does not stand before them (soci-format §1.6). */
export function forwardLinks(entries: TarEntries): Found {
  const found: Found = { first: undefined, count: 0 };
  const isLink = (index: number): boolean => entries.type(index) === 'hardlink';
  let firstLink = 0;
  while (firstLink < entries.length && !isLink(firstLink)) firstLink++;
  if (firstLink === entries.length) return found;

  const names = new NameTable(entries);
  const fields = entryFields();
  const target = new CleanPath();
  for (let index = 0; index < entries.length; index++) {
    entries.look(index, fields);
    if (isLink(index)) {
      target.set(fields.linkname);
      if (!names.has(target)) {
        found.first ??= index;
        found.count++;
      }
    }
    names.add(index, fields.name);
  }
  return found;
}

/** Another one in each run, so that no layer can be made of names that all get the same hash. */
const SEED = Math.floor(Math.random() * 2 ** 32);
const SLASH = 0x2f;
const DOT = 0x2e;

/** A path as the snapshotter files an entry under it: Go's `filepath.Clean("/" + name)` without the slash. */
class CleanPath {
  bytes = new Uint8Array(256);
  length = 0;
  /** FNV-1a, but for its beginning. */
  hash = 0;

  set({ bytes, from, to }: Slice): void {
    if (this.bytes.length < to - from) this.bytes = new Uint8Array(2 * (to - from));
    this.length = 0;
    for (let at = from; at < to;) {
      let end = at;
      while (end < to && bytes[end] !== SLASH) end++;
      if (end - at === 2 && bytes[at] === DOT && bytes[at + 1] === DOT) this.#pop();
      else if (end - at > 1 || (end - at === 1 && bytes[at] !== DOT)) this.#push(bytes, at, end);
      at = end + 1;
    }
    this.hash = SEED | 0;
    for (let i = 0; i < this.length; i++) this.hash = Math.imul(this.hash ^ (this.bytes[i] ?? 0), 0x01000193);
  }

  equals(other: CleanPath): boolean {
    if (this.length !== other.length) return false;
    for (let i = 0; i < this.length; i++) if (this.bytes[i] !== other.bytes[i]) return false;
    return true;
  }

  #push(bytes: Uint8Array, from: number, to: number): void {
    if (this.length > 0) this.bytes[this.length++] = SLASH;
    for (let at = from; at < to; at++) this.bytes[this.length++] = bytes[at] ?? 0;
  }

  #pop(): void {
    while (this.length > 0 && this.bytes[--this.length] !== SLASH);
  }
}

/**
 * The names of entries, as their numbers in an open hash table: a layer of an ostree image has hard links by the hundred thousand, and
 * as many strings would not fit into the heap of a worker.
 */
class NameTable {
  readonly #entries: TarEntries;
  /** An entry's number plus one, or 0 where there is none. */
  readonly #slots: Uint32Array;
  readonly #hashes: Int32Array;
  readonly #fields = entryFields();
  readonly #path = new CleanPath();
  readonly #other = new CleanPath();

  constructor(entries: TarEntries) {
    this.#entries = entries;
    const capacity = 2 ** Math.ceil(Math.log2(entries.length * 1.5 + 1));
    this.#slots = new Uint32Array(capacity);
    this.#hashes = new Int32Array(capacity);
  }

  has(path: CleanPath): boolean {
    return this.#slots[this.#find(path)] !== 0;
  }

  add(index: number, name: Slice): void {
    this.#path.set(name);
    const slot = this.#find(this.#path);
    this.#slots[slot] = index + 1;
    this.#hashes[slot] = this.#path.hash;
  }

  /** The slot of a path, or the free one where it belongs. */
  #find(path: CleanPath): number {
    const mask = this.#slots.length - 1;
    for (let slot = path.hash & mask; ; slot = (slot + 1) & mask) {
      const taken = this.#slots[slot] ?? 0;
      if (taken === 0) return slot;
      if (this.#hashes[slot] !== path.hash) continue;
      this.#entries.look(taken - 1, this.#fields);
      this.#other.set(this.#fields.name);
      if (this.#other.equals(path)) return slot;
    }
  }
}
