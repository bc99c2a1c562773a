// The small grammars inside tar headers, as Go's archive/tar reads them (soci-format §1.4). Each function gives
// `undefined` where Go gives `ErrHeader`.

import type { Int } from './entries';

/** Where a NUL-terminated text that begins at `from` ends, at most at `to`. */
export function textEnd(bytes: Uint8Array, from: number, to: number): number {
  let end = from;
  while (end < to && bytes[end] !== 0) end++;
  return end;
}

/** A number of a header field of `length` bytes: base-256 where its first bit is set, octal else. */
export function parseNumeric(bytes: Uint8Array, from: number, length: number): Int | undefined {
  const first = bytes[from] ?? 0;
  return first & 0x80 ? parseBase256(bytes, from, length) : parseOctal(bytes, from, length);
}

/** Octal digits between spaces and NULs, which may be missing altogether. */
export function parseOctal(bytes: Uint8Array, from: number, length: number): number | undefined {
  let start = from;
  let end = from + length;
  while (start < end && isBlank(bytes[start])) start++;
  while (end > start && isBlank(bytes[end - 1])) end--;
  end = textEnd(bytes, start, end);
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = (bytes[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) return undefined;
    value = value * 8 + digit;
  }
  return value;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0;
}

/** Big-endian two's complement after the first bit, which only marks the form. Beyond 64 bits is an error. */
function parseBase256(bytes: Uint8Array, from: number, length: number): Int | undefined {
  const invert = (bytes[from] ?? 0) & 0x40 ? 0xff : 0;
  let value = 0n;
  for (let i = 0; i < length; i++) {
    const byte = (bytes[from + i] ?? 0) ^ invert;
    value = (value << 8n) | BigInt(i === 0 ? byte & 0x7f : byte);
  }
  if (value >> 63n) return undefined;
  return narrow(invert ? -value - 1n : value);
}

