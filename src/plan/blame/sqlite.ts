/**
 * Reads one column of one table of an SQLite database (sqlite.org/fileformat2.html), nothing more: Node has SQLite only from
 * version 22 on, and a database of an image needs no query. Bytes that make no sense give a RangeError.
 */

const MAGIC = 'SQLite format 3\0';
const HEADER = 100;
const LEAF = 0x0d;
const INTERIOR = 0x05;
/** Deeper trees than this are a loop of pages. */
const MAX_DEPTH = 20;

/** The last value of each row of `table`, where it is a blob. */
export function* tableBlobs(file: Buffer, table: string): Generator<Buffer> {
  if (file.toString('latin1', 0, MAGIC.length) !== MAGIC) throw new RangeError('it is no SQLite database');
  const database = new Database(file);
  // sqlite_schema (§2.6): type, name, tbl_name, rootpage, sql.
  for (const row of database.rows(1)) {
    const [type, name, , root] = columns(row);
    if (type?.toString() !== 'table' || name?.toString() !== table || !root) continue;
    for (const one of database.rows(root.readUIntBE(0, root.length))) {
      const last = columns(one).at(-1);
      if (last && last.length > 0) yield last;
    }
  }
}

class Database {
  readonly #file: Buffer;
  readonly #pageSize: number;
  /** Bytes of a page that belong to the database. */
  readonly #usable: number;
  /** Each page is part of one tree or one record, so that nothing runs in a circle. */
  readonly #seen = new Set<number>();

  constructor(file: Buffer) {
    this.#file = file;
    const size = file.readUInt16BE(16);
    this.#pageSize = size === 1 ? 65536 : size;
    this.#usable = this.#pageSize - file.readUInt8(20);
    if (this.#usable < 480) throw new RangeError(`pages of ${this.#pageSize} bytes are too small`);
  }

  /** The records of a table's b-tree (§1.6), by its root page. */
  *rows(number: number, depth = 0): Generator<Buffer> {
    if (depth > MAX_DEPTH) throw new RangeError('its pages run in a circle');
    const page = this.#page(number);
    const start = number === 1 ? HEADER : 0;
    const type = page.readUInt8(start);
    const cells = page.readUInt16BE(start + 3);
    if (type !== LEAF && type !== INTERIOR) throw new RangeError(`page ${number} is of type ${type}`);
    for (let cell = 0; cell < cells; cell++) {
      const at = page.readUInt16BE(start + (type === LEAF ? 8 : 12) + cell * 2);
      if (type === INTERIOR) yield* this.rows(page.readUInt32BE(at), depth + 1);
      else yield this.#payload(page, at);
    }
    if (type === INTERIOR) yield* this.rows(page.readUInt32BE(start + 8), depth + 1);
  }

  #page(number: number): Buffer {
    const start = (number - 1) * this.#pageSize;
    if (number < 1 || start + this.#pageSize > this.#file.length)
      throw new RangeError(`it has no page ${number}`);
    if (this.#seen.has(number)) throw new RangeError(`page ${number} is part of two things`);
    this.#seen.add(number);
    return this.#file.subarray(start, start + this.#pageSize);
  }

  /** A cell's record; what does not fit into the page lies in a chain of overflow pages (§1.5, §1.6). */
  #payload(page: Buffer, cell: number): Buffer {
    const length = varint(page, cell);
    const at = varint(page, length.end).end;
    const most = this.#usable - 35;
    if (length.value <= most) return page.subarray(at, at + length.value);
    const least = Math.floor(((this.#usable - 12) * 32) / 255) - 23;
    const fitting = least + ((length.value - least) % (this.#usable - 4));
    const local = fitting <= most ? fitting : least;
    const parts = [page.subarray(at, at + local)];
    let next = page.readUInt32BE(at + local);
    for (let left = length.value - local; left > 0;) {
      const overflow = this.#page(next);
      const part = overflow.subarray(4, 4 + Math.min(left, this.#usable - 4));
      parts.push(part);
      left -= part.length;
      next = overflow.readUInt32BE(0);
    }
    return Buffer.concat(parts);
  }
}

/** The raw values of a record (§2.1). Numbers keep their bytes; NULL and the constants 0 and 1 have none. */
function columns(record: Buffer): Buffer[] {
  const header = varint(record, 0);
  const values: Buffer[] = [];
  let at = header.value;
  for (let type = header.end; type < header.value;) {
    const { value: code, end } = varint(record, type);
    type = end;
    const length = code >= 12 ? Math.floor((code - 12) / 2) : ([0, 1, 2, 3, 4, 6, 8, 8][code] ?? 0);
    if (at + length > record.length) throw new RangeError('a record is cut off');
    values.push(record.subarray(at, at + length));
    at += length;
  }
  return values;
}

/** §1.6: seven bits a byte, highest first; the ninth byte counts whole. Lengths stay far below 2⁵³. */
function varint(bytes: Buffer, from: number): { value: number; end: number } {
  let value = 0;
  for (let i = 0; i < 9; i++) {
    const byte = bytes.readUInt8(from + i);
    if (i === 8) return { value: value * 256 + byte, end: from + 9 };
    value = value * 128 + (byte & 127);
    if (byte < 128) return { value, end: from + i + 1 };
  }
  throw new RangeError('a number has no end');
}
