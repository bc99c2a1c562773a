import * as path from 'node:path';
import * as vscode from 'vscode';
import { LensError, messageOf } from '../errors';
import { formatBytes, formatCount, formatSize } from './language';
import type { Picture } from '../plan/picture';
import type { BuildAdvice, Plan } from '../plan/types';
import { describeStart, isEarly, spanRange } from './describe';
import { imageName } from './dockerfiles';
import { isLensError, showError } from './errors';
import { parseKey, sampleKey, shortName } from './keys';
import type { PanelActions, WantedIndex } from './panel';
import { askForWay, confirmOptimize } from './optimizing';
import { askForIndex, detailOf, pickImage } from './questions';
import { translated } from './room-texts';
import { saveFile } from './save';
import type { Services } from './services';
import { readSettings } from './settings';
import type { DockerfileOrigin, Opened } from './store';
import { type Task, TaskKind } from './tasks';
import { bytesFor, ownBytes, type IndexedBytes } from './work/bytes';
import { asBest, asOrdered, settledWish, wishOf, type Decision } from './work/decide';
import * as indexes from './work/indexes';
import * as inspecting from './work/inspect';
import { optimize } from './work/optimize';
import * as recording from './work/record';

const INSPECT = new TaskKind<Opened>('inspect');
const BUILD = new TaskKind<void>('build');
const PROFILE = new TaskKind<Awaited<ReturnType<typeof recording.profile>>>('profile');
const GUESS = new TaskKind<Opened>('guess');
const SAMPLE = new TaskKind<string>('sample');
const INDEX = new TaskKind<string>('index');
const INDEX_BYTES = new TaskKind<IndexedBytes>('index-bytes');
const OPTIMIZE = new TaskKind<string>('optimize');

/** Images that the person has allowed to run, by key. */
const MAY_RUN = 'mayRun';

/** Where an index went. */
export interface IndexMade {
  readonly destination: string;
  readonly digest: string;
}

/**
 * What a person can have done, from palette, lens, tree and panel alike: asks what must be asked, runs the work as a task, and says
 * what came of it. Rejects with a LensError, or with an abort when the person cancelled the task.
 */
export class Actions implements PanelActions {
  readonly #services: Services;
  readonly #analysed = new vscode.EventEmitter<string>();
  /** An engine went away with a container of ours in it; it is removed when the engine is back. */
  #leftBehind = false;
  /** Fires with the key of an image that was read, or whose start was laid on it anew. */
  readonly onDidAnalyse = this.#analysed.event;

  constructor(services: Services) {
    this.#services = services;
  }

  /** The image as it was read in this window, reading it first if need be. */
  async open(key: string, signal?: AbortSignal): Promise<Opened> {
    const opened = this.#services.store.get(key)?.opened;
    return opened && (await this.#isThere(opened)) ? opened : this.inspect(key, signal);
  }

  /** What was saved from an engine or an archive gives way to other images when the cache is full. */
  async #isThere({ image: { source, layout } }: Opened): Promise<boolean> {
    if (layout === undefined || source === 'layout' || source === 'registry') return true;
    const { keepCached } = await this.#services.line();
    return keepCached(layout);
  }

  /** As much of the picture of an image as there is, reading it first if need be: it grows while its layers are read. */
  async picture(key: string): Promise<Picture> {
    const { store } = this.#services;
    const known = store.picture(key);
    if (known) return known;
    return new Promise((resolve, reject) => {
      const growing = store.onDidGrow(() => {
        const grown = store.picture(key);
        if (grown) resolve(grown);
      });
      this.open(key)
        .then(({ picture }) => {
          resolve(picture);
        }, reject)
        .finally(() => {
          growing.dispose();
        });
    });
  }

  async inspect(key: string, signal?: AbortSignal): Promise<Opened> {
    const title = vscode.l10n.t('Inspecting {0}', shortName(key));
    const look = async (task: Task) => {
      const found = await inspecting.inspect(this.#services, key, task);
      if (parseKey(key).platform === undefined) {
        await indexes.survey(this.#services, key, task.signal).catch((error: unknown) => {
          task.signal.throwIfAborted();
          // The image itself is there; what lies around it is an extra.
          this.#services.log.warn(messageOf(error));
        });
      }
      return found;
    };
    const opened = await this.#services.tasks.run(INSPECT, key, title, look, { signal });
    this.#analysed.fire(key);
    return opened;
  }

