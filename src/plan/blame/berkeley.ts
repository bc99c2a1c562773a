/**
 * Reads the values of a Berkeley DB hash (Oracle Berkeley DB 5.3, dbinc/db_page.h), which RPM used before SQLite. RPM's
 * values are larger than a page, so they lie in chains of overflow pages. Bytes that make no sense give a RangeError.
 */

const HASH_MAGIC = 0x061561;
const PAGE = { next: 16, entries: 20, length: 22, type: 25, header: 26 };
const HASH_PAGES = new Set([2, 13]);
const OVERFLOW_PAGE = 7;
/**
 * The item lies elsewhere: its first page at byte 4 of the item, its length at byte 8. RPM's count of packages, under the
 * key 0, is no header and lies in the page itself.
 */
const OFF_PAGE = 3;

/** Every value that has overflow pages of its own, in the order of the pages. */
export function* hashValues(file: Buffer): Generator<Buffer> {
  const little = file.readUInt32LE(12) === HASH_MAGIC;
  if (!little && file.readUInt32BE(12) !== HASH_MAGIC) throw new RangeError('it is no Berkeley DB hash');
  const u32 = (at: number): number => (little ? file.readUInt32LE(at) : file.readUInt32BE(at));
  const u16 = (at: number): number => (little ? file.readUInt16LE(at) : file.readUInt16BE(at));
  const pageSize = u32(20);
  if (pageSize < 512 || pageSize > 65536) throw new RangeError(`pages of ${pageSize} bytes are none`);

  /** Each page is part of one value, so that no chain is endless, and no two make one another longer. */
  const seen = new Set<number>();
  const overflow = (first: number, length: number): Buffer => {
    const parts: Buffer[] = [];
    let left = length;
    for (let number = first; left > 0;) {
      const page = number * pageSize;
      if (seen.has(number)) throw new RangeError(`page ${number} is part of two values`);
      seen.add(number);
      if (number === 0 || file.readUInt8(page + PAGE.type) !== OVERFLOW_PAGE)
        throw new RangeError(`page ${number} holds no part of a value`);
      const part = Math.min(left, u16(page + PAGE.length));
      parts.push(file.subarray(page + PAGE.header, page + PAGE.header + part));
      left -= part;
      number = u32(page + PAGE.next);
    }
    return Buffer.concat(parts);
  };

  for (let page = pageSize; page + pageSize <= file.length; page += pageSize) {
    if (!HASH_PAGES.has(file.readUInt8(page + PAGE.type))) continue;
    // Keys and values take turns in the table of offsets.
    for (let value = 1; value < u16(page + PAGE.entries); value += 2) {
      const item = page + u16(page + PAGE.header + value * 2);
      if (file.readUInt8(item) === OFF_PAGE) yield overflow(u32(item + 4), u32(item + 8));
    }
  }
}
