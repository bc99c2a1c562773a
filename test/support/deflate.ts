// Random gzip streams that no compressor writes: odd codes, empty blocks, every block type, several members.

import type { Random } from './random';
import { crc32 } from 'node:zlib';

/** Writes bits from the lowest on (RFC 1951 §3.1.1). */
class BitWriter {
  readonly bytes: number[] = [];
  #bit = 8;

  bits(value: number, count: number): void {
    for (let i = 0; i < count; i++) {
      if (this.#bit === 8) {
        this.bytes.push(0);
        this.#bit = 0;
      }
      const last = this.bytes.length - 1;
      this.bytes[last] = (this.bytes[last] ?? 0) | (((value >>> i) & 1) << this.#bit++);
    }
  }

  /** A Huffman code: its highest bit first. */
  code({ code, length }: Code): void {
    for (let i = length - 1; i >= 0; i--) this.bits(code >>> i, 1);
  }

  align(): void {
    this.#bit = 8;
  }
}

interface Code {
  readonly code: number;
  readonly length: number;
}

type Token = number | { readonly length: number; readonly distance: number };

const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
  227, 258,
];
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
  6145, 8193, 12289, 16385, 24577,
];
const DISTANCE_EXTRA = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
];
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

const symbolOf = (bases: readonly number[], value: number): number =>
  bases.findLastIndex((base) => base <= value);

/** RFC 1951 §3.2.2. */
function codesOf(lengths: readonly number[]): Code[] {
  const codes: Code[] = lengths.map((length) => ({ code: 0, length }));
  let code = 0;
  for (let length = 1; length <= 15; length++) {
    lengths.forEach((own, symbol) => {
      if (own === length) codes[symbol] = { code: code++, length };
    });
    code <<= 1;
  }
  return codes;
}

/** Lengths of a random complete code for `symbols`, none longer than `limit`; one symbol alone has one bit. */
function randomLengths(random: Random, size: number, symbols: readonly number[], limit: number): number[] {
  const leaves = [symbols.length === 1 ? 1 : 0];
  while (leaves.length < symbols.length) {
    const index = random.int(0, leaves.length - 1);
    const depth = leaves[index] ?? 0;
    if (depth === limit) continue;
    leaves[index] = depth + 1;
    leaves.push(depth + 1);
  }
  const lengths = new Array<number>(size).fill(0);
  symbols.forEach((symbol, i) => (lengths[symbol] = leaves[i] ?? 0));
  return lengths;
}

