/**
 * The host's side of the span map: answers what the page asks for, a zoom range or a page of rows at a time, so that
 * 500 000 files and 10 000 spans stay here. A new scan or trace makes a new picture; only what is found of packages and
 * duplicates comes to an old one.
 */
import { createBlame, type BlameModel, type BlameOptions, type Findings } from './blame/blame';
import type { Blame, FolderCosts, FolderQuery } from './blame/types';
import { cells, filesInView, place, spansOfEntry } from './picture/cells';
import type { Side } from './picture/compare';
import { entryList } from './picture/entries';
import type { EntryList } from './picture/entries';
import { folderPages, folderTree } from './picture/folders';
import { nameTable } from './picture/names';
import { clip, layerOf } from './picture/source';
import type { Source } from './picture/source';
import { spanDetail } from './picture/span';
import type { SpanQuery } from './picture/span';
import { mapSvg } from './picture/svg';
import { timelines } from './picture/timeline';
import type {
  Axis,
  Cells,
  CellsQuery,
  EntryRef,
  ListFolderQuery,
  FolderPage,
  Overview,
  Place,
  PlacedFiles,
  PlaceQuery,
  Settings,
  SpanDetail,
  Timeline,
} from './picture/types';
import { createPlanner, DEFAULT_SPAN_SIZES } from './plan';
import type { PlanInput, PlanOptions } from './plan';
import type { Best, IndexWish, LayerSpans, SpanRuns } from './types';

const INSTRUCTION_LENGTH = 400;

/** What the host says of a picture. The best index is asked for by itself (`Picture.best`). */
type PictureOptions = Omit<PlanOptions, 'best'>;

/** What to prefetch with which index. */
export interface PrefetchOrder {
  readonly spanSize: number;
  readonly minLayerSize: number;
  /** The touched spans. */
  readonly prefetch: boolean;
  /** The spans of these files. */
  readonly extra: readonly EntryRef[];
}

export interface Picture extends EntryList {
  /** The plan for what the person set; null for what the host was told at the start. */
  overview(settings: Settings | null): Overview;
  cells(query: CellsQuery): Cells;
  filesInView(query: CellsQuery): PlacedFiles;
  place(query: PlaceQuery): Place;
  span(query: SpanQuery): SpanDetail;
  listFolder(query: ListFolderQuery): FolderPage;
  /** Makes ready what `blame` and `folder` need for these options, in slices between other work. */
  prepareBlame(options: BlameOptions): Promise<void>;
  /** Who is to blame for what the start costs. */
  blame(options: BlameOptions): Blame;
  /** A part of the treemap of `blame` in more detail. */
  folder(query: FolderQuery): FolderCosts | undefined;
  timeline(settings: Settings | null): Timeline;
  /** The best index of any kind for what the person set; null where no start was recorded. The last answer is kept: finding one takes long. */
  best(settings: Settings | null, wish?: IndexWish): Best | null;
  /** Adds what was found of packages or duplicates since the picture was made. */
  learn(findings: Findings): void;
  /** The spans that a prefetch artifact of such an index lists, by layer. */
  prefetch(order: PrefetchOrder): LayerSpans[];
  svg(settings: Settings | null, axis: Axis, title?: string): string;
  /** This picture as one side of a comparison. */
  side(label: string, settings: Settings | null): Side;
  /** Makes ready what searching, sorting and the tree of files need, in slices between other work. */
  prepare(signal?: AbortSignal): Promise<void>;
}

export { compare as comparePictures } from './picture/compare';

/**
 * @param options what the settings of the host say; the page may ask for others
 * @param pending layers that are still being scanned
 * @param findings what of the packages and duplicates is known by now
 * @throws LensError `plan/foreign-trace`
 */
