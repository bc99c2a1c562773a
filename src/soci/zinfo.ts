import { type Filling, FlatWriter } from './flat-writer';
import { FlatReader, badZtoc } from './flatbuffer';

/** Bytes of the window that a checkpoint carries: as far back as DEFLATE can refer (RFC 1951 §2). */
export const WINDOW_SIZE = 32768;
/** `int32 count, int64 span size` (soci-format §2.2). */
const HEADER_SIZE = 12;
/** `int64 in, int64 out, uint8 bits, window` (soci-format §2.2). */
const CHECKPOINT_SIZE = 17 + WINDOW_SIZE;

/** Where to begin decoding each span of a gzip layer (soci-format §2.2). */
export interface GzipZinfo {
  readonly kind: 'gzip';
  /** Bytes. */
  readonly spanSize: number;
  readonly in: Float64Array;
  readonly out: Float64Array;
  readonly bits: Uint8Array;
  /** The 32768 bytes before checkpoint `index`, zeros on the left where there are fewer. */
  window(index: number): Uint8Array;
}

/** The spans of a plain tar all have one size (soci-format §2.5). */
export interface TarZinfo {
  readonly kind: 'tar';
  /** Bytes. */
  readonly spanSize: number;
  /** Bytes of the blob. */
  readonly size: number;
}

export type Zinfo = GzipZinfo | TarZinfo;

/** Bytes of a gzip zinfo with that many checkpoints. */
export function gzipZinfoSize(checkpoints: number): number {
  return HEADER_SIZE + CHECKPOINT_SIZE * checkpoints;
}

/** The zinfo of a gzip layer, version 2 (soci-format §2.2). `windows` are 32768 bytes each. */
export function gzipZinfo(
  spanSize: number,
  checkpoints: { readonly in: Float64Array; readonly out: Float64Array; readonly bits: Uint8Array },
  windows: readonly Uint8Array[],
): Filling {
  return {
    length: gzipZinfoSize(windows.length),
    fill(target) {
      const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
      view.setInt32(0, windows.length, true);
      view.setBigInt64(4, BigInt(spanSize), true);
      windows.forEach((window, index) => {
        const at = gzipZinfoSize(index);
        view.setBigInt64(at, BigInt(checkpoints.in[index] ?? 0), true);
        view.setBigInt64(at + 8, BigInt(checkpoints.out[index] ?? 0), true);
        view.setUint8(at + 16, checkpoints.bits[index] ?? 0);
        target.set(window, at + 17);
      });
    },
  };
}

/** The zinfo of a plain tar: a FlatBuffer of its own (soci-format §2.5). */
export function tarZinfo(spanSize: number, size: number): Filling {
  const writer = new FlatWriter(64);
  writer.startObject(3);
  writer.addFieldInt32(0, 2);
  writer.addFieldInt64(1, spanSize);
  writer.addFieldInt64(2, size);
  writer.finish(writer.endObject());
  const bytes = writer.finished();
  return {
    length: bytes.length,
    fill(target) {
      target.set(bytes);
    },
  };
}

/** Reads a tar zinfo. Throws `soci/bad-ztoc`. */
export function parseTarZinfo(bytes: Uint8Array): TarZinfo {
  const table = new FlatReader(bytes).root();
  const zinfo = { kind: 'tar', spanSize: table.size(1), size: table.size(2) } as const;
  if (zinfo.spanSize === 0) throw badZtoc('its span size is 0');
  return zinfo;
}

/**
 * Reads a gzip zinfo, version 2 or the older version 1, which leaves the first checkpoint out and means byte 10 of the
 * blob (soci-format §2.2). Throws `soci/bad-ztoc`.
 */
export function parseGzipZinfo(bytes: Uint8Array): GzipZinfo {
  if (bytes.length < HEADER_SIZE) throw badZtoc('its checkpoints are cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getInt32(0, true);
  const implied = length > 0 && bytes.length === gzipZinfoSize(length - 1) ? 1 : 0;
  if (length < 1 || bytes.length !== gzipZinfoSize(length - implied)) {
    throw badZtoc(`it has ${bytes.length} bytes for ${length} checkpoints`);
  }
  const at = (index: number) => gzipZinfoSize(index - implied);
  const number = (offset: number) => {
    const value = view.getBigInt64(offset, true);
    if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER))
      throw badZtoc(`an offset in it is ${value.toString()}`);
    return Number(value);
  };
  return {
    kind: 'gzip',
    spanSize: number(4),
    in: Float64Array.from({ length }, (_, index) => (index < implied ? 10 : number(at(index)))),
    out: Float64Array.from({ length }, (_, index) => (index < implied ? 0 : number(at(index) + 8))),
    bits: Uint8Array.from({ length }, (_, index) => (index < implied ? 0 : view.getUint8(at(index) + 16))),
    window: (index) =>
      index < implied
        ? new Uint8Array(WINDOW_SIZE)
        : bytes.subarray(at(index) + 17, at(index) + CHECKPOINT_SIZE),
  };
}
