import { LensError } from '../errors';
import type { Slice } from '../layer/types';

/** Bytes that are only made where they are to stand. */
export interface Filling {
  readonly length: number;
  /** @param target of that length, all zeros */
  fill(target: Uint8Array): void;
}

/**
 * The part of a FlatBuffers builder that a ztoc needs. `FlatWriter` makes the bytes, `FlatMeasure` only adds up how many there would be.
 * `S` is what stands for a byte vector. Positions are counted from the end of the buffer, since it is filled from there.
 */
export interface FlatBuilder<S extends { readonly length: number }> {
  createString(text: Readonly<Slice>): number;
  createByteVector(bytes: S): number;
  startObject(fields: number): void;
  addFieldInt8(slot: number, value: number, byDefault: number): void;
  addFieldInt32(slot: number, value: number): void;
  addFieldInt64(slot: number, value: number | bigint): void;
  addFieldOffset(slot: number, offset: number): void;
  endObject(): number;
  startVector(elementSize: number, length: number, alignment: number): void;
  addOffset(offset: number): void;
  endVector(): number;
  finish(root: number): void;
}

/** The offsets of a FlatBuffer are 31 bits wide. */
export const MAX_SIZE = 2 ** 31 - 1;
/** Fields of the largest table of a ztoc. */
const MAX_FIELDS = 14;

/** A vtable: the size of its tables, then where each field is, counted from the table's start; 0 where there is none. */
interface Vtable {
  readonly at: number;
  readonly tableSize: number;
  readonly fields: Float64Array;
}

/**
 * Takes the same calls as a builder and knows how long the buffer would be. It follows the rules of Google's builders: the buffer grows
 * from its end, every value is aligned to its own size, fields of the default value are left out, and equal vtables are written once.
 */
export class FlatMeasure implements FlatBuilder<{ readonly length: number }> {
  /** Bytes so far. */
  size = 0;
  private minAlign = 1;
  /** Where the open object begins. */
  private objectStart = 0;
  /** Where each field of the open object is, or 0; only the first `fieldCount` count. */
  private readonly fields = new Float64Array(MAX_FIELDS);
  private fieldCount = 0;
  /** Elements of the open vector. */
  private vectorLength = 0;
  /** A ztoc has few, so all are looked through. */
  private readonly vtables: Vtable[] = [];

  /** How many kinds of tables there are so far: one that comes anew takes bytes of its own. */
  get kinds(): number {
    return this.vtables.length;
  }

  /** A measure that goes on from here, and leaves this one as it is. */
  fork(): FlatMeasure {
    const copy = new FlatMeasure();
    copy.size = this.size;
    copy.minAlign = this.minAlign;
    copy.vtables.push(...this.vtables);
    return copy;
  }

  createString(text: Readonly<Slice>): number {
    // A NUL follows it, which its length does not count.
    this.size += 1;
    return this.byteVector(text.to - text.from);
  }

  createByteVector({ length }: { readonly length: number }): number {
    return this.byteVector(length);
  }

  startObject(fields: number): void {
    this.objectStart = this.size;
    this.fieldCount = fields;
    this.fields.fill(0, 0, fields);
  }

  addFieldInt8(slot: number, value: number, byDefault: number): void {
    if (value !== byDefault) this.field(slot, 1, value);
  }

  addFieldInt32(slot: number, value: number): void {
    if (value !== 0) this.field(slot, 4, value);
  }

  addFieldInt64(slot: number, value: number | bigint): void {
    if (value !== 0 && value !== 0n) this.field(slot, 8, value);
  }

  addFieldOffset(slot: number, offset: number): void {
    this.addOffset(offset);
    this.fields[slot] = this.size;
  }

  endObject(): number {
    this.add(4, 0);
    const table = this.size;
    const tableSize = table - this.objectStart;
    const { fields } = this;
    let used = 0;
    for (let slot = 0; slot < this.fieldCount; slot++) {
      const at = fields[slot] ?? 0;
      if (at === 0) continue;
      fields[slot] = table - at;
      used = slot + 1;
    }
    const vtable = this.knownVtable(tableSize, used) ?? this.addVtable(tableSize, used);
    this.put?.(4, vtable - table, table);
    return table;
  }

  startVector(elementSize: number, length: number, alignment: number): void {
    this.vectorLength = length;
    this.prepare(4, elementSize * length);
    this.prepare(alignment, elementSize * length);
  }

  addOffset(offset: number): void {
    this.prepare(4, 0);
    this.size += 4;
    this.put?.(4, this.size - offset, this.size);
  }

