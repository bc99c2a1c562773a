/** One recording while it happens: its signs of being ready, its progress, and its end. */
import { setMaxListeners } from 'node:events';
import { LensError, messageOf } from '../errors';
import type { TracedContainer } from './container';
import { scanTrace } from './file';
import { LiveView } from './live';
import type { HttpTarget, ReadySigns } from './ready';
import type { RecordOptions } from './record';
import type { Subject } from './subject';
import type { EndReason, StartupTrace, TraceEvent, TraceFooter, TraceHeader } from './types';

/** After being ready a program gets this much longer, for what it does with its first breath, in milliseconds. */
const GRACE = 1000;
/** How often the health of a container is asked for, in milliseconds. */
const HEALTH_INTERVAL = 250;
/** How many of the container's last lines go with a start that came to nothing. */
const LAST_LINES = 20;
/** How long an answer to a request that warms up is waited for, in milliseconds. */
const WARM_UP_LIMIT = 10_000;
/** What making, asking and removing a container may take beside, in milliseconds. */
const AROUND = 120_000;
/** How long the last look at the pages is waited for, in milliseconds; the tracer itself gives up sooner. */
const LOOK_LIMIT = 40_000;
/** How long the rest of an ended container's log is waited for, in milliseconds. */
const LOG_LIMIT = 5000;
/** Under emulation everything takes longer. */
const EMULATION_FACTOR = 3;
/** The tracer begins its own lines in the container's log with this (tracer/main.c). */
const TRACER_SAYS = 'soci-lens tracer: ';

/** Why the wait is over; `at` is a wall clock in nanoseconds, `t` the trace's own clock in microseconds. */
interface Sign {
  readonly reason: EndReason;
  readonly at?: bigint;
  readonly t?: number;
}

/** When a recording with these options is over for certain, in milliseconds from its beginning. */
export function longestMs(options: RecordOptions, emulated: boolean): number {
  const { timeoutMs, graceMs = GRACE, warmUp = [] } = options;
  return timeoutMs * (emulated ? EMULATION_FACTOR : 1) + graceMs + warmUp.length * WARM_UP_LIMIT + AROUND;
}

function isEngineGone(error: unknown): boolean {
  return error instanceof LensError && error.code === 'trace/engine-gone';
}

/** One run of one container. */
export class Recording {
  readonly #lastLines: string[] = [];
  /** What the tracer said in the log. */
  readonly #complaints: string[] = [];
  /** Events seen while they happen: for progress and rules, and all there is when the engine is lost. */
  readonly #seen: TraceEvent[] = [];
  readonly #live = new LiveView();
  #header: TraceHeader | undefined;
  #engineLost = false;
  #logRead = Promise.resolve();
  #lastNews = Date.now();

  constructor(
    private readonly container: TracedContainer,
    private readonly subject: Subject,
    private readonly signs: ReadySigns,
    private readonly options: RecordOptions,
    private readonly emulated: boolean,
  ) {}

  /** Whether the engine went away in the middle. */
  get isEngineLost(): boolean {
    return this.#engineLost;
  }

  run(): Promise<StartupTrace> {
    const { signal } = this.options;
    return this.#started(async (watching) => {
      const sign = await this.#wait(watching);
      signal?.throwIfAborted();
      if (this.#engineLost) return this.#whatWasSeen();
      try {
        return await this.#finish(sign, watching);
      } catch (error) {
        if (!isEngineGone(error) || !this.#header) throw error;
        signal?.throwIfAborted();
        this.#engineLost = true;
        return this.#whatWasSeen();
      }
    });
  }

