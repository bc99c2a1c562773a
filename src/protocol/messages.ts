/** Every message that crosses the wall between host and page, with the checks of both directions. */
import { MANAGERS } from '../plan/blame/types';
import type {
  Blame,
  Costs,
  DuplicateGroup,
  Duplicates,
  FolderCosts,
  FolderQuery,
  InstructionCosts,
  Package,
  PackageCosts,
} from '../plan/blame/types';
import { ENTRY_SORTS } from '../plan/picture/types';
import type {
  Axis,
  Cell,
  Cells,
  CellsQuery,
  Change,
  Comparable,
  ComparedFile,
  ComparedLayer,
  Comparison,
  Delta,
  EntriesPage,
  EntriesQuery,
  EntryFilter,
  EntryRef,
  EntryRow,
  FolderPage,
  ListFolderQuery,
  FolderRow,
  Overview,
  Place,
  PlacedFile,
  PlacedFiles,
  PlaceQuery,
  SearchHit,
  Settings,
  SpanDetail,
  SpanFile,
  Timeline,
  TimelineFile,
  TimelineProcess,
  TimelineSpan,
} from '../plan/picture/types';
import type {
  Advice,
  Best,
  BuildAdvice,
  BestRow,
  Flip,
  Forecast,
  IndexVersion,
  LayerSpans,
  Network,
  Node,
  Plan,
  PlanLayer,
  PlanTrace,
  PullMode,
  Rule,
  SpanSizeRow,
} from '../plan/types';
import {
  amount,
  count,
  flag,
  list,
  longText,
  nothing,
  number,
  object,
  oneOf,
  optional,
  orNull,
  pair,
  ProtocolError,
  text,
} from './checks';
import type { Check } from './checks';

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
const spanSize = number(1, 2 ** 40, true);
const share = number(0, 1, false);
const axis = oneOf<Axis>(['compressed', 'uncompressed']);
const entryRef = object<EntryRef>({ layer: count, entry: count });
const rate = number(1, 1e15, false);
const network = object<Network>({
  rttMs: number(0, 60_000, false),
  bytesPerSecond: rate,
  registryMs: optional(number(0, 60_000, false)),
  connections: optional(oneOf(['kept', 'tcp', 'tls'])),
});
const node = object<Node>({
  name: optional(text),
  cores: number(1, 4096, true),
  unpackBytesPerSecond: rate,
  diskBytesPerSecond: rate,
  workers: optional(number(1, 4096, true)),
  memoryBytes: optional(amount),
  networkBytesPerSecond: optional(rate),
});

export const settings = object<Settings>({
  spanSize: orNull(spanSize),
  minLayerSize: count,
  network,
  node,
  prefetch: flag,
  extra: list(entryRef),
});

const pullMode = oneOf<PullMode>(['docker-pull', 'parallel-pull', 'lazy', 'lazy-prefetch']);
const indexVersion: Check<IndexVersion> = (value, where) => (number(1, 2, true)(value, where) === 1 ? 1 : 2);

const forecast = object<Forecast>({
  mode: pullMode,
  pullSeconds: amount,
  startSeconds: amount,
  totalSeconds: amount,
  requests: count,
  bytes: count,
});

const planLayer = object<PlanLayer>({
  index: count,
  digest: text,
  mediaType: text,
  size: count,
  uncompressedSize: orNull(count),
  files: orNull(count),
  instruction: orNull(text),
  indexed: flag,
  notIndexed: orNull(text),
  touchedFiles: count,
  touchedBytes: count,
});

const row = object<SpanSizeRow>({
  spanSize,
  spans: count,
  touchedSpans: count,
  spanBytes: count,
  inflatedBytes: count,
  waste: share,
  ztocBytes: count,
  serialFetches: count,
  lazy: forecast,
  prefetch: forecast,
});

const planTrace = object<PlanTrace>({
  files: count,
  readyMs: orNull(amount),
  mapped: count,
  excluded: count,
  unmapped: count,
  examples: list(object<PlanTrace['examples'][number]>({ path: text, reason: text })),
});

const version: Check<1> = (value, where) => {
  if (value !== 1) throw new ProtocolError(where, 'version 1');
  return value;
};

const layerSpans = list(object<LayerSpans>({ layer: count, digest: text, spans: list(pair(count)) }));

const sizes = list(orNull(spanSize));

const advice = object<Advice>({
  mode: pullMode,
  reason: longText,
  rules: list(object<Rule>({ text: longText, evidence: longText })),
});

