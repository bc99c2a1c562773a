import * as vscode from 'vscode';
import { formatShare } from './language';
import { DOCKERFILES } from './dockerfiles';
import { isOlder } from './lens';
import { readSettings } from './settings';
import type { AnalysisStore } from './store';

/** Shares of the start below this are not worth a mark. */
const LEAST = 0.005;

/**
 * Marks behind the instructions of a Dockerfile: which part of what the start reads each of them brought. Off unless it is
 * switched on; only editors that are visible are marked.
 */
export class StartCosts implements vscode.Disposable {
  readonly #store: AnalysisStore;
  readonly #mark = vscode.window.createTextEditorDecorationType({
    after: { margin: '0 0 0 2em', color: new vscode.ThemeColor('editorCodeLens.foreground') },
    rangeBehavior: vscode.DecorationRangeBehavior.ClosedClosed,
    overviewRulerColor: new vscode.ThemeColor('charts.orange'),
    overviewRulerLane: vscode.OverviewRulerLane.Right,
  });
  readonly #subscriptions: vscode.Disposable;

  constructor(store: AnalysisStore) {
    this.#store = store;
    const all = () => {
      for (const editor of vscode.window.visibleTextEditors) this.#decorate(editor);
    };
    this.#subscriptions = vscode.Disposable.from(
      this.#mark,
      store.onDidChange(all),
      vscode.window.onDidChangeVisibleTextEditors(all),
      vscode.workspace.onDidChangeTextDocument(({ document }) => {
        for (const editor of vscode.window.visibleTextEditors)
          if (editor.document === document) this.#decorate(editor);
      }),
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration('sociLens.decorations')) all();
      }),
    );
  }

  /** The marks of one document: where they stand and what they say. */
  marksOf(document: vscode.TextDocument): vscode.DecorationOptions[] {
    if (vscode.languages.match(DOCKERFILES, document) === 0 || !readSettings(document.uri).costs) return [];
    const [analysis] = this.#store.ofDockerfile(document.uri, undefined);
    const instructions = analysis?.facts?.instructions ?? [];
    if (!analysis || isOlder(analysis, document)) return [];
    const total = instructions.reduce((sum, { touched = 0 }) => sum + touched, 0);
    return instructions.flatMap(({ line, touched = 0 }) => {
      const share = total > 0 ? touched / total : 0;
      if (share < LEAST) return [];
      const contentText = vscode.l10n.t('{0} of the start', formatShare(share));
      return [{ range: document.lineAt(line).range, renderOptions: { after: { contentText } } }];
    });
  }

  dispose(): void {
    this.#subscriptions.dispose();
  }

  #decorate(editor: vscode.TextEditor): void {
    editor.setDecorations(this.#mark, this.marksOf(editor.document));
  }
}
