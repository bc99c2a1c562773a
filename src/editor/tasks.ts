import * as vscode from 'vscode';
import { isAbort } from '../errors';
import { formatBytes, formatCount, formatShare } from './language';
import type { OnProgress, Progress } from '../progress';
import { translated } from './room-texts';

/** What a long piece of work gets from its task. */
export interface Task {
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
}

/** A kind of task, and by its type what such tasks come to. Each is made once; who runs it uses that one. */
export class TaskKind<T> {
  /** Never there: for the compiler. */
  declare readonly result: T;

  /** @param name for the log */
  constructor(readonly name: string) {}
}

export interface TaskOptions {
  /** What is asked beside the image, where that is another question: a destination, a file. */
  readonly about?: string | undefined;
  /** Of the caller: ends the task that it began, and only its waiting for one that it joined. */
  readonly signal?: AbortSignal | undefined;
}

/** Where a task is; `progress` is undefined when it has ended. */
export interface TaskEvent {
  /** The image that it works on. */
  readonly reference: string;
  readonly progress: Progress | undefined;
}

/** Shortest time between two notes of progress, in milliseconds: faster than this nobody reads. */
const INTERVAL = 100;

/**
 * Runs what takes long: one notification with progress and Cancel for each. A second call of the same kind that asks the same of the
 * same image joins the running one; all others run beside each other.
 */
export class Tasks implements vscode.Disposable {
  readonly #running = new Map<TaskKind<unknown>, Map<string, Promise<unknown>>>();
  readonly #controllers = new Set<AbortController>();
  readonly #progressed = new vscode.EventEmitter<TaskEvent>();
  readonly #log: vscode.LogOutputChannel;
  /** There only while something runs. */
  #status: vscode.StatusBarItem | undefined;
  readonly onDidProgress = this.#progressed.event;

  constructor(log: vscode.LogOutputChannel) {
    this.#log = log;
  }

  /**
   * @param reference the image that it works on
   * @param title what the notification says, as a person would
   * @returns what `work` returns; rejects with what it throws, with the signal's reason after Cancel
   */
  run<T>(
    kind: TaskKind<T>,
    reference: string,
    title: string,
    work: (task: Task) => Promise<T>,
    { about = '', signal }: TaskOptions = {},
  ): Promise<T> {
    const ofKind = this.#running.get(kind) ?? new Map<string, Promise<unknown>>();
    this.#running.set(kind, ofKind);
    const key = `${reference} ${about}`.trimEnd();
    const running = ofKind.get(key);
    // What runs under a kind was begun by a call with that kind, whose type it has.
    if (running) return Promise.race([running as Promise<T>, ...(signal ? [aborted(signal)] : [])]);
    const name = `${kind.name} ${key}`;
    const promise = this.#start(name, reference, title, work, signal).finally(() => ofKind.delete(key));
    ofKind.set(key, promise);
    return promise;
  }

  dispose(): void {
    for (const controller of this.#controllers) controller.abort();
    this.#progressed.dispose();
    this.#status?.dispose();
  }

  #noteRunning(title: string): void {
    const count = this.#controllers.size;
    if (count === 0) {
      this.#status?.dispose();
      this.#status = undefined;
      return;
    }
    this.#status ??= vscode.window.createStatusBarItem('sociLens.tasks', vscode.StatusBarAlignment.Left);
    this.#status.name = 'SOCI Lens';
    this.#status.text = `$(sync~spin) ${count === 1 ? title : vscode.l10n.t('SOCI: {0} tasks', count)}`;
    this.#status.tooltip = vscode.l10n.t('Show Log');
    this.#status.command = 'sociLens.showLog';
    this.#status.show();
  }

  async #start<T>(
    key: string,
    reference: string,
    title: string,
    work: (task: Task) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const controller = new AbortController();
    const cancel = () => {
      controller.abort(signal?.reason);
    };
    signal?.addEventListener('abort', cancel, { once: true });
    this.#controllers.add(controller);
    this.#noteRunning(title);
    const started = Date.now();
    this.#log.info(`${key}: begins`);
    try {
      return await vscode.window.withProgress(
        { location: vscode.ProgressLocation.Notification, title, cancellable: true },
        async (notification, token) => {
          token.onCancellationRequested(() => {
            controller.abort();
          });
          const rate = new Rate();
          let shown = 0;
          let step: string | undefined;
          const onProgress: OnProgress = (progress) => {
            if (progress.step !== step) this.#log.debug(`${key}: ${progress.step}`);
            const now = Date.now();
            if (progress.step === step && now - shown < INTERVAL && progress.done !== progress.total) return;
            step = progress.step;
            shown = now;
            const said = { ...progress, step: translated(progress.step) };
            notification.report({ message: describeProgress(said, rate.of(progress, now)) });
            this.#progressed.fire({ reference, progress: said });
          };
          return work({ signal: controller.signal, onProgress });
        },
      );
    } catch (error) {
      this.#log.info(`${key}: ${isAbort(error) ? 'cancelled' : 'failed'}`);
      throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
      this.#controllers.delete(controller);
      this.#noteRunning(title);
      this.#progressed.fire({ reference, progress: undefined });
      this.#log.info(`${key}: ended after ${Date.now() - started} ms`);
    }
  }
}

/** Rejects with the signal's reason once it aborts. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = () => {
      reject(signal.reason as Error); // An AbortError, or whatever the caller gave in its place.
    };
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

/** How fast a step is. */
export interface Pace {
  /** Units per second. */
  readonly perSecond: number;
  readonly secondsLeft: number | undefined;
}

/** `Scanning layer 3 of 7 · 120 MB of 400 MB · 30 % · 23 MB/s · 12 s left`, as far as it is known. */
export function describeProgress(progress: Progress, pace: Pace | undefined): string {
  const { step, done, total, unit } = progress;
  if (done === undefined) return step;
  const amount = unit === 'bytes' ? formatBytes : formatCount;
  const parts = [step];
  if (total === undefined) parts.push(amount(done));
  else {
    parts.push(vscode.l10n.t('{0} of {1}', amount(done), amount(total)));
    if (total > 0) parts.push(formatShare(done / total));
  }
  if (pace && unit === 'bytes') parts.push(vscode.l10n.t('{0}/s', formatBytes(pace.perSecond)));
  if (pace?.secondsLeft !== undefined) parts.push(vscode.l10n.t('{0} left', duration(pace.secondsLeft)));
  return parts.join(' · ');
}

/** Whole seconds or minutes. */
function duration(seconds: number): string {
  return seconds < 90
    ? vscode.l10n.t('{0} s', Math.max(1, Math.round(seconds)))
    : vscode.l10n.t('{0} min', Math.round(seconds / 60));
}

/** Tells the pace of a step, and the time that it has left. */
class Rate {
  #step: string | undefined;
  #since = 0;
  #from = 0;

  /** Undefined while the step is too young to tell. */
  of({ step, done, total }: Progress, now: number): Pace | undefined {
    if (step !== this.#step) {
      this.#step = step;
      this.#since = now;
      this.#from = done ?? 0;
    }
    const seconds = (now - this.#since) / 1000;
    if (done === undefined || seconds < 2) return undefined;
    const perSecond = (done - this.#from) / seconds;
    if (perSecond <= 0) return undefined;
    return {
      perSecond,
      secondsLeft: total === undefined || done >= total ? undefined : (total - done) / perSecond,
    };
  }
}
