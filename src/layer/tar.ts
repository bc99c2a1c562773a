import { EntryWriter, type Int, type RawEntry } from './entries';
import { printable, unsupportedEntry } from './faults';
import {
  isSparseMap,
  latin1,
  parseDecimal,
  parsePax,
  parsePaxTime,
  type PaxRecords,
  sparseForm,
  sparseMapOfData,
  sparseMapOfRecords,
  textEnd,
  wrap32,
} from './tar-fields';
import { BLOCK, checksumHolds, entryOf, isZero, padding, readFields } from './tar-header';
import type { EntryType, Slice } from './types';

/** Which rule of the tar format a stream breaks, in words, and at which of its bytes. */
export interface TarFault {
  /** `entry`: a kind of entry that SOCI does not index; `cut`: the stream ends too early; `header`: all else. */
  readonly kind: 'header' | 'cut' | 'entry';
  /** What is wrong, as the end of a sentence that begins with the place. */
  readonly rule: string;
  /** Tar byte where the broken header or the missing data begin. */
  readonly at: number;
}

/** How an archive ended. Go accepts each of these. */
export type ArchiveEnd = 'zero-blocks' | 'one-zero-block' | 'end-of-file';

/** Go's limit for pax headers, long names and sparse maps. */
const MAX_SPECIAL = 1 << 20;

const enum State {
  /** A header block. */
  Header,
  /** The block after a block of zeros. */
  SecondZero,
  /** Data that nobody looks at. */
  Data,
  /** Zeros up to the next block. Here the stream may end. */
  Padding,
  /** The payload of a pax header or GNU long name. */
  Special,
  /** Blocks of a sparse map that stands before the data. */
  SparseMap,
  Ended,
}

const TYPE_OF_FLAG: Readonly<Record<string, EntryType>> = {
  '0': 'reg',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'dir',
  '6': 'fifo',
};

/**
 * Reads a tar as Go's archive/tar does (soci-format §1.4), fed with chunks of any size. It keeps the entries in their
 * compact form and no data. A broken archive is not thrown: `fault` holds the verdict, so that the caller can go on to
 * find out whether the bytes under it are sound.
 */
export class TarReader {
  fault: TarFault | undefined;
  end: ArchiveEnd | undefined;

  /** Bytes of the tar that were taken so far; after the end of the archive, its size (soci-format §1.3). */
  position = 0;

  readonly #entries = new EntryWriter();
  #state = State.Header;
  /** Bytes of the current state that are still to come. */
  #left = BLOCK;
  readonly #block = new Uint8Array(BLOCK);
  /** Data of the current entry behind what has been read of it, and the padding after them. */
  #dataLeft = 0;
  #padding = 0;
  /** Where the first header of the entry that is being read begins, or of the next one. */
  #entryStart = 0;
  #headerStart = 0;

  #special = new Uint8Array();
  #specialFlag = '';
  #pax: PaxRecords | undefined;
  #longName: Uint8Array | undefined;
  #longLink: Uint8Array | undefined;
  #mapBlocks: Uint8Array[] = [];
  #mapLines = 0;
  #mapLinesNeeded = 0;

  readonly #entry = entryOf(this.#block);

