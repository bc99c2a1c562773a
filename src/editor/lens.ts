import * as vscode from 'vscode';
import { instructionLines } from '../image/dockerfile-lines';
import { formatBytes, formatCount, formatShare } from '../plan/format';
import { DOCKERFILES, fingerprint } from './dockerfiles';
import { readSettings } from './settings';
import type { Analysis, AnalysisStore, Facts, InstructionFacts } from './store';

/**
 * Lenses on the last `FROM` of a Dockerfile, which is the stage that becomes the image: before the first analysis one verb, then
 * a fact and the verbs; and then on each instruction that made a layer what that layer costs. Nothing is asked of anyone for them:
 * what they say is in the store.
 */
export class DockerfileLenses implements vscode.CodeLensProvider, vscode.Disposable {
  readonly #store: AnalysisStore;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #subscriptions: vscode.Disposable;
  readonly onDidChangeCodeLenses = this.#changed.event;

  constructor(store: AnalysisStore) {
    this.#store = store;
    this.#subscriptions = vscode.Disposable.from(
      this.#changed,
      vscode.languages.registerCodeLensProvider(DOCKERFILES, this),
      store.onDidChange(() => {
        this.#changed.fire();
      }),
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration('sociLens.codeLens')) this.#changed.fire();
      }),
    );
  }

  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    if (!vscode.workspace.getWorkspaceFolder(document.uri) || !readSettings(document.uri).lenses) return [];
    const text = document.getText();
    const from = instructionLines(text).findLast(({ keyword }) => keyword === 'FROM');
    if (!from) return [];
    const lens = (line: number, title: string, command: string, argument: vscode.Uri | string) =>
      new vscode.CodeLens(document.lineAt(line).range, {
        title,
        command: `sociLens.${command}`,
        arguments: [argument],
      });
    const verb = (title: string, command: string, argument: vscode.Uri | string) =>
      lens(from.startLine, title, command, argument);

    const build = verb(vscode.l10n.t('Build and inspect'), 'buildAndInspect', document.uri);
    const analysis = this.#store.builtFrom(document.uri);
    if (!analysis?.facts) return [build];
    const { facts, reference, dockerfile } = analysis;
    const isStale = dockerfile?.text !== fingerprint(text);
    const fact = describeFacts(facts);
    return [
      verb(isStale ? vscode.l10n.t('Before the last change: {0}', fact) : fact, 'showSpanMap', reference),
      build,
      verb(vscode.l10n.t('Profile start'), 'profileStartup', reference),
      verb(vscode.l10n.t('Create index'), 'createAndPushIndex', reference),
      // In a changed file the lines are other lines.
      ...(isStale ? [] : (facts.instructions ?? [])).map((instruction) =>
        lens(instruction.line, describeInstruction(instruction), 'showSpanMap', reference),
      ),
    ];
  }

  dispose(): void {
    this.#subscriptions.dispose();
  }
}

/** `1.47 GB · 6 % read at start · 64 of 362 spans`, or what is known of it. */
export function describeFacts({ size, layers, start }: Facts): string {
  const parts = start
    ? [
        vscode.l10n.t('{0} read at start', formatShare(start.share)),
        vscode.l10n.t('{0} of {1} spans', formatCount(start.touchedSpans), formatCount(start.spans)),
      ]
    : [
        layers === 1 ? vscode.l10n.t('1 layer') : vscode.l10n.t('{0} layers', formatCount(layers)),
        vscode.l10n.t('start not profiled'),
      ];
  return [formatBytes(size), ...parts].join(' · ');
}

/** `31.7 MB · 1,204 files · 12 % read at start` */
function describeInstruction({ size, files, touched }: InstructionFacts): string {
  return [
    formatBytes(size),
    files === 1 ? vscode.l10n.t('1 file') : vscode.l10n.t('{0} files', formatCount(files)),
    ...(touched === undefined
      ? []
      : [vscode.l10n.t('{0} read at start', formatShare(size > 0 ? touched / size : 0))]),
  ].join(' · ');
}

/** The same for a tree item, with what became of the index. */
export function describeAnalysis({ facts, index }: Analysis): string {
  return [
    facts ? describeFacts(facts) : vscode.l10n.t('not read yet'),
    ...(index ? [vscode.l10n.t('indexed')] : []),
  ].join(' · ');
}
