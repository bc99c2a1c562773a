// The entry of dist/layer-worker.js: scans one layer after the other in a thread of its own. Started with a port, it takes the
// digests for such a thread instead.

import { LensError } from '../errors';
import { fileBytes, type Bytes } from './bytes';
import { serveDigests } from './digest-thread';
import { DigestThreads } from './digest-threads';
import { arraysOf, packScan } from './packed';
import { inflateSpan } from './pako-span';
import { scanLayer, type DigesterOf } from './scan';
import { BESIDE, type FromWorker, type ToWorker } from './worker-protocol';
import { on } from 'node:events';
import { constants, getPriority, setPriority } from 'node:os';
import { MessagePort, parentPort, workerData } from 'node:worker_threads';

/** Of nice(2): a third of the time that the other thread gets. */
const STEP_BACK = 5;
/** Milliseconds between two reports of progress. */
const PROGRESS_INTERVAL = 50;

if (!parentPort) throw new Error('This file runs as a worker only.');
const port = parentPort;

function send(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

/** Messages of the pool, in order. */
async function* messages(): AsyncGenerator<ToWorker, void, void> {
  // Only the pool posts here, and only this type.
  for await (const [message] of on(port, 'message')) yield message as ToWorker;
}

const inbox = messages();

/** The chunks that the pool sends; each one that is used up asks for another. */
function streamedBytes(size: number | undefined): Bytes {
  return {
    size,
    ranged: false,
    async *read() {
      for (;;) {
        const next = await inbox.next();
        if (next.done === true || next.value.kind !== 'chunk') return;
        yield next.value.bytes;
        send({ kind: 'more' });
      }
    },
  };
}

const digestThreads = new DigestThreads();

async function scan(job: Extract<ToWorker, { kind: 'scan' }>): Promise<void> {
  let reported = 0;
  const onProgress = (bytes: number): void => {
    const now = performance.now();
    if (now - reported < PROGRESS_INTERVAL) return;
    reported = now;
    send({ kind: 'progress', bytes });
  };
  const blob = job.file === undefined ? streamedBytes(job.size) : await fileBytes(job.file, job.size);
  const digesterOf: DigesterOf | undefined =
    job.digestThreads > 0 ? (...given) => digestThreads.start(...given, job.digestThreads) : undefined;
  const packed = packScan(await scanLayer(blob, job.compression, { ...job.options, onProgress }, digesterOf));
  send({ kind: 'done', scan: packed }, [
    ...new Set(arraysOf(packed).map((array) => array.buffer as ArrayBuffer)),
  ]);
}

function inflate(job: Extract<ToWorker, { kind: 'inflate' }>): void {
  const bytes = inflateSpan(job.compressed, job.window, job.bits, job.length);
  send({ kind: 'inflated', bytes }, [bytes.buffer as ArrayBuffer]);
}

/**
 * Has this thread run less where others of the program want the same core. On Linux a priority is one of the thread that asks for it
 * (setpriority(2), "C library/kernel differences"); elsewhere it would be one of the whole process.
 */
function stepBack(): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(Math.min(getPriority() + STEP_BACK, constants.priority.PRIORITY_LOW));
  } catch {
    // A sandbox may forbid it: then all threads are equal.
  }
}

async function work(): Promise<void> {
  if (workerData === BESIDE) stepBack();
  send({ kind: 'ready' });
  for await (const message of inbox) {
    if (message.kind === 'digests') digestThreads.add(message.port);
    // After a failed job, chunks that were on their way still come.
    if (message.kind !== 'scan' && message.kind !== 'inflate') continue;
    try {
      if (message.kind === 'scan') await scan(message);
      else inflate(message);
    } catch (error) {
      // Any other error is a defect: it ends this worker, and the pool reports it.
      if (!(error instanceof LensError)) throw error;
      send({ kind: 'failed', code: error.code, message: error.message, advice: error.advice });
    }
  }
}

if (workerData instanceof MessagePort) serveDigests(workerData);
else void work();
