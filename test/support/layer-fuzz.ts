// One fuzz case each for the gzip engine and the tar reader; the unit suite runs a few thousand, `npm run fuzz` any number.

import { LensError } from '../../src/errors';
import type { Bytes } from '../../src/layer/bytes';
import { scanLayer } from '../../src/layer/scan';
import { spanDigests, spanTable } from '../../src/layer/spans';
import type { LayerScan } from '../../src/layer/types';
import { mutate, randomMember } from './deflate';
import { Random } from './random';
import { referenceInflate } from './reference-inflate';
import { mutateHeader, randomPaxTar, randomTar } from './tars';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

export { Random };

/**
 * Bytes that come in chunks cut at random places; where the reader gives memory, some of them come there, one read ahead as from a file.
 */
export function chunked(random: Random, data: Uint8Array): Bytes {
  const longest = random.pick([1, 7, 64, 513, 5000, 1 << 20]);
  return {
    size: data.length,
    ranged: false,
    // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous, this source is not
    async *read(range = { start: 0, end: data.length }, _signal, allocate) {
      let at = range.start;
      const cut = (): Uint8Array | undefined => {
        const part = data.slice(at, Math.min(range.end, at + random.int(1, longest)));
        at += part.length;
        if (part.length === 0) return undefined;
        if (!allocate || random.next() < 0.5) return part;
        const chunk = allocate(part.length);
        chunk.set(part);
        return chunk;
      };
      for (let next = cut(); next;) {
        const chunk = next;
        next = cut();
        yield chunk;
      }
    },
  };
}

async function verdict(blob: Bytes, compression: 'gzip' | 'tar'): Promise<LayerScan | LensError> {
  try {
    return await scanLayer(blob, compression, { spanSize: 1000, diffId: true });
  } catch (error) {
    if (error instanceof LensError) return error;
    throw error;
  }
}

/** A random gzip stream, damaged at times: the engine agrees with zlib on the verdict, the bytes and every block end. */
export async function gzipCase(random: Random): Promise<void> {
  const size = random.pick([10, 10, 100, 300, 300, 1000, 1000, 3000, 20_000]);
  const members = random.list(1, 3, () => randomMember(random, size));
  // Two blocks of zeros make the rest of the output no matter of the tar reader.
  members.splice(
    random.int(0, 1),
    members.length > 1 ? 0 : 1,
    randomMember(random, size, new Uint8Array(1024)),
  );
  const sound = Buffer.concat(members.map(({ packed }) => packed));
  const stream = random.next() < 0.5 ? sound : mutate(random, sound);
  const reference = referenceInflate(stream);
  if (stream === sound) assert.ok(reference, 'the generator writes sound streams');
  const scan = await verdict(chunked(random, stream), 'gzip');
  if (!reference) {
    assert.ok(
      scan instanceof LensError && scan.code === 'layer/bad-gzip',
      'zlib refuses the stream, the engine does not',
    );
    return;
  }
  if (scan instanceof LensError) {
    // What was unpacked is no tar; the engine has to be content all the same.
    assert.ok(scan.code !== 'layer/bad-gzip', `zlib reads the stream, the engine does not: ${scan.message}`);
    return;
  }
  compare(scan, reference);
  // The digests were taken while the stream went by in pieces.
  const table = spanTable(scan, 1000);
  const ranges = Array.from({ length: table.length }, (_, span) => table.compressed(span));
  assert.deepEqual(
    await spanDigests(scan, 1000, undefined),
    ranges.map(
      ({ start, end }) => `sha256:${createHash('sha256').update(stream.subarray(start, end)).digest('hex')}`,
    ),
  );
}

function compare(scan: LayerScan, reference: NonNullable<ReturnType<typeof referenceInflate>>): void {
  const { boundaries } = scan;
  assert.equal(scan.diffId, `sha256:${createHash('sha256').update(reference.output).digest('hex')}`);
  assert.deepEqual(
    Array.from(boundaries.in, (input, i) => [input, boundaries.out[i], boundaries.bits[i]]),
    reference.candidates,
  );
}

/** A damaged tar, or one that never was sound. */
export function damagedTar(random: Random, tar: Buffer): Uint8Array {
  const kind = random.next();
  if (kind < 0.3) return mutate(random, tar);
  return kind < 0.6 ? mutateHeader(random, tar) : randomPaxTar(random);
}

/**
 * A random tar, damaged at times: a sound one gives exactly its entries, and whatever it is, cutting the stream into
 * other chunks changes nothing.
 */
export async function tarCase(random: Random): Promise<void> {
  const { tar, entries } = randomTar(random);
  const isSound = random.next() < 0.4;
  const stream = isSound ? tar : damagedTar(random, tar);
  const whole = await verdict(chunked(new Random(1), stream), 'tar');
  const cut = await verdict(chunked(random, stream), 'tar');
  if (whole instanceof LensError || cut instanceof LensError) {
    assert.ok(!isSound, 'a sound tar is read');
    assert.ok(whole instanceof LensError && cut instanceof LensError);
    // The blob's byte is where the reader happened to notice.
    assert.equal(cut.code, whole.code);
    assert.equal(cut.message.replace(/near byte \d+/, ''), whole.message.replace(/near byte \d+/, ''));
    return;
  }
  assert.deepEqual(cut, whole);
  assert.equal(cut.tarSize, whole.tarSize);
  if (!isSound) return;
  assert.equal(whole.entries.length, entries.length);
  entries.forEach(({ data, ...expected }, i) => {
    const entry = whole.entries.get(i);
    const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
    const found = {
      ...entry,
      name: text(entry.name),
      linkname: text(entry.linkname),
      uname: text(entry.uname),
      gname: text(entry.gname),
    };
    assert.deepEqual({ ...found, ...expected }, found);
    assert.ok(tar.subarray(entry.offset, entry.offset + entry.size).equals(data));
  });
}
