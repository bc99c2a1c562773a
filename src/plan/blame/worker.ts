// The entry of dist/findings-worker.js: answers the one question that it was started with.

import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { LensError } from '../../errors';
import { fileBytes, type Bytes } from '../../layer/bytes';
import { unpackScan } from '../../layer/packed';
import type { OnProgress } from '../../progress';
import { findDuplicates } from './duplicates';
import { findOwners, type ReadableLayer } from './packages';
import type { FromWorker, ToWorker, WorkerTask } from './worker-protocol';

/** Bytes that are asked for at once: few questions, and little memory. */
const PIECE = 4 << 20;
/** Milliseconds between two reports of progress. */
const PROGRESS_INTERVAL = 50;

if (!parentPort) throw new Error('This file runs as a worker only.');
const port = parentPort;

function send(message: FromWorker): void {
  port.postMessage(message);
}

/** A blob that only the other thread can reach. One reads at a time, so that answers need no names. */
function distantBytes(layer: number, size: number | undefined): Bytes {
  return {
    size,
    ranged: true,
    async *read(range) {
      const end = range?.end ?? size ?? 0;
      for (let start = range?.start ?? 0; start < end; start += PIECE) {
        send({ kind: 'read', layer, start, end: Math.min(end, start + PIECE) });
        // Only the thread that started this one posts here, and only this type.
        const [{ bytes }] = (await once(port, 'message')) as [ToWorker];
        yield bytes;
      }
    },
  };
}

async function work({ finding, layers }: WorkerTask): Promise<void> {
  let reported = 0;
  const onProgress: OnProgress = (progress) => {
    const now = performance.now();
    if (now - reported < PROGRESS_INTERVAL) return;
    reported = now;
    send({ kind: 'progress', progress });
  };
  try {
    const readable = await Promise.all(
      layers.map(async ({ scan, file, size }, layer): Promise<ReadableLayer> => ({
        scan: scan && unpackScan(scan),
        blob: file === undefined ? distantBytes(layer, size) : await fileBytes(file, size),
      })),
    );
    const find = finding === 'packages' ? findOwners : findDuplicates;
    send({ kind: 'done', found: await find(readable, { onProgress }) });
  } catch (error) {
    // Any other error is a defect: it ends this worker, and who started it reports it.
    if (!(error instanceof LensError)) throw error;
    send({ kind: 'failed', code: error.code, message: error.message, advice: error.advice });
  }
}

// Only `findInThread` starts this file.
void work(workerData as WorkerTask);