  endVector(): number {
    this.size += 4;
    this.put?.(4, this.vectorLength, this.size);
    return this.size;
  }

  finish(root: number): void {
    this.prepare(this.minAlign, 4);
    this.addOffset(root);
  }

  /** Writes a number of `bytes` bytes at a position. Nobody asks a measure for them. */
  protected put?(bytes: number, value: number | bigint, at: number): void;

  private byteVector(length: number): number {
    this.prepare(4, length);
    this.size += length + 4;
    this.put?.(4, length, this.size);
    return this.size;
  }

  private field(slot: number, bytes: number, value: number | bigint): void {
    this.add(bytes, value);
    this.fields[slot] = this.size;
  }

  private add(bytes: number, value: number | bigint): void {
    this.prepare(bytes, 0);
    this.size += bytes;
    this.put?.(bytes, value, this.size);
  }

  /** The vtable of the first `used` fields, if it is there already. Asked for each of 500 000 files. */
  private knownVtable(tableSize: number, used: number): number | undefined {
    for (const vtable of this.vtables)
      if (vtable.tableSize === tableSize && startsWith(this.fields, vtable.fields, used)) return vtable.at;
    return undefined;
  }

  private addVtable(tableSize: number, used: number): number {
    for (let slot = used - 1; slot >= 0; slot--) this.add(2, this.fields[slot] ?? 0);
    this.add(2, tableSize);
    // Its own size: two bytes for each field, for the table's size and for this.
    this.add(2, 2 * (used + 2));
    this.vtables.push({ at: this.size, tableSize, fields: this.fields.slice(0, used) });
    return this.size;
  }

  private prepare(alignment: number, after: number): void {
    this.minAlign = Math.max(this.minAlign, alignment);
    // Alignments are powers of two: the low bits of the negative are what is missing to the next multiple.
    this.size += -(this.size + after) & (alignment - 1);
  }
}

/** True when the first `length` fields are all that `vtable` has. */
function startsWith(fields: Float64Array, vtable: Float64Array, length: number): boolean {
  if (vtable.length !== length) return false;
  for (let slot = 0; slot < length; slot++) if (vtable[slot] !== fields[slot]) return false;
  return true;
}

/**
 * A measure that writes what it measures. For 31 160 files it takes a fifth of the time of the flatbuffers package, which makes the same
 * bytes: that one turns every string into bytes, and compares a vtable that it has written with each that it wrote before.
 */
export class FlatWriter extends FlatMeasure implements FlatBuilder<Filling> {
  private bytes: Uint8Array<ArrayBuffer>;
  private view: DataView;

  /** @param capacity bytes to begin with; it grows when needed, and throws `soci/ztoc-too-large` beyond `MAX_SIZE` */
  constructor(capacity: number) {
    super();
    this.bytes = new Uint8Array(Math.min(capacity, MAX_SIZE));
    this.view = new DataView(this.bytes.buffer);
  }

  /** What was written. */
  finished(): Uint8Array {
    return this.bytes.subarray(this.bytes.length - this.size);
  }

  override createString(text: Readonly<Slice>): number {
    const at = super.createString(text);
    const target = this.bytes;
    const { bytes, from, to } = text;
    let position = target.length - at + 4;
    // Most are short: a call would take longer.
    for (let i = from; i < to; i++) target[position++] = bytes[i] ?? 0;
    return at;
  }

  override createByteVector(content: Filling): number {
    const at = super.createByteVector(content);
    const start = this.bytes.length - at + 4;
    content.fill(this.bytes.subarray(start, start + content.length));
    return at;
  }

  protected override put(bytes: number, value: number | bigint, at: number): void {
    if (at > this.bytes.length) this.grow(at);
    const start = this.bytes.length - at;
    if (typeof value === 'bigint') this.view.setBigInt64(start, value, true);
    else if (bytes === 1) this.view.setInt8(start, value);
    else if (bytes === 2) this.view.setUint16(start, value, true);
    else {
      this.view.setInt32(start, value, true);
      if (bytes === 8) this.view.setInt32(start + 4, Math.floor(value / 2 ** 32), true);
    }
  }

  private grow(needed: number): void {
    if (needed > MAX_SIZE) {
      throw new LensError(
        'soci/ztoc-too-large',
        'The ztoc would be longer than the 2 GiB of its format.',
        'Choose a larger span size, or leave the layer out of the index by a higher minimum layer size.',
      );
    }
    const grown = new Uint8Array(Math.min(MAX_SIZE, Math.max(needed, 2 * this.bytes.length)));
    grown.set(this.bytes, grown.length - this.bytes.length);
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }
}
