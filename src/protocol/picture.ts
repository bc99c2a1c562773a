/** Checks of what the picture is asked, and of what it answers. */
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
  EntryRow,
  FolderPage,
  FolderRow,
  ListFolderQuery,
  Overview,
  Place,
  PlacedFile,
  PlacedFiles,
  PlaceQuery,
  SearchHit,
  SpanDetail,
  SpanFile,
  Timeline,
  TimelineFile,
  TimelineProcess,
  TimelineSpan,
} from '../plan/picture/types';
import { amount, count, flag, list, number, object, oneOf, orNull, pair, text } from './checks';
import { layerSpans, plan, share, spanSize } from './plan';

export const axis = oneOf<Axis>(['compressed', 'uncompressed']);

export const overview = object<Overview>({ plan, spanSize, prefetched: layerSpans, pending: count });

const cell = object<Cell>({
  first: count,
  last: count,
  touched: count,
  firstTouched: orNull(count),
  used: share,
  start: count,
  end: count,
  at: orNull(amount),
});

export const cellsQuery = object<CellsQuery>({
  layer: count,
  spanSize,
  axis,
  start: count,
  end: count,
  limit: number(1, 4096, true),
});

export const cells = object<Cells>({
  layer: count,
  spanSize,
  spans: count,
  touched: count,
  fetchedBytes: count,
  cells: list(cell),
});

export const placedFiles = object<PlacedFiles>({
  total: count,
  files: list(object<PlacedFile>({ entry: count, path: text, start: count, end: count, touched: flag })),
});

export const placeQuery = object<PlaceQuery>({ layer: count, entry: count, spanSize, axis });

export const place = object<Place>({ start: count, end: count, span: orNull(count) });

export const spanDetail = object<SpanDetail>({
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
});

export const hits = object<{ hits: readonly SearchHit[] }>({
  hits: list(object<SearchHit>({ layer: count, entry: count, path: text, size: count, touched: count })),
});

const filterFields = {
  layer: orNull(count),
  filter: text,
  touchedOnly: flag,
  type: orNull(text),
  package: orNull(text),
  time: orNull(pair(amount)),
  sort: oneOf(ENTRY_SORTS),
  descending: flag,
};

export const filter = object<EntryFilter>(filterFields);

export const entriesQuery = object<EntriesQuery>({
  ...filterFields,
  offset: count,
  limit: number(1, 200, true),
});

export const entriesPage = object<EntriesPage>({
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
});

export const listFolderQuery = object<ListFolderQuery>({
  layer: count,
  path: text,
  offset: count,
  limit: number(1, 500, true),
});

export const folderPage = object<FolderPage>({
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
});

export const timeline = object<Timeline>({
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
});

export const comparables = object<{ list: readonly Comparable[] }>({
  list: list(object<Comparable>({ id: text, label: text, kind: oneOf(['run', 'image']) })),
});

const change = oneOf<Change>(['added', 'gone', 'moved', 'changed']);

export const comparison = object<Comparison>({
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
});
