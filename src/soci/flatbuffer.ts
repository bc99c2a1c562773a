import { LensError } from '../errors';

/**
 * The part of a FlatBuffers builder that a ztoc needs. `Builder` of the flatbuffers package is one; `Measure` is another,
 * which only adds up sizes. `S` is what stands for a byte string; a string is ASCII.
 */
export interface FlatBuilder<S extends { readonly length: number }> {
  createString(text: S | string): number;
  createByteVector(bytes: S): number;
  startObject(fields: number): void;
  addFieldInt8(slot: number, value: number, byDefault: number): void;
  addFieldInt32(slot: number, value: number, byDefault: number): void;
  addFieldInt64(slot: number, value: bigint, byDefault: bigint): void;
  addFieldOffset(slot: number, value: number, byDefault: number): void;
  endObject(): number;
  startVector(elementSize: number, length: number, alignment: number): void;
  addOffset(offset: number): void;
  endVector(): number;
  finish(root: number): void;
}

/**
 * Takes the same calls as a builder and knows how long the buffer would be. It follows the FlatBuffers builder's rules:
 * the buffer grows from its end, every value is aligned to its own size, and equal vtables are written once.
 */
export class Measure implements FlatBuilder<{ readonly length: number }> {
  /** Bytes so far. */
  size = 0;
  private minAlign = 1;
  /** Where each field of the open object is, or 0; only the first `fieldCount` count. */
  private readonly fields = new Float64Array(MAX_FIELDS);
  private fieldCount = 0;
  /** The vtables so far: where each field is, counted from its table. A ztoc has few, so all are looked through. */
  private readonly vtables: Float64Array[] = [];

  /** How many kinds of tables there are so far: one that comes anew takes bytes of its own. */
  get kinds(): number {
    return this.vtables.length;
  }

  /** A measure that goes on from here, and leaves this one as it is. */
  fork(): Measure {
    const copy = new Measure();
    copy.size = this.size;
    copy.minAlign = this.minAlign;
    copy.vtables.push(...this.vtables);
    return copy;
  }

  createString(text: { readonly length: number }): number {
    this.add(1);
    return this.createByteVector(text);
  }

  createByteVector(bytes: { readonly length: number }): number {
    this.startVector(1, bytes.length, 1);
    this.size += bytes.length;
    return this.endVector();
  }

  startObject(fields: number): void {
    this.fieldCount = fields;
    this.fields.fill(0, 0, fields);
  }

  addFieldInt8(slot: number, value: number, byDefault: number): void {
    if (value !== byDefault) this.field(slot, 1);
  }

  addFieldInt32(slot: number, value: number, byDefault: number): void {
    if (value !== byDefault) this.field(slot, 4);
  }

  addFieldInt64(slot: number, value: bigint, byDefault: bigint): void {
    if (value !== byDefault) this.field(slot, 8);
  }

  addFieldOffset(slot: number, value: number, byDefault: number): void {
    if (value !== byDefault) this.field(slot, 4);
  }

  endObject(): number {
    this.add(4);
    const table = this.size;
    const { fields } = this;
    let used = 0;
    for (let slot = 0; slot < this.fieldCount; slot++) {
      const at = fields[slot] ?? 0;
      if (at === 0) continue;
      fields[slot] = table - at;
      used = slot + 1;
    }
    if (!this.isKnown(used)) {
      this.vtables.push(fields.slice(0, used));
      // Two bytes for each field, for the vtable's own size and for the table's.
      this.size += 2 * (used + 2);
    }
    return table;
  }

  /** Whether the first `used` fields make a vtable that is there already. Asked for each of 500 000 files. */
  private isKnown(used: number): boolean {
    for (const vtable of this.vtables) if (startsWith(this.fields, vtable, used)) return true;
    return false;
  }

  startVector(elementSize: number, length: number, alignment: number): void {
    this.prepare(4, elementSize * length);
    this.prepare(alignment, elementSize * length);
  }

  addOffset(): void {
    this.add(4);
  }

  endVector(): number {
    this.size += 4;
    return this.size;
  }

  finish(): void {
    this.prepare(this.minAlign, 4);
    this.size += 4;
  }

  private field(slot: number, size: number): void {
    this.add(size);
    this.fields[slot] = this.size;
  }

  private add(size: number): void {
    this.prepare(size, 0);
    this.size += size;
  }

  private prepare(alignment: number, after: number): void {
    this.minAlign = Math.max(this.minAlign, alignment);
    // Alignments are powers of two: the low bits of the negative are what is missing to the next multiple.
    this.size += -(this.size + after) & (alignment - 1);
  }
}

/** Fields of the largest table of a ztoc. */
const MAX_FIELDS = 14;

/** True when the first `length` fields are all that `vtable` has. */
function startsWith(fields: Float64Array, vtable: Float64Array, length: number): boolean {
  if (vtable.length !== length) return false;
  for (let slot = 0; slot < length; slot++) if (vtable[slot] !== fields[slot]) return false;
  return true;
}

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
      throw badZtoc(`it points ${at + length - this.bytes.length} bytes past its end`);
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
