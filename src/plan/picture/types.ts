/**
 * What the page asks of the picture and what it is told: plain JSON, a zoom range or a page of rows at a time. Bytes
 * are whole numbers, ranges `[start, end)`, times milliseconds since the start began.
 */
import type { Package } from '../blame/types';
import type { LayerSpans, Network, Node, Plan } from '../types';

/** One entry of one layer. */
export interface EntryRef {
  readonly layer: number;
  readonly entry: number;
}

/** What the person set on the page. */
export interface Settings {
  /** Bytes; null follows the recommendation. */
  readonly spanSize: number | null;
  readonly minLayerSize: number;
  readonly network: Network;
  readonly node: Node;
  /** Have nodes prefetch the touched spans. */
  readonly prefetch: boolean;
  /** Files that are prefetched beside them. */
  readonly extra: readonly EntryRef[];
}

/** The first thing a page asks for, and asks for again after each `changed` event. */
export interface Overview {
  readonly plan: Plan;
  /** The span size that the map shows: the one set, else the recommended. Always one of `plan.rows`. */
  readonly spanSize: number;
  /** The spans that nodes prefetch with these settings. */
  readonly prefetched: readonly LayerSpans[];
  /** Layers still being scanned: the picture grows as they finish. */
  readonly pending: number;
}

/** What widths and places mean: bytes of the blob, as they travel, or of the tar, as they lie unpacked. */
export type Axis = 'compressed' | 'uncompressed';

/** A stretch of one layer for drawing: one span, or several where they are narrower than a pixel. */
export interface Cell {
  readonly first: number;
  readonly last: number;
  /** How many of them the start touches. */
  readonly touched: number;
  /** The first of those; null for none. */
  readonly firstTouched: number | null;
  /** The part of the touched ones' unpacked bytes that the start asked for, 0–1. */
  readonly used: number;
  /** On the axis asked for. */
  readonly start: number;
  readonly end: number;
  /** The first touch in the recorded run; null when never. */
  readonly at: number | null;
}

export interface CellsQuery {
  readonly layer: number;
  readonly spanSize: number;
  readonly axis: Axis;
  /** What is in view. */
  readonly start: number;
  readonly end: number;
  /** At most this many cells. */
  readonly limit: number;
}

export interface Cells {
  readonly layer: number;
  readonly spanSize: number;
  /** Spans of the layer in all, those that the start fetches, and their bytes as they travel. */
  readonly spans: number;
  readonly touched: number;
  readonly fetchedBytes: number;
  readonly cells: readonly Cell[];
}

/** A file where it lies in a layer; on the compressed axis the ends are estimates within its spans. */
export interface PlacedFile {
  readonly entry: number;
  readonly path: string;
  readonly start: number;
  readonly end: number;
  readonly touched: boolean;
}

export interface PlacedFiles {
  /** Files in view; when they are more than the limit, `files` is empty: their names would not fit. */
  readonly total: number;
  readonly files: readonly PlacedFile[];
}

/** Where one entry lies: what a search flies to. */
export interface Place {
  readonly start: number;
  readonly end: number;
  /** The first of its spans; null in a layer that was not scanned. */
  readonly span: number | null;
}

export interface PlaceQuery extends EntryRef {
  readonly spanSize: number;
  readonly axis: Axis;
}

export interface SpanFile {
  readonly entry: number;
  readonly path: string;
  /** Bytes of the file, of it in this span, and of these those that the start read. */
  readonly size: number;
  readonly inside: number;
  readonly touched: number;
}

export interface SpanDetail {
  readonly layer: number;
  readonly spanSize: number;
  readonly span: number;
  /** What one GET asks for. */
  readonly compressed: readonly [start: number, end: number];
  /** Unused high bits of its first byte, which it shares with the span before (soci-format §2.3). */
  readonly bits: number;
  /** The tar bytes it holds. */
  readonly uncompressed: readonly [start: number, end: number];
  readonly touchedBytes: number;
  /** True when the start fetches it: also for a header, or a neighbour's last byte, without any byte used. */
  readonly fetched: boolean;
  readonly at: number | null;
  /** Programs that read from it, with their process ids; the first reader first. */
  readonly readers: readonly string[];
  /** Touched ones first, then in archive order; cut at a few dozen. */
  readonly files: readonly SpanFile[];
  readonly fileCount: number;
}

/** How a filter names a package. */
export function packageKey({ manager, name, version }: Package): string {
  return `${manager} ${name} ${version}`;
}

