/** The page of the span map: asks the host, draws what it answers, and keeps what the person set. */
import { connectHost } from '../src/protocol';
import type { EventName, Events, Outcome, ToHost } from '../src/protocol';
import type { Blame, Finding } from '../src/plan/blame/types';
import type { Cells, EntryRef, Overview } from '../src/plan/picture/types';
import type { PullMode, SpanRuns } from '../src/plan/types';
import { createBlame } from './blame';
import { createCompare } from './compare';
import { registerControls } from './controls';
import { briefly, createDetail } from './detail';
import { byId } from './dom';
import { createFileMenu } from './file-menu';
import { createFiles } from './files';
import { createHead } from './head';
import { createLegend } from './legend';
import { createMap } from './map';
import type { TimeRange } from './paint';
import { createAdvice } from './advice';
import { createParts } from './parts';
import { loadRows } from './picture';
import type { Ask } from './picture';
import { createSearch } from './search';
import { Selection } from './selection';
import { savedState } from './state';
import type { ExtraFile, Saved } from './state';
import { createTables } from './tables';
import { announce, copy, fail, guard, silence } from './tell';
import { formatCount, t } from './text';
import { watchTheme } from './theme';
import { createTimeline } from './timeline';
import { createWhatIf, settingsOf } from './what-if';
import './style.css';
import './map.css';
import './parts.css';
import './adapt.css';

/** What a webview of VS Code gives its page (`@types/vscode-webview`); it may be called once. */
declare function acquireVsCodeApi(): {
  postMessage(message: ToHost): void;
  getState(): unknown;
  setState(state: Saved): void;
};

/** Dragging or typing may ask many times a second; the host hears the last of each such moment. */
const ASK_DELAY = 60;

