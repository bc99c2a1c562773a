import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Builder } from 'flatbuffers';
import type { Slice } from '../../../src/layer/types';
import { type Filling, type FlatBuilder, FlatMeasure, FlatWriter } from '../../../src/soci/flat-writer';
import { Random } from '../../support/random';

/** The calls of our writer, told to Google's. */
class Theirs implements FlatBuilder<Filling> {
  readonly builder = new Builder(16);
  readonly createString = ({ bytes, from, to }: Readonly<Slice>) =>
    this.builder.createString(bytes.subarray(from, to));
  readonly createByteVector = (content: Filling) => {
    const bytes = new Uint8Array(content.length);
    content.fill(bytes);
    return this.builder.createByteVector(bytes);
  };
  readonly startObject = (fields: number) => {
    this.builder.startObject(fields);
  };
  readonly addFieldInt8 = (slot: number, value: number, byDefault: number) => {
    this.builder.addFieldInt8(slot, value, byDefault);
  };
  readonly addFieldInt32 = (slot: number, value: number) => {
    this.builder.addFieldInt32(slot, value, 0);
  };
  readonly addFieldInt64 = (slot: number, value: number | bigint) => {
    this.builder.addFieldInt64(slot, BigInt(value), 0n);
  };
  readonly addFieldOffset = (slot: number, offset: number) => {
    this.builder.addFieldOffset(slot, offset, 0);
  };
  readonly endObject = () => this.builder.endObject();
  readonly startVector = (elementSize: number, length: number, alignment: number) => {
    this.builder.startVector(elementSize, length, alignment);
  };
  readonly addOffset = (offset: number) => {
    this.builder.addOffset(offset);
  };
  readonly endVector = () => this.builder.endVector();
  readonly finish = (root: number) => {
    this.builder.finish(root);
  };
}

/** Some tables with fields of every kind, and a vector of them. The same seed makes the same calls. */
function write(into: FlatBuilder<Filling>, seed: number): void {
  const random = new Random(seed);
  const tables = random.list(0, 40, () => {
    const bytes = random.bytes(random.int(0, random.pick([20, 20, 200])));
    const from = random.int(0, bytes.length);
    const fill = (target: Uint8Array): void => {
      target.set(bytes);
    };
    const texts = [
      into.createString({ bytes, from, to: random.int(from, bytes.length) }),
      into.createString({ bytes: new Uint8Array(9).fill(120), from: 0, to: random.int(0, 9) }),
      into.createByteVector({ length: bytes.length, fill }),
    ];
    into.startObject(8);
    into.addFieldInt8(0, random.int(0, 2), 1);
    texts.forEach((text, slot) => {
      if (random.int(0, 3) > 0) into.addFieldOffset(1 + slot, text);
    });
    if (random.int(0, 1) === 0) into.addFieldInt32(4, random.int(-1, 1));
    into.addFieldInt64(5, random.int(0, 1) * (2 ** 40 + random.int(0, 1000)));
    into.addFieldInt64(6, -random.int(0, 2));
    into.addFieldInt64(7, BigInt(random.int(0, 1)) * -(2n ** 62n));
    return into.endObject();
  });
  into.startVector(4, tables.length, 4);
  for (const table of tables) into.addOffset(table);
  const vector = into.endVector();
  into.startObject(1);
  into.addFieldOffset(0, vector);
  into.finish(into.endObject());
}

test('makes the bytes that the flatbuffers package makes, and measures as many', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const ours = new FlatWriter(16);
    const theirs = new Theirs();
    write(ours, seed);
    write(theirs, seed);
    assert.deepEqual(
      Buffer.from(ours.finished()),
      Buffer.from(theirs.builder.asUint8Array()),
      `seed ${seed}`,
    );
    const measure = new FlatMeasure();
    write(measure, seed);
    assert.equal(measure.size, ours.finished().length, `seed ${seed}`);
  }
});
