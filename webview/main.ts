/** The page of the span map: asks the host, draws what it answers, and keeps what the person set. */
import { connectHost, HostError, parseSettings } from '../src/protocol';
import type { EventName, Events, ToHost } from '../src/protocol';
import type { Cells, Overview, Settings } from '../src/plan/picture/types';
import { registerControls } from './controls';
import { createDetail } from './detail';
import { byId } from './dom';
import { createFiles } from './files';
import { createHead } from './head';
import { createMap } from './map';
import type { View } from './paint';
import { createTables } from './tables';
import { watchTheme } from './theme';
import './style.css';

/** What a webview of VS Code gives its page (`@types/vscode-webview`); it may be called once. */
declare function acquireVsCodeApi(): {
  postMessage(message: ToHost): void;
  getState(): unknown;
  setState(state: Saved): void;
};

/** What survives hiding and reloading the page. The host finds the image again by `reference`. */
interface Saved {
  readonly reference: string;
  readonly settings: Settings | null;
  readonly layer: number;
}

/** CSS pixels of the narrowest cell that is asked for. */
const CELL_WIDTH = 3;
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

  let settings: Settings | null = saved?.settings ?? null;
  let overview: Overview | undefined;
  let cells = new Map<number, Cells>();
  let layer = saved?.layer ?? -1;
  let view: View = { start: 0, end: 1 };
  let strip: Cells | undefined;
  let span: number | null = null;
  let byTime = false;
  let loading = false;
  let again = false;

  const status = byId('status');
  const announce = (text: string): void => {
    status.textContent = text;
  };
  const fail = (error: unknown): void => {
    byId('page').setAttribute('aria-busy', 'false');
    byId('alert').textContent =
      error instanceof HostError
        ? `${error.message} ${error.advice}`
        : error instanceof Error
          ? error.message
          : String(error);
  };
  const guard = (work: Promise<unknown>): void => {
    work.catch(fail);
  };
  /** Runs a long task of the host; its buttons wait for it. */
  const run = (work: Promise<{ done: string | null }>): void => {
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

  const head = createHead({
    change: (next) => {
      settings = next;
      reload();
    },
    byTime: (next) => {
      byTime = next;
      draw();
    },
    prefetch: (on) => {
      tables.prefetch(on);
    },
    createIndex: (order) => {
      run(host.ask('createIndex', order));
    },
    recordStart: () => {
      run(host.ask('recordStart', {}));
    },
    exportReport: () => {
      run(host.ask('exportReport', {}));
    },
  });
  const map = createMap(byId('map'), {
    selectLayer: (next) => {
      selectLayer(next);
    },
    selectSpan: (next) => {
      span = next;
      draw();
      guard(showSpan());
    },
    zoom: (next) => {
      view = next;
      guard(loadStrip());
    },
    announce,
  });
  const detail = createDetail(byId('detail'), (entry) => {
    run(host.ask('openEntry', { layer, entry }));
  });
  const tables = createTables({
    pickSpanSize: (spanSize) => {
      if (overview === undefined) return;
      const { minLayerSize, network, node } = overview.plan;
      settings = { spanSize, minLayerSize, network, node, prefetch: false, extra: [] };
      reload();
    },
    pickLayer: (next) => {
      selectLayer(next);
    },
    announce,
  });
  const files = createFiles(byId('files'), {
    ask: (query) => host.ask('entries', query),
    open: (entry) => {
      run(host.ask('openEntry', { layer, entry }));
    },
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
    const next = await host.ask('overview', { settings });
    overview = next;
    save(next);
    byId('alert').textContent = '';
    const { layers } = next.plan;
    if (layers[layer] === undefined) layer = mostTouched(next);
    const size = layers[layer]?.size ?? 1;
    if (view.end > size || view.end <= 1) view = { start: 0, end: size };
    head.show(next, settings);
    tables.show(next, layer);
    files.show(layers[layer], next.pending);
    const fresh = new Map<number, Cells>();
    const answers = layers
      .filter((one) => one.indexed)
      .map(async (one) => {
        const limit = Math.max(1, Math.min(4096, Math.ceil(map.width.rows / CELL_WIDTH)));
        const answer = await host.ask('cells', {
          layer: one.index,
          spanSize: next.spanSize,
          axis: 'compressed',
          start: 0,
          end: one.size,
          limit,
        });
        fresh.set(one.index, answer);
      });
    await Promise.all([...answers, loadStrip()]);
    // All at once: the old cells stay until the new ones are there, so that the map does not flicker.
    cells = fresh;
    tables.showTouched(cells);
    draw();
    byId('page').setAttribute('aria-busy', 'false');
    if (span !== null) await showSpan();
  }

  function save({ plan }: Overview): void {
    vscode.setState({ reference: plan.image.reference, settings, layer });
  }

  async function loadStrip(): Promise<void> {
    const wanted = { overview, layer, view };
    draw();
    const one = overview?.plan.layers[layer];
    if (overview === undefined || !one?.indexed) {
      strip = undefined;
      draw();
      return;
    }
    const limit = Math.max(1, Math.min(4096, Math.ceil(map.width.strip / CELL_WIDTH)));
    const answer = await host.ask('cells', {
      layer,
      spanSize: overview.spanSize,
      axis: 'compressed',
      ...view,
      limit,
    });
    // The person has gone on meanwhile.
    if (wanted.overview !== overview || wanted.layer !== layer || wanted.view !== view) return;
    strip = answer;
    draw();
  }

  function selectLayer(next: number): void {
    const one = overview?.plan.layers[next];
    if (one === undefined || overview === undefined) return;
    layer = next;
    span = null;
    strip = undefined;
    view = { start: 0, end: Math.max(1, one.size) };
    save(overview);
    detail.clear();
    tables.mark(layer);
    files.show(one, overview.pending);
    const touched =
      one.touchedFiles === 0 ? 'nothing read by the start' : `${one.touchedFiles} files read by the start`;
    announce(
      `Layer ${one.index}, ${one.instruction ?? one.digest}, ${touched}${one.notIndexed === null ? '' : `. ${one.notIndexed}`}`,
    );
    guard(loadStrip());
  }

  async function showSpan(): Promise<void> {
    if (overview === undefined || span === null) return;
    const wanted = span;
    const one = overview.plan.layers[layer];
    const spans = cells.get(layer)?.spans ?? strip?.spans ?? 0;
    if (!one?.indexed || wanted >= spans) {
      span = null;
      detail.clear();
      draw();
      return;
    }
    const answer = await host.ask('span', { layer, spanSize: overview.spanSize, span: wanted });
    if (span === wanted && answer.layer === layer) detail.show(answer);
  }

  function draw(): void {
    if (overview === undefined) return;
    const { layers, trace } = overview.plan;
    map.show({ layers, overview: cells, layer, view, strip, span, byTime, latest: trace?.readyMs ?? 1 });
  }

  watchTheme(() => {
    map.redraw();
  });
  let resized = 0;
  window.addEventListener('resize', () => {
    window.clearTimeout(resized);
    resized = window.setTimeout(() => {
      guard(loadStrip());
    }, ASK_DELAY);
  });
  reload();
}

/** The layer that the start reads most from; the first one without a trace. */
function mostTouched({ plan }: Overview): number {
  let best = 0;
  plan.layers.forEach((layer, index) => {
    const old = plan.layers[best];
    if (old === undefined || (layer.indexed && (!old.indexed || layer.touchedBytes > old.touchedBytes)))
      best = index;
  });
  return best;
}

/** The state that an older page kept may have another shape: what is not understood counts as not kept. */
function savedState(value: unknown): Pick<Saved, 'settings' | 'layer'> | undefined {
  if (typeof value !== 'object' || value === null || !('settings' in value) || !('layer' in value))
    return undefined;
  const { settings, layer } = value;
  return typeof layer === 'number' ? { settings: parseSettings(settings) ?? null, layer } : undefined;
}

start();
