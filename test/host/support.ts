import assert from 'node:assert/strict';
import * as path from 'node:path';
import * as vscode from 'vscode';
import type { EngineImage } from '../../src/image/engine';
import { ImagesTree } from '../../src/editor/tree';
import type { Opened } from '../../src/editor/store';
import type { Line, Services } from '../../src/editor/services';
import { SignIns } from '../../src/editor/sign-ins';
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
  'createInputBox',
  'createQuickPick',
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
 * @param work is given what was asked so far
 * @returns everything that was asked, in order
 */
export async function answering(
  answers: Partial<Record<Question, unknown>>,
  work: (asked: readonly Asked[]) => Thenable<unknown>,
): Promise<Asked[]> {
  const asked: Asked[] = [];
  const real = QUESTIONS.map((kind) => [kind, vscode.window[kind]] as const);
  for (const kind of QUESTIONS) {
    const answer = (message: unknown, ...items: unknown[]) => {
      asked.push({ kind, message: typeof message === 'string' ? message : '', items: [message, ...items] });
      return Promise.resolve(answers[kind]);
    };
    const box = () => answeredBox(kind, answers[kind], asked);
    Object.assign(vscode.window, { [kind]: kind.startsWith('create') ? box : answer });
  }
  try {
    await work(asked);
    return asked;
  } finally {
    for (const [kind, original] of real) Object.assign(vscode.window, { [kind]: original });
  }
}

/** Accepts the row of this label, or types the text; `back` takes the way back once. */
export type BoxAnswer = string | { readonly back: true };

/**
 * A quick pick or input box that answers itself once its items are there: with the next of several answers where an array is
 * given. Without an answer it is left as by Escape, and with one that it does not take it stays open until then.
 */
function answeredBox(kind: Question, answers: unknown, asked: Asked[]): unknown {
  const queue = Array.isArray(answers) ? (answers as BoxAnswer[]) : undefined;
  const accepted = new vscode.EventEmitter<void>();
  const hidden = new vscode.EventEmitter<void>();
  const changed = new vscode.EventEmitter<string>();
  const pressed = new vscode.EventEmitter<vscode.QuickInputButton>();
  const box = {
    title: '',
    placeholder: '',
    prompt: '',
    value: '',
    busy: false,
    items: [] as vscode.QuickPickItem[],
    selectedItems: [] as vscode.QuickPickItem[],
    buttons: [] as vscode.QuickInputButton[],
    validationMessage: undefined as string | undefined,
    onDidAccept: accepted.event,
    onDidHide: hidden.event,
    onDidChangeValue: changed.event,
    onDidTriggerButton: pressed.event,
    show() {
      void respond();
    },
    hide() {
      hidden.fire();
    },
    dispose: () => undefined,
  };
  const respond = async () => {
    await until('the items', () => !box.busy);
    const answer = queue ? queue.shift() : (answers as BoxAnswer | undefined);
    const one: Asked = { kind, message: box.placeholder || box.prompt, items: box.items };
    asked.push(one);
    if (answer === undefined) {
      box.hide();
    } else if (typeof answer === 'object') {
      assert.deepEqual(box.buttons, [vscode.QuickInputButtons.Back]);
      pressed.fire(vscode.QuickInputButtons.Back);
    } else {
      box.value = answer;
      changed.fire(answer);
      box.selectedItems = box.items.filter(({ label }) => label.includes(answer)).slice(0, 1);
      if (box.validationMessage !== undefined) asked.push({ ...one, message: box.validationMessage });
      accepted.fire();
      // An answer that is not taken leaves the box open, and a person would leave it then.
      if (box.validationMessage !== undefined) box.hide();
    }
  };
  return box;
}

/** The notifications of tasks while a test runs; `cancel` presses the button of one. */
export interface Notifications {
  /** Of those that are shown now. */
  readonly titles: readonly string[];
  /** What each has said, in order. */
  messages(title: string): readonly string[];
  cancel(title: string): void;
  dispose(): void;
}

/** Stands in for the notifications of tasks until it is disposed of. */
export function watchNotifications(): Notifications {
  const original = vscode.window.withProgress;
  const shown = new Map<string, vscode.CancellationTokenSource>();
  const said = new Map<string, string[]>();
  const withProgress: typeof original = async (options, work) => {
    const source = new vscode.CancellationTokenSource();
    const title = options.title ?? '';
    const messages: string[] = [];
    shown.set(title, source);
    said.set(title, messages);
    try {
      assert.equal(options.cancellable, true);
      return await work({ report: ({ message }) => messages.push(message ?? '') }, source.token);
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
    messages: (title) => said.get(title) ?? [],
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
  look: () => T | undefined | false | Promise<T | undefined | false>,
  timeout = 60_000,
): Promise<T> {
  const deadline = Date.now() + timeout;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeout} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The text of the editor in front, once it is one that fits. */
export function shownText(wanted: RegExp): Promise<string> {
  return until(`an editor with ${wanted}`, () => {
    const text = vscode.window.activeTextEditor?.document.getText() ?? '';
    return wanted.test(text) && text;
  });
}

/** Milliseconds of processor time that this thread has taken so far; where Node cannot tell (before 23.9), all threads. */
export function processorTime(): number {
  const own: NodeJS.Process & { threadCpuUsage?(): NodeJS.CpuUsage } = process;
  const { user, system } = own.threadCpuUsage?.() ?? process.cpuUsage();
  return (user + system) / 1000;
}

/** Milliseconds that `work` takes; on a busy machine, where the clock counts what others do meanwhile too, those of the processor. */
export async function busy(work: () => unknown): Promise<number> {
  const [started, before] = [performance.now(), processorTime()];
  await work();
  return Math.min(performance.now() - started, processorTime() - before);
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

/** Secrets that live as long as the test. */
export function secretStorage(): vscode.SecretStorage & { readonly values: ReadonlyMap<string, string> } {
  const values = new Map<string, string>();
  return {
    values,
    get: (key) => Promise.resolve(values.get(key)),
    store: (key, value) => Promise.resolve(void values.set(key, value)),
    delete: (key) => Promise.resolve(void values.delete(key)),
    onDidChange: new vscode.EventEmitter<vscode.SecretStorageChangeEvent>().event,
  };
}

/** A tree of images of its own, without an engine. */
export function testTree(
  services: Services,
  actions: { open(key: string): Promise<Opened> },
  images?: EngineImage[],
) {
  const changed = new vscode.EventEmitter<void>();
  return new ImagesTree({
    store: services.store,
    engine: { images, onDidChange: changed.event },
    answers: services.answers,
    open: (key) => actions.open(key),
  });
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
    engineReached: new vscode.EventEmitter(),
    store,
    tasks,
    answers: memento(),
    signIns: new SignIns(secretStorage(), memento()),
    // The built bundle, as the product loads it.
    line: () => import(path.join(dist, 'line.js')) as Promise<Line>,
    snapshotter: () => import(path.join(dist, 'snapshotter.js')) as ReturnType<Services['snapshotter']>,
    kubernetes: () => import(path.join(dist, 'kubernetes.js')) as ReturnType<Services['kubernetes']>,
    folders: {
      cache: scratch,
      tracer: path.join(dist, 'tracer'),
      traces: path.join(scratch, 'traces'),
      sample: path.join(scratch, 'sample'),
      sampleTrace: path.join(extension().extensionPath, 'sample', 'small.soci-trace.jsonl'),
    },
    dispose() {
      vscode.Disposable.from(log, store, tasks).dispose();
    },
  };
}
