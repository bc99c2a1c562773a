import * as vscode from 'vscode';
import { instructionLines, type InstructionLines } from '../image/dockerfile-lines';
import { describeFacts, describeInstruction } from './describe';
import { DOCKERFILES, fingerprint } from './dockerfiles';
import { readSettings } from './settings';
import type { Analysis, AnalysisStore } from './store';

/** What a command gets that is about one stage of a Dockerfile. */
export interface StageArgument {
  readonly dockerfile: vscode.Uri;
  /** Undefined for the last stage, which becomes the image. */
  readonly target: string | undefined;
}

/**
 * Lenses on the `FROM` of each stage: before the first analysis one verb, then a fact and the verbs; and then on each
 * instruction that made a layer of the last stage what that layer costs. Nothing is asked of anyone for them: what they say
 * is in the store.
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
    const stages = instructionLines(text).filter(({ keyword }) => keyword === 'FROM');
    return stages.flatMap((from, index) => {
      const target = index === stages.length - 1 ? undefined : (stageName(document, from) ?? String(index));
      return this.#ofStage(document, text, from, { dockerfile: document.uri, target });
    });
  }

  dispose(): void {
    this.#subscriptions.dispose();
  }

  #ofStage(
    document: vscode.TextDocument,
    text: string,
    from: InstructionLines,
    stage: StageArgument,
  ): vscode.CodeLens[] {
    const lens = (line: number, title: string, command: string, ...args: unknown[]) =>
      new vscode.CodeLens(document.lineAt(line).range, {
        title,
        command: `sociLens.${command}`,
        arguments: args,
      });
    const verb = (title: string, command: string, argument: StageArgument | string) =>
      lens(from.startLine, title, command, argument);

    const build = verb(vscode.l10n.t('Build and inspect'), 'buildAndInspect', stage);
    const [analysis, ...others] = this.#store.ofDockerfile(stage.dockerfile, stage.target);
    if (!analysis?.facts) return [build];
    const { facts, reference } = analysis;
    const isStale = isOlder(analysis, document, text);
    const fact = describeFacts(facts);
    return [
      verb(isStale ? vscode.l10n.t('Before the last change: {0}', fact) : fact, 'showSpanMap', reference),
      build,
      verb(vscode.l10n.t('Profile start'), 'profileStartup', reference),
      verb(vscode.l10n.t('Create index'), 'createAndPushIndex', reference),
      ...(others.length === 0
        ? []
        : [verb(vscode.l10n.t('{0} images…', others.length + 1), 'chooseImage', stage)]),
      // In a changed file the lines are other lines.
      ...(isStale ? [] : (facts.instructions ?? [])).map((instruction) =>
        lens(
          instruction.line,
          describeInstruction(instruction),
          'revealInTree',
          reference,
          instruction.layer,
        ),
      ),
    ];
  }
}

/** The Dockerfile says something else now than when the image was built. */
export function isOlder(
  { dockerfile }: Analysis,
  document: vscode.TextDocument,
  text = document.getText(),
): boolean {
  return dockerfile?.text !== fingerprint(text);
}

/** `AS name`, which may stand on a later line of the instruction. */
function stageName(
  document: vscode.TextDocument,
  { startLine, endLine }: InstructionLines,
): string | undefined {
  const range = new vscode.Range(startLine, 0, endLine, Number.MAX_SAFE_INTEGER);
  return /\sAS\s+([\w.-]+)\s*$/i.exec(document.getText(document.validateRange(range)))?.[1];
}
