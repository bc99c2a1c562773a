/** Every message that crosses the wall between host and page, with the checks of both directions. */
import { FINDINGS } from '../plan/blame/types';
import type { Blame, Finding, FolderCosts, FolderQuery } from '../plan/blame/types';
import type {
  Axis,
  Cells,
  CellsQuery,
  Comparable,
  Comparison,
  EntriesPage,
  EntriesQuery,
  EntryFilter,
  EntryRef,
  FolderPage,
  ListFolderQuery,
  Overview,
  Place,
  PlacedFiles,
  PlaceQuery,
  SearchHit,
  Settings,
  SpanDetail,
  Timeline,
} from '../plan/picture/types';
import type { Best, BuildAdvice } from '../plan/types';
import { blame, folderCosts, folderQuery } from './blame';
import { amount, count, flag, list, longText, nothing, object, oneOf, orNull, text } from './checks';
import type { Check } from './checks';
import * as picture from './picture';
import { best, buildAdvice, entryRef, settings, spanSize } from './plan';

/** What `createIndex` shall make; the host asks for the destination and shows what it will do before it does it. */
export interface IndexOrder {
  readonly spanSize: number;
  readonly minLayerSize: number;
  /** Also write prefetch artifacts that list exactly the touched spans. */
  readonly prefetch: boolean;
  /** Files whose spans they list too. */
  readonly extra: readonly EntryRef[];
}

/** What came of a task: a sentence, or null when the person cancelled it. */
export interface Outcome {
  readonly done: string | null;
}

/** What a picture is laid beside: itself at another span size, or another run or image by the id the host gave it. */
export interface CompareQuery {
  readonly settings: Settings | null;
  readonly with: { readonly spanSize: number } | { readonly id: string };
}

/** Every question of the page, with the shape of its body and of its reply. */
export interface Requests {
  /** `null` asks for the host's own settings: the first question of a fresh page. */
  overview: { ask: { settings: Settings | null }; reply: Overview };
  cells: { ask: CellsQuery; reply: Cells };
  filesInView: { ask: CellsQuery; reply: PlacedFiles };
  place: { ask: PlaceQuery; reply: Place };
  span: { ask: { layer: number; spanSize: number; span: number }; reply: SpanDetail };
  search: { ask: { text: string }; reply: { hits: readonly SearchHit[] } };
  entries: { ask: EntriesQuery; reply: EntriesPage };
  listFolder: { ask: ListFolderQuery; reply: FolderPage };
  blame: { ask: { spanSize: number; minLayerSize: number }; reply: Blame };
  /** A part of the treemap in more detail; null for a folder that is not there. */
  folder: { ask: FolderQuery; reply: { folder: FolderCosts | null } };
  /** Reads the layers once more; `blame` and the filter by package know it from the answer on. */
  find: { ask: { finding: Finding }; reply: Outcome };
  timeline: { ask: { settings: Settings | null }; reply: Timeline };
  /** What to do: the best index of any kind, null without a recorded start, and what to change in the Dockerfile. */
  recommend: {
    ask: { settings: Settings | null };
    reply: { best: Best | null; build: readonly BuildAdvice[] };
  };
  comparables: { ask: Record<string, never>; reply: { list: readonly Comparable[] } };
  /** Null where the person chose nothing to compare with. */
  compare: { ask: CompareQuery; reply: { comparison: Comparison } };
  /** Answered when the index is pushed (`done` says where) or the person cancelled it (`done` is null). */
  createIndex: { ask: IndexOrder; reply: Outcome };
  /** The same for the best index with these settings. */
  createBestIndex: { ask: { settings: Settings | null }; reply: Outcome };
  /** Record a start of the container; the new picture comes by `changed`. */
  recordStart: { ask: Record<string, never>; reply: Outcome };
  /** Lay the image out for its start and write it where the person says. */
  optimizeImage: { ask: Record<string, never>; reply: Outcome };
  exportReport: { ask: Record<string, never>; reply: Outcome };
  /** The map as a drawing; a PNG is the page's own, in base64. */
  exportMap: { ask: { settings: Settings | null; axis: Axis; png: string | null }; reply: Outcome };
  exportFiles: { ask: EntryFilter; reply: Outcome };
  openEntry: { ask: EntryRef; reply: Outcome };
  saveEntry: { ask: EntryRef; reply: Outcome };
  /** Shows the entry in the tree of images. */
  revealEntry: { ask: EntryRef; reply: Outcome };
}
export type RequestName = keyof Requests;

