import { LensError } from '../errors';
import { BoundaryWriter, isCheckpoint } from './boundaries';
import type { Bytes } from './bytes';
import { EntryTable } from './entries';
import { digestError, gzipError, tarError, type GzipFault } from './faults';
import { Event, Fault, Inflater, WINDOW_SIZE } from './inflate/inflater';
import { TarReader } from './tar';
import type { Boundaries, KeptSpans, LayerCompression, LayerScan } from './types';
import { layerWarnings } from './warnings';
import { createHash, type Hash } from 'node:crypto';

/** The span size of `soci` where none is given; the pass keeps windows and digests for it. */
export const DEFAULT_SPAN_SIZE = 4 << 20;

/** Windows that are kept at most: 32 MiB of them. */
const MAX_WINDOWS = 1024;

export interface ScanOptions {
  readonly signal?: AbortSignal;
  /** Bytes of the blob that are done. */
  readonly onProgress?: (bytesDone: number) => void;
  /** What the blob must be: `sha256:…`. */
  readonly expectedDigest?: string;
  /** Span size that windows and span digests are kept for, in bytes. Any other one can be asked for later too. */
  readonly spanSize?: number;
  /** False leaves out the digest of the uncompressed stream, which takes about a quarter of the time. */
  readonly diffId?: boolean;
}

/**
 * Reads a layer once, from its first byte to its last, and tells what any index of it needs (soci-format §1–2). Nothing
 * of the layer is kept but offsets and a bounded number of windows.
 *
 * Fails with `layer/digest-mismatch`, else `layer/bad-gzip`, else `layer/bad-tar` or `layer/unsupported-entry`: the deepest
 * cause goes first. The verdict is that of the `soci` CLI.
 */
export async function scanLayer(
  blob: Bytes,
  compression: LayerCompression,
  options: ScanOptions = {},
): Promise<LayerScan> {
  const { signal, onProgress, expectedDigest } = options;
  const spanSize = options.spanSize ?? DEFAULT_SPAN_SIZE;
  const withDiffId = options.diffId ?? true;
  const pass = compression === 'gzip' ? new GzipPass(spanSize, withDiffId) : new TarPass(spanSize);
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of blob.read(undefined, signal)) {
    signal?.throwIfAborted();
    hash.update(chunk);
    size += chunk.length;
    pass.write(chunk);
    // A blob of known digest is read to its end, since the broken stream may only be the sign of a damaged copy.
    if (pass.fault && expectedDigest === undefined) break;
    onProgress?.(size);
  }
  if (!pass.fault) pass.end();
  const digest = `sha256:${hash.digest('hex')}`;
  if (expectedDigest !== undefined && digest !== expectedDigest)
    throw digestError(expectedDigest, digest, size);
  if (pass.fault) throw gzipError(pass.fault);
  if (pass.tar.fault) throw tarError(pass.tar.fault, pass.tarFaultAt);

  const boundaries = pass.boundaries();
  const entries = new EntryTable(pass.tar.entries());
  return {
    compression,
    digest,
    diffId: compression === 'tar' ? digest : pass.diffId(),
    compressedSize: size,
    tarSize: pass.tar.position,
    streamSize: pass.streamSize,
    boundaries,
    entries,
    warnings: layerWarnings(entries, boundaries, pass.members, pass.tar.end),
    kept: pass.kept(),
  };
}

/** What the scan needs from the way a layer is packed. */
interface Pass {
  readonly tar: TarReader;
  /** Set when the packing itself is broken. */
  readonly fault: GzipFault | undefined;
  /** Byte of the blob at which the tar turned out to be broken. */
  readonly tarFaultAt: number;
  readonly streamSize: number;
  readonly members: number;
  write(chunk: Uint8Array): void;
  end(): void;
  diffId(): string | undefined;
  boundaries(): Boundaries;
  kept(): KeptSpans;
}

