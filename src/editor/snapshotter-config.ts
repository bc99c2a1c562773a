import * as vscode from 'vscode';
import type { Finding } from '../cluster/findings';
import type * as snapshotter from '../snapshotter';
import { showError } from './errors';
import { translated } from './room-texts';

/** The linter with its parsers, loaded with the first file that may hold a config. */
export type Snapshotter = typeof snapshotter;

const FILES: vscode.DocumentSelector = [
  { scheme: 'file', pattern: '**/*.toml' },
  { scheme: 'file', pattern: '**/*.{yaml,yml}' },
  { scheme: 'untitled', language: 'yaml' },
  { scheme: 'untitled', language: 'toml' },
];
/** Milliseconds of quiet before a changed file is looked at again. */
const PAUSE = 300;
/** A quick look at a file, so that most YAML and TOML loads and costs nothing. */
const WORTH_A_LOOK = /soci|pull_modes|container-runtime-plugins/i;
const SEVERITIES = {
  error: vscode.DiagnosticSeverity.Error,
  warning: vscode.DiagnosticSeverity.Warning,
  note: vscode.DiagnosticSeverity.Information,
} as const;

/** Diagnostics, hovers and quick fixes for the snapshotter's config, alone or within YAML. */
export class SnapshotterConfigs
  implements vscode.HoverProvider, vscode.CodeActionProvider, vscode.Disposable
{
  readonly #diagnostics = vscode.languages.createDiagnosticCollection('soci');
  readonly #findings = new WeakMap<vscode.Diagnostic, Finding>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #load: () => Promise<Snapshotter>;
  readonly #log: vscode.LogOutputChannel;
  readonly #subscriptions: vscode.Disposable;

  constructor(load: () => Promise<Snapshotter>, log: vscode.LogOutputChannel) {
    this.#load = load;
    this.#log = log;
    this.#subscriptions = vscode.Disposable.from(
      this.#diagnostics,
      vscode.languages.registerHoverProvider(FILES, this),
      vscode.languages.registerCodeActionsProvider(FILES, this, {
        providedCodeActionKinds: [vscode.CodeActionKind.QuickFix],
      }),
      vscode.workspace.onDidOpenTextDocument((document) => {
        this.#later(document, 0);
      }),
      vscode.workspace.onDidChangeTextDocument(({ document }) => {
        this.#later(document, PAUSE);
      }),
      vscode.workspace.onDidCloseTextDocument((document) => {
        this.#forget(document);
      }),
    );
    for (const document of vscode.workspace.textDocuments) this.#later(document, 0);
  }

  dispose(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#subscriptions.dispose();
  }

  /** Looks at a document now. Returns how many configs it holds, and how many findings there are. */
  async lint(document: vscode.TextDocument): Promise<{ configs: number; findings: number }> {
    const { lintFile } = await this.#load();
    const { version } = document;
    const { configs, findings } = lintFile(document.getText(), nameOf(document));
    if (document.isClosed || document.version !== version) return { configs, findings: findings.length };
    const diagnostics = findings.map((finding) => {
      const diagnostic = new vscode.Diagnostic(
        rangeOf(document, finding.at),
        `${translated(finding.message)} ${translated(finding.reason)}`,
        SEVERITIES[finding.severity],
      );
      diagnostic.source = 'SOCI';
      diagnostic.code = finding.rule;
      this.#findings.set(diagnostic, finding);
      return diagnostic;
    });
    this.#diagnostics.set(document.uri, diagnostics);
    return { configs, findings: findings.length };
  }

  async provideHover(
    document: vscode.TextDocument,
    position: vscode.Position,
  ): Promise<vscode.Hover | undefined> {
    const text = document.getText();
    if (!mayHoldConfig(document)) return undefined;
    const { describeKeyAt } = await this.#load();
    const found = describeKeyAt(text, nameOf(document), document.offsetAt(position), translated);
    return found && new vscode.Hover(new vscode.MarkdownString(found.markdown), rangeOf(document, found.at));
  }

  provideCodeActions(document: vscode.TextDocument, range: vscode.Range): vscode.CodeAction[] {
    const diagnostics = this.#diagnostics.get(document.uri) ?? [];
    return diagnostics.flatMap((diagnostic) => {
      const fix = this.#findings.get(diagnostic)?.fix;
      if (!fix || !diagnostic.range.intersection(range)) return [];
      const action = new vscode.CodeAction(translated(fix.title), vscode.CodeActionKind.QuickFix);
      action.diagnostics = [diagnostic];
      action.isPreferred = true;
      action.edit = new vscode.WorkspaceEdit();
      for (const edit of fix.edits) action.edit.replace(document.uri, rangeOf(document, edit), edit.text);
      return [action];
    });
  }

  #later(document: vscode.TextDocument, pause: number): void {
    if (vscode.languages.match(FILES, document) === 0) return;
    const key = document.uri.toString();
    clearTimeout(this.#timers.get(key));
    if (!mayHoldConfig(document)) {
      this.#diagnostics.delete(document.uri);
      return;
    }
    this.#timers.set(
      key,
      setTimeout(() => {
        this.#timers.delete(key);
        this.lint(document).catch((error: unknown) => void showError(error, this.#log));
      }, pause),
    );
  }

  #forget({ uri }: vscode.TextDocument): void {
    clearTimeout(this.#timers.get(uri.toString()));
    this.#timers.delete(uri.toString());
    this.#diagnostics.delete(uri);
  }
}

/** The ending decides what a text is; one that was never saved has its language instead. */
function nameOf({ fileName, isUntitled, languageId }: vscode.TextDocument): string {
  return isUntitled ? `${fileName}.${languageId}` : fileName;
}

/** A TOML file is looked at only where its place or its text speaks of the snapshotter. */
function mayHoldConfig(document: vscode.TextDocument): boolean {
  return WORTH_A_LOOK.test(document.getText()) || WORTH_A_LOOK.test(document.fileName);
}

function rangeOf(
  document: vscode.TextDocument,
  { start, end }: { readonly start: number; readonly end: number },
): vscode.Range {
  return new vscode.Range(document.positionAt(start), document.positionAt(end));
}
