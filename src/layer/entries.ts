import { LensError } from '../errors';
import type { EntryFields, EntryType, Slice, TarEntries, TarEntry } from './types';

/** A 64-bit integer: a number wherever that is exact. */
export type Int = number | bigint;

const TYPES: readonly EntryType[] = ['reg', 'hardlink', 'symlink', 'char', 'block', 'dir', 'fifo'];

/**
 * Entries of one layer as plain data: what a worker sends and the cache keeps. Columns that lists and span maps look at
 * stand in arrays; all else of an entry is packed into one record of bytes (`EntryWriter` and `EntryTable.get` know how).
 */
export interface EntryColumns {
  readonly length: number;
  readonly headerOffset: Float64Array;
  readonly offset: Float64Array;
  readonly size: Float64Array;
  /** Index into `TYPES`. */
  readonly type: Uint8Array;
  /** Where each entry's record begins in `records`. */
  readonly record: Uint32Array;
  readonly records: Uint8Array;
}

/** What most entries have for a link, an owner's name and attributes: made once, not for each of 500 000. */
const EMPTY = new Uint8Array();
const NO_PAX: TarEntry['pax'] = [];

/** Entries above this much packed text are refused: a ztoc of them could not be written either (soci-format §1.2). */
const MAX_RECORD_BYTES = 512 << 20;

/** For `TarEntries.look`. */
export function entryFields(): EntryFields {
  const text = (): Slice => ({ bytes: EMPTY, from: 0, to: 0 });
  return {
    ...{ name: text(), linkname: text(), uname: text(), gname: text(), modTime: text() },
    ...{ mode: 0, uid: 0, gid: 0, devMajor: 0, devMinor: 0, pax: 0 },
  };
}

/** The entries of a layer in their compact form (`TarEntries`). */
export class EntryTable implements TarEntries {
  readonly columns: EntryColumns;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #times = new TimeWriter();

  constructor(columns: EntryColumns) {
    this.columns = columns;
    const { buffer, byteOffset, length } = columns.records;
    this.#bytes = Buffer.from(buffer, byteOffset, length);
    this.#view = new DataView(buffer, byteOffset, length);
  }

  get length(): number {
    return this.columns.length;
  }

  headerOffset(index: number): number {
    return at(this.columns.headerOffset, index);
  }

  offset(index: number): number {
    return at(this.columns.offset, index);
  }

  size(index: number): number {
    return at(this.columns.size, index);
  }

  type(index: number): EntryType {
    return TYPES[at(this.columns.type, index)] ?? 'reg';
  }

  name(index: number): string {
    const reader = this.#reader(index);
    const length = reader.length();
    return this.#bytes.toString('utf8', reader.position, reader.position + length);
  }

  nameLength(index: number): number {
    return this.#reader(index).length();
  }

  get(index: number): TarEntry {
    const reader = this.#reader(index);
    const name = reader.text();
    const linkname = reader.text();
    const uname = reader.text();
    const gname = reader.text();
    const mode = BigInt(reader.int());
    const uid = Number(reader.int());
    const gid = Number(reader.int());
    const seconds = Number(reader.int());
    const nanoseconds = Number(reader.int());
    const devMajor = BigInt(reader.int());
    const devMinor = BigInt(reader.int());
    const records = reader.length();
    const pax =
      records === 0 ? NO_PAX : Array.from({ length: records }, () => [reader.text(), reader.text()] as const);
    return {
      name,
      type: this.type(index),
      headerOffset: this.headerOffset(index),
      offset: this.offset(index),
      size: this.size(index),
      linkname,
      mode,
      uid,
      gid,
      uname,
      gname,
      modTime: this.#times.format(seconds, nanoseconds),
      devMajor,
      devMinor,
      pax,
    };
  }

  look(index: number, fields: EntryFields): void {
    const reader = this.#reader(index);
    reader.slice(fields.name);
    reader.slice(fields.linkname);
    reader.slice(fields.uname);
    reader.slice(fields.gname);
    fields.mode = reader.int();
    fields.uid = Number(reader.int());
    fields.gid = Number(reader.int());
    const seconds = Number(reader.int());
    fields.modTime.bytes = this.#times.bytes;
    fields.modTime.to = this.#times.write(seconds, Number(reader.int()));
    fields.devMajor = reader.int();
    fields.devMinor = reader.int();
    fields.pax = reader.length();
  }

  #reader(index: number): RecordReader {
    return new RecordReader(this.columns.records, this.#view, at(this.columns.record, index));
  }
}