function narrow(value: bigint): Int {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Go's `strconv.ParseInt(text, 10, 64)`. */
export function parseDecimal(text: string): Int | undefined {
  if (!/^[+-]?[0-9]+$/.test(text)) return undefined;
  if (text.length <= 15) return Number(text) + 0; // `+ 0` turns −0 into 0
  const value = BigInt(text.replace(/^\+/, ''));
  return BigInt.asIntN(64, value) === value ? narrow(value) : undefined;
}

/** `uint32(int(id))`, as SOCI stores owners. */
export function wrap32(value: Int): number {
  return typeof value === 'number' ? value >>> 0 : Number(BigInt.asUintN(32, value));
}

/** Seconds and nanoseconds of a pax time `[-]seconds[.fraction]`: cut to 9 digits, subtracted after a minus. */
export function parsePaxTime(text: string): { seconds: Int; nanoseconds: number } | undefined {
  const point = text.indexOf('.');
  const whole = point < 0 ? text : text.slice(0, point);
  const fraction = point < 0 ? '' : text.slice(point + 1);
  const seconds = parseDecimal(whole);
  if (seconds === undefined || !/^[0-9]*$/.test(fraction)) return undefined;
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'));
  if (nanoseconds === 0 || !whole.startsWith('-')) return { seconds, nanoseconds };
  return {
    seconds: typeof seconds === 'number' ? seconds - 1 : seconds - 1n,
    nanoseconds: 1e9 - nanoseconds,
  };
}

/** Pax records by raw key. Keys and values hold one byte per UTF-16 unit until they are looked at. */
export type PaxRecords = Map<string, Uint8Array>;

const SPARSE_OFFSET = 'GNU.sparse.offset';
const SPARSE_NUMBYTES = 'GNU.sparse.numbytes';
const SPARSE_MAP = 'GNU.sparse.map';
const NUL_FREE = new Set(['path', 'linkpath', 'uname', 'gname']);

/** The records of a pax header: `length key=value\n` one after the other; a later key replaces an earlier one. */
export function parsePax(payload: Uint8Array): PaxRecords | undefined {
  const records: PaxRecords = new Map();
  // GNU sparse 0.0 repeats two keys for each region; Go turns them into the one map of version 0.1.
  const sparse: string[] = [];
  for (let at = 0; at < payload.length;) {
    const space = payload.indexOf(0x20, at);
    if (space < 0) return undefined;
    const length = parseDecimal(latin1(payload.subarray(at, space)));
    if (typeof length !== 'number' || length < 5 || length > payload.length - at) return undefined;
    const end = at + length;
    if (end <= space + 1 || payload[end - 1] !== 0x0a) return undefined;
    const equals = payload.indexOf(0x3d, space + 1);
    if (equals < 0 || equals >= end - 1) return undefined;
    const key = latin1(payload.subarray(space + 1, equals));
    const value = payload.subarray(equals + 1, end - 1);
    if (key === '' || (NUL_FREE.has(key) ? value.includes(0) : key.includes('\0'))) return undefined;
    if (key === SPARSE_OFFSET || key === SPARSE_NUMBYTES) {
      if (key !== (sparse.length % 2 === 0 ? SPARSE_OFFSET : SPARSE_NUMBYTES) || value.includes(0x2c))
        return undefined;
      sparse.push(latin1(value));
    } else {
      records.set(key, value.slice());
    }
    at = end;
  }
  if (sparse.length > 0) records.set(SPARSE_MAP, Buffer.from(sparse.join(','), 'latin1'));
  return records;
}

export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/** How a pax entry keeps its sparse map: not at all, in its records, or before its data. */
export type SparseForm = 'none' | 'records' | 'data';

/** Which GNU sparse format the records announce (soci-format §1.4). */
export function sparseForm(records: PaxRecords): SparseForm {
  const value = (key: string): string => latin1(records.get(key) ?? new Uint8Array());
  const major = value('GNU.sparse.major');
  const minor = value('GNU.sparse.minor');
  if (major === '0' && (minor === '0' || minor === '1')) return 'records';
  if (major === '1' && minor === '0') return 'data';
  if (major !== '' || minor !== '') return 'none';
  return value(SPARSE_MAP) === '' ? 'none' : 'records';
}

/** The offsets and lengths of a sparse map that stands in the records (formats 0.0 and 0.1). */
export function sparseMapOfRecords(records: PaxRecords): Int[] | undefined {
  const count = parseDecimal(latin1(records.get('GNU.sparse.numblocks') ?? new Uint8Array()));
  const map = latin1(records.get(SPARSE_MAP) ?? new Uint8Array());
  const numbers = map === '' ? [] : map.split(',').map(parseDecimal);
  if (count === undefined || count < 0 || numbers.length !== Number(count) * 2) return undefined;
  return numbers.every((number) => number !== undefined) ? numbers : undefined;
}

/**
 * The offsets and lengths of a sparse map that stands before the data (format 1.0): a count, then the numbers, each on a
 * line. A single number tells that so many lines are needed, and `bytes` holds fewer.
 */
export function sparseMapOfData(bytes: Uint8Array): Int[] | number | undefined {
  const lines = latin1(bytes).split('\n');
  if (lines.length < 2) return 1;
  const count = parseDecimal(lines[0] ?? '');
  if (count === undefined || count < 0) return undefined;
  const needed = 1 + 2 * Number(count);
  if (lines.length - 1 < needed) return needed;
  const numbers = lines.slice(1, needed).map(parseDecimal);
  return numbers.every((number) => number !== undefined) ? numbers : undefined;
}

/** Regions in order, without overlap, within the file. */
export function isSparseMap(numbers: readonly Int[], size: Int): boolean {
  if (size < 0) return false;
  let before = 0n;
  for (let i = 0; i + 1 < numbers.length; i += 2) {
    const offset = BigInt(numbers[i] ?? 0);
    const length = BigInt(numbers[i + 1] ?? 0);
    if (offset < 0n || length < 0n || offset + length > BigInt(size) || before > offset) return false;
    before = offset + length;
  }
  return true;
}
