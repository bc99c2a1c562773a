import * as vscode from 'vscode';
import { isAbort } from '../errors';
import { formatBytes, formatCount, formatShare } from '../plan/format';
import type { OnProgress, Progress } from '../progress';

/** What a long piece of work gets from its task. */
export interface Task {
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
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
 * Runs what takes long: one notification with progress and Cancel for each. A second call for the same image and kind joins the
 * running one; different images run beside each other.
 */
export class Tasks implements vscode.Disposable {
  readonly #running = new Map<string, Promise<unknown>>();
  readonly #controllers = new Set<AbortController>();
  readonly #progressed = new vscode.EventEmitter<TaskEvent>();
  readonly #log: vscode.LogOutputChannel;
  readonly onDidProgress = this.#progressed.event;

  constructor(log: vscode.LogOutputChannel) {
    this.#log = log;
  }

  /**
   * @param kind with `reference` the name of the task: the same task at the same time is one task
   * @param title what the notification says, as a person would
   * @returns what `work` returns; rejects with what it throws, with the signal's reason after Cancel
   */
  run<T>(kind: string, reference: string, title: string, work: (task: Task) => Promise<T>): Promise<T> {
    const key = `${kind} ${reference}`;
    const running = this.#running.get(key);
    // The key names the work, so what runs under it returns the same type.
    if (running) return running as Promise<T>;
    const promise = this.#start(key, reference, title, work).finally(() => this.#running.delete(key));
    this.#running.set(key, promise);
    return promise;
  }

  dispose(): void {
    for (const controller of this.#controllers) controller.abort();
    this.#progressed.dispose();
  }

  async #start<T>(
    key: string,
    reference: string,
    title: string,
    work: (task: Task) => Promise<T>,
  ): Promise<T> {
    const controller = new AbortController();
    this.#controllers.add(controller);
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
            notification.report({ message: describeProgress(progress, rate.secondsLeft(progress, now)) });
            this.#progressed.fire({ reference, progress });
          };
          return work({ signal: controller.signal, onProgress });
        },
      );
    } catch (error) {
      this.#log.info(`${key}: ${isAbort(error) ? 'cancelled' : 'failed'}`);
      throw error;
    } finally {
      this.#controllers.delete(controller);
      this.#progressed.fire({ reference, progress: undefined });
      this.#log.info(`${key}: ended after ${Date.now() - started} ms`);
    }
  }
}

/** `Scanning layer 3 of 7 · 120 MB of 400 MB · 30 % · 12 s left`, as far as it is known. */
export function describeProgress(progress: Progress, secondsLeft: number | undefined): string {
  const { step, done, total, unit } = progress;
  if (done === undefined) return step;
  const amount = unit === 'bytes' ? formatBytes : formatCount;
  const parts = [step];
  if (total === undefined) parts.push(amount(done));
  else {
    parts.push(vscode.l10n.t('{0} of {1}', amount(done), amount(total)));
    if (total > 0) parts.push(formatShare(done / total));
    if (secondsLeft !== undefined) parts.push(vscode.l10n.t('{0} left', duration(secondsLeft)));
  }
  return parts.join(' · ');
}

/** Whole seconds or minutes. */
function duration(seconds: number): string {
  return seconds < 90
    ? vscode.l10n.t('{0} s', Math.max(1, Math.round(seconds)))
    : vscode.l10n.t('{0} min', Math.round(seconds / 60));
}

/** Tells the time that a step has left from its pace so far. */
class Rate {
  #step: string | undefined;
  #since = 0;
  #from = 0;

  /** Seconds, or undefined while the step is too young to tell. */
  secondsLeft({ step, done, total }: Progress, now: number): number | undefined {
    if (step !== this.#step) {
      this.#step = step;
      this.#since = now;
      this.#from = done ?? 0;
    }
    if (done === undefined || total === undefined || done >= total) return undefined;
    const seconds = (now - this.#since) / 1000;
    const pace = (done - this.#from) / seconds;
    return seconds >= 2 && pace > 0 ? (total - done) / pace : undefined;
  }
}