/** A gzip layer: one inflate, and all else beside it. */
class GzipPass implements Pass {
  readonly tar = new TarReader();
  fault: GzipFault | undefined;
  tarFaultAt = 0;
  streamSize = 0;
  members = 0;

  readonly #inflater = new Inflater();
  readonly #boundaries = new BoundaryWriter();
  readonly #spans: SpanKeeper;
  readonly #diffHash: Hash | undefined;
  #crc = 0;
  #memberSize = 0;

  constructor(spanSize: number, withDiffId: boolean) {
    this.#spans = new SpanKeeper(spanSize);
    this.#diffHash = withDiffId ? createHash('sha256') : undefined;
    this.#inflater.start();
  }

  write(chunk: Uint8Array): void {
    if (!this.fault) this.#follow(this.#inflater.decode(chunk));
  }

  end(): void {
    this.#follow(this.#inflater.decodeEnd());
    this.tar.finish();
  }

  diffId(): string | undefined {
    return this.#diffHash && `sha256:${this.#diffHash.digest('hex')}`;
  }

  boundaries(): Boundaries {
    return this.#boundaries.finish();
  }

  kept(): KeptSpans {
    return this.#spans.finish();
  }

  #follow(events: Iterable<Event>): void {
    for (const event of events) {
      this.#on(event);
      if (this.fault) return;
    }
  }

  #on(event: Event): void {
    const { engine } = this.#inflater;
    switch (event) {
      case Event.Boundary: {
        const out = engine.outputTotal();
        this.#boundaries.add(engine.boundaryIn(), out, engine.boundaryBits());
        this.#spans.boundary(this.#boundaries.length - 1, out, engine.boundaryBits(), this.#inflater);
        break;
      }
      case Event.Output:
        this.#takeOutput();
        this.#inflater.slide();
        break;
      case Event.Input:
      case Event.Done:
        this.#spans.consumed(this.#inflater);
        break;
      case Event.Member:
        this.#takeOutput();
        this.#endMember();
        break;
      case Event.Fault:
        this.#fail(engine.fault());
        break;
    }
  }

  #takeOutput(): void {
    const { from, to } = this.#inflater.takeOutput();
    if (from === to) return;
    this.#crc = this.#inflater.crc32(this.#crc, from, to);
    this.#memberSize += to - from;
    this.streamSize += to - from;
    this.#diffHash?.update(this.#inflater.memory.subarray(from, to));
    // A sound stream of a broken tar is read on: if it breaks too, that is the cause.
    if (!this.tar.fault) this.tarFaultAt = this.#inflater.engine.inputTotal();
    this.tar.push(this.#inflater.memory, from, to);
  }

  /** RFC 1952 §2.3.1: the trailer holds the CRC and the length, modulo 2³², of what the member unpacks to. */
  #endMember(): void {
    const { engine } = this.#inflater;
    if (engine.trailerCrc() >>> 0 !== this.#crc) this.#fail(Fault.Crc);
    else if (engine.trailerSize() >>> 0 !== this.#memberSize % 2 ** 32) this.#fail(Fault.Size);
    this.members++;
    this.#crc = 0;
    this.#memberSize = 0;
  }

  #fail(fault: Fault): void {
    const { engine } = this.#inflater;
    this.fault ??= { fault, in: engine.inputTotal(), out: engine.outputTotal(), members: this.members };
  }
}

/** A plain tar: its spans are cut by size alone (soci-format §2.5). */
class TarPass implements Pass {
  readonly tar = new TarReader();
  readonly fault = undefined;
  readonly members = 1;
  tarFaultAt = 0;
  streamSize = 0;
  readonly #spanSize: number;
  readonly #digests = new DigestWriter();
  #left: number;

  constructor(spanSize: number) {
    if (!(spanSize > 0)) {
      throw new LensError(
        'layer/bad-span-size',
        `A plain tar cannot be cut into spans of ${spanSize} bytes.`,
        'Choose a span size above 0.',
      );
    }
    this.#spanSize = this.#left = spanSize;
  }

