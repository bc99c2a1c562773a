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

/** Node's own takes data where it stands, without a copy; the oldest editor that we support has none (Node has it from 20.15 and 22.2 on). */
export const crc32: Crc32 = 'crc32' in zlib ? zlib.crc32 : crc32ByEngine;