function at(column: Float64Array | Uint32Array | Uint8Array, index: number): number {
  const value = column[index];
  if (value === undefined) throw new RangeError(`There is no entry ${index}.`);
  return value;
}

/** Seconds of the years 0 and 10000: Go refuses to write others (soci-format §1.5). */
const FIRST_SECOND = -62167219200;
const LAST_SECOND = 253402300799;

const DAY = 86400;
const ZERO = 0x30;

/** Writes times in UTC. One after the other is mostly of the same day, whose date is written once. */
class TimeWriter {
  /** The last one, from the first byte on. */
  readonly bytes = Buffer.from('0000-00-00T00:00:00.000000000Z');
  #day = NaN;

  /** Go's `Time.MarshalText` in UTC (soci-format §1.5). @returns its length; 0 where Go fails */
  write(seconds: number, nanoseconds: number): number {
    if (seconds < FIRST_SECOND || seconds > LAST_SECOND) return 0;
    const day = Math.floor(seconds / DAY);
    if (day !== this.#day) {
      this.#day = day;
      this.bytes.write(new Date(day * DAY * 1000).toISOString().slice(0, 11), 'latin1');
    }
    const second = seconds - day * DAY;
    const minute = Math.floor(second / 60);
    this.#digits(11, Math.floor(minute / 60));
    this.#digits(14, minute % 60);
    this.#digits(17, second % 60);
    let length = 19;
    if (nanoseconds > 0) {
      const fraction = String(nanoseconds).padStart(9, '0').replace(/0+$/, '');
      length += this.bytes.write(`.${fraction}`, length, 'latin1');
    }
    this.bytes[length] = 'Z'.charCodeAt(0);
    return length + 1;
  }

  format(seconds: number, nanoseconds: number): string {
    return this.bytes.toString('latin1', 0, this.write(seconds, nanoseconds));
  }

  #digits(at: number, number: number): void {
    this.bytes[at] = ZERO + Math.floor(number / 10);
    this.bytes[at + 1] = ZERO + (number % 10);
  }
}

/**
 * Packs records. A length is a base-128 varint; an integer is one byte with the number of bytes that follow, then its
 * two's complement, lowest byte first, as short as it goes (8 bytes for a negative one).
 */
class RecordWriter {
  bytes = new Uint8Array(1 << 16);
  position = 0;
  #view = new DataView(this.bytes.buffer);

  /** Makes room for `length` more bytes. */
  reserve(length: number): void {
    const needed = this.position + length;
    if (needed <= this.bytes.length) return;
    if (needed > MAX_RECORD_BYTES) {
      throw new LensError(
        'layer/too-many-entries',
        'The layer holds more file entries than an index can list.',
        'Split the layer, or leave it out of the index by a higher minimum layer size.',
      );
    }
    const grown = new Uint8Array(
      Math.min(MAX_RECORD_BYTES, Math.max(needed, Math.ceil(this.bytes.length * 1.5))),
    );
    grown.set(this.bytes.subarray(0, this.position));
    this.bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  /** What was written, and nothing of it stays here. */
  finish(): Uint8Array {
    const bytes = this.bytes.slice(0, this.position);
    this.bytes = new Uint8Array();
    return bytes;
  }

  length(value: number): void {
    this.reserve(5);
    let rest = value;
    for (; rest > 127; rest >>>= 7) this.bytes[this.position++] = (rest & 127) | 128;
    this.bytes[this.position++] = rest;
  }

  /** Appends `source` from `from` to `to`, without a length. */
  copy(source: Uint8Array, from: number, to: number): void {
    this.reserve(to - from);
    for (let i = from; i < to; i++) this.bytes[this.position++] = source[i] ?? 0;
  }

  text(source: Uint8Array, from = 0, to = source.length): void {
    this.length(to - from);
    this.copy(source, from, to);
  }

  int(value: Int): void {
    this.reserve(9);
    if (typeof value === 'bigint' || value < 0) {
      this.bytes[this.position] = 8;
      this.#view.setBigInt64(this.position + 1, BigInt(value), true);
      this.position += 9;
      return;
    }
    const start = this.position++;
    for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) this.bytes[this.position++] = rest % 256;
    this.bytes[start] = this.position - start - 1;
  }
}