function shuffled(random: Random, items: number[]): number[] {
  return items
    .map((item) => [random.next(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

/** A gzip member with random blocks, and what it unpacks to: `start`, then random bytes. */
export function randomMember(
  random: Random,
  size: number,
  start = new Uint8Array(),
): { packed: Uint8Array; output: Uint8Array } {
  const output: number[] = [];
  const writer = new BitWriter();
  const blocks = random.int(1, 6);
  if (start.length > 0) {
    for (let empty = random.int(0, 2); empty > 0; empty--) {
      writer.bits(0, 3);
      storedBytes(writer, output, new Uint8Array());
    }
    writer.bits(0, 3);
    storedBytes(writer, output, start);
  }
  for (let block = 1; block <= blocks; block++) {
    writer.bits(block === blocks ? 1 : 0, 1);
    const type = random.int(0, 2);
    writer.bits(type, 2);
    if (type === 0) storedBlock(random, writer, output, size);
    else codedBlock(random, writer, output, type === 2, size);
  }
  const bytes = Uint8Array.from(output);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(bytes));
  trailer.writeUInt32LE(bytes.length, 4);
  return {
    packed: Buffer.concat([randomHeader(random), Uint8Array.from(writer.bytes), trailer]),
    output: bytes,
  };
}

/** RFC 1952 §2.3, with each optional field at times. */
export function randomHeader(random: Random): Uint8Array {
  const flags = random.next() < 0.5 ? 0 : random.int(0, 31) & ~1;
  const header = [0x1f, 0x8b, 8, flags, ...random.bytes(6)];
  if (flags & 4) {
    const extra = random.bytes(random.int(0, 40));
    header.push(extra.length, 0, ...extra);
  }
  for (const bit of [8, 16]) {
    if (flags & bit) header.push(...random.list(0, 20, () => random.int(1, 255)), 0);
  }
  if (flags & 2) {
    const crc = crc32(Uint8Array.from(header));
    header.push(crc & 255, (crc >>> 8) & 255);
  }
  return Uint8Array.from(header);
}

function storedBlock(random: Random, writer: BitWriter, output: number[], size: number): void {
  storedBytes(writer, output, random.next() < 0.3 ? new Uint8Array() : random.bytes(random.int(0, size)));
}

function storedBytes(writer: BitWriter, output: number[], data: Uint8Array): void {
  writer.align();
  writer.bits(data.length, 16);
  writer.bits(~data.length & 0xffff, 16);
  for (const byte of data) writer.bits(byte, 8);
  output.push(...data);
}

function codedBlock(
  random: Random,
  writer: BitWriter,
  output: number[],
  isDynamic: boolean,
  size: number,
): void {
  const tokens = randomTokens(random, output, random.next() < 0.2 ? 0 : random.int(0, size));
  const literals = new Set([256]);
  const distances = new Set<number>();
  for (const token of tokens) {
    literals.add(typeof token === 'number' ? token : 257 + symbolOf(LENGTH_BASE, token.length));
    if (typeof token !== 'number') distances.add(symbolOf(DISTANCE_BASE, token.distance));
  }
  let literalCodes: Code[];
  let distanceCodes: Code[];
  if (isDynamic) {
    for (const extra of random.list(0, 10, () => random.int(0, 285))) literals.add(extra);
    for (const extra of random.list(0, 3, () => random.int(0, 29))) distances.add(extra);
    const literalLengths = randomLengths(
      random,
      Math.max(257, ...[...literals].map((s) => s + 1)),
      shuffled(random, [...literals]),
      15,
    );
    const distanceLengths = randomLengths(
      random,
      Math.max(1, ...[...distances].map((s) => s + 1)),
      shuffled(random, [...distances]),
      15,
    );
    writeLengths(random, writer, literalLengths, distanceLengths);
    literalCodes = codesOf(literalLengths);
    distanceCodes = codesOf(distanceLengths);
  } else {
    literalCodes = codesOf(
      Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8)),
    );
    distanceCodes = codesOf(new Array<number>(30).fill(5));
  }
  const none = { code: 0, length: 0 };
  for (const token of tokens) {
    if (typeof token === 'number') {
      writer.code(literalCodes[token] ?? none);
      continue;
    }
    const length = symbolOf(LENGTH_BASE, token.length);
    writer.code(literalCodes[257 + length] ?? none);
    writer.bits(token.length - (LENGTH_BASE[length] ?? 0), LENGTH_EXTRA[length] ?? 0);
    const distance = symbolOf(DISTANCE_BASE, token.distance);
    writer.code(distanceCodes[distance] ?? none);
    writer.bits(token.distance - (DISTANCE_BASE[distance] ?? 0), DISTANCE_EXTRA[distance] ?? 0);
  }
  writer.code(literalCodes[256] ?? none);
}

function randomTokens(random: Random, output: number[], size: number): Token[] {
  const tokens: Token[] = [];
  const alphabet = random.int(1, 255);
  for (const end = output.length + size; output.length < end;) {
    const reach = Math.min(output.length, 32768);
    if (reach === 0 || random.next() < 0.6) {
      const byte = random.int(0, alphabet);
      tokens.push(byte);
      output.push(byte);
    } else {
      // Length 258 has a code of its own; as 227 + 31 it would be another, legal, one that no encoder writes.
      const length = random.next() < 0.1 ? 258 : random.int(3, 257);
      const distance = random.next() < 0.5 ? random.int(1, Math.min(reach, 20)) : random.int(1, reach);
      tokens.push({ length, distance });
      for (let i = 0; i < length; i++) output.push(output[output.length - distance] ?? 0);
    }
  }
  return tokens;
}

/** RFC 1951 §3.2.7. */
function writeLengths(
  random: Random,
  writer: BitWriter,
  literals: readonly number[],
  distances: readonly number[],
): void {
  const all = [...literals, ...distances];
  const symbols: { symbol: number; extra: number; bits: number }[] = [];
  const withRuns = random.next() < 0.8;
  for (let i = 0; i < all.length;) {
    const value = all[i] ?? 0;
    let run = 1;
    while (i + run < all.length && all[i + run] === value) run++;
    if (withRuns && value === 0 && run >= 3) {
      const length = Math.min(run, 138);
      symbols.push(
        length > 10
          ? { symbol: 18, extra: length - 11, bits: 7 }
          : { symbol: 17, extra: length - 3, bits: 3 },
      );
      i += length;
    } else if (withRuns && i > 0 && all[i - 1] === value && run >= 3) {
      const length = Math.min(run, 6);
      symbols.push({ symbol: 16, extra: length - 3, bits: 2 });
      i += length;
    } else {
      symbols.push({ symbol: value, extra: 0, bits: 0 });
      i++;
    }
  }
  const used = new Set(symbols.map(({ symbol }) => symbol));
  // The code of the code lengths must be complete, so it has two symbols at least.
  while (used.size < 2 || random.next() < 0.2) used.add(random.int(0, 18));
  const lengths = randomLengths(random, 19, shuffled(random, [...used]), 7);
  const codes = codesOf(lengths);
  const sent = Math.max(4, ...ORDER.map((symbol, i) => (lengths[symbol] ? i + 1 : 0)));
  writer.bits(literals.length - 257, 5);
  writer.bits(distances.length - 1, 5);
  writer.bits(sent - 4, 4);
  for (const symbol of ORDER.slice(0, sent)) writer.bits(lengths[symbol] ?? 0, 3);
  for (const { symbol, extra, bits } of symbols) {
    writer.code(codes[symbol] ?? { code: 0, length: 0 });
    writer.bits(extra, bits);
  }
}

/** Damages a stream: flips bits, cuts, inserts, repeats. */
export function mutate(random: Random, bytes: Uint8Array): Uint8Array {
  const at = random.int(0, bytes.length);
  switch (random.int(0, 4)) {
    case 0: {
      const flipped = Uint8Array.from(bytes);
      for (let i = random.int(1, 3); i > 0 && flipped.length > 0; i--) {
        const index = random.int(0, flipped.length - 1);
        flipped[index] = (flipped[index] ?? 0) ^ (1 << random.int(0, 7));
      }
      return flipped;
    }
    case 1:
      return bytes.slice(0, at);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(random.int(1, 4)), bytes.subarray(at)]);
    case 3:
      return Buffer.concat([
        bytes,
        random.next() < 0.5 ? new Uint8Array(random.int(1, 600)) : random.bytes(random.int(1, 20)),
      ]);
    default: {
      const end = Math.min(bytes.length, at + random.int(1, 50));
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    }
  }
}
