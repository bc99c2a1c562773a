import { isDeepStrictEqual } from 'node:util';
import * as vscode from 'vscode';
import { messageOf } from '../errors';
import type { EngineImage } from '../image/engine';
import type { Services } from './services';
import { connect } from './work/reach';

/** Milliseconds in which changes of the engine become one question to it. */
const DEBOUNCE = 300;

/** What watching needs of the extension. */
export type Watched = Pick<Services, 'line' | 'log' | 'engineReached'>;

/**
 * The images of the Docker engine, for as long as somebody looks: asked for once, and again after each of the engine's own
 * events. An engine that was lost is taken up again once it has answered anybody else. Nothing polls, and nothing at all happens
 * while `stop`ped.
 */
export class EngineWatch implements vscode.Disposable {
  readonly #services: Watched;
  readonly #subscriptions: vscode.Disposable;
  readonly #changed = new vscode.EventEmitter<void>();
  /** Somebody looks, whether there is an engine or not. */
  #wanted = false;
  #watching: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #images: readonly EngineImage[] | undefined;
  readonly onDidChange = this.#changed.event;

  constructor(services: Watched) {
    this.#services = services;
    this.#subscriptions = vscode.Disposable.from(
      services.engineReached.event(() => {
        if (this.#wanted && this.#watching === undefined) this.start();
      }),
      vscode.workspace.onDidChangeConfiguration((event) => {
        // Another engine is meant now, and its images are others.
        if (this.#wanted && event.affectsConfiguration('sociLens.engine')) this.start();
      }),
    );
  }

  /** Newest first; undefined as long as no engine has answered. */
  get images(): readonly EngineImage[] | undefined {
    return this.#images;
  }

  /** Asks the engine and listens to it; again after it was lost. */
  start(): void {
    this.stop();
    this.#wanted = true;
    const { signal } = (this.#watching = new AbortController());
    void this.#watch(signal)
      .catch((error: unknown) => {
        if (!signal.aborted) this.#services.log.debug(`The engine is not watched: ${messageOf(error)}`);
      })
      .then(async () => {
        if (signal.aborted) return;
        this.#watching = undefined;
        // Whether it ended its stream or broke it off: the engine is gone.
        await vscode.commands.executeCommand('setContext', 'sociLens.hasEngine', false);
        this.#set(undefined);
      });
  }

  stop(): void {
    this.#wanted = false;
    clearTimeout(this.#timer);
    this.#watching?.abort();
    this.#watching = undefined;
  }

  dispose(): void {
    this.stop();
    this.#subscriptions.dispose();
    this.#changed.dispose();
  }

  /** Resolves when the engine ends its stream of events. */
  async #watch(signal: AbortSignal): Promise<void> {
    const line = await this.#services.line();
    const engine = await connect(this.#services, signal);
    const list = async () => {
      const images = await line.listImages(engine);
      if (!signal.aborted) this.#set(images);
    };
    await list();
    const changes = line.imageChanges(engine, signal);
    // Listening is the first change: it may have taken until after one. Some engines say so only with their first event.
    while (!(await changes.next()).done) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => {
        list().catch((error: unknown) => {
          this.#services.log.debug(messageOf(error));
        });
      }, DEBOUNCE);
    }
  }

  #set(images: readonly EngineImage[] | undefined): void {
    if (isDeepStrictEqual(images, this.#images)) return;
    this.#images = images;
    this.#changed.fire();
  }
}
