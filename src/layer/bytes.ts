/** A half-open range of bytes, `[start, end)`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** The bytes of one blob, wherever they are: a file, a registry, memory. */
export interface Bytes {
  /** Bytes in all, or `undefined` where only reading to the end tells. */
  readonly size: number | undefined;
  /** True when reading a range costs about that range and not the whole blob. */
  readonly ranged: boolean;
  /** Set when the bytes are exactly a file of this machine, so that a worker can read them by itself. */
  readonly file?: string;
  /** Streams the bytes, or `range` of them. The chunks belong to the reader. */
  read(range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array>;
}
