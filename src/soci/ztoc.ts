import { LensError } from '../errors';
import type { Bytes } from '../layer/bytes';
import { entryFields } from '../layer/entries';
import { checkpointWindows, checkpoints, spanDigests, spanTable } from '../layer/spans';
import type {
  EntryFields,
  EntryType,
  LayerCompression,
  LayerScan,
  Slice,
  TarEntries,
  TarEntry,
} from '../layer/types';
import { type Filling, type FlatBuilder, FlatMeasure, FlatWriter, MAX_SIZE } from './flat-writer';
import { FlatReader, type FlatTable, badZtoc } from './flatbuffer';
import { type Zinfo, gzipZinfo, gzipZinfoSize, parseGzipZinfo, parseTarZinfo, tarZinfo } from './zinfo';

/** What the soci CLI since v0.10 writes into its ztocs and indexes; the bytes are equal only if ours say the same. */
export const BUILD_TOOL = 'AWS SOCI CLI v0.2';
const VERSION = '0.9';
/** What a file of a ztoc takes, roughly. */
const BYTES_PER_FILE = 256;
/** The enum CompressionAlgorithm; gzip is the schema's default and so never written (soci-format §1.1). */
const ALGORITHM = { gzip: 1, tar: 2 } as const;

/** One file of a ztoc: what the tar says, without where its header begins (soci-format §1.3). */
export type ZtocFile = Omit<TarEntry, 'headerOffset'>;

/** A ztoc, read (soci-format §1.1). */
export interface Ztoc {
  readonly version: string;
  readonly buildTool: string;
  readonly compression: LayerCompression;
  /** Bytes of the layer blob. */
  readonly compressedSize: number;
  /** Tar bytes up to the end of the archive. */
  readonly uncompressedSize: number;
  readonly files: readonly ZtocFile[];
  /** Of the compressed bytes of each span. */
  readonly spanDigests: readonly string[];
  readonly zinfo: Zinfo;
}

/**
 * The ztoc of a layer for one span size, byte for byte as the soci CLI makes it in UTC (soci-format §1.2). `blob` is read
 * again for the span digests and windows that the scan did not keep.
 * Throws `soci/bad-span-size` and `soci/ztoc-too-large`.
 */
export async function buildZtoc(options: {
  readonly scan: LayerScan;
  /** Bytes. */
  readonly spanSize: number;
  readonly blob: Bytes;
  readonly buildTool?: string;
  readonly signal?: AbortSignal;
}): Promise<Uint8Array> {
  const { scan, spanSize, blob, signal } = options;
  checkSpanSize(scan.compression, spanSize);
  const points = checkpoints(scan, spanSize);
  // Before a window is made that would be for nothing.
  if (gzipZinfoSize(points.in.length) > MAX_SIZE) {
    throw new LensError(
      'soci/ztoc-too-large',
      `With spans of ${spanSize} bytes the ztoc of ${scan.digest} would have ${points.in.length} checkpoints, too many for the 2 GiB of its format.`,
      'Choose a larger span size.',
    );
  }
  const digests = await spanDigests(scan, spanSize, blob, signal);
  const zinfo =
    scan.compression === 'gzip'
      ? gzipZinfo(spanSize, points, await checkpointWindows(scan, spanSize, blob, signal))
      : tarZinfo(spanSize, scan.compressedSize);
  signal?.throwIfAborted();
  const writer = new FlatWriter(zinfo.length + BYTES_PER_FILE * scan.entries.length);
  const fields = entryFields();
  const head = writeHead(writer, scan, options.buildTool ?? BUILD_TOOL, (into, entries, index) => {
    entries.look(index, fields);
    return writeFile(into, entries, index, fields);
  });
  writeTail<Filling>(writer, scan, head, digests, zinfo);
  return writer.finished();
}

/** Exactly how many bytes `buildZtoc` would give. For many span sizes of one layer, `ztocSizer` is faster. */
export function ztocSize(scan: LayerScan, spanSize: number, buildTool?: string): number {
  return ztocSizer(scan, buildTool)(spanSize);
}

/** Measures the part of a layer's ztocs that all span sizes share, once; gives the size for any of them. */
export function ztocSizer(scan: LayerScan, buildTool = BUILD_TOOL): (spanSize: number) => number {
  const shared = new FlatMeasure();
  const head = writeHead(shared, scan, buildTool, fileMeasurer());
  return (spanSize) => {
    checkSpanSize(scan.compression, spanSize);
    const spans = spanTable(scan, spanSize).length;
    const zinfo =
      scan.compression === 'gzip'
        ? { length: gzipZinfoSize(spans) }
        : tarZinfo(spanSize, scan.compressedSize);
    const measure = shared.fork();
    writeTail(measure, scan, head, new Array<string>(spans).fill(SPAN_DIGEST), zinfo);
    return measure.size;
  };
}

