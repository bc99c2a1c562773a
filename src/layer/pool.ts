import { LensError, messageOf } from '../errors';
import type { Bytes } from './bytes';
import { unpackScan } from './packed';
import type { ScanOptions } from './scan';
import type { LayerCompression, LayerScan } from './types';
import { BESIDE, type FromWorker, type ToWorker } from './worker-protocol';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';

/** Chunks that may be on their way to a worker: enough to keep it busy, few enough to bound memory. */
const CHUNKS_AHEAD = 4;
/** Bytes per chunk at most. */
const CHUNK = 1 << 20;
/** Bytes; a smaller blob is hashed before a second thread has started. */
const MIN_HASHED_APART = 8 << 20;
/** Beside the running bundle. */
const WORKER_FILE = path.join(__dirname, 'layer-worker.js');
/** Megabytes of JavaScript heap of one worker; a scan uses about 10, and its arrays are outside of it. */
const WORKER_HEAP = 256;

/** A span as it lies in a layer, to be read back; see `inflateSpan`. */
export interface PackedSpan {
  readonly compressed: Uint8Array;
  readonly window: Uint8Array;
  readonly bits: number;
  /** Bytes that it must unpack to. */
  readonly length: number;
}

/** Scans layers side by side and reads spans back, each in a worker thread. */
export interface ScanPool {
  /**
   * `scanLayer` in a worker. Of the layers that wait, the largest begins first. A blob with `file` is read by the worker
   * itself, any other one is streamed to it. A worker that is aborted is ended at once; one that crashes fails its own
   * layer with `layer/worker-crashed`.
   */
  scan(blob: Bytes, compression: LayerCompression, options?: ScanOptions): Promise<LayerScan>;
  /** `inflateSpan` by pako in a worker, so that the thread that asks stays free. */
  inflate(span: PackedSpan, signal?: AbortSignal): Promise<Uint8Array>;
  /** Ends all workers; scans that are not finished fail with `layer/pool-closed`. */
  close(): Promise<void>;
}

interface Job {
  /** What a worker is told to begin with, and what of it moves there. */
  readonly order: ToWorker;
  readonly transfer: ArrayBuffer[];
  /** Bytes: of the jobs that wait, the largest begins first. */
  readonly size: number;
  /** Streamed to the worker behind the order. */
  readonly stream: Bytes | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((bytesDone: number) => void) | undefined;
  /** Takes the result; later calls change nothing. */
  readonly resolve: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
}

type Result = Extract<FromWorker, { kind: 'done' | 'inflated' }>;
type Task = Omit<Job, 'resolve' | 'reject'>;

export interface ScanPoolOptions {
  /** Workers at most; one for each core where nothing is said. */
  readonly workers?: number;
  /** The worker's bundle; beside the running bundle where nothing is said. */
  readonly workerFile?: string | undefined;
  /** One that `startWorker` has started. It gets the first layer, and all other workers step back behind it. */
  readonly worker?: StartedWorker | undefined;
}

/** A worker that runs `file`, and others of that file which take digests for it. */
export interface StartedWorker {
  readonly file: string;
  readonly worker: Worker;
  readonly digesters: Worker[];
}

/**
 * Starts a worker for a pool that is still to be made, together with a thread for the digests; its first layer finds both ready.
 * Until it gets one it does not keep the program alive.
 */
export function startWorker(file = WORKER_FILE): StartedWorker {
  const started = newWorker(file);
  started.worker.unref();
  if (availableParallelism() > 1) addDigester(started);
  return started;
}

function newWorker(file: string, role?: typeof BESIDE): StartedWorker {
  const worker = new Worker(file, {
    workerData: role,
    resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP },
  });
  return { file, worker, digesters: [] };
}

/** Starts a thread for digests, and tells the one that scans the way to it. */
function addDigester({ file, worker, digesters }: StartedWorker): Worker {
  const { port1, port2 } = new MessageChannel();
  const digester = new Worker(file, { workerData: port1, transferList: [port1] });
  digester.unref();
  digesters.push(digester);
  worker.postMessage({ kind: 'digests', port: port2 } satisfies ToWorker, [port2]);
  return digester;
}

export function createScanPool(options: ScanPoolOptions = {}): ScanPool {
  const { workers = availableParallelism(), workerFile = WORKER_FILE, worker } = options;
  return new Pool(workers, workerFile, worker);
}

class Pool implements ScanPool {
  readonly #limit: number;
  readonly #workerFile: string;
  /** Of the workers that it starts. */
  readonly #role: typeof BESIDE | undefined;
  readonly #waiting = new Set<Job>();
  readonly #threads = new Set<Thread>();
  #isClosed = false;

  constructor(limit: number, workerFile: string, worker: StartedWorker | undefined) {
    this.#limit = limit;
    this.#workerFile = workerFile;
    this.#role = worker && BESIDE;
    // What it is sent waits until it has started.
    if (worker) this.#add(worker).isIdle = true;
  }

