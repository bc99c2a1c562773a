import assert from 'node:assert/strict';
import * as path from 'node:path';
import * as vscode from 'vscode';
import type { Line, Services } from '../../src/editor/services';
import { AnalysisStore } from '../../src/editor/store';
import { Tasks } from '../../src/editor/tasks';

/** The folder that the window has open: test/host/workspace with the sample image beside it. */
export const workspace = path.resolve(vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? '');
export const sample = `oci:${path.join(workspace, 'sample')}`;
export const sampleTrace = path.join(workspace, 'start.soci-trace.jsonl');

export function extension(): vscode.Extension<unknown> {
  const found = vscode.extensions.getExtension('soci-lens.soci-lens');
  assert.ok(found, 'the extension under test is installed');
  return found;
}

/** The parts of `vscode.window` that ask people. */
const QUESTIONS = [
  'showErrorMessage',
  'showWarningMessage',
  'showInformationMessage',
  'showInputBox',
  'showQuickPick',
  'showOpenDialog',
  'showSaveDialog',
] as const;
type Question = (typeof QUESTIONS)[number];

/** One question that was asked. */
export interface Asked {
  readonly kind: Question;
  readonly message: string;
  readonly items: readonly unknown[];
}

/**
 * Answers in the person's place while `work` runs: `answers` gives what is chosen or typed, by kind of question; what is not
 * there is left without an answer, as by Escape. The extension under test shares `vscode.window` with its tests.
 *
 * @returns everything that was asked, in order
 */
export async function answering(
  answers: Partial<Record<Question, unknown>>,
  work: () => Thenable<unknown>,
): Promise<Asked[]> {
  const asked: Asked[] = [];
  const real = QUESTIONS.map((kind) => [kind, vscode.window[kind]] as const);
  for (const kind of QUESTIONS) {
    const answer = (message: unknown, ...items: unknown[]) => {
      asked.push({ kind, message: typeof message === 'string' ? message : '', items: [message, ...items] });
      return Promise.resolve(answers[kind]);
    };
    Object.assign(vscode.window, { [kind]: answer });
  }
  try {
    await work();
    return asked;
  } finally {
    for (const [kind, original] of real) Object.assign(vscode.window, { [kind]: original });
  }
}

/** The notifications of tasks while a test runs; `cancel` presses the button of one. */
export interface Notifications {
  /** Of those that are shown now. */
  readonly titles: readonly string[];
  cancel(title: string): void;
  dispose(): void;
}

/** Stands in for the notifications of tasks until it is disposed of. */
export function watchNotifications(): Notifications {
  const original = vscode.window.withProgress;
  const shown = new Map<string, vscode.CancellationTokenSource>();
  const withProgress: typeof original = async (options, work) => {
    const source = new vscode.CancellationTokenSource();
    const title = options.title ?? '';
    shown.set(title, source);
    try {
      assert.equal(options.cancellable, true);
      return await work({ report: () => undefined }, source.token);
    } finally {
      shown.delete(title);
      source.dispose();
    }
  };
  Object.assign(vscode.window, { withProgress });
  return {
    get titles() {
      return [...shown.keys()];
    },
    cancel(title) {
      shown.get(title)?.cancel();
    },
    dispose() {
      Object.assign(vscode.window, { withProgress: original });
    },
  };
}

/** Waits for something that follows an event; the condition is looked at every 20 ms. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false,
  timeout = 10_000,
): Promise<T> {
  const deadline = Date.now() + timeout;
  for (;;) {
    const found = await Promise.resolve(look());
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeout} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Writes a measured figure behind the title of the running test, where the report shows it. */
export function measured(context: Mocha.Context, milliseconds: number): void {
  const runnable = context.test;
  if (runnable) runnable.title += ` [${milliseconds.toFixed(1)} ms]`;
}

/** A memento that lives as long as the test. */
export function memento(): vscode.Memento {
  const values = new Map<string, unknown>();
  return {
    keys: () => [...values.keys()],
    get: <T>(key: string, fallback?: T) => (values.has(key) ? (values.get(key) as T) : fallback), // As VS Code's own does.
    update: (key, value) => {
      values.set(key, JSON.parse(JSON.stringify(value)));
      return Promise.resolve();
    },
  };
}

/** The services of the extension, beside those that VS Code's own instance of it has. */
export interface TestServices extends Services {
  dispose(): void;
}

export function testServices(scratch: string): TestServices {
  const log = vscode.window.createOutputChannel('SOCI Lens (test)', { log: true });
  const store = new AnalysisStore(memento());
  const tasks = new Tasks(log);
  const dist = path.join(extension().extensionPath, 'dist');
  return {
    log,
    store,
    tasks,
    answers: memento(),
    // The built bundle, as the product loads it.
    line: () => import(path.join(dist, 'line.js')) as Promise<Line>,
    folders: { cache: scratch, tracer: path.join(dist, 'tracer'), traces: path.join(scratch, 'traces') },
    dispose() {
      vscode.Disposable.from(log, store, tasks).dispose();
    },
  };
}
