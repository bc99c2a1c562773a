import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import { isAbort } from '../errors';
import { pageHtml } from '../plan/page';
import type { Picture } from '../plan/picture';
import { pictureHandlers } from '../plan/picture/handlers';
import type { EntryRef, Settings } from '../plan/picture/types';
import type { BuildAdvice, Plan } from '../plan/types';
import { serve, type Handlers, type HostEnd, type IndexOrder } from '../protocol';
import { shortName } from './keys';
import { describe } from './errors';
import { language } from './language';
import { PanelWork } from './panel-actions';
import type { Services } from './services';
import type { Opened } from './store';
import { settledWish } from './work/decide';

const VIEW_TYPE = 'sociLens.spanMap';

/** An index as the page wants it: by its controls, or the best one for what they say of network and node. */
export type WantedIndex = IndexOrder | { readonly best: Settings | null };

/** What the page can ask the editor to do. Each resolves with a sentence on what was done, or null when the person cancelled it. */
export interface PanelActions {
  /** Reads the image unless it is read already. */
  open(reference: string): Promise<Opened>;
  /** What there is of its picture by now. */
  picture(reference: string): Promise<Picture>;
  profile(reference: string): Promise<string | null>;
  createIndex(reference: string, order: WantedIndex): Promise<string | null>;
  /** What to change in the Dockerfile, for this network and node. */
  adviseBuild(
    reference: string,
    plan: Pick<Plan, 'network' | 'node' | 'minLayerSize'>,
  ): Promise<readonly BuildAdvice[]>;
  optimizeImage(reference: string): Promise<string | null>;
  exportReport(reference: string): Promise<string | null>;
}

/** Shows an entry in the tree of images; resolves with its path, or null where the tree has no such entry. */
export type RevealEntry = (reference: string, entry: EntryRef) => Promise<string | null>;

/** The span maps: one panel per image, brought back by VS Code after a reload. */
export class SpanMaps implements vscode.WebviewPanelSerializer, vscode.Disposable {
  readonly #services: Services;
  readonly #actions: PanelActions;
  readonly #work: PanelWork;
  readonly #reveal: RevealEntry;
  readonly #page: vscode.Uri;
  readonly #icon: vscode.Uri;
  /** More than one for an image only where a recorded start is open beside it. */
  readonly #maps = new Set<SpanMap>();
  readonly #subscriptions: vscode.Disposable;

  constructor(services: Services, actions: PanelActions, reveal: RevealEntry, extensionUri: vscode.Uri) {
    this.#services = services;
    this.#actions = actions;
    this.#work = new PanelWork(services, (reference) => actions.open(reference));
    this.#reveal = reveal;
    this.#page = vscode.Uri.joinPath(extensionUri, 'dist', 'webview');
    this.#icon = vscode.Uri.joinPath(extensionUri, 'media', 'activity.svg');
    this.#subscriptions = vscode.Disposable.from(
      vscode.window.registerWebviewPanelSerializer(VIEW_TYPE, this),
      services.store.onDidChange((reference) => {
        const isKnown = services.store.get(reference) !== undefined;
        for (const { host, panel } of this.#of(reference)) {
          if (isKnown) host.tell('changed', {});
          // A map of what was removed from the list would only bring it back.
          else panel.dispose();
        }
      }),
      services.store.onDidGrow((reference) => {
        for (const { host } of this.#of(reference)) host.tell('changed', {});
      }),
      services.tasks.onDidProgress(({ reference, progress }) => {
        const { step = null, done = null, total = null } = progress ?? {};
        const shown = this.#of(reference);
        for (const { host } of shown) host.tell('progress', { step, done, total });
        // Its map was closed while it was read: the next one shall not find what was left of that.
        if (progress === undefined && shown.length === 0) services.store.dropGrowing(reference);
      }),
    );
  }

  /** @returns the panel, where none was open before */
  show(reference: string): vscode.WebviewPanel | undefined {
    const [shown] = this.#of(reference);
    if (shown) {
      shown.panel.reveal();
      return undefined;
    }
    const panel = vscode.window.createWebviewPanel(VIEW_TYPE, '', vscode.ViewColumn.Active);
    this.fill(panel, reference);
    return panel;
  }