/** As long as every other one. */
const SPAN_DIGEST = `sha256:${'0'.repeat(64)}`;

/** Reads a ztoc that nobody vouches for. Throws `soci/bad-ztoc`. */
export function parseZtoc(bytes: Uint8Array): Ztoc {
  const root = new FlatReader(bytes).root();
  const info = root.table(5);
  const algorithm = info.int8(0, ALGORITHM.gzip);
  if (algorithm !== ALGORITHM.gzip && algorithm !== ALGORITHM.tar)
    throw badZtoc(`its compression is number ${algorithm}`);
  const zinfo = algorithm === ALGORITHM.gzip ? parseGzipZinfo(info.bytes(3)) : parseTarZinfo(info.bytes(3));
  const digests = info.byteStrings(2).map((digest) => new TextDecoder().decode(digest));
  if (digests.length !== info.int32(1) + 1)
    throw badZtoc(`it has ${digests.length} digests for ${info.int32(1) + 1} spans`);
  if (zinfo.kind === 'gzip' && zinfo.in.length !== digests.length) {
    throw badZtoc(`it has ${zinfo.in.length} checkpoints for ${digests.length} spans`);
  }
  return {
    version: root.text(0),
    buildTool: root.text(1),
    compression: zinfo.kind,
    compressedSize: root.size(2),
    uncompressedSize: root.size(3),
    files: root.table(4).tables(0).map(readFile),
    spanDigests: digests,
    zinfo,
  };
}

function checkSpanSize(compression: LayerCompression, spanSize: number): void {
  // A span size of 0 means a span for each block; a plain tar has none, and the CLI divides by it.
  if (Number.isSafeInteger(spanSize) && spanSize >= (compression === 'gzip' ? 0 : 1)) return;
  throw new LensError(
    'soci/bad-span-size',
    `A span size of ${spanSize} bytes is not possible for a ${compression} layer.`,
    'Give a whole number of bytes above 0, for example 4194304.',
  );
}

interface Head {
  readonly version: number;
  readonly buildTool: number;
  readonly toc: number;
}

/** Everything up to the table of contents: steps 1–3 of soci-format §1.2. The order of the calls makes the bytes. */
function writeHead<B extends FlatBuilder<never>>(
  builder: B,
  { entries }: LayerScan,
  tool: string,
  putFile: (builder: B, entries: TarEntries, index: number) => number,
): Head {
  const version = builder.createString(ascii(VERSION));
  const buildTool = builder.createString(ascii(tool));
  const files = new Array<number>(entries.length);
  for (let index = entries.length - 1; index >= 0; index--) files[index] = putFile(builder, entries, index);
  const metadata = writeOffsets(builder, files);
  builder.startObject(1);
  builder.addFieldOffset(0, metadata);
  return { version, buildTool, toc: builder.endObject() };
}

/** @param fields what `entries.look(index)` gave */
function writeFile(
  builder: FlatBuilder<never>,
  entries: TarEntries,
  index: number,
  fields: EntryFields,
): number {
  const name = builder.createString(fields.name);
  const type = builder.createString(TYPES[entries.type(index)]);
  const linkname = builder.createString(fields.linkname);
  const uname = builder.createString(fields.uname);
  const gname = builder.createString(fields.gname);
  const modTime = builder.createString(fields.modTime);
  const xattrs = writeOffsets(builder, fields.pax === 0 ? [] : writePax(builder, entries.get(index).pax));
  builder.startObject(14);
  builder.addFieldOffset(0, name);
  builder.addFieldOffset(1, type);
  builder.addFieldInt64(2, entries.offset(index));
  builder.addFieldInt64(3, entries.size(index));
  builder.addFieldOffset(4, linkname);
  builder.addFieldInt64(5, fields.mode);
  builder.addFieldInt32(6, fields.uid | 0);
  builder.addFieldInt32(7, fields.gid | 0);
  builder.addFieldOffset(8, uname);
  builder.addFieldOffset(9, gname);
  builder.addFieldOffset(10, modTime);
  builder.addFieldInt64(11, fields.devMajor);
  builder.addFieldInt64(12, fields.devMinor);
  builder.addFieldOffset(13, xattrs);
  return builder.endObject();
}

function writePax(builder: FlatBuilder<never>, pax: TarEntry['pax']): number[] {
  return pax.map(([key, value]) => {
    const keyOffset = builder.createString(whole(key));
    const valueOffset = builder.createString(whole(value));
    builder.startObject(2);
    builder.addFieldOffset(0, keyOffset);
    builder.addFieldOffset(1, valueOffset);
    return builder.endObject();
  });
}