export const ENTRY_SORTS = ['archive', 'path', 'size', 'touched', 'at'] as const;
export type EntrySort = (typeof ENTRY_SORTS)[number];

/** Which files, and in which order. */
export interface EntryFilter {
  /** Null for all layers. */
  readonly layer: number | null;
  /** Case-insensitive part of the path; empty for all. */
  readonly filter: string;
  readonly touchedOnly: boolean;
  /** An entry type of a tar, such as `reg`; null for all. */
  readonly type: string | null;
  /** `packageKey` of a package; empty for files that none owns; null for all. */
  readonly package: string | null;
  /** Only what was first touched in this time; null for all. */
  readonly time: readonly [from: number, to: number] | null;
  readonly sort: EntrySort;
  readonly descending: boolean;
}

export interface EntriesQuery extends EntryFilter {
  /** Rows to leave out before the first. */
  readonly offset: number;
  readonly limit: number;
}

export interface EntryRow extends EntryRef {
  readonly path: string;
  readonly type: string;
  readonly size: number;
  readonly touched: number;
  readonly at: number | null;
}

export interface EntriesPage {
  /** Rows that the filter lets through. */
  readonly total: number;
  readonly rows: readonly EntryRow[];
}

export interface ListFolderQuery {
  readonly layer: number;
  /** Without a slash at either end; empty for the root. */
  readonly path: string;
  readonly offset: number;
  readonly limit: number;
}

/** A folder or a file of the tree. */
export interface FolderRow {
  readonly name: string;
  /** Null for a folder. */
  readonly entry: number | null;
  readonly type: string;
  /** Bytes and files below, and those of them that the start read. */
  readonly size: number;
  readonly files: number;
  readonly touched: number;
}

export interface FolderPage {
  readonly total: number;
  readonly rows: readonly FolderRow[];
}

export interface TimelineProcess {
  readonly pid: number;
  readonly program: string;
  readonly start: number;
  /** Null when it outlived the recording. */
  readonly end: number | null;
  /** Files that it was the first to touch. */
  readonly files: number;
}

/** A file of the waterfall: from its first touch to its last. */
export interface TimelineFile extends EntryRef {
  readonly path: string;
  readonly start: number;
  readonly end: number;
  readonly bytes: number;
}

/** A fetched span; the fetch takes `wait`, an estimate for the network that is set. */
export interface TimelineSpan {
  readonly layer: number;
  readonly span: number;
  readonly at: number;
  readonly wait: number;
  readonly bytes: number;
  readonly prefetched: boolean;
}

export interface Timeline {
  /** The recorded run from its beginning to ready, or to its last touch. */
  readonly length: number;
  readonly ready: number | null;
  readonly processes: readonly TimelineProcess[];
  /** In the order of time; of many the largest. */
  readonly files: readonly TimelineFile[];
  readonly fileCount: number;
  readonly spans: readonly TimelineSpan[];
  readonly spanCount: number;
}

/** What a picture can be laid beside. */
export interface Comparable {
  readonly id: string;
  readonly label: string;
  readonly kind: 'run' | 'image';
}

/** One figure on both sides. */
export interface Delta {
  readonly name: string;
  readonly unit: 'bytes' | 'count' | 'seconds' | 'share';
  readonly before: number;
  readonly after: number;
}

export type Change = 'added' | 'gone' | 'moved' | 'changed';

export interface ComparedFile {
  readonly path: string;
  readonly change: Change;
  /** Bytes that the start reads on either side. */
  readonly before: number;
  readonly after: number;
  readonly layerBefore: number | null;
  readonly layerAfter: number | null;
}

export interface ComparedLayer {
  readonly name: string;
  readonly before: number | null;
  readonly after: number | null;
  /** Bytes of the blob, and of it what the start fetches. */
  readonly sizeBefore: number;
  readonly sizeAfter: number;
  readonly fetchedBefore: number;
  readonly fetchedAfter: number;
}

export interface Comparison {
  readonly before: string;
  readonly after: string;
  readonly deltas: readonly Delta[];
  readonly layers: readonly ComparedLayer[];
  /** What the start reads differently, the largest change first; cut at some hundreds. */
  readonly files: readonly ComparedFile[];
  readonly counts: Readonly<Record<Change, number>>;
}

export interface SearchHit extends EntryRef {
  readonly path: string;
  readonly size: number;
  readonly touched: number;
}
