import { arraysOf, packScan, unpackScan, type PackedScan } from './packed';
import type { LayerScan } from './types';
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';

/**
 * Part of each file's name: raised whenever a scan holds other things, or the same ones in another form. Files of other
 * versions are never read, and age out.
 */
const FORMAT = 2;
const DEFAULT_MAX_BYTES = 512 << 20;
const SUFFIX = '.scan';
/** A temporary file that is older than this was left by a program that died. */
const STALE_MS = 3_600_000;

/** Scans of layers on disk, by a key of the caller's (the layer's digest, and what else the result depends on). */
export interface ScanCache {
  /** The scan, or `undefined` where there is none or its file is damaged; such a file is removed. */
  get(key: string): Promise<LayerScan | undefined>;
  /**
   * Keeps a scan, and drops those that were not used for the longest time when all together are too large. A cache that
   * cannot be written (full disk, no permission) is no error: the next scan just takes its time again.
   */
  put(key: string, scan: LayerScan): Promise<void>;
  /** Removes all scans. */
  clear(): Promise<void>;
}

/** A cache in `dir`, which is made when needed. Several programs may use it at once. */
export function openScanCache(dir: string, maxBytes = DEFAULT_MAX_BYTES): ScanCache {
  const fileOf = (key: string): string => {
    const name = createHash('sha256').update(`${FORMAT} ${key}`).digest('hex');
    return path.join(dir, name + SUFFIX);
  };
  return {
    async get(key) {
      const file = fileOf(key);
      const bytes = await readWhole(file);
      if (!bytes) return undefined;
      const scan = decode(bytes);
      if (!scan) {
        // Where it cannot be removed, it is not read either.
        await rm(file, { force: true }).catch(() => undefined);
        return undefined;
      }
      // The time of the last use decides what goes first; failing to note it does no harm.
      await utimes(file, new Date(), new Date()).catch(() => undefined);
      return unpackScan(scan);
    },

    async put(key, scan) {
      const temporary = path.join(dir, `${randomUUID()}.tmp`);
      try {
        await mkdir(dir, { recursive: true });
        const handle = await open(temporary, 'wx');
        try {
          for (const part of encode(packScan(scan))) await handle.writeFile(part);
          await handle.sync();
        } finally {
          await handle.close();
        }
        // Readers see the old file or the new one, whole.
        await rename(temporary, fileOf(key));
        await prune(dir, maxBytes);
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => undefined);
        if (!isSystemError(error)) throw error;
      }
    },

    async clear() {
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

async function readWhole(file: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const handle = await open(file);
    try {
      const { size } = await handle.stat();
      // A buffer of its own, not a part of Node's pool: the arrays of the scan are views of it and have to be aligned.
      const bytes = new Uint8Array(new ArrayBuffer(size));
      let length = 0;
      while (length < size) {
        const { bytesRead } = await handle.read(bytes, length, size - length, length);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      return length === size ? bytes : undefined;
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}

// A file is: the SHA-256 of the rest; the length of the head in 8 bytes, little endian; the head, JSON padded with spaces
// to a multiple of 8; the arrays of `arraysOf` in their order, each padded to a multiple of 8.

const CHECKSUM = 32;
const HEAD = CHECKSUM + 8;

const padded = (length: number): number => Math.ceil(length / 8) * 8;

function encode(scan: PackedScan): Uint8Array[] {
  const arrays = arraysOf(scan);
  const { boundaries, entries, kept, ...scalars } = scan;
  const head = Buffer.from(
    JSON.stringify({
      ...scalars,
      boundaries: boundaries.length,
      entries: entries.length,
      spanSize: kept.spanSize,
      lengths: arrays.map((array) => array.length),
    }),
  );
  const length = Buffer.alloc(8);
  length.writeUInt32LE(padded(head.length));
  const parts: Uint8Array[] = [length, head, Buffer.alloc(padded(head.length) - head.length, ' ')];
  for (const array of arrays) {
    parts.push(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    parts.push(new Uint8Array(padded(array.byteLength) - array.byteLength));
  }
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return [hash.digest(), ...parts];
}

/** What the head says beside the arrays. */
interface Head extends Omit<PackedScan, 'boundaries' | 'entries' | 'kept'> {
  readonly boundaries: number;
  readonly entries: number;
  readonly spanSize: number;
  readonly lengths: readonly number[];
}

function decode(bytes: Uint8Array<ArrayBuffer>): PackedScan | undefined {
  if (bytes.length < HEAD) return undefined;
  const checksum = createHash('sha256').update(bytes.subarray(CHECKSUM)).digest();
  if (!checksum.equals(bytes.subarray(0, CHECKSUM))) return undefined;
  const headLength = Buffer.from(bytes.buffer, CHECKSUM, 8).readUInt32LE();
  // The checksum holds, and the file's name has our format: this is what `encode` wrote.
  const head = JSON.parse(Buffer.from(bytes.buffer, HEAD, headLength).toString()) as Head;
  const { boundaries, entries, spanSize, lengths, ...scalars } = head;

  let position = HEAD + headLength;
  let index = 0;
  const next = (bytesPerElement: number): { at: number; length: number } => {
    const length = lengths[index++] ?? 0;
    const at = position;
    position += padded(length * bytesPerElement);
    return { at, length };
  };
  const float64 = (): Float64Array => {
    const { at, length } = next(8);
    return new Float64Array(bytes.buffer, at, length);
  };
  const uint32 = (): Uint32Array => {
    const { at, length } = next(4);
    return new Uint32Array(bytes.buffer, at, length);
  };
  const uint8 = (): Uint8Array => {
    const { at, length } = next(1);
    return new Uint8Array(bytes.buffer, at, length);
  };
  // In the order of `arraysOf`.
  return {
    ...scalars,
    diffId: scalars.diffId,
    boundaries: { length: boundaries, in: float64(), out: float64(), bits: uint8() },
    entries: {
      length: entries,
      headerOffset: float64(),
      offset: float64(),
      size: float64(),
      type: uint8(),
      record: uint32(),
      records: uint8(),
    },
    kept: { spanSize, digests: uint8(), boundary: uint32(), windows: uint8() },
  };
}

/** Removes the files that were not used for the longest time until all are within `maxBytes`, and what died half-written. */
async function prune(dir: string, maxBytes: number): Promise<void> {
  const files = await Promise.all(
    (await readdir(dir)).map(async (name) => {
      const file = path.join(dir, name);
      // Another program may have removed it in between.
      const stats = await stat(file).catch(() => undefined);
      return { file, size: stats?.size ?? 0, used: stats?.mtimeMs ?? 0 };
    }),
  );
  const stale = files.filter(({ file, used }) => file.endsWith('.tmp') && Date.now() - used > STALE_MS);
  const scans = files.filter(({ file }) => file.endsWith(SUFFIX)).sort((a, b) => a.used - b.used);
  let total = scans.reduce((sum, { size }) => sum + size, 0);
  const old = scans.filter(({ size }) => {
    if (total <= maxBytes) return false;
    total -= size;
    return true;
  });
  await Promise.all([...stale, ...old].map(({ file }) => rm(file, { force: true })));
}