  async scan(blob: Bytes, compression: LayerCompression, options: ScanOptions = {}): Promise<LayerScan> {
    const { expectedDigest, spanSize, diffId, isFresh, signal, onProgress } = options;
    const order: ToWorker = {
      kind: 'scan',
      compression,
      options: {
        ...(expectedDigest !== undefined && { expectedDigest }),
        ...(spanSize !== undefined && { spanSize }),
        ...(diffId !== undefined && { diffId }),
        ...(isFresh !== undefined && { isFresh }),
      },
      size: blob.size,
      file: blob.file,
      // Decided when it begins.
      digestThreads: 0,
    };
    const stream = blob.file === undefined ? blob : undefined;
    const result = await this.#run({
      order,
      transfer: [],
      size: blob.size ?? Infinity,
      stream,
      signal,
      onProgress,
    });
    if (result.kind !== 'done') throw new TypeError('A scan was answered with a span.');
    return unpackScan(result.scan);
  }

  async inflate(span: PackedSpan, signal?: AbortSignal): Promise<Uint8Array> {
    // Copies of their own: a view would take all that it is a view of along.
    const [compressed, window] = [new Uint8Array(span.compressed), new Uint8Array(span.window)];
    const result = await this.#run({
      order: { ...span, kind: 'inflate', compressed, window },
      transfer: [compressed.buffer, window.buffer],
      size: compressed.length,
      stream: undefined,
      signal,
      onProgress: undefined,
    });
    if (result.kind !== 'inflated') throw new TypeError('A span was answered with a scan.');
    return result.bytes;
  }

  async #run(task: Task): Promise<Result> {
    const { signal } = task;
    signal?.throwIfAborted();
    if (this.#isClosed) throw closedError();
    let abort: (() => void) | undefined;
    try {
      return await new Promise<Result>((resolve, reject) => {
        const job: Job = { ...task, resolve, reject };
        abort = () => {
          this.#waiting.delete(job);
          for (const thread of this.#threads) if (thread.job === job) void thread.end();
          reject(signal?.reason as Error);
        };
        signal?.addEventListener('abort', abort, { once: true });
        this.#waiting.add(job);
        this.#dispatch();
      });
    } finally {
      if (abort) signal?.removeEventListener('abort', abort);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#rejectWaiting(closedError());
    await Promise.all(
      [...this.#threads].map((thread) => {
        thread.job?.reject(closedError());
        return thread.end();
      }),
    );
  }

  #rejectWaiting(error: LensError): void {
    for (const job of this.#waiting) job.reject(error);
    this.#waiting.clear();
  }

  /** Gives waiting jobs to idle threads, and starts threads as long as there are fewer than jobs. */
  #dispatch(): void {
    for (const thread of this.#threads) if (thread.isIdle) this.#next(thread);
    const free = [...this.#threads].filter((thread) => thread.job === undefined).length;
    for (let i = free; i < this.#waiting.size && this.#threads.size < this.#limit; i++)
      this.#add(newWorker(this.#workerFile, this.#role));
  }

  #add(worker: StartedWorker): Thread {
    const thread = new Thread(worker, {
      onIdle: () => {
        this.#next(thread);
      },
      onExit: (error) => {
        this.#threads.delete(thread);
        // A thread that cannot even start would be followed by others without end.
        if (error) this.#rejectWaiting(error);
        if (!this.#isClosed) this.#dispatch();
      },
    });
    this.#threads.add(thread);
    return thread;
  }

  /** The largest of the waiting layers goes first: with the small ones last, the threads end at about the same time. */
  #next(thread: Thread): void {
    let largest: Job | undefined;
    for (const job of this.#waiting) {
      if (!largest || job.size > largest.size) largest = job;
    }
    if (!largest) return;
    this.#waiting.delete(largest);
    thread.start(largest, this.#digestThreads(largest));
  }

  /**
   * How many threads take the digests of a scan. The largest one has one, since the others wait for it in the end, and two where
   * even then each layer keeps a core. The next ones have one only where that leaves a core to every layer. A blob whose size nobody
   * knows is only just being made, and who makes it has the cores busy.
   */
  #digestThreads({ order, size }: Job): number {
    const cores = availableParallelism();
    if (order.kind !== 'scan' || order.size === undefined || size < MIN_HASHED_APART || cores < 2) return 0;
    const busy = [...this.#threads].filter(({ job }) => job !== undefined);
    const digesting = busy.reduce((sum, thread) => sum + thread.digestThreads, 0);
    const layers = 1 + busy.length + this.#waiting.size;
    if (digesting > 0) return layers + digesting + 1 <= cores ? 1 : 0;
    return layers + 1 <= cores ? 2 : 1;
  }
}

/** One worker and the job that it has. */
class Thread {
  job: Job | undefined;
  /** True from the moment that the worker asks for a job until it gets one. */
  isIdle = false;
  /** How many other threads take the digests of its job. */
  digestThreads = 0;
  readonly #started: StartedWorker;
  readonly #worker: Worker;
  readonly #onIdle: () => void;
  #crash: unknown;
  /** Chunks that may still be sent, and who waits for one more. */
  #credit = 0;
  #wake: (() => void) | undefined;

  /** @param events `onExit` gets the error of a thread that ended before it was ready. */
  constructor(
    started: StartedWorker,
    events: { onIdle: () => void; onExit: (error: LensError | undefined) => void },
  ) {
    this.#onIdle = events.onIdle;
    this.#started = started;
    this.#worker = started.worker;
    for (const digester of started.digesters) this.#watch(digester);
    let hasStarted = false;
    this.#worker.on('message', (message: FromWorker) => {
      hasStarted = true;
      this.#receive(message);
    });
    this.#worker.on('error', (error) => {
      this.#crash = error;
    });
    this.#worker.on('exit', () => {
      const { job } = this;
      this.#finish();
      this.isIdle = false;
      for (const digester of started.digesters) void digester.terminate();
      job?.reject(crashError(this.#crash));
      events.onExit(hasStarted ? undefined : crashError(this.#crash));
    });
  }

  start(job: Job, digestThreads: number): void {
    this.job = job;
    this.isIdle = false;
    this.digestThreads = digestThreads;
    this.#worker.ref();
    while (this.#started.digesters.length < digestThreads) this.#watch(addDigester(this.#started));
    this.#send(job.order.kind === 'scan' ? { ...job.order, digestThreads } : job.order, job.transfer);
    if (job.stream) void this.#stream(job, job.stream);
  }

  /** Ends the thread at once, whatever it does. */
  async end(): Promise<void> {
    this.isIdle = false;
    this.#finish();
    // Who waits for the end of a thread must live to see it: a last message would let the program go.
    this.#worker.removeAllListeners('message');
    this.#worker.ref();
    await Promise.all([this.#worker, ...this.#started.digesters].map((worker) => worker.terminate()));
  }

  #watch(digester: Worker): void {
    digester.on('error', (error) => {
      // The scan waits for it with its thread blocked.
      this.#crash = error;
      void this.#worker.terminate();
    });
  }

  #finish(): void {
    this.job = undefined;
    this.#wake?.();
  }

  #send(message: ToWorker, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  /** Sends the blob, no faster than the worker takes it. */
  async #stream(job: Job, bytes: Bytes): Promise<void> {
    try {
      this.#credit = CHUNKS_AHEAD;
      for await (const chunk of bytes.read(undefined, job.signal)) {
        for (let at = 0; at < chunk.length; at += CHUNK) {
          while (this.#credit === 0 && this.job === job) {
            await new Promise<void>((resolve) => {
              this.#wake = resolve;
            });
          }
          // The worker has given its verdict without the rest, or is gone.
          if (this.job !== job) return;
          this.#credit--;
          // A copy of its own: the chunk may be a view of something larger, which must not move to the worker.
          const part = new Uint8Array(chunk.subarray(at, at + CHUNK));
          this.#send({ kind: 'chunk', bytes: part }, [part.buffer]);
        }
      }
      if (this.job === job) this.#send({ kind: 'end' });
    } catch (error) {
      job.reject(error);
      // The worker waits for bytes that will not come.
      if (this.job === job) await this.end();
    }
  }

  #receive(message: FromWorker): void {
    const { job } = this;
    switch (message.kind) {
      case 'ready':
        // One that was started before the pool may have got a layer meanwhile.
        if (this.job === undefined) this.#idle();
        break;
      case 'more':
        this.#credit++;
        this.#wake?.();
        break;
      case 'progress':
        job?.onProgress?.(message.bytes);
        break;
      case 'done':
      case 'inflated':
        this.#finish();
        this.#idle();
        job?.resolve(message);
        break;
      case 'failed':
        this.#finish();
        this.#idle();
        job?.reject(new LensError(message.code, message.message, message.advice));
        break;
    }
  }

  /** Takes the next job, before anybody works on the result of the last one. */
  #idle(): void {
    this.isIdle = true;
    this.#onIdle();
    // A pool that waits for nothing must not keep the program alive; until here a job may wait for this thread.
    if (this.job === undefined) this.#worker.unref();
  }
}

function crashError(cause: unknown): LensError {
  const why = cause === undefined ? 'it ended without a word' : messageOf(cause);
  return new LensError(
    'layer/worker-crashed',
    `The thread that read the layer stopped: ${why}.`,
    'Try again; if it happens once more, report it with the log and the layer’s digest.',
    { cause },
  );
}

function closedError(): LensError {
  return new LensError(
    'layer/pool-closed',
    'The layer was not scanned, because the program is ending.',
    'Start the scan again.',
  );
}
