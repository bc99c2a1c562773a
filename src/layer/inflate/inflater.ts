import { CHUNK } from '../bytes';
import wasm from './inflate.wasm';
import { slots, SLOTS, type LayerMemory } from '../memory';
import { Event, type Fault } from './assembly/codes';

export { Event, Fault } from './assembly/codes';

/** What the engine exports; `assembly/inflate.ts` explains each. */
interface Engine {
  start(area: number): void;
  resume(area: number, input: number, output: number, bits: number, byte: number): void;
  inputAddress(): number;
  inputCapacity(): number;
  inputShift(): number;
  inputAt(address: number, length: number): void;
  inputAdded(length: number): void;
  inputEnded(): void;
  inputTotal(): number;
  areaSize(): number;
  outputEnd(): number;
  outputTotal(): number;
  slide(area: number): void;
  run(): Event;
  boundaryIn(): number;
  boundaryBits(): number;
  trailerCrc(): number;
  trailerSize(): number;
  fault(): Fault;
  crc32(crc: number, from: number, length: number): number;
}

/** RFC 1951 §2: how far a match reaches back, and so how much a checkpoint has to remember. */
export const WINDOW_SIZE = 32768;

const PAGE = 65536;
/** What the engine has for itself (scripts/wasm-plugin.mjs). */
const ENGINE_PAGES = 16;
/** Room before each slot for what the engine has not used of the chunk before: less than 67 kB (`inputAt`). */
const HEADROOM = 2 * PAGE;

/** Pages of an area for output: 32 KiB of history, 256 KiB of output, and slack. */
const AREA_PAGES = 5;
/** One is decoded into, while another thread may take the digests of the others. */
const AREAS = 12;

let compiled: WebAssembly.Module | undefined;

/**
 * One decoder of gzip streams: the WebAssembly engine and the views of its memory, which is 1 MiB for itself, and what `shared` tells. A
 * chunk that stands there is decoded where it is, any other one is copied. Output is read in place too: it stays until `slide` has led
 * back to its area.
 */
export class Inflater {
  readonly engine: Engine;
  /** All of the engine's memory. It never grows. */
  readonly memory: Uint8Array<SharedArrayBuffer>;
  readonly shared: LayerMemory;
  readonly #input: number;
  readonly #capacity: number;
  /** Where output goes. */
  #area: number;
  /** Where the output begins that was not taken yet, in `memory`. */
  #outputTaken = 0;

  /** @param chunks slots for them; memory that is never touched takes none */
  constructor(chunks = SLOTS) {
    compiled ??= new WebAssembly.Module(wasm);
    const firstChunk = ENGINE_PAGES + AREAS * AREA_PAGES;
    const stride = HEADROOM + CHUNK;
    // One page behind the last slot, for the zeros that the engine puts behind the input.
    const pages = firstChunk + (chunks * stride) / PAGE + 1;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    // The exports are those of our own module, which is compiled into the bundle.
    this.engine = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as Engine;
    const { buffer } = memory;
    this.memory = new Uint8Array(buffer);
    const areas = slots(ENGINE_PAGES * PAGE, AREA_PAGES * PAGE, AREAS);
    this.shared = { buffer, chunks: slots(firstChunk * PAGE + HEADROOM, stride, chunks), areas };
    this.#input = this.engine.inputAddress();
    this.#capacity = this.engine.inputCapacity();
    this.#area = areas.table.first;
  }

  /** Where new output begins in `memory` after `start`, `resume` or `slide`. */
  get outputStart(): number {
    return this.#area + WINDOW_SIZE;
  }

  /** Begins a blob at its first byte; its output goes to `area`. */
  start(area: number): void {
    this.#area = area;
    this.engine.start(area);
    this.#outputTaken = this.outputStart;
  }

  /**
   * Begins at a checkpoint (soci-format §2.4). `window` are the 32 KiB before it, and `byte` is the blob's byte
   * `input − 1`, of which the `bits` high bits are unused yet. Feed the blob's bytes from `input` on.
   */
  resume(input: number, output: number, bits: number, byte: number, window: Uint8Array): void {
    this.memory.set(window, this.#area);
    this.engine.resume(this.#area, input, output, bits, byte);
    this.#outputTaken = this.outputStart;
  }

  /**
   * Decodes `chunk` and yields each event. `Input` comes when the part of it that fitted is used up; `Done` and
   * `Fault` are the last ones. The caller acts on an event before it goes on.
   */
  *decode(chunk: Uint8Array): Generator<Event, void, void> {
    if (chunk.buffer === this.memory.buffer) {
      this.engine.inputAt(chunk.byteOffset, chunk.length);
      yield* this.#events(Event.Input);
      // The chunk may be overwritten from now on.
      this.engine.inputShift();
      return;
    }
    for (let at = 0; at < chunk.length;) {
      at += this.#feed(chunk, at);
      yield* this.#events(Event.Input);
    }
  }

  /** Says that nothing follows, and decodes what is left: up to `Done` or `Fault`. */
  *decodeEnd(): Generator<Event, void, void> {
    this.engine.inputEnded();
    yield* this.#events(Event.Done);
  }

  *#events(last: Event): Generator<Event, void, void> {
    for (;;) {
      const event = this.engine.run();
      yield event;
      if (event === last || event === Event.Fault) return;
    }
  }

  /** New output since the last call, as a part of `memory`. */
  takeOutput(): { from: number; to: number } {
    const part = { from: this.#outputTaken, to: this.engine.outputEnd() };
    this.#outputTaken = part.to;
    return part;
  }

  /** Makes room for more output, after all of it was taken: in `areaAfter` the one that it is in. */
  slide(areaAfter: (area: number) => number = (area) => area): void {
    this.#area = areaAfter(this.#area);
    this.engine.slide(this.#area);
    this.#outputTaken = this.outputStart;
  }

  /** Takes bytes of `chunk` from `from` on, as many as there is room for, and tells how many. */
  #feed(chunk: Uint8Array, from: number): number {
    const rest = this.engine.inputShift();
    const length = Math.min(chunk.length - from, this.#capacity - rest);
    this.memory.set(
      from === 0 && length === chunk.length ? chunk : chunk.subarray(from, from + length),
      this.#input + rest,
    );
    this.engine.inputAdded(length);
    return length;
  }

  /** CRC-32 of `memory` from `from` to `to`, going on from `crc`. */
  crc32(crc: number, from: number, to: number): number {
    return this.engine.crc32(crc, from, to - from) >>> 0;
  }

  /** The last 32 KiB of output, a copy; padded with zeros in front where there is less. */
  window(): Uint8Array {
    const end = this.engine.outputEnd();
    return this.memory.slice(end - WINDOW_SIZE, end);
  }
}
