import { BoundaryWriter, isCheckpoint } from './boundaries';
import type { GzipFault } from './faults';
import type { Cut, Digester } from './digests';
import { Event, Fault, type Inflater, WINDOW_SIZE } from './inflate/inflater';
import type { KeptWindows, Pass } from './pass';
import { TarReader } from './tar';
import type { Boundaries } from './types';

/** Windows that are kept at most: 16 MiB of them. At 4 MiB spans, that is every one of a layer of 2 GiB. */
const MAX_WINDOWS = 512;

/** A gzip layer: one inflate, and all else beside it. */
export class GzipPass implements Pass {
  readonly tar = new TarReader();
  fault: GzipFault | undefined;
  tarFaultAt = 0;
  streamSize = 0;
  members = 0;

  readonly #inflater: Inflater;
  readonly #digester: Digester;
  readonly #boundaries = new BoundaryWriter();
  readonly #checkpoints: CheckpointKeeper;
  readonly #isFresh: boolean;
  #crc = 0;
  #memberSize = 0;

  /** @param isFresh leaves out the CRC-32, see `ScanOptions` */
  constructor(spanSize: number, inflater: Inflater, digester: Digester, isFresh: boolean) {
    this.#isFresh = isFresh;
    this.#inflater = inflater;
    this.#digester = digester;
    this.#checkpoints = new CheckpointKeeper(spanSize);
    inflater.start(digester.nextArea());
  }

  write(chunk: Uint8Array): void {
    if (!this.fault) this.#follow(this.#inflater.decode(chunk));
  }

  end(): void {
    this.#follow(this.#inflater.decodeEnd());
    this.tar.finish();
  }

  boundaries(): Boundaries {
    return this.#boundaries.finish();
  }

  takeCuts(): readonly Cut[] {
    return this.#checkpoints.takeCuts();
  }

  windows(): KeptWindows {
    return this.#checkpoints.windows();
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
        const input = engine.boundaryIn();
        const output = engine.outputTotal();
        const bits = engine.boundaryBits();
        this.#boundaries.add(input, output, bits);
        this.#checkpoints.boundary(this.#boundaries.length - 1, input, output, bits, this.#inflater);
        break;
      }
      case Event.Output:
        this.#takeOutput();
        this.#inflater.slide((area) => this.#digester.nextArea(area));
        break;
      case Event.Input:
      case Event.Done:
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
    if (!this.#isFresh) this.#crc = this.#inflater.crc32(this.#crc, from, to);
    this.#digester.output(from, to);
    this.#memberSize += to - from;
    this.streamSize += to - from;
    // A sound stream of a broken tar is read on: if it breaks too, that is the cause.
    if (!this.tar.fault) this.tarFaultAt = this.#inflater.engine.inputTotal();
    this.tar.push(this.#inflater.memory, from, to);
  }

  /** RFC 1952 §2.3.1: the trailer holds the CRC and the length, modulo 2³², of what the member unpacks to. */
  #endMember(): void {
    const { engine } = this.#inflater;
    if (!this.#isFresh && engine.trailerCrc() >>> 0 !== this.#crc) this.#fail(Fault.Crc);
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

/** The checkpoints of one span size: where their spans begin, and their windows. */
class CheckpointKeeper {
  readonly #spanSize: number;
  #cuts: Cut[] = [];
  #lastOut = 0;
  #checkpoints = 0;
  /** Every how many checkpoints a window is kept. */
  #stride = 1;
  #boundary: number[] = [];
  #windows: Uint8Array[] = [];

  constructor(spanSize: number) {
    this.#spanSize = spanSize;
  }

  boundary(index: number, input: number, output: number, bits: number, inflater: Inflater): void {
    if (!isCheckpoint(output, this.#lastOut, this.#spanSize)) return;
    this.#lastOut = output;
    this.#cuts.push({ at: input, shared: bits > 0 });
    // The window at output 0 is all zeros; nobody has to keep it.
    if (output > 0 && this.#checkpoints++ % this.#stride === 0) this.#keep(index, inflater);
  }

  takeCuts(): readonly Cut[] {
    const cuts = this.#cuts;
    this.#cuts = [];
    return cuts;
  }

  windows(): KeptWindows {
    const windows = new Uint8Array(this.#windows.length * WINDOW_SIZE);
    this.#windows.forEach((window, i) => {
      windows.set(window, i * WINDOW_SIZE);
    });
    return { boundary: Uint32Array.from(this.#boundary), windows };
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