function start(): void {
  registerControls();
  const vscode = acquireVsCodeApi();
  const saved = savedState(vscode.getState());
  const host = connectHost(
    (message) => {
      vscode.postMessage(message);
    },
    {
      changed: () => {
        fresh = true;
        reload();
      },
      progress: (body) => {
        head.progress(body);
      },
    } satisfies { [N in EventName]: (body: Events[N]) => void },
  );
  window.addEventListener('message', (event: MessageEvent<unknown>) => {
    host.receive(event.data);
  });

  let { settings, tab, byTime } = saved;
  let extras = saved.extras;
  let overview: Overview | undefined;
  let cells: ReadonlyMap<number, Cells> = new Map();
  let prefetched: ReadonlyMap<number, SpanRuns> = new Map();
  let time: TimeRange | undefined;
  let mode: PullMode = 'lazy';
  let loading = false;
  let again = false;
  /** The picture is another one than the parts have seen, not only the settings. */
  let fresh = true;
  let askedForPackages = false;
  const ask: Ask = (name, body) => host.ask(name, body);

  /** Runs a long task of the host; its buttons wait for it. */
  const run = (work: Promise<Outcome>): void => {
    head.busy(true);
    guard(
      work
        .then(({ done }) => {
          if (done !== null) announce(done);
          if (done !== null) head.done(done);
        })
        .finally(() => {
          head.busy(false);
        }),
    );
  };
  const menu = createFileMenu({
    do: (name, entry) => {
      run(host.ask(name, entry));
    },
    copy,
    extras: () => extras,
    canPrefetch: ({ layer }) => overview?.plan.layers[layer]?.indexed === true,
    prefetch: prefetchFiles,
  });
  const parts = createParts(tab, (name) => {
    tab = name;
    save();
    guard(loadPart());
  });
  const head = createHead({
    createIndex: (order) => {
      run(host.ask('createIndex', order));
    },
    recordStart: () => {
      run(host.ask('recordStart', {}));
    },
    optimizeImage: () => {
      run(host.ask('optimizeImage', {}));
    },
    exportReport: () => {
      run(host.ask('exportReport', {}));
    },
  });
  const advice = createAdvice({
    createBestIndex: () => {
      run(host.ask('createBestIndex', { settings }));
    },
  });
  const whatIf = createWhatIf({
    change: (next) => {
      settings = next;
      if (next === null) extras = [];
      reload();
    },
    mode: (next) => {
      mode = next;
      if (overview !== undefined) head.show(overview, settings, mode);
    },
  });
  createLegend(
    {
      byTime: (on) => {
        byTime = on;
        save();
        draw();
      },
      axis: (next) => {
        selection.setAxis(next);
        reload();
      },
      export: (kind) => {
        run(
          host.ask('exportMap', { settings, axis: selection.axis, png: kind === 'png' ? map.png() : null }),
        );
      },
    },
    saved,
  );
  byId('search').append(
    createSearch({
      find: async (text) => (await host.ask('search', { text })).hits,
      fly: (hit) => {
        flyTo(hit);
      },
      announce,
      fail,
    }),
  );
  const selection: Selection = new Selection(ask, saved, {
    changed: draw,
    moved: save,
    entered: (layer) => {
      tables.mark(layer);
      if (overview !== undefined) showFiles(overview, false);
    },
    detail: (span) => {
      if (span === undefined) detail.clear();
      else detail.show(span, selection.current?.instruction ?? null);
    },
    announce,
    fail,
    width: () => map.width.strip,
  });
  const selectLayer = (layer: number): void => {
    selection.select(layer);
  };
  const flyTo = (entry: EntryRef): void => {
    guard(selection.flyTo(entry));
  };
  const map = createMap(byId('map'), {
    selectLayer,
    selectSpan: (span) => {
      selection.selectSpan(span);
    },
    zoom: (view) => {
      selection.look(view);
    },
    menu: ({ span, file }, x, y) => {
      const known = span === null ? undefined : selection.known(span);
      const entry = file ?? known?.files[0]?.entry;
      if (entry === undefined) return;
      const found = [...(known?.files ?? []), ...(selection.files?.files ?? [])];
      menu({ layer: selection.layer, entry }, found.find((one) => one.entry === entry)?.path ?? '', x, y);
    },
    more: (span) => {
      const known = selection.known(span);
      return known && `${selection.current?.instruction ?? ''}\n${briefly(known)}`;
    },
    announce,
  });
  const detail = createDetail(byId('detail'), {
    open: (entry) => {
      run(host.ask('openEntry', { layer: selection.layer, entry }));
    },
    menu: (entry, path, x, y) => {
      menu({ layer: selection.layer, entry }, path, x, y);
    },
    close: () => {
      selection.selectSpan(null);
      map.focus();
    },
  });
  const tables = createTables({
    pickSpanSize: (spanSize) => {
      if (overview === undefined) return;
      settings = { ...settingsOf(overview, settings), spanSize };
      reload();
    },
    pickLayer: selectLayer,
    copy,
  });
  const fileList = createFiles(byId('files'), {
    ask: (query) => host.ask('entries', query),
    folder: (query) => host.ask('listFolder', query),
    fly: flyTo,
    menu,
    export: (filter) => {
      run(host.ask('exportFiles', filter));
    },
    fail,
  });
  const timeline = createTimeline(byId('timeline'), {
    time: (range) => {
      time = range;
      draw();
      fileList.time(range);
    },
    fly: flyTo,
    announce,
  });
  const blame = createBlame(byId('blame'), {
    folder: async (path) => {
      if (overview === undefined) return null;
      const { spanSize, plan } = overview;
      const query = { path, spanSize, minLayerSize: plan.minLayerSize, limit: 300 };
      return (await host.ask('folder', query)).folder;
    },
    pickLayer: selectLayer,
    findDuplicates: () => {
      run(find('duplicates'));
    },
    fail,
  });
  const compare = createCompare(byId('compare'), {
    list: async () => (await host.ask('comparables', {})).list,
    compare: async (other) => (await host.ask('compare', { settings, with: other })).comparison,
    fail,
  });

  /** Loads now, or once more after the load that is under way: a slider moves faster than answers come. */
  function reload(): void {
    if (loading) {
      again = true;
      return;
    }
    loading = true;
    guard(
      load().finally(() => {
        loading = false;
        if (!again) return;
        again = false;
        reload();
      }),
    );
  }

  async function load(): Promise<void> {
    byId('page').setAttribute('aria-busy', 'true');
    const isFresh = fresh;
    fresh = false;
    if (isFresh) askedForPackages = false;
    const next = await host.ask('overview', { settings });
    overview = next;
    prefetched = new Map(next.prefetched.map((one) => [one.layer, one.spans]));
    silence();
    selection.use(next, isFresh);
    save();
    head.show(next, settings, mode);
    whatIf.show(next, settings);
    tables.show(
      next,
      settings,
      extras.map(({ path }) => path),
      selection.layer,
    );
    showFiles(next, isFresh);
    partLater();
    const [rows] = await Promise.all([loadRows(ask, next, selection.axis, map.width.rows), selection.load()]);
    // All at once: the old cells stay until the new ones are there, so that the map does not flicker.
    cells = rows;
    tables.showTouched(cells);
    draw();
    byId('page').setAttribute('aria-busy', 'false');
    // A span that was kept waits for the whole picture: until then there may be no such span.
    if (selection.span !== null && next.pending === 0) await selection.showSpan();
  }

  let partTimer = 0;
  function partLater(): void {
    window.clearTimeout(partTimer);
    partTimer = window.setTimeout(() => {
      guard(loadPart());
    }, ASK_DELAY);
  }

  /** What the panel in front shows beside the plan; the others wait until they are looked at. */
  async function loadPart(): Promise<void> {
    if (overview === undefined) return;
    if (tab === 'advice') {
      const about = overview;
      advice.show(about);
      if (about.pending > 0) return;
      const found = await host.ask('recommend', { settings });
      if (about === overview) advice.show(about, found);
    }
    if (tab === 'timeline') timeline.show(await host.ask('timeline', { settings }));
    if (tab === 'compare') compare.show(overview);
    if (tab !== 'blame' && tab !== 'files') return;
    const { packages } = await showBlame(overview);
    if (packages !== null || askedForPackages || overview.pending > 0) return;
    askedForPackages = true;
    await find('packages');
  }

  async function showBlame({ spanSize, plan }: Overview): Promise<Blame> {
    const found = await host.ask('blame', { spanSize, minLayerSize: plan.minLayerSize });
    blame.show(found);
    fileList.packages((found.packages ?? []).flatMap((row) => (row.package === null ? [] : [row.package])));
    return found;
  }

  /** Has the host read the layers once more, and shows what it found. */
  async function find(finding: Finding): Promise<Outcome> {
    const outcome = await host.ask('find', { finding });
    if (overview !== undefined && outcome.done !== null) await showBlame(overview);
    return outcome;
  }

  function save(): void {
    if (overview === undefined) return;
    const { reference } = overview.plan.image;
    const { keptLayer: layer, view, span, axis } = selection;
    vscode.setState({ reference, settings, extras, layer, view, span, axis, tab, byTime });
  }

  function showFiles({ plan }: Overview, isFresh: boolean): void {
    fileList.show(plan.layers, selection.layer, plan.trace !== null, isFresh);
  }

  function prefetchFiles(next: readonly ExtraFile[]): void {
    if (overview === undefined) return;
    extras = next;
    const extra = next.map((one) => ({ layer: one.layer, entry: one.entry }));
    settings = { ...settingsOf(overview, settings), extra };
    announce(t('{0} files are prefetched beside what the start touches.', formatCount(next.length)));
    reload();
  }

  function draw(): void {
    if (overview === undefined) return;
    const { layers, trace } = overview.plan;
    const { layer, view, span, axis, strip, files } = selection;
    const latest = trace?.readyMs ?? 1;
    const turned = { axis, layer, view, strip, files, span };
    map.show({ ...turned, layers, overview: cells, prefetched, byTime, time, latest });
  }

  watchTheme(() => {
    map.redraw();
    timeline.redraw();
    blame.redraw();
  });
  let resized = 0;
  window.addEventListener('resize', () => {
    window.clearTimeout(resized);
    resized = window.setTimeout(() => {
      guard(selection.load());
    }, ASK_DELAY);
  });
  parts.select(tab);
  reload();
}

start();
