// Reading a span back with pako: no code of ours decodes here, so what agrees with it was not checked by itself.

import { LensError } from '../errors';
import { Z_BUF_ERROR, Z_OK, Z_STREAM_END, Z_SYNC_FLUSH } from 'pako/lib/zlib/constants.js';
import { inflate, inflateInit2, inflateSetDictionary } from 'pako/lib/zlib/inflate.js';
import ZStream from 'pako/lib/zlib/zstream.js';

/** RFC 1952 §2.3.1: CRC32 and ISIZE. */
const TRAILER = 8;

/**
 * The `length` bytes that a span holds (soci-format §2.4). `compressed` are the span's bytes, the shared one in front
 * where `bits` is not 0; `window` are the 32 KiB before it. A span may run over the end of a gzip member into the next.
 * Fails with `layer/bad-span` when it does not decode to that length.
 */
export function inflateSpan(
  compressed: Uint8Array,
  window: Uint8Array,
  bits: number,
  length: number,
): Uint8Array {
  const output = new Uint8Array(length);
  let produced = 0;
  let at = bits > 0 ? 1 : 0;
  let stream = rawInflate();
  inflateSetDictionary(stream, window);
  if (bits > 0) {
    // What zlib's inflatePrime does, which pako leaves out.
    stream.state.hold = (compressed[0] ?? 0) >> (8 - bits);
    stream.state.bits = bits;
  }
  while (produced < length) {
    stream.input = compressed;
    stream.next_in = at;
    stream.avail_in = compressed.length - at;
    stream.output = output;
    stream.next_out = produced;
    stream.avail_out = length - produced;
    const status = inflate(stream, Z_SYNC_FLUSH);
    const isStuck = stream.next_in === at && stream.next_out === produced;
    at = stream.next_in;
    produced = stream.next_out;
    if (status === Z_STREAM_END) {
      if (produced === length) break;
      at = skipHeader(compressed, at + TRAILER);
      stream = rawInflate();
    } else if ((status !== Z_OK && status !== Z_BUF_ERROR) || isStuck) {
      throw badSpan(
        `pako stops after ${produced} of ${length} bytes: ${stream.msg || 'the input ends too early'}`,
      );
    }
  }
  return output;
}

function rawInflate(): ZStream {
  const stream = new ZStream();
  inflateInit2(stream, -15);
  return stream;
}

/** RFC 1952 §2.3: where the blocks of the member that begins at `start` begin. */
function skipHeader(bytes: Uint8Array, start: number): number {
  if (bytes[start] !== 0x1f || bytes[start + 1] !== 0x8b)
    throw badSpan('no gzip member follows the end of one');
  const flags = bytes[start + 3] ?? 0;
  let at = start + 10;
  if (flags & 4) at += 2 + (bytes[at] ?? 0) + 256 * (bytes[at + 1] ?? 0);
  for (const bit of [8, 16]) {
    if (!(flags & bit)) continue;
    // Where no NUL follows, the header does not end.
    const end = bytes.indexOf(0, at);
    at = end < 0 ? Infinity : end + 1;
  }
  if (flags & 2) at += 2;
  if (at > bytes.length) throw badSpan('the header of a gzip member in it is cut off');
  return at;
}

function badSpan(why: string): LensError {
  return new LensError(
    'layer/bad-span',
    `A span of the layer does not decode: ${why}.`,
    'Make the index of this image again.',
  );
}
