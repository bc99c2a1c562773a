// The rules of Go's archive/tar that are easy to get wrong (soci-format §1.4), beside the golden layers.

import { EntryTable } from '../../../src/layer/entries';
import { TarReader } from '../../../src/layer/tar';
import type { TarEntry } from '../../../src/layer/types';
import { Random } from '../../support/random';
import {
  gnuLong,
  header,
  padded,
  paxHeader,
  randomTar,
  withChecksum,
  type HeaderFields,
} from '../../support/tars';
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { extract } from 'tar-stream';

const END = Buffer.alloc(1024);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

function read(...parts: Uint8Array[]): { reader: TarReader; entries: TarEntry[] } {
  const reader = new TarReader();
  const bytes = Buffer.concat(parts);
  reader.push(bytes, 0, bytes.length);
  reader.finish();
  const table = new EntryTable(reader.entries());
  return { reader, entries: Array.from({ length: table.length }, (_, i) => table.get(i)) };
}

function one(...parts: Uint8Array[]): TarEntry {
  const { reader, entries } = read(...parts, END);
  assert.equal(reader.fault, undefined);
  assert.equal(entries.length, 1);
  return entries[0] ?? assert.fail();
}

function refused(rule: RegExp, ...parts: Uint8Array[]): void {
  const { reader } = read(...parts);
  assert.match(reader.fault?.rule ?? 'it was accepted', rule);
}

/** A header with bytes written over it, and its checksum made right. */
function patched(fields: HeaderFields, at: number, bytes: string): Buffer {
  const block = header(fields);
  block.write(bytes, at, 'latin1');
  return withChecksum(block);
}

