/** What a scan of a new layer would say before it is written: entries where they will be, and what they will take. */
import type { EntryFields, LayerScan, TarEntries, TarEntry } from '../layer/types';
import { sha256 } from '../oci/digest';
import { packedPositions } from '../plan/blame/costs';
import { padded, rawRange } from './raw';
import type { EntryRef, NewLayer } from './types';

/** Bytes between two ends of blocks: about what zlib makes of file data at level 6. */
const BLOCK_EVERY = 32 << 10;
/** The blocks of zeros at the end of an archive. */
export const ARCHIVE_END = 1024;
/** A gzip header and trailer (RFC 1952). */
const GZIP_FRAME = 18;

/** All entries of a new layer in their order. */
export function newOrder({ front, rest }: NewLayer, scans: readonly (LayerScan | undefined)[]): EntryRef[] {
  if (rest === undefined) return [...front];
  const moved = new Set(front.map(({ entry }) => entry));
  const others = Array.from({ length: scans[rest]?.entries.length ?? 0 }, (_, entry) => entry)
    .filter((entry) => !moved.has(entry))
    .map((entry): EntryRef => ({ layer: rest, entry }));
  return [...front, ...others];
}

/**
 * The scan that a new layer will have, nearly: entries, offsets and sizes of the tar are exact; what compression makes of
 * each entry is taken from the layer that it comes from.
 */
export function hypotheticalScan(archive: NewLayer, scans: readonly (LayerScan | undefined)[]): LayerScan {
  const order = newOrder(archive, scans);
  const headerOffsets = new Float64Array(order.length);
  const offsets = new Float64Array(order.length);
  const packed = scans.map((scan) => scan && packedPositions(scan));
  const [blockIn, blockOut]: [number[], number[]] = [[GZIP_FRAME - 8], [0]];
  let [position, input] = [0, GZIP_FRAME - 8];
  order.forEach(({ layer, entry }, index) => {
    const scan = scans[layer];
    const start = scan?.entries.headerOffset(entry) ?? 0;
    const end = (scan && rawRange(scan, entry)?.end) ?? scan?.streamSize ?? start;
    headerOffsets[index] = position;
    offsets[index] = position + (scan?.entries.offset(entry) ?? start) - start;
    const [packedStart, packedEnd] = [packed[layer]?.(start) ?? 0, packed[layer]?.(end) ?? 0];
    const length = padded(end - start);
    const blocks = Math.floor((position + length - (blockOut.at(-1) ?? 0)) / BLOCK_EVERY);
    for (let block = 0; block < blocks; block++) {
      const out = (blockOut.at(-1) ?? 0) + BLOCK_EVERY;
      const share = Math.max(0, (out - position) / length);
      blockOut.push(out);
      blockIn.push(Math.ceil(input + share * (packedEnd - packedStart)));
    }
    position += length;
    input += packedEnd - packedStart;
  });
  const tail = archive.rest === undefined ? ARCHIVE_END : tailLength(scans[archive.rest]);
  const compressedSize = Math.ceil(input) + 8;
  return {
    compression: 'gzip',
    digest: sha256(Buffer.from(JSON.stringify(archive.front.slice(0, 100)))),
    diffId: undefined,
    compressedSize,
    tarSize: position + tail,
    streamSize: position + tail,
    boundaries: {
      length: blockOut.length,
      in: Float64Array.from(blockIn, (at) => Math.min(at, compressedSize)),
      out: Float64Array.from(blockOut),
      bits: new Uint8Array(blockOut.length),
    },
    entries: new PickedEntries(order, scans, headerOffsets, offsets),
    warnings: [],
    kept: { spanSize: 0, digests: new Uint8Array(), boundary: new Uint32Array(), windows: new Uint8Array() },
  };
}

/** Bytes behind the last entry. */
function tailLength(scan: LayerScan | undefined): number {
  const last = scan && rawRange(scan, scan.entries.length - 1);
  return scan && last ? scan.streamSize - last.end : 0;
}

/** Entries of other archives, at new offsets. */
class PickedEntries implements TarEntries {
  constructor(
    private readonly order: readonly EntryRef[],
    private readonly scans: readonly (LayerScan | undefined)[],
    private readonly headerOffsets: Float64Array,
    private readonly offsets: Float64Array,
  ) {}

  get length(): number {
    return this.order.length;
  }

  get(index: number): TarEntry {
    const [entries, entry] = this.source(index);
    return { ...entries.get(entry), headerOffset: this.headerOffset(index), offset: this.offset(index) };
  }

  look(index: number, fields: EntryFields): void {
    const [entries, entry] = this.source(index);
    entries.look(entry, fields);
  }

  name(index: number): string {
    const [entries, entry] = this.source(index);
    return entries.name(entry);
  }

  nameLength(index: number): number {
    const [entries, entry] = this.source(index);
    return entries.nameLength(entry);
  }

  type(index: number): TarEntry['type'] {
    const [entries, entry] = this.source(index);
    return entries.type(entry);
  }

  size(index: number): number {
    const [entries, entry] = this.source(index);
    return entries.size(entry);
  }

  headerOffset(index: number): number {
    return this.headerOffsets[index] ?? 0;
  }

  offset(index: number): number {
    return this.offsets[index] ?? 0;
  }

  private source(index: number): [entries: TarEntries, entry: number] {
    const ref = this.order[index];
    const entries = ref && this.scans[ref.layer]?.entries;
    if (!entries) throw new RangeError(`There is no entry ${index}.`);
    return [entries, ref.entry];
  }
}
