import type { PackedScan } from '../../layer/packed';
import type { Progress } from '../../progress';
import type { Owners } from './owners';
import type { Duplicates, Finding } from './types';

/** What is found. */
export interface Found extends Readonly<Record<Finding, unknown>> {
  readonly packages: Owners;
  readonly duplicates: Duplicates;
}

/** What a worker begins with: one question about one image. */
export interface WorkerTask {
  readonly finding: Finding;
  /** Lowest first. */
  readonly layers: readonly {
    readonly scan: PackedScan | undefined;
    /** The blob where it is a file of this machine; else its bytes are asked for, a piece at a time. */
    readonly file: string | undefined;
    readonly size: number | undefined;
  }[];
}

/** Bytes `[start, end)` of a layer's blob: the answer to `read`. */
export interface ToWorker {
  readonly bytes: Uint8Array;
}

export type FromWorker =
  | { readonly kind: 'read'; readonly layer: number; readonly start: number; readonly end: number }
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'done'; readonly found: Found[Finding] }
  | {
      readonly kind: 'failed';
      readonly code: `${string}/${string}`;
      readonly message: string;
      readonly advice: string;
    };