  /**
   * @param target the stage to build; undefined for the last one
   * @returns how the image that was built is known; it is still to be read
   */
  async build(dockerfile: vscode.Uri, target?: string): Promise<string> {
    requireTrust(vscode.l10n.t('building runs what the Dockerfile says'));
    const name = imageName(dockerfile, target);
    const key = `docker-daemon:${name}`;
    const title = vscode.l10n.t('Building {0}', name);
    await this.#services.tasks.run(BUILD, key, title, async (task) => {
      // The engine reads the file, so what is typed has to be there.
      await vscode.workspace.save(dockerfile);
      await inspecting.build(this.#services, dockerfile, target, key, task);
    });
    return key;
  }

  async profile(key: string): Promise<string | null> {
    requireTrust(vscode.l10n.t('profiling runs the image'));
    const opened = await this.open(key);
    const answer = await this.#mayRun(key, opened.image);
    if (answer !== 'run') return answer && this.guess(key);
    const title = vscode.l10n.t('Profiling the start of {0}', shortName(key));
    const { opened: profiled, ends } = await this.#services.tasks
      .run(PROFILE, key, title, async (task) => {
        if (this.#leftBehind) await recording.tidyEngine(this.#services, task);
        this.#leftBehind = false;
        return recording.profile(this.#services, key, opened, task);
      })
      .catch((error: unknown) => {
        this.#leftBehind ||= isLensError(error) && error.code === 'trace/engine-gone';
        throw error;
      });
    this.#analysed.fire(key);
    const { plan, input } = profiled;
    const { runs = [] } = input;
    const files = plan.trace?.files ?? 0;
    const early = ends.find(isEarly);
    if (early || runs.length < 2) return describeStart(files, early);
    const { uniteRuns } = await this.#services.line();
    const always = uniteRuns(runs).files.filter((file) => file.runs === runs.length);
    return vscode.l10n.t(
      'The start reads {0} files, {1} of them in each of {2} runs.',
      formatCount(files),
      formatCount(always.length),
      runs.length,
    );
  }

  /** What the image alone tells of its start, where it cannot or may not be run. */
  async guess(key: string): Promise<string> {
    const opened = await this.open(key);
    const title = vscode.l10n.t('Guessing the start of {0}', shortName(key));
    const guessed = await this.#services.tasks.run(GUESS, key, title, (task) =>
      recording.guess(this.#services, key, opened, task),
    );
    this.#analysed.fire(key);
    return vscode.l10n.t(
      'A guess of {0} files, each taken whole; nothing was run. Configuration, data and plug-ins are missing from it.',
      formatCount(guessed.plan.trace?.files ?? 0),
    );
  }

  /** Lays recorded starts on an image, all of them over each other. */
  async useTraces(key: string, files: readonly vscode.Uri[]): Promise<void> {
    await this.open(key);
    await inspecting.redraw(this.#services, key, { traces: files.map(({ fsPath }) => fsPath) });
    this.#analysed.fire(key);
  }

  /**
   * Makes the sample image, reads it and lays its recorded start on it: all without an engine and without a network.
   *
   * @returns how it is known
   */
  async openSample(): Promise<string> {
    const { folders, tasks, line } = this.#services;
    const key = sampleKey(folders);
    const title = vscode.l10n.t('Making the sample image');
    await tasks.run(SAMPLE, key, title, async (task) => (await line()).makeSmallSample(folders.sample, task));
    await this.useTraces(key, [vscode.Uri.file(folders.sampleTrace)]);
    return key;
  }

  /** Draws images that are open anew when a setting changes that their plan follows. */
  redrawOnChange(): vscode.Disposable {
    return vscode.workspace.onDidChangeConfiguration((event) => {
      if (!event.affectsConfiguration('sociLens.plan') && !event.affectsConfiguration('sociLens.index'))
        return;
      void this.#redrawAll();
    });
  }

  async #redrawAll(): Promise<void> {
    const open = this.#services.store.all.filter(({ opened }) => opened);
    const drawn = await Promise.allSettled(
      open.map(({ reference }) => inspecting.redraw(this.#services, reference)),
    );
    const failures = drawn.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
    // What is wrong with a setting is wrong for all of them, and said once.
    const distinct = new Map(failures.map((failure) => [messageOf(failure), failure]));
    for (const failure of distinct.values()) void showError(failure, this.#services.log);
  }

  /** An image that the person picks among all there are; the sample image is made when it is picked. */
  async pickImage(title: string): Promise<string | undefined> {
    const key = await pickImage(this.#services, title);
    return key === sampleKey(this.#services.folders) ? this.openSample() : key;
  }

  /** Says that an image belongs to a Dockerfile that it was not built from here. */
  async assign(key: string, dockerfile: DockerfileOrigin): Promise<void> {
    await this.open(key);
    await inspecting.redraw(this.#services, key, { dockerfile });
  }

  /** @param wanted what the panel says */
  async createIndex(key: string, wanted?: WantedIndex): Promise<string | null> {
    const made = await this.makeIndex(key, 'any', wanted);
    return made && vscode.l10n.t('{0} holds the image with its index: {1}', made.destination, made.digest);
  }

  /** @param wanted what the panel says; the recorded start and the settings stand in for it */
  async makeIndex(
    key: string,
    to: 'registry' | 'folder' | 'any',
    wanted?: WantedIndex,
  ): Promise<IndexMade | null> {
    requireTrust(vscode.l10n.t('an index is pushed with your credentials'));
    const opened = await this.open(key);
    const title = to === 'folder' ? vscode.l10n.t('Create Index') : vscode.l10n.t('Create and Push Index');
    const asked =
      wanted &&
      ('best' in wanted
        ? (opened.picture.best(wanted.best, settledWish(opened))?.prefetch.length ?? 0) > 0
        : wanted.prefetch);
    const answers = await askForIndex(this.#services, key, { to, title, prefetch: asked });
    if (!answers) return null;
    const { destination } = answers;
    const bytes = await this.#bytesFor(key, opened, destination);
    // The spans of other bytes are others, so it is decided by those that are indexed.
    const decision = await this.#decide(bytes.opened, answers.prefetch, wanted);
    if (decision.layers === 0)
      throw new LensError(
        'editor/nothing-to-index',
        vscode.l10n.t('There is nothing to index in {0}: every layer is left out.', shortName(key)),
        decision.reason ??
          vscode.l10n.t('Lower the smallest layer to index, now {0}.', formatSize(decision.minLayerSize)),
      );
    if (!(await confirmIndex(key, bytes, decision, destination))) return null;
    const progress = vscode.l10n.t('Indexing {0}', shortName(key));
    const digest = await this.#services.tasks.run(
      INDEX,
      key,
      progress,
      (task) => indexes.createIndex(this.#services, key, bytes, destination, decision, task),
      { about: destination },
    );
    return { destination, digest };
  }

  /** Only of an image of the engine that goes to a registry there may be two kinds of bytes. */
  async #bytesFor(key: string, opened: Opened, destination: string): Promise<IndexedBytes> {
    if (opened.image.source !== 'engine' || !destination.startsWith('docker://'))
      return ownBytes(key, opened);
    const title = vscode.l10n.t('Looking for {0} in the registry', shortName(key));
    return this.#services.tasks.run(
      INDEX_BYTES,
      key,
      title,
      (task) => bytesFor(this.#services, key, opened, destination, task),
      { about: destination },
    );
  }

  /** What is neither said on the panel nor set, the recorded start decides; without one, the defaults do. */
  async #decide(opened: Opened, prefetch: boolean, wanted?: WantedIndex): Promise<Decision> {
    const line = await this.#services.line();
    if (wanted && !('best' in wanted)) return asOrdered(line, opened, wanted);
    const best = wanted
      ? opened.picture.best(wanted.best, settledWish(opened))
      : opened.picture.best(null, wishOf(opened, prefetch));
    if (best) return asBest(line, opened, best);
    const { spanSize, minLayerSize } = readSettings(opened.scope);
    const usual = spanSize === 'auto' ? opened.plan.choice.spanSize : spanSize;
    return asOrdered(line, opened, { spanSize: usual, minLayerSize, prefetch, extra: [] });
  }

  /** Lays the image out for its recorded start; the person chooses among ways that say what they win and cost. */
  async optimizeImage(key: string): Promise<string | null> {
    requireTrust(vscode.l10n.t('an index is pushed with your credentials'));
    const opened = await this.open(key);
    const { forecastWays, OPTIMIZE_WAYS } = await this.#services.line();
    const { network, node, minLayerSize } = opened.plan;
    const ways = forecastWays(opened.input, { network, node }, { minLayerSize, ways: OPTIMIZE_WAYS });
    const way = await askForWay(ways);
    if (!way) return null;
    const title = vscode.l10n.t('Optimize Image');
    const answers = await askForIndex(this.#services, key, { to: 'any', title, prefetch: false });
    if (!answers || !(await confirmOptimize(key, way, answers.destination))) return null;
    const { destination } = answers;
    const progress = vscode.l10n.t('Optimizing {0}', shortName(key));
    const digest = await this.#services.tasks.run(
      OPTIMIZE,
      key,
      progress,
      (task) => optimize(this.#services, opened, way, destination, task),
      { about: destination },
    );
    this.#services.store.update(destination, {});
    return vscode.l10n.t('{0} holds the optimized image with its index: {1}', destination, digest);
  }

  async adviseBuild(
    key: string,
    { network, node, minLayerSize }: Pick<Plan, 'network' | 'node' | 'minLayerSize'>,
  ): Promise<readonly BuildAdvice[]> {
    const [{ adviseBuild }, { input }] = await Promise.all([this.#services.line(), this.open(key)]);
    return adviseBuild(input, { network, node }, minLayerSize);
  }

  async exportReport(key: string): Promise<string | null> {
    const opened = await this.open(key);
    const { plan: usual, picture } = opened;
    const plan = {
      ...usual,
      best: picture.best(null, settledWish(opened)),
      build: await this.adviseBuild(key, usual),
    };
    const name = `${shortName(key).replace(/[^\w.-]+/g, '-')}.html`;
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
    const file = await vscode.window.showSaveDialog({
      title: vscode.l10n.t('Save the Report'),
      filters: { HTML: ['html'] },
      ...(folder && { defaultUri: vscode.Uri.joinPath(folder, name) }),
    });
    if (!file) return null;
    const { renderReport } = await this.#services.line();
    await saveFile(file, new TextEncoder().encode(renderReport(plan, picture)));
    return vscode.l10n.t('The report is {0}.', path.basename(file.fsPath));
  }

  /** The first run of an image asks, and shows how it will be run. */
  async #mayRun(key: string, { config: { config = {} } }: Opened['image']): Promise<'run' | 'guess' | null> {
    const allowed = this.#services.answers.get<string[]>(MAY_RUN, []);
    if (allowed.includes(key)) return 'run';
    const command = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
    const run = vscode.l10n.t('Run');
    const isRoot = /^(|0|root)(:.*)?$/.test(config.User ?? '');
    const facts = [
      vscode.l10n.t('Command: {0}', command.length > 0 ? command.join(' ') : vscode.l10n.t('none')),
      vscode.l10n.t('User: {0}', config.User === undefined || config.User === '' ? 'root' : config.User),
    ];
    const notes = [
      vscode.l10n.t(
        "A tracer is copied into the container and starts the command, in the engine's usual network. No port is published, nothing of this machine is mounted, and the container is removed afterwards.",
      ),
      ...(isRoot ? [vscode.l10n.t('The tracer alone gets the capability SYS_PTRACE.')] : []),
    ];
    const detail = detailOf(facts, notes);
    const question = vscode.l10n.t('Run {0} once to record what its start reads?', shortName(key));
    const guess = vscode.l10n.t('Guess Instead');
    const chosen = await vscode.window.showWarningMessage(question, { modal: true, detail }, run, guess);
    if (chosen !== run) return chosen === guess ? 'guess' : null;
    await this.#services.answers.update(MAY_RUN, [...allowed, key]);
    return 'run';
  }
}

/** Shows what will be made and where, before anything is written. */
async function confirmIndex(
  key: string,
  { opened: { plan }, note }: IndexedBytes,
  { format, reason, layers, spanSizes, spans, ztocBytes, prefetched }: Decision,
  destination: string,
): Promise<boolean> {
  const size = plan.layers.reduce((sum, layer) => sum + layer.size, 0);
  const facts = [
    vscode.l10n.t('To: {0}', destination),
    vscode.l10n.t('Image: {0} layers, {1}', formatCount(plan.layers.length), formatBytes(size)),
    vscode.l10n.t(
      'Index ({0}): {1} of them in spans of {2}; {3} spans, {4} of ztocs',
      format,
      formatCount(layers),
      spanRange(spanSizes),
      formatCount(spans),
      formatBytes(ztocBytes),
    ),
    ...(prefetched > 0
      ? [
          vscode.l10n.t(
            'Prefetch: {0} spans; nodes with prefetch enabled fetch them before the start',
            formatCount(prefetched),
          ),
        ]
      : []),
  ];
  const notes = [
    ...(reason === null ? [] : [translated(reason)]),
    translated(note),
    format === 'v2'
      ? vscode.l10n.t('What the destination holds under this name is replaced.')
      : vscode.l10n.t('The image stays as it is; the index refers to it.'),
  ];
  const detail = detailOf(facts, notes);
  const go = destination.startsWith('docker://') ? vscode.l10n.t('Create and Push') : vscode.l10n.t('Create');
  const question = vscode.l10n.t('Create the SOCI index of {0}?', shortName(key));
  return (await vscode.window.showInformationMessage(question, { modal: true, detail }, go)) === go;
}

export function requireTrust(why: string): void {
  if (vscode.workspace.isTrusted) return;
  throw new LensError(
    'editor/untrusted',
    vscode.l10n.t('This workspace is not trusted, and {0}.', why),
    vscode.l10n.t('Trust the workspace first.'),
  );
}
