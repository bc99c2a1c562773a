import * as vscode from 'vscode';
import { LensError } from '../errors';
import type { Actions } from './actions';
import { showError } from './errors';
import type { SpanMaps } from './panel';
import type { Services } from './services';
import { readRecorded, type Recorded } from './work/record';

const VIEW_TYPE = 'sociLens.trace';

/** Opens a recorded start (`*.soci-trace.jsonl`) as the span map of the image that it was recorded from. */
export class TraceEditors implements vscode.CustomReadonlyEditorProvider {
  readonly #services: Services;
  readonly #actions: Actions;
  readonly #maps: SpanMaps;

  constructor(services: Services, actions: Actions, maps: SpanMaps) {
    this.#services = services;
    this.#actions = actions;
    this.#maps = maps;
  }

  register(): vscode.Disposable {
    return vscode.window.registerCustomEditorProvider(VIEW_TYPE, this);
  }

  openCustomDocument(uri: vscode.Uri): vscode.CustomDocument {
    return { uri, dispose: () => undefined };
  }

  async resolveCustomEditor({ uri }: vscode.CustomDocument, panel: vscode.WebviewPanel): Promise<void> {
    try {
      const key = await this.#imageOf(await readRecorded(this.#services, uri.fsPath), uri);
      await this.#actions.useTraces(key, [uri]);
      this.#maps.fill(panel, key);
    } catch (error) {
      void showError(error, this.#services.log);
      panel.dispose();
    }
  }

  /** An image with the layers that the trace names: one that is known, the one of that name, or one that the person gives. */
  async #imageOf(recorded: Recorded, uri: vscode.Uri): Promise<string> {
    const { store } = this.#services;
    const layers = recorded.diffIds.join();
    const fits = (key: string) => {
      const opened = store.get(key)?.opened;
      return opened !== undefined && (layers === '' || opened.image.config.rootfs.diff_ids.join() === layers);
    };
    const known =
      store.all.find(({ traces = [] }) => traces.includes(uri.fsPath)) ??
      store.all.find(({ reference }) => layers !== '' && fits(reference)) ??
      store.all.find(({ reference }) => reference === recorded.image);
    if (known) return known.reference;
    const chosen = await this.#actions.pickImage(
      vscode.l10n.t('Image of the start {0}', vscode.workspace.asRelativePath(uri)),
    );
    if (chosen !== undefined) return chosen;
    throw new LensError(
      'editor/no-image',
      vscode.l10n.t('The recorded start {0} can only be shown on its image.', uri.fsPath),
      vscode.l10n.t('Inspect the image first, then open the start again.'),
    );
  }
}
