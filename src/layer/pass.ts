import type { GzipFault } from './faults';
import type { Cut } from './digests';
import type { TarReader } from './tar';
import type { Boundaries, KeptSpans } from './types';

/** What a scan needs from the way a layer is packed: gzip (`GzipPass`) or not at all (`TarPass`). */
export interface Pass {
  readonly tar: TarReader;
  /** Set when the packing itself is broken; nothing is decoded from then on. */
  readonly fault: GzipFault | undefined;
  /** Byte of the blob at which the tar turned out to be broken. */
  readonly tarFaultAt: number;
  /** Uncompressed bytes. */
  readonly streamSize: number;
  /** Gzip members. */
  readonly members: number;
  /** The next bytes of the blob; they are not kept. */
  write(chunk: Uint8Array): void;
  /** The blob has ended. */
  end(): void;
  /** Where spans begin that were not told before. */
  takeCuts(): readonly Cut[];
  boundaries(): Boundaries;
  windows(): KeptWindows;
}

export type KeptWindows = Pick<KeptSpans, 'boundary' | 'windows'>;