const best = object<Best>({
  spanSizes: sizes,
  minLayerSize: count,
  prefetch: layerSpans,
  indexVersion,
  spans: count,
  indexBytes: count,
  forecast,
  withoutPrefetch: forecast,
  usual: forecast,
  reason: longText,
  flips: list(
    object<Flip>({
      axis: oneOf(['rttMs', 'bytesPerSecond']),
      value: amount,
      side: oneOf(['below', 'above']),
      spanSizes: sizes,
      prefetch: flag,
    }),
  ),
  evidence: longText,
  table: list(
    object<BestRow>({
      name: text,
      spanSizes: sizes,
      prefetch: flag,
      indexVersion,
      totalSeconds: amount,
      bytes: count,
      requests: count,
      indexBytes: count,
      best: flag,
      undominated: flag,
    }),
  ),
});

const buildAdvice = object<BuildAdvice>({
  kind: oneOf(['split', 'squash', 'reorder']),
  layers: list(count),
  text: longText,
  evidence: longText,
  mode: pullMode,
  before: forecast,
  after: forecast,
});

const plan = object<Plan>({
  version,
  image: object<Plan['image']>({ reference: text, digest: text, platform: text }),
  network,
  node,
  minLayerSize: count,
  layers: list(planLayer),
  trace: orNull(planTrace),
  rows: list(row),
  choice: object<Plan['choice']>({ spanSize, reason: text }),
  modes: list(forecast),
  advice,
  best: orNull(best),
  build: orNull(list(buildAdvice)),
  prefetch: layerSpans,
  notes: list(text),
});

const cell = object<Cell>({
  first: count,
  last: count,
  touched: count,
  used: share,
  start: count,
  end: count,
  at: orNull(amount),
});

const cellsQuery = object<CellsQuery>({
  layer: count,
  spanSize,
  axis,
  start: count,
  end: count,
  limit: number(1, 4096, true),
});

const filter = {
  layer: orNull(count),
  filter: text,
  touchedOnly: flag,
  type: orNull(text),
  package: orNull(text),
  time: orNull(pair(amount)),
  sort: oneOf(ENTRY_SORTS),
  descending: flag,
};

const costsFields = {
  files: count,
  bytes: count,
  packedBytes: count,
  touchedFiles: count,
  touchedBytes: count,
  fetchedBytes: count,
  unusedBytes: count,
  hiddenBytes: count,
};

const folderCosts: Check<FolderCosts> = (value, where) =>
  object<FolderCosts>({
    ...costsFields,
    kind: oneOf(['folder', 'file', 'rest']),
    name: text,
    children: list(folderCosts),
  })(value, where);

const blame = object<Blame>({
  version,
  spanSize,
  minLayerSize: count,
  total: object<Costs>(costsFields),
  instructions: list(object<InstructionCosts>({ ...costsFields, layer: count, instruction: orNull(text) })),
  folders: folderCosts,
  packages: orNull(
    list(
      object<PackageCosts>({
        ...costsFields,
        package: orNull(object<Package>({ manager: oneOf(MANAGERS), name: text, version: text })),
      }),
    ),
  ),
  hidden: list(
    object<Blame['hidden'][number]>({
      layer: count,
      path: text,
      bytes: count,
      reason: oneOf(['replaced', 'removed']),
    }),
  ),
  duplicates: orNull(
    object<Duplicates>({
      bytes: count,
      groups: count,
      dearest: list(
        object<DuplicateGroup>({
          bytes: count,
          count,
          copies: list(object<DuplicateGroup['copies'][number]>({ layer: count, path: text })),
        }),
      ),
    }),
  ),
  notes: list(text),
});