  /**
   * Shows the image while it is being read, so that its picture grows before the person's eyes. A panel that was opened for it goes
   * again where nothing comes of it: what failed is said by who began the work, and a cancelled task says nothing.
   */
  async showGrowing(reference: string, work: Promise<unknown>): Promise<void> {
    const panel = this.show(reference);
    try {
      await work;
    } catch (error) {
      panel?.dispose();
      throw error;
    }
  }

  /** The image whose span map is in front, if one is. */
  get active(): string | undefined {
    return [...this.#maps].find(({ panel }) => panel.active)?.reference;
  }

  deserializeWebviewPanel(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    const reference =
      typeof state === 'object' && state !== null && 'reference' in state ? state.reference : undefined;
    // Only an image of this workspace comes back; a panel that names none has nothing to show.
    if (typeof reference === 'string' && this.#services.store.get(reference)) this.fill(panel, reference);
    else panel.dispose();
    return Promise.resolve();
  }

  dispose(): void {
    this.#subscriptions.dispose();
    for (const { panel } of this.#maps) panel.dispose();
  }

  /** Makes a panel that VS Code gave the span map of an image. */
  fill(panel: vscode.WebviewPanel, reference: string): void {
    panel.title = vscode.l10n.t('Span Map: {0}', shortName(reference));
    panel.iconPath = this.#icon;
    panel.webview.options = { enableScripts: true, localResourceRoots: [this.#page] };
    const closed = new AbortController();
    const host = serve(
      (message) => void panel.webview.postMessage(message),
      this.#handlers(reference, closed.signal),
      (error) => {
        this.#services.log.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
        return describe(error);
      },
    );
    const map: SpanMap = { reference, panel, host };
    this.#maps.add(map);
    panel.webview.onDidReceiveMessage((message: unknown) => host.receive(message));
    panel.onDidDispose(() => {
      closed.abort();
      this.#maps.delete(map);
      if (this.#of(reference).length === 0) this.#services.store.dropGrowing(reference);
    });
    panel.webview.html = pageHtml({
      script: this.#resource(panel, 'spanMap.js'),
      style: this.#resource(panel, 'spanMap.css'),
      cspSource: panel.webview.cspSource,
      nonce: randomBytes(16).toString('hex'),
      language,
      texts: vscode.l10n.bundle ?? {},
    });
  }

  #of(reference: string): SpanMap[] {
    return [...this.#maps].filter((map) => map.reference === reference);
  }

  #resource(panel: vscode.WebviewPanel, name: string): string {
    return panel.webview.asWebviewUri(vscode.Uri.joinPath(this.#page, name)).toString();
  }

  /** @param closed aborts with the panel: what it began by itself ends with it */
  #handlers(reference: string, closed: AbortSignal): Handlers {
    const actions = this.#actions;
    const work = this.#work;
    return {
      ...pictureHandlers(() => actions.picture(reference)),
      recommend: async ({ settings }) => {
        const opened = await actions.open(reference);
        const { plan } = opened.picture.overview(settings);
        return {
          best: opened.picture.best(settings, settledWish(opened)),
          build: await actions.adviseBuild(reference, plan),
        };
      },
      createBestIndex: ({ settings }) => outcome(actions.createIndex(reference, { best: settings })),
      find: ({ finding }) => outcome(work.find(reference, finding, closed)),
      comparables: async () => ({ list: await work.comparables(reference) }),
      compare: async (query) => ({ comparison: await work.compare(reference, query) }),
      createIndex: (order) => outcome(actions.createIndex(reference, order)),
      recordStart: () => outcome(actions.profile(reference)),
      optimizeImage: () => outcome(actions.optimizeImage(reference)),
      exportReport: () => outcome(actions.exportReport(reference)),
      exportMap: (map) => outcome(work.exportMap(reference, map)),
      exportFiles: (filter) => outcome(work.exportFiles(reference, filter)),
      openEntry: (entry) => outcome(work.openEntry(reference, entry)),
      saveEntry: (entry) => outcome(work.saveEntry(reference, entry)),
      revealEntry: async (entry) => ({ done: await this.#reveal(reference, entry) }),
    };
  }
}

/** Leaving a question and cancelling the task are the same to the page: nothing was done, and nothing is wrong. */
async function outcome(work: Promise<string | null>): Promise<{ done: string | null }> {
  try {
    return { done: await work };
  } catch (error) {
    if (isAbort(error)) return { done: null };
    throw error;
  }
}

interface SpanMap {
  readonly reference: string;
  readonly panel: vscode.WebviewPanel;
  readonly host: HostEnd;
}
