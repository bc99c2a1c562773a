import { LensError } from '../errors';

/**
 * Reads a FlatBuffer that nobody vouches for. The flatbuffers package gives zeros and walks past the end when an offset
 * lies; this one throws `soci/bad-ztoc`.
 */
export class FlatReader {
  private readonly view: DataView;
  /** How many offsets can be followed: a sound buffer leads to each of its parts once, and each takes four bytes. */
  private offsetsLeft: number;

  constructor(private readonly bytes: Uint8Array) {
    this.offsetsLeft = bytes.length / 4;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  root(): FlatTable {
    return this.table(this.uint32(0));
  }

  table(at: number): FlatTable {
    const vtable = at - this.int32(at);
    const size = this.uint16(vtable);
    return new FlatTable(this, (slot) => {
      const entry = 4 + 2 * slot;
      const offset = entry + 2 <= size ? this.uint16(vtable + entry) : 0;
      return offset === 0 ? undefined : at + offset;
    });
  }

  /** Follows the offset at `at`. */
  follow(at: number): number {
    if (--this.offsetsLeft < 0) throw badZtoc('it leads to the same part again and again');
    return at + this.uint32(at);
  }

  uint32(at: number): number {
    return this.view.getUint32(this.check(at, 4), true);
  }

  int32(at: number): number {
    return this.view.getInt32(this.check(at, 4), true);
  }

  int8(at: number): number {
    return this.view.getInt8(this.check(at, 1));
  }

  int64(at: number): bigint {
    return this.view.getBigInt64(this.check(at, 8), true);
  }

  /** The bytes of the vector or string at `at`. */
  vector(at: number): Uint8Array {
    const length = this.uint32(at);
    return this.bytes.subarray(this.check(at + 4, length), at + 4 + length);
  }

  /** Where the offsets of the vector at `at` lead. */
  *offsets(at: number): Iterable<number> {
    const length = this.uint32(at);
    this.check(at + 4, 4 * length);
    for (let index = 0; index < length; index++) yield this.follow(at + 4 + 4 * index);
  }

  private uint16(at: number): number {
    return this.view.getUint16(this.check(at, 2), true);
  }

  private check(at: number, length: number): number {
    if (at < 0 || at + length > this.bytes.length)
      throw badZtoc(`it points to its bytes ${at} to ${at + length}, and it has ${this.bytes.length}`);
    return at;
  }
}

/** One table: a field that is absent reads as its default. */
export class FlatTable {
  constructor(
    private readonly reader: FlatReader,
    private readonly field: (slot: number) => number | undefined,
  ) {}

  int8(slot: number, byDefault: number): number {
    const at = this.field(slot);
    return at === undefined ? byDefault : this.reader.int8(at);
  }

  int32(slot: number): number {
    const at = this.field(slot);
    return at === undefined ? 0 : this.reader.int32(at);
  }

  int64(slot: number): bigint {
    const at = this.field(slot);
    return at === undefined ? 0n : this.reader.int64(at);
  }

  /** An int64 that counts bytes. */
  size(slot: number): number {
    const value = this.int64(slot);
    if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER))
      throw badZtoc(`a size in it is ${value.toString()}`);
    return Number(value);
  }

  bytes(slot: number): Uint8Array {
    const at = this.field(slot);
    return at === undefined ? new Uint8Array() : this.reader.vector(this.reader.follow(at));
  }

  text(slot: number): string {
    return new TextDecoder().decode(this.bytes(slot));
  }

  table(slot: number): FlatTable {
    const at = this.field(slot);
    if (at === undefined) throw badZtoc('a part of it is missing');
    return this.reader.table(this.reader.follow(at));
  }

  tables(slot: number): FlatTable[] {
    return this.offsets(slot, (at) => this.reader.table(at));
  }

  byteStrings(slot: number): Uint8Array[] {
    return this.offsets(slot, (at) => this.reader.vector(at));
  }

  private offsets<T>(slot: number, read: (at: number) => T): T[] {
    const at = this.field(slot);
    return at === undefined ? [] : Array.from(this.reader.offsets(this.reader.follow(at)), read);
  }
}

export function badZtoc(why: string): LensError {
  return new LensError('soci/bad-ztoc', `The ztoc is damaged: ${why}.`, 'Make the SOCI index again.');
}
