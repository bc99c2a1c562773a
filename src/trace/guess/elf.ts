/** What a program or library of the kind ELF asks the loader for (elf(5), ld.so(8)). Little-endian machines, as all of ours. */

export interface ElfNeeds {
  /** The loader; libraries and static programs have none. */
  readonly interpreter: string | undefined;
  readonly needed: readonly string[];
  /** `DT_RPATH`, which the loader ignores where there is a `DT_RUNPATH`. */
  readonly rpath: readonly string[];
  readonly runpath: readonly string[];
  /** `e_machine`. */
  readonly machine: number;
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_RPATH = 15;
const DT_RUNPATH = 29;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

/** `undefined` for what is no ELF file. Offsets that lead out of the file lead nowhere. */
export function readElf(file: Buffer): ElfNeeds | undefined {
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46 || file[5] !== 1) return undefined;
  const wide = file[4] === 2;
  const word = (at: number): number => {
    if (at < 0 || at + (wide ? 8 : 4) > file.length) return 0;
    return wide ? Number(file.readBigUInt64LE(at)) : file.readUInt32LE(at);
  };
  const table = word(wide ? 32 : 28);
  const entrySize = file.readUInt16LE(wide ? 54 : 42);
  const segments: Segment[] = [];
  for (let index = 0; index < file.readUInt16LE(wide ? 56 : 44); index++) {
    const at = table + index * entrySize;
    if (at + entrySize > file.length) break;
    segments.push({
      type: file.readUInt32LE(at),
      offset: word(at + (wide ? 8 : 4)),
      address: word(at + (wide ? 16 : 8)),
      size: word(at + (wide ? 32 : 16)),
    });
  }
  const text = (at: number): string => {
    const end = file.indexOf(0, at);
    return at <= 0 || at >= file.length || end < 0 ? '' : file.toString('latin1', at, end);
  };
  const loader = segments.find(({ type }) => type === PT_INTERP);
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  const tags: [tag: number, value: number][] = [];
  const step = wide ? 16 : 8;
  for (let at = dynamic?.offset ?? 0; dynamic && at < dynamic.offset + dynamic.size; at += step) {
    const tag = word(at);
    if (tag === 0) break;
    tags.push([tag, word(at + step / 2)]);
  }
  const strings = tags.find(([tag]) => tag === DT_STRTAB)?.[1] ?? 0;
  const home = segments.find(
    ({ type, address, size }) => type === PT_LOAD && strings >= address && strings < address + size,
  );
  const base = home ? strings - home.address + home.offset : 0;
  const named = (wanted: number) =>
    tags.flatMap(([tag, value]) => (tag === wanted && base > 0 ? [text(base + value)] : []));
  const folders = (wanted: number) => named(wanted).flatMap((list) => list.split(':').filter(Boolean));
  return {
    interpreter: loader && text(loader.offset),
    needed: named(DT_NEEDED).filter(Boolean),
    rpath: folders(DT_RPATH),
    runpath: folders(DT_RUNPATH),
    machine: file.readUInt16LE(18),
  };
}

const CACHE_MAGIC = 'glibc-ld.so.cache1.1';
/** `e_machine` → the flags of its libraries in the cache (glibc, sysdeps/…/dl-cache.h). */
const CACHE_FLAGS: Readonly<Record<number, number>> = { 3: 0x0003, 62: 0x0303, 183: 0x0a03 };

/** `/etc/ld.so.cache` (glibc, `struct cache_file_new`): names of libraries and where they are, for one machine. */
export function readLoaderCache(file: Buffer, machine: number): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  // An older cache may stand before it; its strings count from the beginning of this one.
  const base = file.indexOf(CACHE_MAGIC);
  if (base < 0 || base + 48 > file.length) return found;
  const text = (offset: number): string => {
    const end = file.indexOf(0, base + offset);
    return end < 0 ? '' : file.toString('latin1', base + offset, end);
  };
  const count = file.readUInt32LE(base + 20);
  for (let at = base + 48, left = count; left > 0 && at + 24 <= file.length; at += 24, left--) {
    const name = text(file.readUInt32LE(at + 4));
    // Variants for better processors stand apart; the plain one exists everywhere.
    const plain = file.readBigUInt64LE(at + 16) === 0n;
    if (plain && file.readInt32LE(at) === CACHE_FLAGS[machine] && !found.has(name)) {
      found.set(name, text(file.readUInt32LE(at + 8)));
    }
  }
  return found;
}
