import { EntryTable, EntryWriter, type RawEntry } from '../../src/layer/entries';
import type { Boundaries, EntryType, LayerScan, Slice, TarEntries } from '../../src/layer/types';

/** One entry of a made-up layer. `offset` is given where the layer is a real one's model. */
export interface FakeEntry {
  readonly name: string;
  readonly type?: EntryType;
  readonly size?: number;
  readonly linkname?: string;
  readonly offset?: number;
}

/** One whose name need not be UTF-8. */
type NamedByBytes = Omit<FakeEntry, 'name'> & { readonly name: Uint8Array };

const BLOCK = 512;
const empty = new Uint8Array();
const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

/** Entries as a scan gives them, from names and sizes; data lie one after the other, each behind a block of header. */
export function fakeEntries(list: readonly (FakeEntry | NamedByBytes)[]): TarEntries {
  const writer = new EntryWriter();
  const name = { bytes: empty, from: 0, to: 0 };
  const linkname = { bytes: empty, from: 0, to: 0 };
  const raw: RawEntry = { ...OWNED_BY_ROOT, name, linkname };
  let reached = 0;
  for (const entry of list) {
    raw.type = entry.type ?? 'reg';
    raw.headerOffset = reached;
    raw.offset = entry.offset ?? reached + BLOCK;
    raw.size = entry.size ?? 0;
    put(name, entry.name);
    put(linkname, entry.linkname ?? '');
    writer.add(raw);
    reached = raw.offset + (raw.type === 'reg' ? padded(raw.size) : 0);
  }
  return new EntryTable(writer.finish());
}

function put(slice: Slice, text: string | Uint8Array): void {
  slice.bytes = typeof text === 'string' ? Buffer.from(text) : text;
  slice.to = slice.bytes.length;
}

const NOTHING: Slice = { bytes: empty, from: 0, to: 0 };
const OWNED_BY_ROOT: RawEntry = {
  type: 'reg',
  headerOffset: 0,
  offset: 0,
  size: 0,
  prefix: NOTHING,
  name: NOTHING,
  linkname: NOTHING,
  uname: NOTHING,
  gname: NOTHING,
  mode: 0o644,
  uid: 0,
  gid: 0,
  seconds: Date.UTC(2026, 0, 1) / 1000,
  nanoseconds: 0,
  devMajor: 0,
  devMinor: 0,
  pax: undefined,
};

export interface FakeLayer {
  readonly digest?: string;
  readonly entries: readonly FakeEntry[];
  readonly compression?: 'gzip' | 'tar';
  /** Compressed bytes per tar byte. */
  readonly ratio?: number;
  /** Tar bytes between two block ends. */
  readonly blockEvery?: number;
}

/** A scan of a layer that never was: block ends at equal distances, every byte compressed alike. */
export function fakeScan(layer: FakeLayer): LayerScan {
  const entries = fakeEntries(layer.entries);
  const last = entries.length - 1;
  const end =
    last < 0 ? 0 : entries.offset(last) + (entries.type(last) === 'reg' ? padded(entries.size(last)) : 0);
  const tarSize = end + 2 * BLOCK;
  const ratio = layer.ratio ?? 0.5;
  const every = layer.blockEvery ?? 50_000;
  const compression = layer.compression ?? 'gzip';
  const outs = Array.from({ length: Math.ceil(tarSize / every) }, (_, index) => index * every);
  return scanOf({
    digest: layer.digest ?? `sha256:${'0'.repeat(64)}`,
    compression,
    compressedSize: compression === 'tar' ? tarSize : Math.ceil(10 + tarSize * ratio + 8),
    tarSize,
    entries,
    boundaries:
      compression === 'tar' ? [] : outs.map((out, index) => [Math.ceil(10 + out * ratio), out, index % 8]),
  });
}

export function scanOf(parts: {
  digest: string;
  compression: 'gzip' | 'tar';
  compressedSize: number;
  tarSize: number;
  entries: TarEntries;
  boundaries: readonly (readonly [input: number, output: number, bits: number])[];
}): LayerScan {
  const { boundaries: list, ...rest } = parts;
  const boundaries: Boundaries = {
    length: list.length,
    in: Float64Array.from(list, ([input]) => input),
    out: Float64Array.from(list, ([, output]) => output),
    bits: Uint8Array.from(list, ([, , bits]) => bits),
  };
  const kept = { spanSize: 0, digests: empty, boundary: new Uint32Array(), windows: empty };
  return { ...rest, diffId: parts.digest, streamSize: parts.tarSize, boundaries, warnings: [], kept };
}

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
