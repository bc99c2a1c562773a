import { LensError } from '../errors';
import type { ByteRange } from './bytes';
import type { Boundaries, LayerScan } from './types';

/** Memory for boundaries is 17 bytes each. Ordinary layers have one for each 20 to 60 KiB of their tar. */
const MAX_BOUNDARIES = 1 << 22;
/** Each boundary at output position 0 becomes a checkpoint of 32 KiB, and a ztoc ends at 2 GiB (soci-format §1.2, §2.3). */
const MAX_AT_START = 65000;

/** Collects the places where checkpoints may stand. */
export class BoundaryWriter {
  length = 0;
  /** Output position of the newest one. */
  lastOut = 0;
  #atStart = 0;
  #in = new Float64Array(1024);
  #out = new Float64Array(1024);
  #bits = new Uint8Array(1024);

  add(input: number, output: number, bits: number): void {
    if (output === 0) this.#atStart++;
    if (this.length === MAX_BOUNDARIES || this.#atStart > MAX_AT_START) {
      throw new LensError(
        'layer/too-many-blocks',
        `The layer's gzip stream is cut into more than ${this.#atStart > MAX_AT_START ? MAX_AT_START : MAX_BOUNDARIES} pieces within its first ${input} bytes; no index could describe it.`,
        'Compress the layer again with an ordinary gzip.',
      );
    }
    if (this.length === this.#bits.length) this.#grow();
    this.#in[this.length] = input;
    this.#out[this.length] = output;
    this.#bits[this.length] = bits;
    this.length++;
    this.lastOut = output;
  }

  finish(): Boundaries {
    const { length } = this;
    return {
      length,
      in: this.#in.slice(0, length),
      out: this.#out.slice(0, length),
      bits: this.#bits.slice(0, length),
    };
  }

  #grow(): void {
    const [inputs, outputs, bits] = [this.#in, this.#out, this.#bits];
    const capacity = bits.length * 2;
    this.#in = new Float64Array(capacity);
    this.#out = new Float64Array(capacity);
    this.#bits = new Uint8Array(capacity);
    this.#in.set(inputs);
    this.#out.set(outputs);
    this.#bits.set(bits);
  }
}

/**
 * Which boundaries are checkpoints for a span size (soci-format §2.3): those at output 0, and each that is more than
 * `spanSize` bytes of output behind the checkpoint before it.
 */
export function checkpointIndexes(boundaries: Boundaries, spanSize: number): Uint32Array {
  const indexes: number[] = [];
  let last = 0;
  for (let i = 0; i < boundaries.length; i++) {
    const out = boundaries.out[i] ?? 0;
    if (!isCheckpoint(out, last, spanSize)) continue;
    indexes.push(i);
    last = out;
  }
  return Uint32Array.from(indexes);
}

/** Bytes of the blob that a span needs (soci-format §2.4): from the checkpoint where it begins, whose byte it may share, to the next one. */
export function spanRange(
  { boundaries, compressedSize }: Pick<LayerScan, 'boundaries' | 'compressedSize'>,
  points: Uint32Array,
  span: number,
): ByteRange {
  const point = points[span] ?? 0;
  const next = points[span + 1];
  const shared = boundaries.bits[point] ? 1 : 0;
  return {
    start: (boundaries.in[point] ?? 0) - shared,
    end: next === undefined ? compressedSize : (boundaries.in[next] ?? 0),
  };
}

/** The rule itself; `last` is the output position of the checkpoint before, or 0. */
export function isCheckpoint(out: number, last: number, spanSize: number): boolean {
  return out === 0 || out - last > spanSize;
}

/** Index of the last of `length` ascending values that is at most `limit`; −1 where there is none. */
export function lastAtMost(values: Float64Array | Uint32Array, length: number, limit: number): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] ?? 0) <= limit) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