  /** Takes the next bytes of the stream: those of `bytes` from `from` to `to`. They are not kept. */
  push(bytes: Uint8Array, from: number, to: number): void {
    let at = from;
    while (at < to && this.#state !== State.Ended) {
      const length = Math.min(this.#left, to - at);
      switch (this.#state) {
        case State.Data:
        case State.Padding:
          break;
        case State.Special:
        case State.SparseMap:
          this.#special.set(bytes.subarray(at, at + length), this.#special.length - this.#left);
          break;
        case State.Header:
        case State.SecondZero: {
          // A loop, since `set` would need a view for each header.
          const start = BLOCK - this.#left;
          for (let i = 0; i < length; i++) this.#block[start + i] = bytes[at + i] ?? 0;
        }
      }
      at += length;
      this.position += length;
      this.#left -= length;
      // A state may need no bytes at all, as the padding of a full block.
      while (this.#left === 0 && !this.#isEnded()) this.#next();
    }
  }

  /** The stream has ended. */
  finish(): void {
    if (this.#state === State.Ended) return;
    const atBlockStart = this.#left === BLOCK;
    if (this.#state === State.Padding || (this.#state === State.Header && atBlockStart))
      this.#endArchive('end-of-file');
    else if (this.#state === State.SecondZero && atBlockStart) this.#endArchive('one-zero-block');
    else if (this.#state === State.Data || this.#state === State.Special)
      this.#fail('cut', 'the archive ends within the data of this entry');
    else this.#fail('cut', 'the archive ends within a header block');
  }

  /** The entries; asked for once, at the end. */
  entries(): ReturnType<EntryWriter['finish']> {
    return this.#entries.finish();
  }

  #isEnded(): boolean {
    return this.#state === State.Ended;
  }

  /** The current state has all its bytes. */
  #next(): void {
    switch (this.#state) {
      case State.Header:
        this.#header();
        break;
      case State.SecondZero:
        if (isZero(this.#block)) this.#endArchive('zero-blocks');
        else this.#fail('header', 'a block of zeros is followed by a block that is not zero');
        break;
      case State.Data:
        this.#enter(State.Padding, this.#padding);
        break;
      case State.Padding:
        this.#headerStart = this.position;
        this.#enter(State.Header, BLOCK);
        break;
      case State.Special:
        this.#specialRead();
        break;
      case State.SparseMap:
        this.#sparseBlock();
        break;
      case State.Ended:
        break;
    }
  }

  #enter(state: State, length: number): void {
    this.#state = state;
    this.#left = length;
  }

  #endArchive(end: ArchiveEnd): void {
    this.end = end;
    this.#enter(State.Ended, 0);
  }

  #fail(kind: TarFault['kind'], rule: string): void {
    this.fault = { kind, rule, at: this.#headerStart };
    this.#enter(State.Ended, 0);
  }

  #header(): void {
    const block = this.#block;
    let unsigned = 0;
    for (let i = 0; i < BLOCK; i++) unsigned += block[i] ?? 0;
    if (unsigned === 0) {
      this.#enter(State.SecondZero, BLOCK);
      return;
    }
    if (!checksumHolds(block, unsigned)) {
      this.#fail('header', 'the checksum of the header does not match, or this is not a tar header at all');
      return;
    }
    const size = readFields(block, this.#entry);
    if (size === undefined) {
      this.#fail('header', 'a number in the header is neither octal nor base-256');
      return;
    }
    const flag = String.fromCharCode(block[156] ?? 0);
    const isHeaderOnly = flag >= '1' && flag <= '6';
    if (!isHeaderOnly && size < 0) {
      this.#fail('header', 'the header gives a negative size');
      return;
    }
    if (flag === 'x' || flag === 'L' || flag === 'K') {
      if (size > MAX_SPECIAL) {
        this.#fail('header', `an extended header is longer than ${MAX_SPECIAL} bytes`);
        return;
      }
      this.#specialFlag = flag;
      this.#special = new Uint8Array(Number(size));
      this.#padding = padding(Number(size));
      this.#enter(State.Special, Number(size));
      return;
    }
    this.#ordinaryEntry(flag, size);
  }

  /** A header that stands for an entry: pax records and GNU long names are applied to it. */
  #ordinaryEntry(rawFlag: string, headerSize: Int): void {
    const entry = this.#entry;
    entry.pax = this.#pax;
    let size = headerSize;
    for (const [key, value] of this.#pax ?? []) {
      const applied = this.#applyPax(key, value);
      if (applied === undefined) {
        this.#fail('header', `the pax record "${printable(key)}" of the entry is malformed`);
        return;
      }
      if (key === 'size' && value.length > 0) size = applied;
    }
    if (this.#longName) whole(entry.name, entry.prefix, this.#longName);
    if (this.#longLink) whole(entry.linkname, undefined, this.#longLink);

    let flag = rawFlag;
    if (flag === '\0') flag = endsWithSlash(entry) ? '5' : '0';
    const type = TYPE_OF_FLAG[flag];
    if (type === undefined) {
      this.#fail('entry', unsupportedEntry(flag));
      return;
    }
    entry.type = type;
    const dataSize = type === 'reg' ? size : 0;
    if (dataSize < 0) {
      this.#fail('header', 'a pax record gives a negative size');
      return;
    }
    this.#dataLeft = Number(dataSize);
    this.#padding = padding(this.#dataLeft);
    entry.size = Number(size);

    const form = this.#pax ? sparseForm(this.#pax) : 'none';
    if (this.#pax && form !== 'none') this.#sparseEntry(this.#pax, form);
    else this.#addEntry();
  }

  /** Applies one pax record. Gives its number where it has one, 0 else, and `undefined` when it is malformed. */
  #applyPax(key: string, value: Uint8Array): Int | undefined {
    const entry = this.#entry;
    // An empty value takes a record back: the header's own field holds.
    if (value.length === 0) return 0;
    switch (key) {
      case 'path':
        whole(entry.name, entry.prefix, value);
        return 0;
      case 'linkpath':
        whole(entry.linkname, undefined, value);
        return 0;
      case 'uname':
        whole(entry.uname, undefined, value);
        return 0;
      case 'gname':
        whole(entry.gname, undefined, value);
        return 0;
      case 'uid':
      case 'gid': {
        const id = parseDecimal(latin1(value));
        if (id !== undefined) entry[key] = wrap32(id);
        return id;
      }
      case 'size':
        return parseDecimal(latin1(value));
      case 'atime':
      case 'ctime':
        return parsePaxTime(latin1(value)) && 0;
      case 'mtime': {
        const time = parsePaxTime(latin1(value));
        if (time) Object.assign(entry, time);
        return time && 0;
      }
      default:
        return 0;
    }
  }

  /** An entry with holes: the records replace name and size, and the map must be sound (soci-format §1.4). */
  #sparseEntry(pax: PaxRecords, form: 'records' | 'data'): void {
    const entry = this.#entry;
    const name = pax.get('GNU.sparse.name');
    if (name && name.length > 0) whole(entry.name, entry.prefix, name);
    const size = [pax.get('GNU.sparse.size'), pax.get('GNU.sparse.realsize')].find(
      (value) => value && value.length > 0,
    );
    if (size) {
      const value = parseDecimal(latin1(size));
      if (value === undefined) {
        this.#fail('header', 'the size of a sparse entry is not a number');
        return;
      }
      entry.size = Number(value);
    }
    if (form === 'data') {
      this.#mapBlocks = [];
      this.#mapLines = 0;
      this.#mapLinesNeeded = 1;
      this.#sparseMore();
    } else {
      this.#sparseMap(sparseMapOfRecords(pax));
    }
  }

  /** Asks for one more block of the sparse map, which must lie within the entry's data. */
  #sparseMore(): void {
    if ((this.#mapBlocks.length + 1) * BLOCK > MAX_SPECIAL) {
      this.#fail('header', 'the map of a sparse entry is too long');
    } else if (this.#dataLeft < BLOCK) {
      this.#fail('cut', 'the map of a sparse entry is longer than its data');
    } else {
      this.#special = new Uint8Array(BLOCK);
      this.#enter(State.SparseMap, BLOCK);
    }
  }

  #sparseBlock(): void {
    this.#mapBlocks.push(this.#special);
    this.#dataLeft -= BLOCK;
    for (const byte of this.#special) if (byte === 0x0a) this.#mapLines++;
    if (this.#mapLines < this.#mapLinesNeeded) {
      this.#sparseMore();
      return;
    }
    const map = sparseMapOfData(Buffer.concat(this.#mapBlocks));
    if (typeof map === 'number') {
      this.#mapLinesNeeded = map;
      this.#sparseMore();
    } else {
      this.#sparseMap(map);
    }
  }

  #sparseMap(map: Int[] | undefined): void {
    if (map === undefined || this.#entry.type !== 'reg' || !isSparseMap(map, this.#entry.size)) {
      this.#fail('header', 'the map of a sparse entry is malformed');
      return;
    }
    this.#addEntry();
  }

  #addEntry(): void {
    this.#entry.headerOffset = this.#entryStart;
    this.#entry.offset = this.position;
    this.#entries.add(this.#entry);
    this.#pax = this.#longName = this.#longLink = undefined;
    this.#entryStart = this.position + this.#dataLeft + this.#padding;
    this.#enter(State.Data, this.#dataLeft);
  }

  /** A pax header or long name is complete: it waits for the entry that it belongs to. */
  #specialRead(): void {
    if (this.#specialFlag === 'x') {
      this.#pax = parsePax(this.#special);
      if (!this.#pax) {
        this.#fail('header', 'a pax header holds a malformed record');
        return;
      }
    } else {
      const name = this.#special.subarray(0, textEnd(this.#special, 0, this.#special.length));
      // An empty one leaves what the header and the pax records say.
      if (this.#specialFlag === 'L') this.#longName = name.length > 0 ? name : undefined;
      else this.#longLink = name.length > 0 ? name : undefined;
    }
    this.#enter(State.Padding, this.#padding);
  }
}

/** Replaces a text as a whole; a name loses its prefix with it. */
function whole(slice: Slice, prefix: Slice | undefined, bytes: Uint8Array): void {
  slice.bytes = bytes;
  slice.from = 0;
  slice.to = bytes.length;
  if (prefix) prefix.from = prefix.to = 0;
}

/** Whether the whole name does: behind a prefix alone stands the slash that joins them. */
function endsWithSlash({ name, prefix }: Pick<RawEntry, 'name' | 'prefix'>): boolean {
  return name.to > name.from ? name.bytes[name.to - 1] === 0x2f : prefix.to > prefix.from;
}