  /** What a start has yet to do once it is ready, or over. */
  async #finish(sign: Sign, watching: AbortSignal): Promise<StartupTrace> {
    const { signal, graceMs = GRACE, warmUp = [] } = this.options;
    if (sign.reason.startsWith('ready:') || sign.reason === 'quiet') {
      for (const target of warmUp) await this.#warmUp(target, watching);
      // Its end cuts the grace short.
      await Promise.race([sleep(graceMs, watching), this.container.ended(watching)]);
    }
    signal?.throwIfAborted();
    await this.#lastLook(watching);
    signal?.throwIfAborted();
    return await this.#bringHome(sign, watching);
  }

  /** Has the pages looked at that are touched by now. A container that ends meanwhile has had it done at its end. */
  async #lastLook(watching: AbortSignal): Promise<void> {
    if (!(await this.container.state()).running) return;
    const looking = AbortSignal.any([watching, AbortSignal.timeout(LOOK_LIMIT)]);
    const ended = this.container.ended(watching).then(() => true);
    // An engine may leave a program without an end that it ran in a container while that ended.
    if (await Promise.race([this.container.snapshot(looking), ended])) return;
    this.options.onLog?.('The tracer gave no last look at the mapped files; pages of them may be missing.');
  }

  /** Microseconds from the start to being ready, for a container whose tracer only notes the time; else `undefined`. */
  time(): Promise<number | undefined> {
    return this.#started(async (watching) => {
      const sign = await this.#wait(watching);
      const file = await this.container.trace();
      if (!file || !(sign.reason.startsWith('ready:') || sign.reason === 'exit')) return undefined;
      const { header } = await scanTrace(file, () => false, { name: "the tracer's output" });
      return readyAt(sign, header);
    });
  }

  /** Starts the container and gives `action` a signal that is aborted when all watching is to end. */
  async #started<T>(action: (watching: AbortSignal) => Promise<T>): Promise<T> {
    const { signal } = this.options;
    await this.container.start();
    const watching = new AbortController();
    // Each watcher listens, and so does dockerode for each of its requests.
    setMaxListeners(0, watching.signal);
    const cancel = () => {
      watching.abort(signal?.reason);
    };
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await action(watching.signal);
    } finally {
      signal?.removeEventListener('abort', cancel);
      watching.abort();
    }
  }

  /** An answer that does not come, or is an error, is told and no more: the start has been recorded. */
  async #warmUp({ port, path }: HttpTarget, signal: AbortSignal): Promise<void> {
    const limit = AbortSignal.timeout(WARM_UP_LIMIT);
    try {
      const answer = await this.container.answers(port, path, AbortSignal.any([signal, limit]));
      if (answer !== undefined || !limit.aborted) return;
    } catch (error) {
      if (signal.aborted || !limit.aborted) throw error;
    }
    this.options.onLog?.(`No good answer from ${port}/${path} within ${WARM_UP_LIMIT / 1000} s.`);
  }

  /** Waits for the first of all signs. */
  #wait(signal: AbortSignal): Promise<Sign> {
    const { signs, options } = this;
    return new Promise<Sign>((resolve, reject) => {
      const timeout = setTimeout(
        () => {
          resolve({ reason: 'timeout' });
        },
        options.timeoutMs * (this.emulated ? EMULATION_FACTOR : 1),
      );
      const stop = () => {
        resolve({ reason: 'stopped' });
      };
      signal.addEventListener('abort', () => {
        clearTimeout(timeout);
        options.stop?.removeEventListener('abort', stop);
        reject(signal.reason instanceof Error ? signal.reason : new Error('ended'));
      });
      if (options.stop?.aborted) stop();
      options.stop?.addEventListener('abort', stop, { once: true });

      const failed = (error: unknown) => {
        if (signal.aborted) return;
        if (isEngineGone(error) && this.#seen.length > 0) {
          this.#engineLost = true;
          resolve({ reason: 'engine-lost' });
        } else {
          reject(error instanceof Error ? error : new Error(messageOf(error)));
        }
      };
      const watch = (action: Promise<Sign | undefined>) => {
        action.then((sign) => {
          if (sign) resolve(sign);
        }, failed);
      };
      watch(this.#watchEnd(signal));
      this.#logRead = this.#watchLog(signal, resolve).catch(failed);
      watch(this.#watchEvents(signal));
      if (signs.health) watch(this.#watchHealth(signal));
      if (signs.http) {
        const { port, path } = signs.http;
        const sign = (at: bigint | undefined): Sign | undefined =>
          at === undefined ? undefined : { reason: 'ready:http', at };
        watch(this.container.answers(port, path, signal).then(sign));
      }
      if (signs.quietSeconds !== undefined) watch(this.#watchQuiet(signs.quietSeconds * 1000, signal));
    });
  }

  async #watchEnd(signal: AbortSignal): Promise<Sign> {
    await this.container.ended(signal);
    const { exitCode, outOfMemory, endedAt } = await this.container.state();
    const { ready } = this.options;
    if (outOfMemory) return { reason: 'oom' };
    const isBatch = ready.kind === 'exit' || (ready.kind === 'auto' && exitCode === 0);
    return isBatch ? { reason: 'exit', at: endedAt } : { reason: 'early-exit' };
  }

  /** Reads the log to its end; gives the first line that matches, or what ends the start, to `found`. */
  async #watchLog(signal: AbortSignal, found: (sign: Sign) => void): Promise<void> {
    const { log } = this.signs;
    for await (const { at, text } of this.container.log(signal)) {
      if (text.startsWith(TRACER_SAYS)) {
        const complaint = text.slice(TRACER_SAYS.length);
        this.#complaints.push(complaint);
        // Without a filter it traces all the same, and a command that cannot be run ends the container; else there is
        // nothing to wait for.
        if (!/^(seccomp|exec )/.test(complaint)) found({ reason: 'early-exit' });
        continue;
      }
      this.options.onLog?.(text);
      if (this.#lastLines.push(text) > LAST_LINES) this.#lastLines.shift();
      if (log?.test(text)) found({ reason: 'ready:log', at });
    }
  }

  /** Follows the trace while it is written. */
  async #watchEvents(signal: AbortSignal): Promise<Sign | undefined> {
    const { listen } = this.signs;
    let sign: Sign | undefined;
    const onEvent = (event: TraceEvent, header: TraceHeader): boolean => {
      this.#header = header;
      this.#seen.push(event);
      this.#note(event);
      if (event.op === 'listen' && (listen === 'any' || listen?.includes(event.port))) {
        sign = { reason: 'ready:listen', t: event.t };
      }
      return sign === undefined;
    };
    try {
      await scanTrace(this.container.follow(signal), onEvent);
    } catch (error) {
      // The container ended before it could be followed, or has no room for one more process; other rules go on.
      if (
        error instanceof LensError &&
        (error.code === 'trace/cannot-run' || error.code === 'trace/bad-file')
      ) {
        return undefined;
      }
      throw error;
    }
    return sign;
  }

  #note(event: TraceEvent): void {
    if (!this.#live.add(event)) return;
    this.#lastNews = Date.now();
    this.options.onProgress?.(this.#live.progress());
  }

  async #watchHealth(signal: AbortSignal): Promise<Sign> {
    for (;;) {
      const { healthySince } = await this.container.state();
      if (healthySince !== undefined) return { reason: 'ready:health', at: healthySince };
      await sleep(HEALTH_INTERVAL, signal);
    }
  }

  async #watchQuiet(pause: number, signal: AbortSignal): Promise<Sign> {
    this.#lastNews = Date.now();
    for (;;) {
      const left = this.#lastNews + pause - Date.now();
      if (left <= 0) return { reason: 'quiet', t: this.#seen.at(-1)?.t ?? 0 };
      await sleep(left, signal);
    }
  }

  /** The whole trace, up to the snapshot, from the container. */
  async #bringHome(sign: Sign, watching: AbortSignal): Promise<StartupTrace> {
    const events: TraceEvent[] = [];
    const file = await this.container.trace();
    let header: TraceHeader | undefined;
    if (file) {
      try {
        ({ header } = await scanTrace(
          file,
          (event) => {
            events.push(event);
            return event.op !== 'mark' || event.what !== 'snapshot-done';
          },
          { signal: this.options.signal, name: "the tracer's output" },
        ));
      } catch (error) {
        // Empty: the tracer could not begin, and has said why.
        if (!(error instanceof LensError && error.code === 'trace/bad-file' && this.#complaints.length > 0))
          throw error;
      }
    }
    const { running, exitCode } = await this.container.state();
    // What it wrote last may still be on its way.
    if (!running) await Promise.race([this.#logRead, sleep(LOG_LIMIT, watching)]);
    this.#checkComplaints(header !== undefined);
    if (!header) {
      throw new LensError(
        'trace/denied',
        `The container left no trace${this.#quoted()}.`,
        'See whether "docker run" starts the image, and whether something in the container ends other processes.',
      );
    }
    const ready = readyAt(sign, header);
    return this.#trace(header, events, {
      op: 'end',
      reason: sign.reason,
      ...(ready !== undefined && { t_ready: ready }),
      ...(!running && { exit_code: exitCode }),
      ...(['early-exit', 'oom', 'timeout'].includes(sign.reason) && { log: [...this.#lastLines] }),
    });
  }

  /** What the tracer could not do, as an error. */
  #checkComplaints(traced: boolean): void {
    for (const complaint of this.#complaints) {
      const [, command, why] = /^exec (.*): (.*?)$/.exec(complaint) ?? [];
      if (command !== undefined && why === 'Exec format error') {
        const { platform } = this.subject.image;
        throw new LensError(
          'trace/other-machine',
          `"${command}" of this ${platform} image cannot run on the engine's machine, which has no emulator for it: ${why}.`,
          "Record it on an engine of the image's own kind, install an emulator (qemu-user-static), or have its start guessed (--guess).",
        );
      }
      if (command !== undefined && why !== undefined) {
        throw new LensError(
          'trace/command-not-found',
          `The container has nothing to run as "${command}": ${why}.`,
          'Correct the ENTRYPOINT or CMD, or give the command to run behind "--".',
        );
      }
    }
    if (traced) return;
    const why = this.#complaints[0];
    if (why === undefined) return;
    throw new LensError(
      'trace/denied',
      `The start could not be traced (${why}); the program ran without it.`,
      'Allow ptrace for this container (seccomp profile, ptrace_scope), or import a trace that another tool recorded.',
    );
  }

  #quoted(): string {
    return this.#lastLines.length === 0
      ? ''
      : `; its last lines were: ${this.#lastLines.slice(-3).join(' / ')}`;
  }

  #whatWasSeen(): StartupTrace {
    if (!this.#header) throw new RangeError('Events were seen without a header.');
    return this.#trace(this.#header, this.#seen, {
      op: 'end',
      reason: 'engine-lost',
      log: [...this.#lastLines],
    });
  }

  #trace(header: TraceHeader, events: readonly TraceEvent[], footer: TraceFooter): StartupTrace {
    const { command, warmUp = [] } = this.options;
    return {
      header: {
        ...header,
        image: this.subject.image,
        excluded_mounts: [
          '/.trc',
          '/etc/resolv.conf',
          '/etc/hosts',
          '/etc/hostname',
          ...this.container.mounts,
        ],
        ...(command && { command }),
        ...(warmUp.length > 0 && { warm_up: warmUp.map(({ port, path }) => `${port}/${path}`) }),
      },
      events,
      footer,
    };
  }
}

/** On the trace's own clock, in microseconds. */
function readyAt({ t, at }: Sign, header: TraceHeader): number | undefined {
  if (t !== undefined || at === undefined) return t;
  return Math.max(0, Number((at - BigInt(header.t0_unix_ns)) / 1000n));
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done, { once: true });
  });
}
