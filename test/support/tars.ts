// Random tars in every dialect, and what Go's archive/tar finds in them.

import type { Random } from './random';
import type { EntryType } from '../../src/layer/types';

/** What a generated entry should be read as. */
export interface ExpectedEntry {
  readonly name: string;
  readonly type: EntryType;
  readonly headerOffset: number;
  readonly offset: number;
  readonly size: number;
  readonly linkname: string;
  readonly mode: bigint;
  readonly uid: number;
  readonly gid: number;
  readonly uname: string;
  readonly gname: string;
  readonly modTime: string;
  readonly data: Uint8Array;
}

export interface HeaderFields {
  readonly name: string;
  readonly flag?: string;
  readonly size?: number;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly linkname?: string;
  readonly uname?: string;
  readonly gname?: string;
  readonly prefix?: string;
  readonly format?: 'ustar' | 'gnu' | 'v7';
  /** Numbers in base-256 form. */
  readonly binary?: boolean;
}

const BLOCK = 512;
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

/** One header block with a right checksum. Texts hold one byte per UTF-16 unit. */
export function header(fields: HeaderFields): Buffer {
  const block = Buffer.alloc(BLOCK);
  const number = (at: number, length: number, value: number): void => {
    if (fields.binary) {
      block.writeBigInt64BE(BigInt(value), at + length - 8);
      if (value < 0) block.fill(0xff, at, at + length - 8);
      block[at] = (block[at] ?? 0) | 0x80;
    } else {
      block.write(value.toString(8).padStart(length - 1, '0'), at, 'latin1');
    }
  };
  latin1(fields.name).copy(block, 0, 0, 100);
  number(100, 8, fields.mode ?? 0o644);
  number(108, 8, fields.uid ?? 0);
  number(116, 8, fields.gid ?? 0);
  number(124, 12, fields.size ?? 0);
  number(136, 12, fields.mtime ?? 1_600_000_000);
  block.write(fields.flag ?? '0', 156, 'latin1');
  latin1(fields.linkname ?? '').copy(block, 157, 0, 100);
  if (fields.format !== 'v7') {
    block.write(fields.format === 'gnu' ? 'ustar  \0' : 'ustar\x0000', 257, 'latin1');
    latin1(fields.uname ?? '').copy(block, 265, 0, 32);
    latin1(fields.gname ?? '').copy(block, 297, 0, 32);
    latin1(fields.prefix ?? '').copy(block, 345, 0, 155);
  }
  return withChecksum(block);
}

/** Writes the checksum of a header block. */
export function withChecksum(block: Buffer): Buffer {
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** Data and the zeros up to the next block. */
export function padded(data: Uint8Array): Buffer {
  return Buffer.concat([data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)]);
}

/** A pax record: its length counts itself. */
export function paxRecord(key: string, value: string): string {
  let length = key.length + value.length + 3;
  while (String(length).length + key.length + value.length + 3 !== length) length++;
  return `${length} ${key}=${value}\n`;
}

/** A pax header with its records. */
export function paxHeader(records: readonly (readonly [string, string])[], flag = 'x'): Buffer {
  const payload = latin1(records.map(([key, value]) => paxRecord(key, value)).join(''));
  return Buffer.concat([header({ name: 'PaxHeaders/x', flag, size: payload.length }), padded(payload)]);
}

/** A GNU long name or link. */
export function gnuLong(flag: 'L' | 'K', text: string): Buffer {
  const payload = latin1(`${text}\0`);
  return Buffer.concat([
    header({ name: '././@LongLink', flag, size: payload.length, format: 'gnu' }),
    padded(payload),
  ]);
}

const REGULAR: [string, EntryType] = ['0', 'reg'];
const FLAGS: [[string, EntryType], ...[string, EntryType][]] = [
  ['1', 'hardlink'],
  ['2', 'symlink'],
  ['3', 'char'],
  ['4', 'block'],
  ['5', 'dir'],
  ['6', 'fifo'],
];

