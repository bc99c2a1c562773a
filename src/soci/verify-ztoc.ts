import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { LensError } from '../errors';
import { type ByteRange, type Bytes, readRange } from '../layer/bytes';
import { inflateSpan } from '../layer/pako-span';
import type { PackedSpan } from '../layer/pool';
import { checkpoints } from '../layer/spans';
import type { LayerScan } from '../layer/types';
import { sha256 } from '../oci/digest';
import type { Digest } from '../oci/types';
import { ahead } from './concurrent';
import { WINDOW_SIZE } from './zinfo';
import type { Ztoc, ZtocFile } from './ztoc';

/** Reads a span back by pako; the pool of workers does it in the product. Fails with `layer/bad-span`. */
export type InflateSpan = (span: PackedSpan, signal: AbortSignal) => Promise<Uint8Array>;

export interface ZtocCheck {
  /** What our own pass over the layer found; without it only a sample is checked. */
  readonly scan?: LayerScan;
  /** The digest that the whole layer must have when it is unpacked, where the image's config tells. */
  readonly diffId?: Digest | undefined;
  /** How many spans to check; all where not given. */
  readonly sample?: number;
  /** Decodes a span; in this thread where not given. */
  readonly inflate?: InflateSpan | undefined;
  readonly signal: AbortSignal;
  /** Gets a sentence for each thing that is wrong. */
  readonly problems: string[];
  /** Compressed bytes that were read back. */
  readonly onBytes?: (done: number) => void;
}

/** DEFLATE cannot pack better than this (zlib's technical notes); a span that claims so is not even tried. */
const MAX_RATIO = 1032;
const BLOCK = 512;
/** Spans that are read and decoded while one before them is looked at. */
const SPANS_AHEAD = availableParallelism();

/**
 * Checks a ztoc against the bytes of its layer: the digest of each span, that pako decodes it from its checkpoint to the
 * length it must have, and that all spans together are what the image's config says. With a scan, the table of contents and the
 * checkpoints must be the same as well; without one, the tar headers that lie in the sampled spans must be where the table
 * says. Returns how many spans were checked.
 */
export async function checkZtoc(ztoc: Ztoc, blob: Bytes, check: ZtocCheck): Promise<number> {
  const { scan, problems, signal } = check;
  const spans = spansOf(ztoc, scan);
  const wrong = spans.findIndex((span) => !isPossible(span, ztoc));
  const impossible = spans[wrong];
  if (impossible) {
    const [packed, tar] = [impossible.compressed, impossible.tar].map(({ start, end }) => `${start}–${end}`);
    problems.push(
      `Span ${wrong} of the ztoc cannot be: bytes ${packed} of ${ztoc.compressedSize} would hold bytes ${tar} of the tar.`,
    );
    return 0;
  }
  if (scan) compareWithScan(ztoc, scan, problems);
  const chosen = chooseSpans(spans.length, check.sample);
  const whole = createHash('sha256');
  /** The 32 KiB before the next span, as far as the spans before it were decoded. */
  let before: Uint8Array | undefined = new Uint8Array(WINDOW_SIZE);
  let done = 0;
  const read = async (index: number): Promise<ReadSpan | undefined> => {
    const span = spans[index];
    if (!span) return undefined;
    const compressed = await readRange(blob, span.compressed, signal);
    const isRight = sha256(compressed) === ztoc.spanDigests[index];
    const tar = isRight ? await decode(ztoc, index, span, compressed, check) : undefined;
    return { index, span, size: compressed.length, isRight, tar };
  };
  for await (const found of ahead(chosen, SPANS_AHEAD, read)) {
    signal.throwIfAborted();
    if (!found) continue;
    const { index, span, tar } = found;
    const { start, end } = span.compressed;
    done += found.size;
    check.onBytes?.(done);
    const window = scan && before;
    before = undefined;
    if (!found.isRight) {
      problems.push(`Span ${index}: bytes ${start}–${end} of the layer are not those of its digest.`);
      continue;
    }
    if (window && ztoc.zinfo.kind === 'gzip' && Buffer.compare(window, ztoc.zinfo.window(index)) !== 0) {
      problems.push(`Span ${index}: its window is not the 32 KiB before byte ${span.tar.start} of the tar.`);
    }
    if (!tar) {
      problems.push(
        `Span ${index}: pako cannot decode bytes ${start}–${end} of the layer from its checkpoint.`,
      );
      continue;
    }
    whole.update(tar);
    if (scan) before = lastWindow(window, tar);
    else checkHeaders(ztoc.files, span.tar.start, tar, problems);
  }
  const expected = check.diffId ?? scan?.diffId;
  const unpacked = `sha256:${whole.digest('hex')}`;
  if (scan && problems.length === 0 && expected !== undefined && unpacked !== expected) {
    problems.push(`The spans unpack to ${unpacked}, but the image's config says ${expected}.`);
  }
  return chosen.length;
}

