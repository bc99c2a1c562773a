// The parts of pako's zlib port that its published types leave out.

declare module 'pako/lib/zlib/zstream.js' {
  class ZStream {
    input: Uint8Array;
    next_in: number;
    avail_in: number;
    output: Uint8Array;
    next_out: number;
    avail_out: number;
    msg: string;
    data_type: number;
    /** zlib's `hold` and `bits`: input bits that are taken but not used yet. */
    state: { hold: number; bits: number };
  }
  export default ZStream;
}

declare module 'pako/lib/zlib/inflate.js' {
  import type ZStream from 'pako/lib/zlib/zstream.js';
  export function inflateInit2(stream: ZStream, windowBits: number): number;
  export function inflateSetDictionary(stream: ZStream, dictionary: Uint8Array): number;
  export function inflate(stream: ZStream, flush: number): number;
}

declare module 'pako/lib/zlib/constants.js' {
  export const Z_OK: number;
  export const Z_STREAM_END: number;
  export const Z_BUF_ERROR: number;
  export const Z_SYNC_FLUSH: number;
}
