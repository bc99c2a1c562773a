/** Reading the layers once more, in a thread of its own: the editor's other work goes on meanwhile. */
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { LensError, messageOf } from '../../errors';
import { readRange } from '../../layer/bytes';
import { packScan } from '../../layer/packed';
import type { ReadableLayer, ReadOptions } from './packages';
import type { Finding } from './types';
import type { Found, FromWorker, ToWorker, WorkerTask } from './worker-protocol';

export interface ThreadOptions extends ReadOptions {
  /** The worker's bundle; beside the running bundle where nothing is said. */
  readonly workerFile?: string | undefined;
}

/**
 * `findOwners` or `findDuplicates` in a worker. Blobs with `file` are read by the worker itself; of others it is sent the
 * ranges that it asks for. An abort ends it at once.
 *
 * @param layers lowest first
 * @throws LensError what reading throws, and `plan/worker-crashed`
 */
export async function findInThread<F extends Finding>(
  finding: F,
  layers: readonly ReadableLayer[],
  { signal, onProgress, workerFile = path.join(__dirname, 'findings-worker.js') }: ThreadOptions = {},
): Promise<Found[F]> {
  signal?.throwIfAborted();
  const task: WorkerTask = {
    finding,
    layers: layers.map(({ scan, blob }) => ({
      scan: scan && packScan(scan),
      file: blob.file,
      size: blob.size,
    })),
  };
  const worker = new Worker(workerFile, { workerData: task });
  let abort: (() => void) | undefined;
  try {
    return await new Promise<Found[F]>((resolve, reject) => {
      abort = () => {
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', abort, { once: true });
      worker.on('message', (message: FromWorker) => {
        switch (message.kind) {
          case 'read':
            sendRange(worker, layers, message, signal).catch(reject);
            break;
          case 'progress':
            onProgress?.(message.progress);
            break;
          case 'done':
            resolve(message.found as Found[F]); // The worker answers the question that it was started with.
            break;
          case 'failed':
            reject(new LensError(message.code, message.message, message.advice));
            break;
        }
      });
      worker.on('error', (error) => {
        reject(crashError(messageOf(error), error));
      });
      worker.on('exit', () => {
        reject(crashError('it ended without a word', undefined));
      });
    });
  } finally {
    if (abort) signal?.removeEventListener('abort', abort);
    await worker.terminate();
  }
}

async function sendRange(
  worker: Worker,
  layers: readonly ReadableLayer[],
  { layer, start, end }: FromWorker & { kind: 'read' },
  signal: AbortSignal | undefined,
): Promise<void> {
  const blob = layers[layer]?.blob;
  if (!blob) return;
  const bytes = await readRange(blob, { start, end }, signal);
  const answer: ToWorker = { bytes };
  worker.postMessage(answer, [bytes.buffer as ArrayBuffer]);
}

function crashError(why: string, cause: unknown): LensError {
  return new LensError(
    'plan/worker-crashed',
    `The thread that read the layers once more stopped: ${why}.`,
    'Try again; if it happens once more, report it with the log and the image’s digest.',
    { cause },
  );
}