/** A sound tar of random entries, and what they are. */
export function randomTar(
  random: Random,
  count = random.int(0, 12),
): { tar: Buffer; entries: ExpectedEntry[] } {
  const parts: Buffer[] = [];
  const entries: ExpectedEntry[] = [];
  let position = 0;
  const add = (part: Buffer): void => {
    parts.push(part);
    position += part.length;
  };
  for (let i = 0; i < count; i++) {
    const headerOffset = position;
    const [flag, type] = random.next() < 0.6 ? REGULAR : random.pick(FLAGS);
    const format = random.pick<'ustar' | 'gnu' | 'v7'>(['ustar', 'gnu', 'v7']);
    const data = type === 'reg' ? random.bytes(random.pick([0, 1, 511, 512, 513, 3000])) : new Uint8Array();
    const text = (limit: number): string =>
      String.fromCharCode(...random.list(1, limit, () => random.int(0x21, 0x7e)));
    const long = random.next() < 0.2;
    const name = long ? text(300) : text(90);
    const isLink = type === 'hardlink' || type === 'symlink';
    const linkname = isLink ? text(90) : '';
    const mtime = random.int(0, 2_000_000_000);
    const fraction = random.next() < 0.2 ? random.int(1, 999) : 0;
    const owner = { uid: random.int(0, 0o7777777), gid: random.int(0, 0o7777777) };
    const names = format === 'v7' ? { uname: '', gname: '' } : { uname: text(31), gname: text(31) };
    const mode = random.int(0, 0o7777);
    const isGnu = long && random.next() < 0.5;
    if (isGnu) add(gnuLong('L', name));
    if ((long && !isGnu) || fraction > 0) {
      const records: [string, string][] = [['SCHILY.xattr.user.note', text(20)]];
      // A GNU long name goes before a pax path.
      if (long) records.push(['path', isGnu ? 'overruled' : name]);
      if (fraction > 0) records.push(['mtime', `${mtime}.${String(fraction).padStart(3, '0')}`]);
      add(paxHeader(records));
    }
    const prefix = !long && format === 'ustar' && random.next() < 0.3 ? text(100) : '';
    const fields = {
      name: long ? 'short' : name,
      flag,
      size: data.length,
      mode,
      mtime,
      linkname,
      prefix,
      format,
      ...owner,
      ...names,
    };
    add(header({ ...fields, binary: random.next() < 0.2 }));
    const seconds = new Date(mtime * 1000).toISOString().slice(0, 19);
    entries.push({
      name: prefix ? `${prefix}/${name}` : name,
      type,
      headerOffset,
      offset: position,
      size: data.length,
      linkname,
      mode: BigInt(mode),
      ...owner,
      uname: names.uname,
      gname: names.gname,
      modTime:
        fraction > 0 ? `${seconds}.${String(fraction).padStart(3, '0').replace(/0+$/, '')}Z` : `${seconds}Z`,
      data,
    });
    add(padded(data));
  }
  add(Buffer.alloc(random.pick([0, 512, 1024, 10_240])));
  return { tar: Buffer.concat(parts), entries };
}

/** Damages a tar where it hurts: a byte of some header, whose checksum is then made right again. */
export function mutateHeader(random: Random, tar: Uint8Array): Uint8Array {
  const damaged = Buffer.from(tar);
  const blocks = Math.floor(damaged.length / BLOCK);
  const headers = Array.from({ length: blocks }, (_, i) =>
    damaged.subarray(i * BLOCK, (i + 1) * BLOCK),
  ).filter((block) => block[154] === 0 && block[155] === 0x20);
  const block = headers[random.int(0, headers.length - 1)];
  if (!block) return damaged;
  for (let i = random.int(1, 4); i > 0; i--) {
    const at = random.pick([
      random.int(0, 511),
      random.int(100, 160),
      random.int(257, 265),
      156,
      random.int(329, 500),
    ]);
    block[at] = random.pick([
      random.int(0, 255),
      0,
      0x20,
      0x30,
      0x37,
      0x38,
      0x80,
      0xff,
      random.int(0x30, 0x39),
      0x78,
    ]);
  }
  withChecksum(block);
  return damaged;
}

/** A random pax payload between sound and senseless, before one file. */
export function randomPaxTar(random: Random): Buffer {
  const number = (): string =>
    random.pick([
      '0',
      '1',
      '12',
      '-1',
      '+7',
      '',
      'x',
      '1.5',
      '-12.25',
      '1600000000.123456789123',
      '9223372036854775808',
      '007',
      ' 1',
      '1_0',
      '4294967301',
      '-0.5',
      '1.',
      '.5',
      '253402300800',
    ]);
  const keys = [
    'path',
    'linkpath',
    'uname',
    'gname',
    'uid',
    'gid',
    'size',
    'mtime',
    'atime',
    'ctime',
    'comment',
    'SCHILY.xattr.user.a',
    'GNU.sparse.major',
    'GNU.sparse.minor',
    'GNU.sparse.name',
    'GNU.sparse.size',
    'GNU.sparse.realsize',
    'GNU.sparse.map',
    'GNU.sparse.numblocks',
    'GNU.sparse.offset',
    'GNU.sparse.numbytes',
  ] as const;
  const records = random.list(0, 6, (): [string, string] => [
    random.pick<string>([...keys] as [string, ...string[]]),
    random.pick([number(), number(), 'a/b', '0,10', '0,10,20,30', '\xc3\xa9', 'a\0b', '1', '0']),
  ]);
  if (random.next() < 0.3)
    records.push(['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'], ['GNU.sparse.realsize', number()]);
  const data = padded(
    Buffer.from(
      random.pick([
        '1\n0\n10\n',
        '0\n',
        '2\n0\n1\n1\n1\n',
        'x',
        '1\n0\n',
        '1\n-1\n5\n',
        `1\n0\n10\n${'z'.repeat(600)}`,
      ]),
    ),
  );
  const parts = [paxHeader(records, random.next() < 0.95 ? 'x' : 'g')];
  if (random.next() < 0.2) parts.push(gnuLong(random.pick(['L', 'K']), random.pick(['', 'long/name', 'd/'])));
  if (random.next() < 0.2) parts.push(paxHeader([['path', 'second']]));
  const flag = random.pick(['0', '\0', '1', '5', '0', '7']);
  parts.push(
    header({
      name: random.pick(['f', 'd/', '']),
      flag,
      size: flag === '0' || flag === '\0' ? data.length : random.pick([0, 10]),
    }),
    data,
    Buffer.alloc(1024),
  );
  return Buffer.concat(parts);
}
