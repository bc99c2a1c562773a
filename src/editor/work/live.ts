/** A start that is being recorded, in the status bar: what it has read, what it says, and a click that ends it and keeps it. */
import { randomUUID } from 'node:crypto';
import * as vscode from 'vscode';
import type { Progress } from '../../progress';

/** So many of the container's last lines are shown. */
const LAST_LINES = 12;

export class LiveRecording implements vscode.Disposable {
  readonly #stop = new AbortController();
  readonly #lines: string[] = [];
  readonly #command: vscode.Disposable;
  readonly #item = vscode.window.createStatusBarItem(
    'sociLens.recording',
    vscode.StatusBarAlignment.Left,
    100,
  );

  /** @param name of the image, as people know it */
  constructor(private readonly name: string) {
    // Several images may be recorded at once, each with a command of its own, which is nobody's but this item's.
    const command = `sociLens.recording.stop.${randomUUID()}`;
    this.#command = vscode.commands.registerCommand(command, () => {
      this.#stop.abort();
    });
    this.#item.name = vscode.l10n.t('Recording of a start');
    this.#item.text = `$(debug-stop) ${vscode.l10n.t('Stop and Keep')}`;
    this.#item.command = { command, title: vscode.l10n.t('Stop and Keep') };
    this.#say();
    this.#item.show();
  }

  /** Aborted when the person has seen enough: what was recorded until then is kept. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** A line that the container wrote. */
  log(line: string): void {
    if (this.#lines.push(line) > LAST_LINES) this.#lines.shift();
    this.#say();
  }

  progress({ done }: Progress): void {
    if (done === undefined) return;
    this.#item.text = `$(debug-stop) ${vscode.l10n.t('Stop and Keep ({0} files)', done)}`;
  }

  dispose(): void {
    this.#command.dispose();
    this.#item.dispose();
  }

  /** The tooltip: the container's own words are shown as they are, never as Markdown. */
  #say(): void {
    const head = vscode.l10n.t('Ends the recording of {0} and keeps what it has seen', this.name);
    this.#item.tooltip = [head, ...this.#lines].join('\n');
  }
}
