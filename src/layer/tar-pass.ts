import { LensError } from '../errors';
import type { Cut } from './digests';
import type { KeptWindows, Pass } from './pass';
import { TarReader } from './tar';
import type { Boundaries } from './types';

/** A plain tar: its spans are cut by size alone (soci-format §2.5). */
export class TarPass implements Pass {
  readonly tar = new TarReader();
  readonly fault = undefined;
  readonly members = 1;
  streamSize = 0;
  readonly #spanSize: number;
  #nextCut = 0;

  constructor(spanSize: number) {
    if (!(spanSize > 0)) {
      throw new LensError(
        'layer/bad-span-size',
        `A plain tar cannot be cut into spans of ${spanSize} bytes.`,
        'Choose a span size above 0.',
      );
    }
    this.#spanSize = spanSize;
  }

  write(chunk: Uint8Array): void {
    this.streamSize += chunk.length;
    this.tar.push(chunk, 0, chunk.length);
  }

  end(): void {
    this.tar.finish();
  }

  /** Nothing is packed: the tar's byte is the blob's. */
  get tarFaultAt(): number {
    return this.tar.fault?.at ?? 0;
  }

  takeCuts(): readonly Cut[] {
    const cuts: Cut[] = [];
    for (; this.#nextCut < this.streamSize; this.#nextCut += this.#spanSize) {
      cuts.push({ at: this.#nextCut, shared: false });
    }
    return cuts;
  }

  boundaries(): Boundaries {
    return { length: 0, in: new Float64Array(), out: new Float64Array(), bits: new Uint8Array() };
  }

  windows(): KeptWindows {
    return { boundary: new Uint32Array(), windows: new Uint8Array() };
  }
}