  write(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#left === this.#spanSize) this.#digests.begin();
      const length = Math.min(chunk.length - at, this.#left);
      this.#digests.update(chunk.subarray(at, at + length));
      at += length;
      this.#left = this.#left === length ? this.#spanSize : this.#left - length;
    }
    this.streamSize += chunk.length;
    if (!this.tar.fault) this.tarFaultAt = this.streamSize;
    this.tar.push(chunk, 0, chunk.length);
  }

  end(): void {
    this.tar.finish();
  }

  diffId(): undefined {
    return undefined;
  }

  boundaries(): Boundaries {
    return { length: 0, in: new Float64Array(), out: new Float64Array(), bits: new Uint8Array() };
  }

  kept(): KeptSpans {
    return {
      spanSize: this.#spanSize,
      digests: this.#digests.finish(),
      boundary: new Uint32Array(),
      windows: new Uint8Array(),
    };
  }
}

/** Digests of consecutive spans, 32 bytes each. */
class DigestWriter {
  #hash: Hash | undefined;
  #digests: Buffer[] = [];

  /** Ends the span before, if there is one, and begins the next. */
  begin(): void {
    if (this.#hash) this.#digests.push(this.#hash.digest());
    this.#hash = createHash('sha256');
  }

  /** Bytes of the current span; those before the first span belong to none. */
  update(bytes: Uint8Array): void {
    this.#hash?.update(bytes);
  }

  finish(): Uint8Array {
    if (this.#hash) this.#digests.push(this.#hash.digest());
    this.#hash = undefined;
    return new Uint8Array(Buffer.concat(this.#digests));
  }
}

/** Digests and windows for one span size, gathered while the layer goes by. */
class SpanKeeper {
  readonly #spanSize: number;
  readonly #digests = new DigestWriter();
  #lastOut = 0;
  #checkpoints = 0;
  /** Every how many checkpoints a window is kept. */
  #stride = 1;
  #boundary: number[] = [];
  #windows: Uint8Array[] = [];

  constructor(spanSize: number) {
    this.#spanSize = spanSize;
  }

  /** Hashes what the engine has consumed; called before that input goes away, too. */
  consumed(inflater: Inflater): void {
    const { from, to } = inflater.takeInput();
    this.#digests.update(inflater.memory.subarray(from, to));
  }

  boundary(index: number, out: number, bits: number, inflater: Inflater): void {
    if (!isCheckpoint(out, this.#lastOut, this.#spanSize)) return;
    this.#lastOut = out;
    this.consumed(inflater);
    this.#digests.begin();
    // soci-format §2.4: a byte that two spans share is hashed in both.
    const at = inflater.takeInput().to;
    if (bits > 0) this.#digests.update(inflater.memory.subarray(at - 1, at));
    // The window at output 0 is all zeros; nobody has to keep it.
    if (out > 0 && this.#checkpoints++ % this.#stride === 0) this.#keep(index, inflater);
  }

  finish(): KeptSpans {
    const windows = new Uint8Array(this.#windows.length * WINDOW_SIZE);
    this.#windows.forEach((window, i) => {
      windows.set(window, i * WINDOW_SIZE);
    });
    return {
      spanSize: this.#spanSize,
      digests: this.#digests.finish(),
      boundary: Uint32Array.from(this.#boundary),
      windows,
    };
  }

  #keep(index: number, inflater: Inflater): void {
    if (this.#windows.length === MAX_WINDOWS) {
      const isEven = (_: unknown, i: number): boolean => i % 2 === 0;
      this.#windows = this.#windows.filter(isEven);
      this.#boundary = this.#boundary.filter(isEven);
      this.#stride *= 2;
    }
    this.#windows.push(inflater.window());
    this.#boundary.push(index);
  }
}
