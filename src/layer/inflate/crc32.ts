import { Inflater } from './inflater';
import zlib from 'node:zlib';

/** CRC-32 (RFC 1952 §8) of `data`, going on from `crc`. */
export type Crc32 = (data: Uint8Array, crc: number) => number;

let inflater: Inflater | undefined;

/** By the engine, in memory of its own. */
export const crc32ByEngine: Crc32 = (data, crc) => {
  inflater ??= new Inflater(0);
  const { engine, memory, outputStart } = inflater;
  const room = engine.areaSize() / 2;
  for (let at = 0; at < data.length; at += room) {
    const part = data.subarray(at, at + room);
    memory.set(part, outputStart);
    crc = engine.crc32(crc, outputStart, part.length) >>> 0;
  }
  return crc;
};

/** Node's own is faster; the oldest editor that we support has none (Node has it from 20.15 and 22.2 on). */
export const crc32: Crc32 = 'crc32' in zlib ? zlib.crc32 : crc32ByEngine;

/**
 * CRC-32 of two parts, the second one `length` bytes long, from that of each. A CRC is a polynomial over GF(2), modulo that of RFC 1952
 * §8; `length` bytes more multiply it by x to the power of 8 · `length`.
 */
export function crc32Combine(first: number, second: number, length: number): number {
  let shift = ONE;
  for (let rest = length, power = 3; rest > 0; rest = Math.floor(rest / 2), power++) {
    if (rest % 2 === 1) shift = product(shift, squared(power));
  }
  return (product(shift, first) ^ second) >>> 0;
}

/** The polynomials 1 and x: the highest bit is the lowest power. */
const ONE = 0x80000000;
const X = 0x40000000;

/** x to the power of 2ⁿ, for each n from 0 on. */
const powers = [X];

function squared(n: number): number {
  for (let last = powers.length - 1; last < n; last++) {
    const root = powers[last] ?? ONE;
    powers.push(product(root, root));
  }
  return powers[n] ?? ONE;
}

function product(a: number, b: number): number {
  let result = 0;
  for (let bit = ONE; bit > 0; bit >>>= 1) {
    if (a & bit) result ^= b;
    b = b & 1 ? (b >>> 1) ^ 0xedb88320 : b >>> 1;
  }
  return result;
}
