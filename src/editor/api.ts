import * as vscode from 'vscode';
import type { Plan } from '../plan/types';
import type { Actions } from './actions';
import { anchored } from './questions';
import type { AnalysisStore } from './store';

/** One image as SOCI Lens knows it. */
export interface Analysed {
  /** As it was asked for. */
  readonly image: string;
  /** What `soci-lens plan --json` prints: docs/cli.md. Without a recorded start its `trace` is null. */
  readonly plan: Plan;
}

/** What `activate` gives to other extensions: `vscode.extensions.getExtension('soci-lens.soci-lens')?.activate()`. */
export interface SociLensApi {
  readonly version: 1;
  /**
   * Reads an image, with progress shown to the person; nothing is started, built or sent. An image that was read already is
   * answered from memory.
   *
   * @param image as in `soci-lens inspect`: `docker-daemon:NAME`, `docker://HOST/NAME:TAG`, `oci:FOLDER`
   * @param signal ends it; the promise is then rejected with its reason
   * @throws an error with `code`, `message` and `advice`
   */
  analyze(image: string, signal?: AbortSignal): Promise<Analysed>;
  /** An image was read, or a start was recorded or laid on it. */
  readonly onDidAnalyze: vscode.Event<Analysed>;
}

/** The API, and what ends it. */
export function createApi(
  actions: Actions,
  store: AnalysisStore,
): { readonly api: SociLensApi; readonly disposable: vscode.Disposable } {
  const analysed = new vscode.EventEmitter<Analysed>();
  const listening = actions.onDidAnalyse((key) => {
    const opened = store.get(key)?.opened;
    if (opened) analysed.fire({ image: key, plan: opened.plan });
  });
  const api: SociLensApi = {
    version: 1,
    onDidAnalyze: analysed.event,
    async analyze(image, signal) {
      signal?.throwIfAborted();
      const { plan } = await actions.open(anchored(image), signal);
      return { image, plan };
    },
  };
  return { api, disposable: vscode.Disposable.from(analysed, listening) };
}
