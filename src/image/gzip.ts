import { crc32 } from '../layer/inflate/crc32';
import os from 'node:os';
import { promisify } from 'node:util';
import zlib from 'node:zlib';

/** Uncompressed bytes of one piece. */
const PIECE = 1 << 20;
/** Room for what most pieces come to, so that zlib does a piece at one go; else its thread waits for this one at each 16 KiB. */
const PACKED_PIECE = PIECE / 2;
/** How far back DEFLATE may refer (RFC 1951 §2). */
const WINDOW = 32768;
/** libuv's pool has four threads unless told otherwise; more pieces under way only take memory. */
const PIECES_UNDER_WAY = Math.min(4, os.availableParallelism()) + 1;

const deflateRaw = promisify(zlib.deflateRaw) as (
  data: Uint8Array,
  options: zlib.ZlibOptions,
) => Promise<Buffer>;

/**
 * Compresses a stream to one gzip member (RFC 1952), piece by piece on several threads as `pigz` does: each piece has the end
 * of the one before as its dictionary and ends byte-aligned. The bytes depend on the input and the level alone (and on the
 * build of zlib): no name, no time, operating system 255.
 *
 * @param level 0–9 as zlib's
 */
export async function* gzip(source: AsyncIterable<Uint8Array>, level = 6): AsyncGenerator<Uint8Array> {
  yield Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);
  let crc = 0;
  let size = 0;
  let dictionary: Uint8Array = new Uint8Array();
  const pending: Promise<Buffer>[] = [];
  const compress = (piece: Uint8Array, isLast: boolean): void => {
    crc = crc32(piece, crc);
    size += piece.length;
    const packed = deflateRaw(piece, {
      level,
      chunkSize: PACKED_PIECE,
      finishFlush: isLast ? zlib.constants.Z_FINISH : zlib.constants.Z_SYNC_FLUSH,
      ...(dictionary.length > 0 && { dictionary }),
    });
    // It is awaited in its turn; until then its failure must not count as unhandled.
    packed.catch(() => undefined);
    pending.push(packed);
    dictionary = piece.subarray(-WINDOW);
  };
  for await (const piece of pieces(source)) {
    compress(piece, false);
    if (pending.length >= PIECES_UNDER_WAY) yield (await pending.shift()) ?? new Uint8Array();
  }
  compress(new Uint8Array(), true);
  for (const packed of pending) yield await packed;
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc, 0);
  trailer.writeUInt32LE(size % 2 ** 32, 4);
  yield trailer;
}

/** The same bytes in pieces of `PIECE`, the last one shorter. */
async function* pieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let piece = Buffer.allocUnsafe(PIECE);
  let filled = 0;
  for await (const chunk of source) {
    for (let taken = 0; taken < chunk.length;) {
      const part = chunk.subarray(taken, taken + PIECE - filled);
      piece.set(part, filled);
      taken += part.length;
      filled += part.length;
      if (filled < PIECE) continue;
      yield piece;
      // The compressor still reads the old one.
      piece = Buffer.allocUnsafe(PIECE);
      filled = 0;
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}