describe('the tar reader', () => {
  it('reads random archives as tar-stream does', async () => {
    for (let seed = 1; seed <= 100; seed++) {
      const { tar, entries } = randomTar(new Random(seed));
      const { reader } = read(tar);
      const theirs: { name: string; size: number | undefined }[] = [];
      // Its types leave the option out without which it refuses v7 headers.
      const options = { highWaterMark: 65536, allowUnknownFormat: true };
      const extractor = extract(options);
      extractor.on('entry', (found, stream, next) => {
        theirs.push({ name: found.name, size: found.size });
        stream.on('end', next).resume();
      });
      await new Promise<void>((resolve, reject) => {
        extractor.on('finish', resolve).on('error', reject);
        Readable.from([tar]).pipe(extractor);
      });
      assert.equal(reader.fault, undefined);
      // tar-stream takes the slash off a directory's name, and prefers a pax path to a GNU name, where Go does not.
      assert.deepEqual(
        theirs.map(({ name, size }, i) => [
          (name === 'overruled' ? entries[i]?.name : name)?.replace(/\/$/, ''),
          size,
        ]),
        entries.map(({ name, size }) => [name.replace(/\/$/, ''), size]),
        `seed ${seed}`,
      );
    }
  });

  it('takes signed checksums, and none that fits neither sum', () => {
    const block = header({ name: '\xff\xfe' });
    const signed = block.reduce(
      (sum, byte, i) => sum + (i >= 148 && i < 156 ? 0x20 : byte < 128 ? byte : byte - 256),
      0,
    );
    block.write(`${signed.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    assert.equal(text(one(block).name), '\xff\xfe');
    block[0] = 1;
    refused(/checksum/, block);
  });

  it('joins the prefix of ustar and of star, and leaves that of GNU and v7 alone', () => {
    assert.equal(text(one(header({ name: 'n', prefix: 'p' })).name), 'p/n');
    // star ends its prefix where its times begin.
    const star = patched({ name: 'n', prefix: 'p'.repeat(131) }, 508, 'tar\0');
    star.write('00000000000\x0000000000000\0', 476, 'latin1');
    assert.equal(text(one(withChecksum(star)).name), `${'p'.repeat(131)}/n`);
    assert.equal(text(one(header({ name: 'n', prefix: '00000000001', format: 'gnu' })).name), 'n');
    assert.equal(
      text(one(header({ name: 'n', prefix: 'p', format: 'gnu' })).name),
      'p/n',
      'an old bug of Go',
    );
    assert.equal(text(one(header({ name: 'n', prefix: 'p\xe9', format: 'gnu' })).name), 'n');
    assert.equal(text(one(header({ name: 'n', prefix: 'p', format: 'v7' })).name), 'n');
  });

  it('takes the slash after a prefix without a name for the end of a directory', () => {
    // Go joins them first, and then looks at the type that old archives leave out.
    const bare = one(header({ name: '', prefix: 'd', flag: '\0', size: 512 }));
    assert.deepEqual([text(bare.name), bare.type, bare.size], ['d/', 'dir', 512]);
    assert.equal(one(header({ name: '', flag: '\0' })).type, 'reg');
    assert.equal(one(header({ name: 'f', prefix: 'd/', flag: '\0' })).type, 'reg');
  });

  it('refuses a star header whose times are no numbers', () => {
    refused(/octal/, patched({ name: 'n' }, 476, 'x'.repeat(24) + '\0'.repeat(8) + 'tar\0'));
  });

  it('reads numbers in octal and base-256, negative and beyond 2^53 too', () => {
    assert.equal(one(patched({ name: 'n' }, 100, '  644\0\0\0')).mode, 0o644n);
    assert.equal(one(patched({ name: 'n' }, 100, '\0\0\0\0\0\0\0\0')).mode, 0n);
    assert.equal(one(patched({ name: 'n' }, 100, '\xff\xff\xff\xff\xff\xff\xff\xff')).mode, -1n);
    assert.equal(
      one(patched({ name: 'n' }, 100, '\x80\x7f\xff\xff\xff\xff\xff\xff')).mode,
      0x7fffffffffffffn,
    );
    assert.equal(
      one(patched({ name: 'n' }, 108, '\x80\0\0\x01\0\0\0\x05')).uid,
      5,
      'owners are taken modulo 2^32',
    );
    assert.equal(
      one(patched({ name: 'n', flag: '5' }, 124, '\x80\0\0\0\0\0\0\x02\0\0\0\x01')).size,
      2 ** 33 + 1,
    );
    refused(/octal/, patched({ name: 'n' }, 100, '00008\0\0\0'));
    refused(/octal/, patched({ name: 'n' }, 124, '\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff'));
    refused(/negative/, patched({ name: 'n' }, 124, '\xff'.repeat(12)));
  });

  it('writes times as Go does', () => {
    const time = (mtime: string): string => one(paxHeader([['mtime', mtime]]), header({ name: 'n' })).modTime;
    assert.equal(time('0'), '1970-01-01T00:00:00Z');
    assert.equal(time('1.5'), '1970-01-01T00:00:01.5Z');
    assert.equal(time('-12.25'), '1969-12-31T23:59:47.75Z');
    assert.equal(time('-0.5'), '1969-12-31T23:59:59.5Z');
    assert.equal(time('1.1234567899'), '1970-01-01T00:00:01.123456789Z');
    assert.equal(time('253402300799'), '9999-12-31T23:59:59Z');
    assert.equal(time('253402300800'), '');
    assert.equal(time('-62167219200'), '0000-01-01T00:00:00Z');
    assert.equal(time('-62167219201'), '');
    assert.equal(time('9223372036854775807'), '');
    for (const bad of ['x', '1.x', '.5', '9223372036854775808', '1e3']) {
      refused(/mtime/, paxHeader([['mtime', bad]]), header({ name: 'n' }));
    }
  });

  it('keeps all pax records, sorted by bytes, and applies those with a meaning', () => {
    const entry = one(
      paxHeader([
        ['uid', '4294967301'],
        ['uname', ''],
        ['path', 'long'],
        ['path', 'longer'],
        ['\xf0\x90\x80\x80', 'beyond'],
        ['\xef\xbf\xae', 'within'],
      ]),
      header({ name: 'n', uname: 'root' }),
    );
    assert.equal(text(entry.name), 'longer');
    assert.equal(entry.uid, 5);
    assert.equal(text(entry.uname), 'root');
    assert.deepEqual(
      entry.pax.map(([key]) => text(key)),
      ['path', 'uid', 'uname', '\xef\xbf\xae', '\xf0\x90\x80\x80'],
    );
  });

  it('takes the last pax header before an entry only, and a GNU name before a pax path', () => {
    const replaced = one(
      paxHeader([['uname', 'gone']]),
      paxHeader([['gname', 'kept']]),
      header({ name: 'n' }),
    );
    assert.deepEqual([text(replaced.uname), text(replaced.gname)], ['', 'kept']);
    assert.equal(
      text(one(paxHeader([['path', 'pax']]), gnuLong('L', 'gnu'), header({ name: 'n' })).name),
      'gnu',
    );
    assert.equal(
      text(one(gnuLong('L', ''), paxHeader([['path', 'pax']]), header({ name: 'n' })).name),
      'pax',
    );
  });

  it('lets a pax size say how much data follows', () => {
    const { entries } = read(
      paxHeader([['size', '600']]),
      header({ name: 'a', size: 1 }),
      padded(new Uint8Array(600)),
      header({ name: 'b' }),
      END,
    );
    assert.deepEqual(
      entries.map(({ size, headerOffset }) => [size, headerOffset]),
      [
        [600, 0],
        [0, 2560],
      ],
    );
  });

  it('refuses pax headers that are too long or malformed', () => {
    refused(/longer than/, header({ name: 'x', flag: 'x', size: (1 << 20) + 1 }));
    for (const payload of [
      '5 a=\n',
      '6 a=b\n',
      '4 =\n',
      '7 ab=cd\n',
      '6 =bc\n',
      'x',
      '99 a=b\n',
      '6 a\0b\n',
      '9 path=\0\n',
    ]) {
      const malformed = payload !== '6 a=b\n' && payload !== '5 a=\n';
      const { reader } = read(
        header({ name: 'x', flag: 'x', size: payload.length }),
        padded(Buffer.from(payload, 'latin1')),
      );
      assert.equal(reader.fault !== undefined, malformed, JSON.stringify(payload));
    }
  });

  it('reads each kind of sparse map, and no broken one', () => {
    const versioned = (minor: string, ...more: [string, string][]): Buffer =>
      paxHeader([
        ['GNU.sparse.major', minor === '1.0' ? '1' : '0'],
        ['GNU.sparse.minor', minor === '0.1' ? '1' : '0'],
        ...more,
      ]);
    const old = one(
      versioned(
        '0.0',
        ['GNU.sparse.size', '100'],
        ['GNU.sparse.numblocks', '1'],
        ['GNU.sparse.offset', '0'],
        ['GNU.sparse.numbytes', '5'],
      ),
      header({ name: 'n', size: 5 }),
      padded(Buffer.from('12345')),
    );
    assert.equal(old.size, 100);
    assert.deepEqual(
      old.pax.filter(([key]) => text(key) === 'GNU.sparse.map').map(([, value]) => text(value)),
      ['0,5'],
    );

    const map = padded(Buffer.from(`2\n0\n5\n90\n5\n`));
    const current = one(
      versioned('1.0', ['GNU.sparse.name', 'real'], ['GNU.sparse.realsize', '95']),
      header({ name: 'n', size: map.length + 10 }),
      map,
      padded(new Uint8Array(10)),
    );
    assert.deepEqual([text(current.name), current.size, current.offset], ['real', 95, 1536 + map.length]);

    for (const broken of ['2\n0\n5\n4\n5\n', '1\n0\n96\n', '1\n-1\n5\n', 'x\n', '-1\n']) {
      const block = padded(Buffer.from(broken));
      refused(
        /sparse/,
        versioned('1.0', ['GNU.sparse.realsize', '95']),
        header({ name: 'n', size: block.length }),
        block,
      );
    }
    refused(/sparse/, versioned('1.0'), header({ name: 'n', flag: '5' }));
    refused(/sparse/, versioned('1.0'), header({ name: 'n', size: 100 }), padded(Buffer.from('9\n')));
  });

  it('refuses the kinds of entries that SOCI does not know', () => {
    refused(/global/, paxHeader([['a', 'b']], 'g'));
    refused(/contiguous/, header({ name: 'n', flag: '7' }));
    refused(/sparse/, header({ name: 'n', flag: 'S' }));
    refused(/type '\\u00ff'/, header({ name: 'n', flag: '\xff' }));
  });

  it('knows each way in which an archive may end', () => {
    const file = [header({ name: 'n', size: 1 }), padded(Buffer.from('x'))] as const;
    assert.equal(read(...file, END, Buffer.from('rubbish')).reader.end, 'zero-blocks');
    assert.equal(read(...file, END, Buffer.alloc(5000)).reader.position, 2048);
    assert.equal(read(...file, Buffer.alloc(512)).reader.end, 'one-zero-block');
    assert.equal(read(...file).reader.end, 'end-of-file');
    assert.equal(read(file[0], Buffer.from('x')).reader.position, 513, 'padding may be missing');
    assert.equal(read(paxHeader([['a', 'b']])).reader.end, 'end-of-file');
    refused(/within the data/, file[0]);
    refused(/within a header/, ...file, Buffer.alloc(511));
    refused(/within a header/, ...file, Buffer.alloc(513));
    refused(/not zero/, ...file, Buffer.alloc(512), header({ name: 'n' }));
  });

  it('skips data beyond 8 GiB without looking at them', () => {
    const reader = new TarReader();
    const size = 9 * 2 ** 30 + 1;
    const push = (bytes: Uint8Array): void => {
      reader.push(bytes, 0, bytes.length);
    };
    push(
      patched(
        { name: 'huge' },
        124,
        '\x80\0\0\0' + Buffer.from(BigInt(size).toString(16).padStart(16, '0'), 'hex').toString('latin1'),
      ),
    );
    const chunk = new Uint8Array(64 << 20);
    for (let left = size; left > 0; left -= chunk.length) reader.push(chunk, 0, Math.min(left, chunk.length));
    push(new Uint8Array(511));
    push(header({ name: 'after' }));
    push(END);
    reader.finish();
    const entries = new EntryTable(reader.entries());
    assert.deepEqual(
      [entries.size(0), entries.headerOffset(1), entries.name(1)],
      [size, size + 511 + 512, 'after'],
    );
    assert.equal(reader.position, size + 511 + 1024 + 1024);
  });
});