export function createPicture(
  input: PlanInput,
  options: PictureOptions = {},
  pending = 0,
  findings: Findings = {},
): Picture {
  const layers = input.layers.map((layer) => ({
    ...layer,
    instruction:
      layer.instruction === undefined ? undefined : clip(oneLine(layer.instruction), INSTRUCTION_LENGTH),
  }));
  const source: Source = {
    input: { ...input, layers },
    planner: createPlanner({ ...input, layers }),
  };
  const { planner } = source;
  const timeline = timelines(source);
  let known = findings;
  let model: BlameModel | undefined;
  const blame = (): BlameModel => (model ??= createBlame(source.input, planner, known));

  /** What the host was told at the start, and over it what the person set. */
  function optionsFor(settings: Settings | null): PlanOptions {
    const { minLayerSize, network, node } = settings ?? {};
    return { ...options, ...(settings && { minLayerSize, network, node }) };
  }

  let lastBest: { readonly asked: string; readonly best: Best | null } | undefined;
  function best(settings: Settings | null, wish: IndexWish = {}): Best | null {
    const question = { ...optionsFor(settings), best: wish };
    const asked = JSON.stringify(question);
    if (lastBest?.asked !== asked) lastBest = { asked, best: planner.plan(question).best };
    return lastBest.best;
  }

  let lastOverview: { readonly asked: string; readonly overview: Overview } | undefined;
  /** The last one is kept: the map, the timeline and what is exported ask for the same. */
  function overview(settings: Settings | null): Overview {
    const asked = JSON.stringify(settings);
    if (lastOverview?.asked !== asked) lastOverview = { asked, overview: makeOverview(settings) };
    return lastOverview.overview;
  }

  function makeOverview(settings: Settings | null): Overview {
    const wanted = settings?.spanSize ?? null;
    const sizes = options.spanSizes ?? DEFAULT_SPAN_SIZES;
    const plan = planner.plan({
      ...optionsFor(settings),
      spanSizes: wanted === null ? sizes : [...sizes, wanted],
    });
    const spanSize = wanted ?? plan.choice.spanSize;
    const { minLayerSize } = plan;
    const { prefetch: touched = false, extra = [] } = settings ?? {};
    return {
      plan,
      spanSize,
      prefetched: prefetch({ spanSize, minLayerSize, prefetch: touched, extra }),
      pending,
    };
  }

  function prefetch({ spanSize, minLayerSize, prefetch: touched, extra }: PrefetchOrder): LayerSpans[] {
    const runs = new Map<number, (readonly [number, number])[]>();
    if (touched) {
      for (const { layer, spans } of planner.prefetch(spanSize, minLayerSize)) runs.set(layer, [...spans]);
    }
    for (const one of extra) {
      const table = planner.laid(spanSize).tables[one.layer];
      const size = input.layers[one.layer]?.descriptor.size ?? 0;
      const run = table && size >= minLayerSize ? spansOfEntry(source, one, table) : undefined;
      if (run) runs.set(one.layer, [...(runs.get(one.layer) ?? []), run]);
    }
    return [...runs]
      .sort(([a], [b]) => a - b)
      .map(([layer, spans]) => ({
        layer,
        digest: input.layers[layer]?.descriptor.digest ?? '',
        spans: united(spans),
      }));
  }

  return {
    ...entryList(source, () => known.packages),
    overview,
    best,
    prefetch,
    cells: (query) => cells(source, query),
    filesInView: (query) => filesInView(source, query),
    place: (query) => place(source, query),
    span: (query) => spanDetail(source, query),
    listFolder: folderPages(source),
    prepareBlame: (options) => blame().prepare(options),
    blame: (asked) => blame().blame(asked),
    folder: (query) => blame().folder(query),
    learn(more) {
      known = { ...known, ...more };
      model = undefined;
    },
    timeline(settings) {
      const { plan, spanSize, prefetched } = overview(settings);
      const { minLayerSize, network } = plan;
      return timeline({ spanSize, minLayerSize, network, prefetched });
    },
    svg: (settings, axis, title) =>
      mapSvg({
        overview: overview(settings),
        cells: (query) => cells(source, query),
        axis,
        ...(title !== undefined && { title }),
      }),
    side: (label, settings) => ({ label, source, overview: overview(settings) }),
    async prepare(signal) {
      for (let layer = 0; layer < input.layers.length; layer++) {
        const { scan } = layerOf(source, layer);
        if (scan === undefined) continue;
        await nameTable(scan).inBackground(signal);
        await folderTree(scan).inBackground(signal);
      }
    },
  };
}

/** Runs in ascending order that no longer meet (soci-format §3.6). */
function united(runs: SpanRuns): SpanRuns {
  const result: [number, number][] = [];
  for (const [first, last] of [...runs].sort((a, b) => a[0] - b[0])) {
    const before = result.at(-1);
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else result.push([first, last]);
  }
  return result;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