function lastWindow(before: Uint8Array | undefined, tar: Uint8Array): Uint8Array | undefined {
  if (tar.length >= WINDOW_SIZE) return tar.subarray(tar.length - WINDOW_SIZE);
  return before && Buffer.concat([before.subarray(tar.length), tar]);
}

/** A span that was read back. */
interface ReadSpan {
  readonly index: number;
  readonly span: Span;
  /** Compressed bytes. */
  readonly size: number;
  /** It has the digest that the ztoc gives. */
  readonly isRight: boolean;
  readonly tar: Uint8Array | undefined;
}

interface Span {
  readonly compressed: ByteRange;
  /** The bytes it holds, in the uncompressed stream. */
  readonly tar: ByteRange;
}

/** soci-format §2.4, §2.5. Padding after the archive belongs to the last span; only a scan knows how long it is. */
function spansOf(
  { zinfo, spanDigests, compressedSize, uncompressedSize }: Ztoc,
  scan: LayerScan | undefined,
): Span[] {
  return spanDigests.map((_, index) => {
    if (zinfo.kind === 'tar') {
      const range = {
        start: index * zinfo.spanSize,
        end: Math.min((index + 1) * zinfo.spanSize, compressedSize),
      };
      return { compressed: range, tar: range };
    }
    const start = zinfo.in[index] ?? 0;
    const out = zinfo.out[index] ?? 0;
    // A checkpoint can even stand in the padding after the archive.
    const end = zinfo.out[index + 1] ?? scan?.streamSize ?? Math.max(out, uncompressedSize);
    return {
      compressed: {
        start: zinfo.bits[index] ? start - 1 : start,
        end: zinfo.in[index + 1] ?? compressedSize,
      },
      tar: { start: out, end },
    };
  });
}

/** What a hostile ztoc claims is looked at before memory is taken for it. */
function isPossible({ compressed, tar }: Span, { compressedSize }: Ztoc): boolean {
  const packed = compressed.end - compressed.start;
  const unpacked = tar.end - tar.start;
  return (
    compressed.start >= 0 &&
    packed >= 0 &&
    compressed.end <= compressedSize &&
    unpacked >= 0 &&
    unpacked <= packed * MAX_RATIO
  );
}

/** All spans, or `sample` of them spread evenly over the layer, the first and the last among them. */
function chooseSpans(length: number, sample = length): number[] {
  if (sample >= length) return Array.from({ length }, (_, index) => index);
  const step = sample > 1 ? (length - 1) / (sample - 1) : 0;
  return Array.from({ length: sample }, (_, index) => Math.round(index * step));
}

/** `undefined` where it does not decode to the length that it must have. */
async function decode(
  { zinfo }: Ztoc,
  index: number,
  { tar }: Span,
  compressed: Uint8Array,
  { inflate = inThisThread, signal }: ZtocCheck,
): Promise<Uint8Array | undefined> {
  if (zinfo.kind === 'tar') return compressed;
  const length = tar.end - tar.start;
  try {
    return await inflate(
      { compressed, window: zinfo.window(index), bits: zinfo.bits[index] ?? 0, length },
      signal,
    );
  } catch (error) {
    if (error instanceof LensError && error.code === 'layer/bad-span') return undefined;
    throw error;
  }
}

const inThisThread: InflateSpan = async ({ compressed, window, bits, length }) =>
  Promise.resolve(inflateSpan(compressed, window, bits, length));

