// The header block of a tar entry, as Go's archive/tar reads it (soci-format §1.4).

import type { Int, RawEntry } from './entries';
import type { Slice } from './types';
import { parseNumeric, parseOctal, textEnd, wrap32 } from './tar-fields';

/** Bytes of a header block; data are filled up to a multiple of it. */
export const BLOCK = 512;

/** Offsets and lengths of the fields of a header block (POSIX pax, "ustar Interchange Format"; Go archive/tar/format.go). */
const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  linkname: [157, 100],
  uname: [265, 32],
  gname: [297, 32],
  devMajor: [329, 8],
  devMinor: [337, 8],
  ustarPrefix: [345, 155],
  starPrefix: [345, 131],
  starAtime: [476, 12],
  starCtime: [488, 12],
  gnuAtime: [345, 12],
  gnuCtime: [357, 12],
} as const;

/** An entry whose texts stand in `block`. */
export function entryOf(block: Uint8Array): RawEntry {
  const slice = (): Slice => ({ bytes: block, from: 0, to: 0 });
  return {
    type: 'reg',
    headerOffset: 0,
    offset: 0,
    size: 0,
    prefix: slice(),
    name: slice(),
    linkname: slice(),
    uname: slice(),
    gname: slice(),
    mode: 0,
    uid: 0,
    gid: 0,
    seconds: 0,
    nanoseconds: 0,
    devMajor: 0,
    devMinor: 0,
    pax: undefined,
  };
}

/**
 * Whether the checksum of a header block is right, whose bytes add up to `sum`. POSIX sums unsigned bytes; some old tars
 * summed signed ones. The checksum's own field counts as spaces.
 */
export function checksumHolds(block: Uint8Array, sum: number): boolean {
  const [at, length] = FIELD.checksum;
  const promised = parseOctal(block, at, length);
  let unsigned = sum + length * 0x20;
  for (let i = at; i < at + length; i++) unsigned -= block[i] ?? 0;
  if (promised === unsigned) return true;
  let signed = length * 0x20;
  block.forEach((byte, i) => (signed += i >= at && i < at + length ? 0 : byte < 128 ? byte : byte - 256));
  return promised === signed;
}

/** Reads the fields of a header block into `entry`. Gives the size, or `undefined` when a number is malformed. */
export function readFields(block: Uint8Array, entry: RawEntry): Int | undefined {
  let malformed = 0;
  const number = ([at, length]: readonly [number, number]): Int => {
    const value = parseNumeric(block, at, length);
    if (value === undefined) malformed++;
    return value ?? 0;
  };
  const text = (slice: Slice, [at, length]: readonly [number, number]): void => {
    slice.bytes = block;
    slice.from = at;
    slice.to = textEnd(block, at, at + length);
  };
  const none = (slice: Slice): void => {
    slice.bytes = block;
    slice.from = slice.to = 0;
  };

  text(entry.name, FIELD.name);
  text(entry.linkname, FIELD.linkname);
  entry.mode = number(FIELD.mode);
  entry.uid = wrap32(number(FIELD.uid));
  entry.gid = wrap32(number(FIELD.gid));
  const size = number(FIELD.size);
  entry.seconds = number(FIELD.mtime);
  entry.nanoseconds = 0;

  const format = formatOf(block);
  none(entry.prefix);
  if (format === 'v7') {
    none(entry.uname);
    none(entry.gname);
    entry.devMajor = entry.devMinor = 0;
  } else {
    text(entry.uname, FIELD.uname);
    text(entry.gname, FIELD.gname);
    entry.devMajor = number(FIELD.devMajor);
    entry.devMinor = number(FIELD.devMinor);
    if (format === 'ustar') {
      text(entry.prefix, FIELD.ustarPrefix);
    } else if (format === 'star') {
      text(entry.prefix, FIELD.starPrefix);
      number(FIELD.starAtime);
      number(FIELD.starCtime);
    } else if (!isGnuTime(block, FIELD.gnuAtime) || !isGnuTime(block, FIELD.gnuCtime)) {
      // Old Go releases wrote a ustar prefix into GNU headers.
      text(entry.prefix, FIELD.ustarPrefix);
      for (let i = entry.prefix.from; i < entry.prefix.to; i++)
        if ((block[i] ?? 0) >= 0x80) none(entry.prefix);
    }
  }
  return malformed === 0 ? size : undefined;
}

/** Go archive/tar, `getFormat`: by magic and version, once the checksum holds. */
function formatOf(block: Uint8Array): 'v7' | 'ustar' | 'star' | 'gnu' {
  const has = (at: number, text: string): boolean => {
    for (let i = 0; i < text.length; i++) if (block[at + i] !== text.charCodeAt(i)) return false;
    return true;
  };
  if (has(257, 'ustar\0')) return has(508, 'tar\0') ? 'star' : 'ustar';
  return has(257, 'ustar  \0') ? 'gnu' : 'v7';
}

/** GNU keeps access and change times where ustar has its prefix; both may be missing. */
function isGnuTime(block: Uint8Array, [at, length]: readonly [number, number]): boolean {
  return block[at] === 0 || parseNumeric(block, at, length) !== undefined;
}

/** Fills up to a whole number of blocks. */
export function padding(size: number): number {
  const rest = size % BLOCK;
  return rest === 0 ? 0 : BLOCK - rest;
}

export function isZero(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}