/** What the host says unasked. */
export interface Events {
  /** The picture is a new one (a layer was scanned, a trace recorded): ask again. */
  changed: Record<string, never>;
  /** Long work of the host; `step` null when none is running. */
  progress: { step: string | null; done: number | null; total: number | null };
}
export type EventName = keyof Events;

/** An error as it crosses the wall: the fields of LensError. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly advice: string;
}

const outcome = object<Outcome>({ done: orNull(text) });

const compareWith: Check<CompareQuery['with']> = (value, where) =>
  typeof value === 'object' && value !== null && 'id' in value
    ? object<{ id: string }>({ id: text })(value, where)
    : object<{ spanSize: number }>({ spanSize })(value, where);

/** The checks of every request, of what is asked and of what is replied. */
export const requests: {
  readonly [N in RequestName]: { ask: Check<Requests[N]['ask']>; reply: Check<Requests[N]['reply']> };
} = {
  overview: {
    ask: object<Requests['overview']['ask']>({ settings: orNull(settings) }),
    reply: picture.overview,
  },
  cells: { ask: picture.cellsQuery, reply: picture.cells },
  filesInView: { ask: picture.cellsQuery, reply: picture.placedFiles },
  place: { ask: picture.placeQuery, reply: picture.place },
  span: {
    ask: object<Requests['span']['ask']>({ layer: count, spanSize, span: count }),
    reply: picture.spanDetail,
  },
  search: { ask: object<Requests['search']['ask']>({ text }), reply: picture.hits },
  entries: { ask: picture.entriesQuery, reply: picture.entriesPage },
  listFolder: { ask: picture.listFolderQuery, reply: picture.folderPage },
  blame: { ask: object<Requests['blame']['ask']>({ spanSize, minLayerSize: count }), reply: blame },
  folder: {
    ask: folderQuery,
    reply: object<Requests['folder']['reply']>({ folder: orNull(folderCosts) }),
  },
  find: {
    ask: object<Requests['find']['ask']>({ finding: oneOf(FINDINGS) }),
    reply: outcome,
  },
  timeline: {
    ask: object<Requests['timeline']['ask']>({ settings: orNull(settings) }),
    reply: picture.timeline,
  },
  recommend: {
    ask: object<Requests['recommend']['ask']>({ settings: orNull(settings) }),
    reply: object<Requests['recommend']['reply']>({ best: orNull(best), build: list(buildAdvice) }),
  },
  comparables: { ask: nothing, reply: picture.comparables },
  compare: {
    ask: object<CompareQuery>({ settings: orNull(settings), with: compareWith }),
    reply: object<Requests['compare']['reply']>({ comparison: picture.comparison }),
  },
  createIndex: {
    ask: object<IndexOrder>({ spanSize, minLayerSize: count, prefetch: flag, extra: list(entryRef) }),
    reply: outcome,
  },
  createBestIndex: {
    ask: object<Requests['createBestIndex']['ask']>({ settings: orNull(settings) }),
    reply: outcome,
  },
  recordStart: { ask: nothing, reply: outcome },
  optimizeImage: { ask: nothing, reply: outcome },
  exportReport: { ask: nothing, reply: outcome },
  exportMap: {
    ask: object<Requests['exportMap']['ask']>({
      settings: orNull(settings),
      axis: picture.axis,
      png: orNull(longText),
    }),
    reply: outcome,
  },
  exportFiles: { ask: picture.filter, reply: outcome },
  openEntry: { ask: entryRef, reply: outcome },
  saveEntry: { ask: entryRef, reply: outcome },
  revealEntry: { ask: entryRef, reply: outcome },
};

export const events: { readonly [N in EventName]: Check<Events[N]> } = {
  changed: nothing,
  progress: object<Events['progress']>({ step: orNull(text), done: orNull(amount), total: orNull(amount) }),
};

export const wireError = object<WireError>({ code: text, message: text, advice: text });
