// The zinfo algorithm of soci-format §2.3 in its own words, on pako's port of zlib: the oracle of our engine.

import { inflate, inflateInit2 } from 'pako/lib/zlib/inflate.js';
import { Z_STREAM_END } from 'pako/lib/zlib/constants.js';
import ZStream from 'pako/lib/zlib/zstream.js';

/** zlib.h: stop at each block end. */
const Z_BLOCK = 5;

export interface Reference {
  readonly output: Buffer;
  /** Every candidate for a checkpoint; where several follow each other at one output position above 0, the first. */
  readonly candidates: readonly (readonly [input: number, output: number, bits: number])[];
}

/** Unpacks all members, or gives `undefined` where zlib refuses, or Go's gzip reader would for the header's texts. */
export function referenceInflate(bytes: Uint8Array): Reference | undefined {
  const chunks: Uint8Array[] = [];
  const candidates: [number, number, number][] = [];
  let at = 0;
  let total = 0;
  do {
    if (hasLongText(bytes, at)) return undefined;
    const stream = new ZStream();
    inflateInit2(stream, 31);
    for (;;) {
      const output = new Uint8Array(1 << 16);
      Object.assign(stream, {
        input: bytes,
        next_in: at,
        avail_in: bytes.length - at,
        output,
        next_out: 0,
        avail_out: output.length,
      });
      const status = inflate(stream, Z_BLOCK);
      const isStuck = stream.next_in === at && stream.next_out === 0 && (stream.data_type & 128) === 0;
      at = stream.next_in;
      total += stream.next_out;
      chunks.push(output.subarray(0, stream.next_out));
      if (status === Z_STREAM_END) break;
      if (status < 0 || isStuck) return undefined;
      if ((stream.data_type & 128) !== 0 && (stream.data_type & 64) === 0) {
        const last = candidates.at(-1);
        if (total === 0 || last?.[1] !== total) candidates.push([at, total, stream.data_type & 7]);
      }
    }
  } while (at < bytes.length);
  return { output: Buffer.concat(chunks), candidates };
}

/** Go's gzip reader: a name or comment has its NUL within 512 bytes. */
function hasLongText(bytes: Uint8Array, start: number): boolean {
  const flags = bytes[start + 3] ?? 0;
  let at = start + 10;
  if (flags & 4) at += 2 + (bytes[at] ?? 0) + 256 * (bytes[at + 1] ?? 0);
  for (const bit of [8, 16]) {
    if (!(flags & bit)) continue;
    const nul = bytes.indexOf(0, at);
    if (nul < 0 || nul - at >= 512) return true;
    at = nul + 1;
  }
  return false;
}
