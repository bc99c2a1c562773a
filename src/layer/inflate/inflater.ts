import { CHUNK } from '../bytes';
import { ChunkMemory, SLOTS } from '../chunk-memory';
import wasm from './inflate.wasm';
import { Event, type Fault } from './assembly/codes';
import * as zlib from 'node:zlib';

export { Event, Fault } from './assembly/codes';

/** What the engine exports; `assembly/inflate.ts` explains each. */
interface Engine {
  start(): void;
  resume(input: number, output: number, bits: number, byte: number): void;
  inputAddress(): number;
  inputCapacity(): number;
  inputShift(): number;
  inputAt(address: number, length: number): void;
  inputAdded(length: number): void;
  inputEnded(): void;
  inputTotal(): number;
  outputAddress(): number;
  outputEnd(): number;
  outputTotal(): number;
  slide(): void;
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

let compiled: WebAssembly.Module | undefined;

/**
 * One decoder of gzip streams: the WebAssembly engine and the views of its memory, which is 1 MiB for itself, and `chunks`. A chunk that
 * stands there is decoded where it is, any other one is copied. Output is read in place too: it stays valid until the next `run` that
 * follows a `slide`.
 */
export class Inflater {
  readonly engine: Engine;
  /** All of the engine's memory. It never grows. */
  readonly memory: Uint8Array<SharedArrayBuffer>;
  readonly chunks: ChunkMemory;
  readonly #input: number;
  readonly #capacity: number;
  readonly #history: number;
  /** Where the output begins that was not taken yet, in `memory`. */
  #outputTaken = 0;

  /** @param slots for chunks; memory that is never touched takes none */
  constructor(slots = SLOTS) {
    compiled ??= new WebAssembly.Module(wasm);
    const stride = HEADROOM + CHUNK;
    // One page behind the last slot, for the zeros that the engine puts behind the input.
    const pages = ENGINE_PAGES + (slots * stride) / PAGE + 1;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    // The exports are those of our own module, which is compiled into the bundle.
    this.engine = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as Engine;
    this.memory = new Uint8Array(memory.buffer);
    this.chunks = new ChunkMemory(memory.buffer, ENGINE_PAGES * PAGE + HEADROOM, stride, slots);
    this.#input = this.engine.inputAddress();
    this.#capacity = this.engine.inputCapacity();
    this.#history = this.engine.outputAddress();
  }

  /** Where new output begins in `memory` after `start`, `resume` or `slide`. */
  get outputStart(): number {
    return this.#history + WINDOW_SIZE;
  }

  /** End of the output in `memory`. */
  get outputEnd(): number {
    return this.#history + this.engine.outputEnd();
  }

  /** Begins a blob at its first byte. */
  start(): void {
    this.engine.start();
    this.#outputTaken = this.outputStart;
  }

  /**
   * Begins at a checkpoint (soci-format §2.4). `window` are the 32 KiB before it, and `byte` is the blob's byte
   * `input − 1`, of which the `bits` high bits are unused yet. Feed the blob's bytes from `input` on.
   */
  resume(input: number, output: number, bits: number, byte: number, window: Uint8Array): void {
    this.memory.set(window, this.#history);
    this.engine.resume(input, output, bits, byte);
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
    const part = { from: this.#outputTaken, to: this.outputEnd };
    this.#outputTaken = part.to;
    return part;
  }

  /** Makes room for more output, after all of it was taken. */
  slide(): void {
    this.engine.slide();
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

  /** The last 32 KiB of output, a copy; padded with zeros in front where there is less. */
  window(): Uint8Array {
    const end = this.outputEnd;
    return this.memory.slice(end - WINDOW_SIZE, end);
  }

  /** CRC-32 of `memory` from `from` to `to`, going on from `crc`. */
  crc32(crc: number, from: number, to: number): number {
    // Node has its own from 20.15 and 22.2 on, which is faster.
    return nativeCrc32
      ? nativeCrc32(this.memory.subarray(from, to), crc)
      : this.engine.crc32(crc, from, to - from) >>> 0;
  }
}

const nativeCrc32: typeof zlib.crc32 | undefined = zlib.crc32;
