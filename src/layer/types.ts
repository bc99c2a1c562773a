import type { ByteRange } from './bytes';

/** How a layer's tar is packed, by its media type (soci-format §2.1). `tar` means not at all. */
export type LayerCompression = 'gzip' | 'tar';

/** soci-format §1.3: the types that a ztoc knows. */
export type EntryType = 'reg' | 'hardlink' | 'symlink' | 'char' | 'block' | 'dir' | 'fifo';

/** One tar entry as Go's `archive/tar` reads it (soci-format §1.3, §1.4). Byte strings are raw: names need not be UTF-8. */
export interface TarEntry {
  readonly name: Uint8Array;
  readonly type: EntryType;
  /** Where the entry's first header block begins in the tar, `x`, `L` and `K` blocks included. */
  readonly headerOffset: number;
  /** Where its data begin in the tar. */
  readonly offset: number;
  /** Bytes of data, as the header says (also on entries that carry none). */
  readonly size: number;
  readonly linkname: Uint8Array;
  readonly mode: bigint;
  readonly uid: number;
  readonly gid: number;
  readonly uname: Uint8Array;
  readonly gname: Uint8Array;
  /** RFC 3339 in UTC, or empty for a year outside 0–9999 (soci-format §1.5). */
  readonly modTime: string;
  readonly devMajor: bigint;
  readonly devMinor: bigint;
  /** Every pax record of the entry with its raw key, in ascending byte order of the keys. */
  readonly pax: readonly (readonly [key: Uint8Array, value: Uint8Array])[];
}

/** A part of some bytes. */
export interface Slice {
  bytes: Uint8Array;
  from: number;
  to: number;
}

/** An entry as it lies in memory: its texts where they stand, and its numbers. One such object serves for all entries. */
export interface EntryFields {
  readonly name: Slice;
  readonly linkname: Slice;
  readonly uname: Slice;
  readonly gname: Slice;
  readonly modTime: Slice;
  mode: number | bigint;
  uid: number;
  gid: number;
  devMajor: number | bigint;
  devMinor: number | bigint;
  /** Pax records. */
  pax: number;
}

/** All entries of a layer in archive order, kept compactly: 500 000 of them are ordinary. */
export interface TarEntries {
  readonly length: number;
  /** The whole entry, made at each call. */
  get(index: number): TarEntry;
  /**
   * What `get` would give but for the pax records, of which only their number, into `fields`: making 500 000 entries takes longer than
   * looking at them. The texts stay what they are until the next call.
   */
  look(index: number, fields: EntryFields): void;
  /** The name, decoded as UTF-8 with U+FFFD for what is not; as in the archive, uncleaned. */
  name(index: number): string;
  /** Bytes of the name: known without decoding it. */
  nameLength(index: number): number;
  type(index: number): EntryType;
  headerOffset(index: number): number;
  offset(index: number): number;
  size(index: number): number;
}

/** The places where a checkpoint may stand (soci-format §2.3), struct of arrays, ascending by `in`. */
export interface Boundaries {
  readonly length: number;
  /** Whole compressed bytes consumed, a partly consumed byte counting as consumed. */
  readonly in: Float64Array;
  /** Uncompressed bytes before it, over all members. */
  readonly out: Float64Array;
  /** Unused high bits of byte `in − 1`, 0–7. */
  readonly bits: Uint8Array;
}

/** A layer that indexes well but that a runtime will not load lazily, or only from some version on (soci-format §1.6, §2.3). */
export interface LayerWarning {
  readonly code: 'toc-overlap' | 'hardlink-not-earlier' | 'non-monotonic' | 'multi-member' | 'short-archive';
  readonly message: string;
  /** The entry it is about, where it is about one. */
  readonly entry?: number;
}

/** What one pass over a layer finds out. It answers for any span size; see `spans.ts`. */
export interface LayerScan {
  readonly compression: LayerCompression;
  /** Of the blob as stored, `sha256:…`. */
  readonly digest: string;
  /** Of the uncompressed stream to its end (OCI image-spec: DiffID); `undefined` where the caller did not want it. */
  readonly diffId: string | undefined;
  /** Bytes of the blob. */
  readonly compressedSize: number;
  /** Tar bytes up to the end of the archive: the ztoc's `uncompressed_archive_size` (soci-format §1.3). */
  readonly tarSize: number;
  /** Uncompressed bytes in all, padding after the archive included. */
  readonly streamSize: number;
  /** Candidates for checkpoints; empty for a plain tar. */
  readonly boundaries: Boundaries;
  readonly entries: TarEntries;
  readonly warnings: readonly LayerWarning[];
  readonly kept: KeptSpans;
}

/**
 * What the pass kept for one span size, so that nothing has to be read again for it: the digests of its spans, and the
 * windows of its checkpoints as far as memory allows (else every second, fourth, … of them).
 */
export interface KeptSpans {
  /** Bytes. */
  readonly spanSize: number;
  /** SHA-256 of each span's compressed bytes, 32 bytes each. */
  readonly digests: Uint8Array;
  /** Ascending indexes into the scan's boundaries: those whose window is kept. */
  readonly boundary: Uint32Array;
  /** Their windows, 32768 bytes each. */
  readonly windows: Uint8Array;
}

/** The spans of one layer for one span size (soci-format §2.3–2.5). */
export interface SpanTable {
  readonly compression: LayerCompression;
  /** Bytes, as asked for. */
  readonly spanSize: number;
  /** How many spans. */
  readonly length: number;
  /** The span's bytes in the blob: what one GET asks for (soci-format §2.4). */
  compressed(span: number): ByteRange;
  /** The tar bytes that the span holds. */
  uncompressed(span: number): ByteRange;
  /** The span that holds tar byte `offset`; clamped to the last. */
  at(offset: number): number;
}