/** Reads what `RecordWriter` wrote. */
class RecordReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  position: number;

  constructor(bytes: Uint8Array, view: DataView, position: number) {
    this.#bytes = bytes;
    this.#view = view;
    this.position = position;
  }

  length(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#view.getUint8(this.position++);
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  }

  text(): Uint8Array {
    const length = this.length();
    if (length === 0) return EMPTY;
    this.position += length;
    return this.#bytes.subarray(this.position - length, this.position);
  }

  /** A text where it stands. */
  slice(into: Slice): void {
    const length = this.length();
    into.bytes = this.#bytes;
    into.from = this.position;
    into.to = this.position += length;
  }

  int(): Int {
    const length = this.#view.getUint8(this.position);
    const start = this.position + 1;
    this.position = start + length;
    if (length === 8) return this.#view.getBigInt64(start, true);
    let value = 0;
    for (let i = length - 1; i >= 0; i--) value = value * 256 + this.#view.getUint8(start + i);
    return value;
  }
}

/** What the tar reader knows of an entry when it adds it. One such object serves for all entries. */
export interface RawEntry {
  type: EntryType;
  headerOffset: number;
  offset: number;
  size: number;
  /** A ustar prefix, which goes before the name with a slash; empty where there is none. */
  readonly prefix: Slice;
  readonly name: Slice;
  readonly linkname: Slice;
  readonly uname: Slice;
  readonly gname: Slice;
  mode: Int;
  uid: number;
  gid: number;
  seconds: Int;
  nanoseconds: number;
  devMajor: Int;
  devMinor: Int;
  /** Pax records by key. Keys hold one byte per UTF-16 unit, so that sorting them sorts bytes. */
  pax: ReadonlyMap<string, Uint8Array> | undefined;
}

const SLASH = new Uint8Array([0x2f]);

/** Collects entries into columns that grow by doubling: no object per entry. */
export class EntryWriter {
  length = 0;
  #headerOffset = new Float64Array(256);
  #offset = new Float64Array(256);
  #size = new Float64Array(256);
  #type = new Uint8Array(256);
  #record = new Uint32Array(256);
  readonly #records = new RecordWriter();

  add(entry: RawEntry): void {
    if (this.length === this.#type.length) this.#grow();
    const index = this.length++;
    this.#headerOffset[index] = entry.headerOffset;
    this.#offset[index] = entry.offset;
    this.#size[index] = entry.size;
    this.#type[index] = TYPES.indexOf(entry.type);
    this.#record[index] = this.#records.position;

    const records = this.#records;
    const { prefix, name } = entry;
    const prefixLength = prefix.to - prefix.from;
    if (prefixLength > 0) {
      records.length(prefixLength + 1 + name.to - name.from);
      records.copy(prefix.bytes, prefix.from, prefix.to);
      records.copy(SLASH, 0, 1);
      records.copy(name.bytes, name.from, name.to);
    } else {
      records.text(name.bytes, name.from, name.to);
    }
    records.text(entry.linkname.bytes, entry.linkname.from, entry.linkname.to);
    records.text(entry.uname.bytes, entry.uname.from, entry.uname.to);
    records.text(entry.gname.bytes, entry.gname.from, entry.gname.to);
    records.int(entry.mode);
    records.int(entry.uid);
    records.int(entry.gid);
    records.int(entry.seconds);
    records.int(entry.nanoseconds);
    records.int(entry.devMajor);
    records.int(entry.devMinor);
    records.length(entry.pax?.size ?? 0);
    if (entry.pax) {
      for (const key of [...entry.pax.keys()].sort(byCodeUnit)) {
        records.text(Buffer.from(key, 'latin1'));
        records.text(entry.pax.get(key) ?? new Uint8Array());
      }
    }
  }

  /** The columns, cut to their length. The writer is empty afterwards: of each column, only one copy at a time is kept. */
  finish(): EntryColumns {
    const { length } = this;
    const headerOffset = this.#headerOffset.slice(0, length);
    this.#headerOffset = new Float64Array();
    const offset = this.#offset.slice(0, length);
    this.#offset = new Float64Array();
    const size = this.#size.slice(0, length);
    this.#size = new Float64Array();
    const record = this.#record.slice(0, length);
    this.#record = new Uint32Array();
    const type = this.#type.slice(0, length);
    const records = this.#records.finish();
    return { length, headerOffset, offset, size, type, record, records };
  }

  #grow(): void {
    const capacity = this.#type.length * 2;
    const grow = <T extends { set(from: T): void }>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.#headerOffset = grow(this.#headerOffset, new Float64Array(capacity));
    this.#offset = grow(this.#offset, new Float64Array(capacity));
    this.#size = grow(this.#size, new Float64Array(capacity));
    this.#type = grow(this.#type, new Uint8Array(capacity));
    this.#record = grow(this.#record, new Uint32Array(capacity));
  }
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
