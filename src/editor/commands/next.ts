import * as vscode from 'vscode';

/** The one thing that a person is likely to want after a result. */
export interface NextStep {
  readonly title: string;
  readonly run: () => Thenable<unknown>;
}

/** Says what came of a command and offers the next step; nobody waits for the answer. */
export function sayDone(done: string, next: NextStep): void {
  void vscode.window.showInformationMessage(done, next.title).then(async (chosen) => {
    if (chosen === next.title) await next.run();
  });
}

/** The next step that is a command of ours. */
export function nextCommand(title: string, name: string, ...args: readonly unknown[]): NextStep {
  return { title, run: () => vscode.commands.executeCommand(`sociLens.${name}`, ...args) };
}
