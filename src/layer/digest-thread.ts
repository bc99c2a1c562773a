import { Op, RingReader, type RingMemory } from './digest-ring';
import { InlineDigester, LAG, type Cut, type DigestOptions, type Digests } from './digests';
import { Slots, type LayerMemory, type SlotTable } from './memory';
import type { MessagePort } from 'node:worker_threads';

/** What such a thread needs to know of a blob before it begins. */
export interface BlobStart {
  readonly buffer: SharedArrayBuffer;
  readonly chunks: SlotTable;
  readonly areas: SlotTable;
  readonly ring: RingMemory;
  /** Which of the ring's readers this thread is. */
  readonly reader: number;
  readonly options: DigestOptions;
}

/** The side of a thread that takes digests for another, which scans: `DigestThreads` is that one's. */
export function serveDigests(port: MessagePort): void {
  port.on('message', (start: BlobStart) => {
    const digests = digestsOf(start);
    if (digests) port.postMessage(digests);
  });
}

/** Bytes of a chunk that are hashed before the next look at the ring. */
const PART = 1 << 16;

/** A part of a chunk that waits to be hashed, and the cuts that became known before it. */
interface Part {
  readonly bytes: Uint8Array;
  readonly cuts: readonly Cut[];
}

/** Takes the digests of one blob; nothing when it is given up. Blocks the thread until the blob has ended. */
function digestsOf({ buffer, chunks, areas, ring, reader: number, options }: BlobStart): Digests | undefined {
  const memory: LayerMemory = { buffer, chunks: new Slots(chunks), areas: new Slots(areas) };
  const reader = new RingReader(ring, number);
  // By the last part of each chunk, its slot, which is free when that part is hashed.
  const slotOf = new Map<Uint8Array, number>();
  const digester = new InlineDigester(memory, options, (part) => {
    const slot = slotOf.get(part);
    if (slot === undefined) return;
    slotOf.delete(part);
    free(slot);
  });
  // Memory holds many chunks, and little of what they unpack to: so chunks wait while there is anything else to do.
  const waiting: Part[] = [];
  const hashPart = (): boolean => {
    const part = waiting.shift();
    if (part) digester.add(part.bytes, part.cuts);
    return part !== undefined;
  };
  const free = (slot: number): void => {
    memory.chunks.give(slot);
    reader.freed();
  };
  function* parts(slot: number, length: number): Generator<Uint8Array> {
    // The last bytes wait for the cuts in them until so many have followed: short chunks would come to hold every slot.
    if (length < LAG) {
      yield new Uint8Array(buffer, slot, length).slice();
      free(slot);
      return;
    }
    for (let at = 0; at < length; at += PART) {
      const bytes = new Uint8Array(buffer, slot + at, Math.min(PART, length - at));
      if (at + PART >= length) slotOf.set(bytes, slot);
      yield bytes;
    }
  }
  let cuts: Cut[] = [];
  for (;;) {
    if (!reader.isReady && hashPart()) continue;
    const op = reader.next();
    const [a, b] = reader.numbers;
    switch (op) {
      case Op.Cut:
        cuts.push({ at: a, shared: b === 1 });
        break;
      case Op.Chunk:
        for (const bytes of parts(a, b)) {
          waiting.push({ bytes, cuts });
          cuts = [];
        }
        break;
      case Op.Output:
        digester.output(a, b);
        break;
      case Op.Left:
        memory.areas.give(a);
        reader.freed();
        break;
      case Op.Finish:
        while (hashPart());
        return digester.finish(cuts);
      case Op.Stop:
        return undefined;
    }
  }
}