/**
 * Measures as `writeFile` does, but each kind of file only once: what one takes depends on where it begins within the eight
 * bytes that values are aligned to, on the lengths of its texts and on which of its numbers are 0. A text that is eight
 * bytes longer takes eight more and moves nothing.
 */
function fileMeasurer(): (measure: FlatMeasure, entries: TarEntries, index: number) => number {
  const known = new Map<number, number>();
  const fields = entryFields();
  const texts = [fields.name, fields.linkname, fields.uname, fields.gname, fields.modTime];
  return (measure, entries, index) => {
    entries.look(index, fields);
    if (fields.pax > 0) return writeFile(measure, entries, index, fields);
    const before = measure.size;
    const type = TYPES[entries.type(index)].to;
    let kind = ((before & 7) << 3) | (type & 7);
    let eights = type >>> 3;
    for (const { from, to } of texts) {
      const length = to - from;
      kind = (kind << 3) | (length & 7);
      eights += length >>> 3;
    }
    kind = withZero(withZero(kind, entries.offset(index)), entries.size(index));
    kind = withZero(withZero(withZero(kind, fields.mode), fields.uid | 0), fields.gid | 0);
    kind = withZero(withZero(kind, fields.devMajor), fields.devMinor);
    const bytes = known.get(kind);
    if (bytes !== undefined) return (measure.size += bytes + 8 * eights);
    const kinds = measure.kinds;
    const at = writeFile(measure, entries, index, fields);
    // The first table of its kind is longer than those that follow.
    if (measure.kinds === kinds) known.set(kind, measure.size - before - 8 * eights);
    return at;
  };
}

/** One bit more: fields of the value 0 are not written. */
function withZero(kind: number, value: number | bigint): number {
  return (kind << 1) | (Number(value) === 0 ? 1 : 0);
}

/** The rest: steps 4–8 of soci-format §1.2. */
function writeTail<S extends { readonly length: number }>(
  builder: FlatBuilder<S>,
  scan: LayerScan,
  head: Head,
  digests: readonly string[],
  zinfo: S,
): void {
  const checkpointBytes = builder.createByteVector(zinfo);
  const spans = writeOffsets(
    builder,
    digests.map((digest) => builder.createString(ascii(digest))),
  );
  builder.startObject(4);
  builder.addFieldInt32(1, digests.length - 1);
  builder.addFieldOffset(2, spans);
  builder.addFieldOffset(3, checkpointBytes);
  builder.addFieldInt8(0, ALGORITHM[scan.compression], ALGORITHM.gzip);
  const info = builder.endObject();
  builder.startObject(6);
  builder.addFieldOffset(0, head.version);
  builder.addFieldOffset(1, head.buildTool);
  builder.addFieldOffset(4, head.toc);
  builder.addFieldInt64(2, scan.compressedSize);
  builder.addFieldInt64(3, scan.tarSize);
  builder.addFieldOffset(5, info);
  builder.finish(builder.endObject());
}

function writeOffsets(builder: FlatBuilder<never>, offsets: readonly number[]): number {
  builder.startVector(4, offsets.length, 4);
  for (let index = offsets.length - 1; index >= 0; index--) builder.addOffset(offsets[index] ?? 0);
  return builder.endVector();
}

/** The types as they are written. */
const TYPES: Readonly<Record<EntryType, Readonly<Slice>>> = {
  reg: ascii('reg'),
  hardlink: ascii('hardlink'),
  symlink: ascii('symlink'),
  char: ascii('char'),
  block: ascii('block'),
  dir: ascii('dir'),
  fifo: ascii('fifo'),
};

function isEntryType(text: string): text is EntryType {
  return Object.hasOwn(TYPES, text);
}

function readFile(table: FlatTable): ZtocFile {
  const type = table.text(1);
  if (!isEntryType(type)) throw badZtoc(`a file in it has the type "${type}"`);
  return {
    name: table.bytes(0),
    type,
    offset: table.size(2),
    size: table.size(3),
    linkname: table.bytes(4),
    mode: table.int64(5),
    uid: table.int32(6) >>> 0,
    gid: table.int32(7) >>> 0,
    uname: table.bytes(8),
    gname: table.bytes(9),
    modTime: table.text(10),
    devMajor: table.int64(11),
    devMinor: table.int64(12),
    pax: table.tables(13).map((xattr) => [xattr.bytes(0), xattr.bytes(1)] as const),
  };
}

function ascii(text: string): Slice {
  return whole(Buffer.from(text, 'latin1'));
}

function whole(bytes: Uint8Array): Slice {
  return { bytes, from: 0, to: bytes.length };
}