const change = oneOf<Change>(['added', 'gone', 'moved', 'changed']);

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
    reply: object<Overview>({ plan, spanSize, prefetched: layerSpans, pending: count }),
  },
  cells: {
    ask: cellsQuery,
    reply: object<Cells>({
      layer: count,
      spanSize,
      spans: count,
      touched: count,
      fetchedBytes: count,
      cells: list(cell),
    }),
  },
  filesInView: {
    ask: cellsQuery,
    reply: object<PlacedFiles>({
      total: count,
      files: list(object<PlacedFile>({ entry: count, path: text, start: count, end: count, touched: flag })),
    }),
  },
  place: {
    ask: object<PlaceQuery>({ layer: count, entry: count, spanSize, axis }),
    reply: object<Place>({ start: count, end: count, span: orNull(count) }),
  },
  span: {
    ask: object<Requests['span']['ask']>({ layer: count, spanSize, span: count }),
    reply: object<SpanDetail>({
      layer: count,
      spanSize,
      span: count,
      compressed: pair(count),
      bits: number(0, 7, true),
      uncompressed: pair(count),
      touchedBytes: count,
      fetched: flag,
      at: orNull(amount),
      readers: list(text),
      files: list(object<SpanFile>({ entry: count, path: text, size: count, inside: count, touched: count })),
      fileCount: count,
    }),
  },
  search: {
    ask: object<Requests['search']['ask']>({ text }),
    reply: object<Requests['search']['reply']>({
      hits: list(object<SearchHit>({ layer: count, entry: count, path: text, size: count, touched: count })),
    }),
  },
  entries: {
    ask: object<EntriesQuery>({ ...filter, offset: count, limit: number(1, 200, true) }),
    reply: object<EntriesPage>({
      total: count,
      rows: list(
        object<EntryRow>({
          layer: count,
          entry: count,
          path: text,
          type: text,
          size: count,
          touched: count,
          at: orNull(amount),
        }),
      ),
    }),
  },
  listFolder: {
    ask: object<ListFolderQuery>({ layer: count, path: text, offset: count, limit: number(1, 500, true) }),
    reply: object<FolderPage>({
      total: count,
      rows: list(
        object<FolderRow>({
          name: text,
          entry: orNull(count),
          type: text,
          size: count,
          files: count,
          touched: count,
        }),
      ),
    }),
  },
  blame: { ask: object<Requests['blame']['ask']>({ spanSize, minLayerSize: count }), reply: blame },
  folder: {
    ask: object<FolderQuery>({ path: text, spanSize, minLayerSize: count, limit: number(1, 1000, true) }),
    reply: object<Requests['folder']['reply']>({ folder: orNull(folderCosts) }),
  },
  timeline: {
    ask: object<Requests['timeline']['ask']>({ settings: orNull(settings) }),
    reply: object<Timeline>({
      length: amount,
      ready: orNull(amount),
      processes: list(
        object<TimelineProcess>({
          pid: count,
          program: text,
          start: amount,
          end: orNull(amount),
          files: count,
        }),
      ),
      files: list(
        object<TimelineFile>({
          layer: count,
          entry: count,
          path: text,
          start: amount,
          end: amount,
          bytes: count,
        }),
      ),
      fileCount: count,
      spans: list(
        object<TimelineSpan>({
          layer: count,
          span: count,
          at: amount,
          wait: amount,
          bytes: count,
          prefetched: flag,
        }),
      ),
      spanCount: count,
    }),
  },
  recommend: {
    ask: object<{ settings: Settings | null }>({ settings: orNull(settings) }),
    reply: object<Requests['recommend']['reply']>({ best: orNull(best), build: list(buildAdvice) }),
  },
  comparables: {
    ask: nothing,
    reply: object<Requests['comparables']['reply']>({
      list: list(object<Comparable>({ id: text, label: text, kind: oneOf(['run', 'image']) })),
    }),
  },
  compare: {
    ask: object<CompareQuery>({ settings: orNull(settings), with: compareWith }),
    reply: object<Requests['compare']['reply']>({
      comparison: object<Comparison>({
        before: text,
        after: text,
        deltas: list(
          object<Delta>({
            name: text,
            unit: oneOf(['bytes', 'count', 'seconds', 'share']),
            before: amount,
            after: amount,
          }),
        ),
        layers: list(
          object<ComparedLayer>({
            name: text,
            before: orNull(count),
            after: orNull(count),
            sizeBefore: count,
            sizeAfter: count,
            fetchedBefore: count,
            fetchedAfter: count,
          }),
        ),
        files: list(
          object<ComparedFile>({
            path: text,
            change,
            before: count,
            after: count,
            layerBefore: orNull(count),
            layerAfter: orNull(count),
          }),
        ),
        counts: object<Record<Change, number>>({ added: count, gone: count, moved: count, changed: count }),
      }),
    }),
  },
  createIndex: {
    ask: object<IndexOrder>({ spanSize, minLayerSize: count, prefetch: flag, extra: list(entryRef) }),
    reply: outcome,
  },
  createBestIndex: {
    ask: object<{ settings: Settings | null }>({ settings: orNull(settings) }),
    reply: outcome,
  },
  recordStart: { ask: nothing, reply: outcome },
  optimizeImage: { ask: nothing, reply: outcome },
  exportReport: { ask: nothing, reply: outcome },
  exportMap: {
    ask: object<Requests['exportMap']['ask']>({ settings: orNull(settings), axis, png: orNull(longText) }),
    reply: outcome,
  },
  exportFiles: { ask: object<EntryFilter>(filter), reply: outcome },
  openEntry: { ask: entryRef, reply: outcome },
  saveEntry: { ask: entryRef, reply: outcome },
  revealEntry: { ask: entryRef, reply: outcome },
};

export const events: { readonly [N in EventName]: Check<Events[N]> } = {
  changed: nothing,
  progress: object<Events['progress']>({ step: orNull(text), done: orNull(amount), total: orNull(amount) }),
};

export const wireError = object<WireError>({ code: text, message: text, advice: text });
