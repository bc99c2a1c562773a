import { LensError } from '../errors';
import { lastAtMost, spanRange } from './boundaries';
import type { ByteRange } from './bytes';
import type { LayerScan } from './types';
import { createHash } from 'node:crypto';

/** Takes the SHA-256 of neighbouring spans from the bytes that hold them. */
export class SpanHasher {
  readonly #range: (span: number) => ByteRange;
  #span: number;
  readonly #end: number;
  /** Where in the blob the next chunk begins. */
  #position: number;
  #hash = createHash('sha256');

  /** @param range of the blob's bytes, of each span from `first` to before `end`; bytes are added from the first one's on. */
  constructor(range: (span: number) => ByteRange, first: number, end: number) {
    this.#range = range;
    this.#span = first;
    this.#end = end;
    this.#position = first < end ? range(first).start : 0;
  }

  /** Digests of the spans that end in this chunk, which is the next one. */
  add(chunk: Uint8Array): Buffer[] {
    const digests: Buffer[] = [];
    // A span that ends here may share its last byte with the next one, which then begins here too.
    while (this.#span < this.#end) {
      const { start, end } = this.#range(this.#span);
      this.#hash.update(
        chunk.subarray(Math.max(0, start - this.#position), Math.max(0, end - this.#position)),
      );
      if (end > this.#position + chunk.length) break;
      digests.push(this.#hash.digest());
      this.#hash = createHash('sha256');
      this.#span++;
    }
    this.#position += chunk.length;
    return digests;
  }
}

/** Compares a part of a gzip layer that is read again with what the scan read: whole spans of those whose digests it kept. */
export class SpanCheck {
  /** The bytes to read: whole spans, from the one that begins at boundary `from` to the one that leads to boundary `to`. */
  readonly range: ByteRange;
  readonly #scan: LayerScan;
  readonly #hasher: SpanHasher;
  #span: number;
  readonly #end: number;

  /** @param points the boundaries where the spans begin whose digests the scan kept */
  constructor(scan: LayerScan, points: Uint32Array, from: number, to: number) {
    const range = (span: number): ByteRange => spanRange(scan, points, span);
    const first = lastAtMost(points, points.length, from);
    const last = lastAtMost(points, points.length, to - 1);
    this.range = { start: range(first).start, end: range(last).end };
    this.#scan = scan;
    this.#hasher = new SpanHasher(range, first, last + 1);
    this.#span = first;
    this.#end = last + 1;
  }

  /** Takes the next bytes of `range`. Fails with `layer/changed-blob` when a span that ends in them is another one. */
  add(chunk: Uint8Array): void {
    for (const digest of this.#hasher.add(chunk)) {
      const at = 32 * this.#span++;
      if (!digest.equals(this.#scan.kept.digests.subarray(at, at + 32))) throw changedBlob(this.range);
    }
  }

  /** Fails with `layer/changed-blob` when bytes of `range` are missing. */
  finish(): void {
    if (this.#span < this.#end) throw changedBlob(this.range);
  }
}

export function changedBlob({ start, end }: ByteRange): LensError {
  return new LensError(
    'layer/changed-blob',
    `Bytes ${start} to ${end} of the layer are no longer what they were when it was scanned.`,
    'Scan the layer again: its bytes have changed.',
  );
}
