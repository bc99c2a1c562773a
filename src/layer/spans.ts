import { LensError } from '../errors';
import { checkpointIndexes, lastAtMost, spanRange } from './boundaries';
import type { ByteRange, Bytes } from './bytes';
import { windowsAt } from './random-access';
import { changedBlob, SpanHasher } from './span-hasher';
import type { LayerScan, SpanTable } from './types';
import { createHash } from 'node:crypto';

export { readTar } from './random-access';

/** The spans of a layer for any span size in bytes, from one scan (soci-format §2.3–2.5). */
export function spanTable(scan: LayerScan, spanSize: number): SpanTable {
  checkSpanSize(scan, spanSize);
  return scan.compression === 'gzip' ? gzipSpans(scan, spanSize) : tarSpans(scan, spanSize);
}

function checkSpanSize(scan: LayerScan, spanSize: number): void {
  if (Number.isSafeInteger(spanSize) && spanSize >= (scan.compression === 'tar' ? 1 : 0)) return;
  throw new LensError(
    'layer/bad-span-size',
    `${spanSize} is not a span size.`,
    'Choose a whole number of bytes above 0.',
  );
}

function gzipSpans(scan: LayerScan, spanSize: number): SpanTable {
  const indexes = checkpointIndexes(scan.boundaries, spanSize);
  const { length } = indexes;
  const out = Float64Array.from(indexes, (index) => scan.boundaries.out[index] ?? 0);
  const startOut = (span: number): number => out[span] ?? 0;
  return {
    compression: 'gzip',
    spanSize,
    length,
    compressed: (span) => {
      check(span, length);
      return spanRange(scan, indexes, span);
    },
    uncompressed: (span) => {
      check(span, length);
      const end = out[span + 1] ?? Math.max(scan.tarSize, startOut(span));
      return { start: startOut(span), end };
    },
    at: (offset) => Math.max(0, lastAtMost(out, length, offset)),
  };
}

function tarSpans(scan: LayerScan, spanSize: number): SpanTable {
  const length = Math.ceil(scan.compressedSize / spanSize);
  const range = (span: number): ByteRange => {
    check(span, length);
    return { start: span * spanSize, end: Math.min((span + 1) * spanSize, scan.compressedSize) };
  };
  const at = (offset: number): number => Math.max(0, Math.min(Math.floor(offset / spanSize), length - 1));
  return { compression: 'tar', spanSize, length, compressed: range, uncompressed: range, at };
}

function check(span: number, length: number): void {
  if (!(span >= 0 && span < length)) throw new RangeError(`There is no span ${span} of ${length}.`);
}

/** The checkpoints of a gzip layer (soci-format §2.3); a plain tar has none. */
export function checkpoints(
  scan: LayerScan,
  spanSize: number,
): { in: Float64Array; out: Float64Array; bits: Uint8Array } {
  const { boundaries } = scan;
  const indexes = checkpointIndexes(boundaries, spanSize);
  const { length } = indexes;
  const points = {
    in: new Float64Array(length),
    out: new Float64Array(length),
    bits: new Uint8Array(length),
  };
  for (let point = 0; point < length; point++) {
    const index = indexes[point] ?? 0;
    points.in[point] = boundaries.in[index] ?? 0;
    points.out[point] = boundaries.out[index] ?? 0;
    points.bits[point] = boundaries.bits[index] ?? 0;
  }
  return points;
}

/**
 * The window of each checkpoint, 32768 bytes each, zeros in front where the output is shorter. Reads nothing for the span
 * size that the scan kept windows for, and else the parts of `blob` that lie between a kept window and a checkpoint.
 * Without `blob`, fails with `layer/needs-blob` when it is needed.
 */
export async function checkpointWindows(
  scan: LayerScan,
  spanSize: number,
  blob: Bytes | undefined,
  signal?: AbortSignal,
): Promise<Uint8Array[]> {
  checkSpanSize(scan, spanSize);
  return windowsAt(scan, checkpointIndexes(scan.boundaries, spanSize), blob, signal);
}

/**
 * `sha256:…` of each span's compressed bytes (soci-format §2.4). Reads `blob` once, unless the scan kept them for this
 * span size, and fails with `layer/changed-blob` when it is not the one that was scanned.
 */
export async function spanDigests(
  scan: LayerScan,
  spanSize: number,
  blob: Bytes | undefined,
  signal?: AbortSignal,
): Promise<string[]> {
  const table = spanTable(scan, spanSize);
  if (scan.kept.spanSize === spanSize) {
    const digests = Buffer.from(scan.kept.digests);
    return Array.from(
      { length: table.length },
      (_, i) => `sha256:${digests.toString('hex', i * 32, i * 32 + 32)}`,
    );
  }
  if (!blob) {
    throw new LensError(
      'layer/needs-blob',
      'The layer’s bytes are needed for the digests of this span size, because the scan kept those of another one.',
      'Open the image again from a source that still has the layer.',
    );
  }
  const digests: string[] = [];
  const hasher = new SpanHasher((span) => table.compressed(span), 0, table.length);
  const whole = createHash('sha256');
  // The first span begins behind the header of the first member.
  let header = table.length > 0 ? table.compressed(0).start : Infinity;
  for await (const chunk of blob.read(undefined, signal)) {
    signal?.throwIfAborted();
    whole.update(chunk);
    for (const digest of hasher.add(chunk.subarray(Math.min(header, chunk.length))))
      digests.push(`sha256:${digest.toString('hex')}`);
    header = Math.max(0, header - chunk.length);
  }
  if (`sha256:${whole.digest('hex')}` !== scan.digest)
    throw changedBlob({ start: 0, end: scan.compressedSize });
  return digests;
}
