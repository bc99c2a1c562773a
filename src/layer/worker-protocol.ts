import type { PackedScan } from './packed';
import type { LayerCompression } from './types';
import type { MessagePort } from 'node:worker_threads';

/** What a scan is asked for, as far as it crosses to the worker. */
export interface WorkerOptions {
  readonly expectedDigest?: string;
  readonly spanSize?: number;
  readonly diffId?: boolean;
  readonly isFresh?: boolean;
}

/** The role of a worker that leaves the cores to another one, which has the largest layer: for that one all wait in the end. */
export const BESIDE = 'beside';

/** From the pool to a worker. A worker has one job at a time. */
export type ToWorker =
  | {
      readonly kind: 'scan';
      readonly compression: LayerCompression;
      readonly options: WorkerOptions;
      /** Bytes of the blob, where known. */
      readonly size: number | undefined;
      /** The blob where it is a file of this machine; else its bytes follow as chunks. */
      readonly file: string | undefined;
      /** How many of the threads that `digests` told of take the digests; without any, the scan takes them itself. */
      readonly digestThreads: number;
    }
  /** Where a thread waits to take digests. */
  | { readonly kind: 'digests'; readonly port: MessagePort }
  | {
      /** A span to be read back by pako. */
      readonly kind: 'inflate';
      readonly compressed: Uint8Array;
      readonly window: Uint8Array;
      readonly bits: number;
      readonly length: number;
    }
  | { readonly kind: 'chunk'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' };

/** From a worker to the pool. */
export type FromWorker =
  /** The worker has started and takes a job; it takes the next one with the answer to this one. */
  | { readonly kind: 'ready' }
  /** A chunk is used up: one more may be sent. */
  | { readonly kind: 'more' }
  | { readonly kind: 'progress'; readonly bytes: number }
  | { readonly kind: 'done'; readonly scan: PackedScan }
  | { readonly kind: 'inflated'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'failed';
      readonly code: `${string}/${string}`;
      readonly message: string;
      readonly advice: string;
    };
