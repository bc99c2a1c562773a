/** Recording starts, and laying recorded ones on images. */
import * as path from 'node:path';
import * as vscode from 'vscode';
import { LensError, messageOf } from '../../errors';
import type { Engine } from '../../image/engine';
import type { EndReason, TraceFooter } from '../../trace/types';
import { isLensError } from '../errors';
import { shortName } from '../keys';
import type { Services } from '../services';
import { readSettings } from '../settings';
import type { Opened } from '../store';
import type { Task } from '../tasks';
import { redraw, traceFile } from './inspect';
import { LiveRecording } from './live';
import { connect } from './reach';

/**
 * Starts a container of the image under the tracer as often as the settings say, keeps what it recorded in files, and draws
 * the picture anew. `ends` says how each recording ended.
 */
export async function profile(
  services: Services,
  key: string,
  { image, scope }: Opened,
  task: Task,
): Promise<{ readonly opened: Opened; readonly ends: readonly TraceFooter[] }> {
  const line = await services.line();
  const settings = readSettings(scope);
  const engine = await connect(services, task.signal);
  void offerToTidy(line, engine, services);
  const files: string[] = [];
  const ends: TraceFooter[] = [];
  const live = new LiveRecording(shortName(key));
  try {
    for (let run = 1; run <= settings.traceRuns && !live.stop.aborted; run++) {
      const recorded = await line
        .recordStart(engine, image, {
          tracerDir: services.folders.tracer,
          ready: line.parseReadyRule(settings.ready),
          timeoutMs: settings.traceTimeout,
          onLog: (text) => {
            services.log.info(text);
            live.log(text);
          },
          signal: task.signal,
          stop: live.stop,
          onProgress: (progress) => {
            live.progress(progress);
            const ofRuns = vscode.l10n.t('run {0} of {1}', run, settings.traceRuns);
            const step = settings.traceRuns === 1 ? progress.step : `${progress.step} (${ofRuns})`;
            task.onProgress({ ...progress, step });
          },
        })
        .catch((error: unknown) => {
          throw image.source === 'engine' ? error : asNotInEngine(error, key);
        });
      if (recorded.footer) ends.push(recorded.footer);
      const first = traceFile(services, key);
      const named = (part: string) => first.replace(/(?=\.soci-trace\.jsonl$)/, `.${part}`);
      if (recorded.footer?.reason === 'engine-lost') {
        // Beside what was recorded before, which may be whole.
        const cut = named('cut');
        await line.writeTrace(cut, recorded, task.signal);
        throw new LensError(
          'trace/engine-gone',
          vscode.l10n.t('The Docker engine stopped answering while it recorded the start of {0}.', key),
          vscode.l10n.t('Start it and profile again; what was read until then is kept in {0}.', cut),
        );
      }
      const file = run === 1 ? first : named(String(run));
      await line.writeTrace(file, recorded, task.signal);
      files.push(file);
    }
  } finally {
    live.dispose();
  }
  return { opened: await redraw(services, key, { traces: files }), ends };
}

/** Works out from the image alone what its start reads, keeps that in a file as a recorded start is, and draws the picture anew. */
export async function guess(
  services: Services,
  key: string,
  { image, layers }: Opened,
  task: Task,
): Promise<Opened> {
  const line = await services.line();
  const scans = layers.map((result) => ('scan' in result ? result.scan : undefined));
  const guessed = await line.guessImage(image, scans, { signal: task.signal });
  const file = traceFile(services, key);
  await line.writeTrace(file, guessed, task.signal);
  return redraw(services, key, { traces: [file] });
}

/** Whether an image cannot be run here at all, so that its start can only be guessed. */
export function cannotRun(error: unknown): boolean {
  return isLensError(error) && CANNOT_RUN.has(error.code);
}
const CANNOT_RUN: ReadonlySet<string> = new Set([
  'editor/not-in-engine',
  'image/no-engine',
  'image/old-engine',
  'trace/cannot-run',
  'trace/denied',
  'trace/no-tracer',
  'trace/other-machine',
]);

/** Offers to remove what recordings that were cut off, by a killed editor for one, have left in the engine. */
async function offerToTidy(
  line: Awaited<ReturnType<Services['line']>>,
  engine: Engine,
  { log }: Services,
): Promise<void> {
  try {
    const left = await line.findLeftovers(engine);
    const count = left.containers.length + left.volumes.length;
    if (count === 0) return;
    const remove = vscode.l10n.t('Remove');
    const told = vscode.l10n.t(
      'Recordings that were cut off have left containers or volumes in the Docker engine ({0}).',
      count,
    );
    if ((await vscode.window.showInformationMessage(told, remove)) === remove)
      await line.removeLeftovers(engine, left);
  } catch (error) {
    // The recording itself is what was asked for.
    log.warn(messageOf(error));
  }
}

/** Removes the containers that recordings of this window left in an engine that went away. */
export async function tidyEngine(services: Services, task: Task): Promise<void> {
  const { findLeftovers, removeLeftovers } = await services.line();
  const engine = await connect(services, task.signal);
  await removeLeftovers(engine, await findLeftovers(engine, { own: true }));
}

/** One recorded start, as the view of them shows it. */
export interface Recorded {
  /** Absolute path. */
  readonly file: string;
  /** What was started, as the trace names it; undefined in imported ones. */
  readonly image: string | undefined;
  readonly diffIds: readonly string[];
  /** The recorder, and how the recording ended. */
  readonly mode: string;
  readonly reason: EndReason | undefined;
  /** Seconds to ready, where it became ready. */
  readonly readySeconds: number | undefined;
  /** Distinct files and folders that were opened. */
  readonly files: number;
}

/** Reads what a recorded start is, without keeping its events. */
export async function readRecorded(services: Pick<Services, 'line'>, file: string): Promise<Recorded> {
  const line = await services.line();
  const opened = new Set<string>();
  const { header, footer } = await line.scanTrace(file, (event) => {
    if ((event.op === 'open' || event.op === 'exec') && (event.ret ?? 0) >= 0)
      opened.add(event.real ?? event.path);
  });
  return {
    file: path.resolve(file),
    image: header.image?.ref,
    diffIds: header.image?.diff_ids ?? [],
    mode: header.mode,
    reason: footer?.reason,
    readySeconds: footer?.t_ready === undefined ? undefined : footer.t_ready / 1e6,
    files: opened.size,
  };
}

/** An image of a layout or a registry runs where the engine has the same layers; else it has to get there first. */
function asNotInEngine(error: unknown, key: string): unknown {
  if (!isLensError(error) || error.code !== 'trace/other-image') return error;
  return new LensError(
    'editor/not-in-engine',
    vscode.l10n.t('The Docker engine does not have {0}, and only there it can be started.', key),
    vscode.l10n.t('Pull or load it into the engine, or use a start that was recorded elsewhere.'),
    { cause: error },
  );
}