function compareWithScan(ztoc: Ztoc, scan: LayerScan, problems: string[]): void {
  const { zinfo } = ztoc;
  const count = (what: string, own: number, found: number) => {
    if (own !== found) problems.push(`The ztoc says ${what} ${own}, and it is ${found}.`);
  };
  count('the layer’s bytes are', ztoc.compressedSize, scan.compressedSize);
  count('the archive’s bytes are', ztoc.uncompressedSize, scan.tarSize);
  count('the number of files is', ztoc.files.length, scan.entries.length);
  if (zinfo.kind === 'tar') {
    count('the tar’s bytes are', zinfo.size, scan.compressedSize);
    count('the number of spans is', ztoc.spanDigests.length, Math.ceil(scan.compressedSize / zinfo.spanSize));
  } else {
    const points = checkpoints(scan, zinfo.spanSize);
    count('the number of spans is', zinfo.in.length, points.in.length);
    const wrong = points.in.findIndex(
      (start, index) =>
        start !== zinfo.in[index] ||
        points.out[index] !== zinfo.out[index] ||
        points.bits[index] !== zinfo.bits[index],
    );
    if (wrong >= 0)
      problems.push(
        `Checkpoint ${wrong} is not at byte ${points.in[wrong] ?? 0}, where a block of the layer ends.`,
      );
  }
  for (const [index, file] of ztoc.files.entries()) {
    if (index >= scan.entries.length) return;
    const field = differentField(file, scan.entries.get(index));
    if (field === undefined) continue;
    problems.push(`File ${index} of the ztoc, "${textOf(file.name)}", differs from the tar in its ${field}.`);
    // One is enough to know; a shifted table would name them all.
    return;
  }
}

const NUMBERS = ['type', 'offset', 'size', 'mode', 'modTime', 'devMajor', 'devMinor'] as const;
const STRINGS = ['name', 'linkname', 'uname', 'gname'] as const;

function differentField(file: ZtocFile, entry: ZtocFile): string | undefined {
  const number = NUMBERS.find((field) => file[field] !== entry[field]);
  const string = STRINGS.find((field) => Buffer.compare(file[field], entry[field]) !== 0);
  if (number !== undefined || string !== undefined) return number ?? string;
  if (file.uid >>> 0 !== entry.uid >>> 0 || file.gid >>> 0 !== entry.gid >>> 0) return 'owner';
  const same =
    file.pax.length === entry.pax.length &&
    file.pax.every(([key, value], index) => {
      const [otherKey, otherValue] = entry.pax[index] ?? [];
      return otherKey && otherValue && !Buffer.compare(key, otherKey) && !Buffer.compare(value, otherValue);
    });
  return same ? undefined : 'extended attributes';
}

/** The header block of a file stands right before its data: a valid one, and of that name (soci-format §1.3, §1.4). */
function checkHeaders(files: readonly ZtocFile[], start: number, tar: Uint8Array, problems: string[]): void {
  for (const file of files) {
    const at = file.offset - BLOCK - start;
    if (at < 0 || at + BLOCK > tar.length) continue;
    const paxKeys = file.pax.map(([key]) => textOf(key));
    // The map of a sparse file lies between its header and its data.
    if (paxKeys.some((key) => key.startsWith('GNU.sparse.'))) continue;
    const block = tar.subarray(at, at + BLOCK);
    const field = block.subarray(0, 100);
    const end = field.indexOf(0);
    const name = Buffer.from(end < 0 ? field : field.subarray(0, end));
    // Longer names and those of a pax record do not stand in the block.
    const isThere = file.name.length <= 100 && !paxKeys.includes('path');
    const isNamed = !isThere || name.equals(file.name.subarray(Math.max(0, file.name.length - name.length)));
    if (!isNamed || !hasChecksum(block)) {
      problems.push(
        `The tar has no header for "${textOf(file.name)}" at byte ${file.offset - BLOCK}, where the ztoc says.`,
      );
      return;
    }
  }
}

/** POSIX pax, "ustar Interchange Format": the sum of the header's bytes, with the checksum's own taken as spaces. */
function hasChecksum(block: Uint8Array): boolean {
  const told = parseInt(
    Buffer.from(block.subarray(148, 156)).toString('latin1').replace(/\0/g, ' ').trim(),
    8,
  );
  const bytes = [...block].map((byte, index) => (index >= 148 && index < 156 ? 0x20 : byte));
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  const signed = bytes.reduce((total, byte) => total + ((byte << 24) >> 24), 0);
  return told === sum || told === signed;
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
