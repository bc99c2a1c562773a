/** The long work behind the commands: no questions, no windows. Each step of the line is done by its own room. */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { LensError, messageOf } from '../errors';
import type { Engine } from '../image/engine';
import type { LayerResult } from '../image/scan';
import { formatPlatform } from '../oci/platform';
import type { Picture } from '../plan/picture';
import type { PlanInput } from '../plan/plan';
import type { IndexOrder } from '../protocol';
import type { EndReason } from '../trace/types';
import { fingerprint, shortName } from './dockerfiles';
import { isLensError } from './errors';
import type { Line, Services } from './services';
import { readSettings, type Settings } from './settings';
import { factsOf, type Analysis, type Opened } from './store';
import type { Task } from './tasks';

/** Where an index went. */
export interface IndexResult {
  readonly digest: string;
  readonly destination: string;
}

/** Reads an image: opens it, scans its layers, lays the recorded start on them if there is one, and draws the picture. */
export async function inspect(services: Services, reference: string, task: Task): Promise<Opened> {
  const line = await services.line();
  const settings = readSettings();
  const image = await line.openImage(reference, {
    engine: () => connect(services, task.signal),
    cacheDir: path.join(services.folders.cache, 'images'),
    registry: registryOptions(settings),
    ...task,
  });
  const pool = line.createScanPool();
  let layers: LayerResult[];
  try {
    const cache = line.openScanCache(path.join(services.folders.cache, 'scans'), settings.cacheSize);
    layers = await line.scanImage(image, { pool, cache, ...task });
  } finally {
    await pool.close();
  }
  const known = services.store.get(reference);
  const trace = known?.trace ?? (await existing(traceFile(services, reference)));
  const parts = { image, layers, dockerfile: known?.dockerfile };
  try {
    return keep(services, reference, trace, await draw(services, { ...parts, trace }));
  } catch (error) {
    if (trace === undefined || !isLensError(error)) throw error;
    // A start that was recorded from another image must not keep anybody from looking at this one.
    services.log.warn(`The recorded start ${trace} is left out: ${error.message}`);
    return keep(services, reference, undefined, await draw(services, { ...parts, trace: undefined }));
  }
}

/** Builds the image of a Dockerfile in its own folder, and notes which text it was built from. Its output goes to the log. */
export async function build(
  services: Services,
  dockerfile: vscode.Uri,
  reference: string,
  task: Task,
): Promise<void> {
  const line = await services.line();
  const engine = await connect(services, task.signal);
  const contextDir = path.dirname(dockerfile.fsPath);
  const text = fingerprint(await readFile(dockerfile.fsPath, 'utf8'));
  await line.buildImage(engine, {
    contextDir,
    dockerfile: dockerfile.fsPath,
    tag: shortName(reference),
    onLog: (line) => {
      services.log.info(line);
    },
    ...task,
  });
  services.store.update(reference, { dockerfile: { uri: dockerfile.toString(), text } });
}

/**
 * Starts a container of the image under the tracer, keeps what it recorded in a file, and draws the picture anew. `reason` says
 * how the recording ended.
 */
export async function profile(
  services: Services,
  reference: string,
  task: Task,
): Promise<{ readonly opened: Opened; readonly reason: EndReason | undefined }> {
  const { opened, dockerfile } = known(services, reference);
  const line = await services.line();
  const settings = readSettings();
  const engine = await connect(services, task.signal);
  const recorded = await line
    .recordStart(engine, opened.image, {
      tracerDir: services.folders.tracer,
      ready: line.parseReadyRule(settings.ready),
      timeoutMs: settings.traceTimeout,
      onLog: (text) => {
        services.log.info(text);
      },
      ...task,
    })
    .catch((error: unknown) => {
      throw opened.image.source === 'engine' ? error : asNotInEngine(error, reference);
    });
  if (recorded.footer?.reason === 'engine-lost') {
    throw new LensError(
      'trace/engine-gone',
      vscode.l10n.t('The Docker engine stopped answering while it recorded the start of {0}.', reference),
      vscode.l10n.t('Start it and profile again; nothing of this recording is kept.'),
    );
  }
  const trace = traceFile(services, reference);
  await mkdir(path.dirname(trace), { recursive: true });
  await line.writeTrace(trace, recorded, task.signal);
  const drawn = await draw(services, { ...opened, trace, dockerfile });
  return { opened: keep(services, reference, trace, drawn), reason: recorded.footer?.reason };
}

/** Removes the containers that recordings left in an engine that went away. */
export async function tidyEngine(services: Services, task: Task): Promise<void> {
  const { findLeftovers, removeLeftovers } = await services.line();
  const engine = await connect(services, task.signal);
  await removeLeftovers(engine, await findLeftovers(engine, { own: true }));
}

/** Lays a start that was recorded before on the image. */
export async function useTrace(services: Services, reference: string, trace: string): Promise<Opened> {
  const { opened, dockerfile } = known(services, reference);
  return keep(services, reference, trace, await draw(services, { ...opened, trace, dockerfile }));
}

/** The image as another recorded start shows it; what is kept of it stays as it is. */
export async function pictureOf(services: Services, reference: string, trace: string): Promise<Picture> {
  const { opened, dockerfile } = known(services, reference);
  return (await draw(services, { ...opened, trace, dockerfile })).picture;
}

/** Makes the image that carries its SOCI index, and puts it where it shall go. What is made on the way does not stay. */
export async function createIndex(
  services: Services,
  reference: string,
  destination: string,
  order: IndexOrder,
  task: Task,
): Promise<IndexResult> {
  const { opened } = known(services, reference);
  const line = await services.line();
  const target = readDestination(line, destination);
  const { image } = opened;
  if (image.layout === undefined) {
    throw new LensError(
      'editor/no-layout',
      vscode.l10n.t(
        'The blobs of {0} are not on this machine, so its index cannot be written here.',
        reference,
      ),
      vscode.l10n.t('Pull the image into the Docker engine and inspect it there.'),
    );
  }
  const source = await line.openLayout(image.layout);
  const parsed = line.parseReference(reference);
  const scratch = path.join(services.folders.cache, 'made', randomUUID());
  const output = target.transport === 'oci' ? path.resolve(target.path) : scratch;
  const touched = opened.picture.prefetch(order);
  // The layers are scanned already, so making the ztocs has no steps of its own to report.
  task.onProgress({ step: vscode.l10n.t('Making the index') });
  try {
    const { index } = await line.convertLayout(source, await line.createLayout(output), {
      spanSize: order.spanSize,
      minLayerSize: order.minLayerSize,
      platforms: [image.platform],
      prefetchSpans: ({ digest }) =>
        touched
          .filter((layer) => layer.digest === digest)
          .flatMap(({ spans }) => spans.map(([start, end]) => ({ start, end }))),
      ...(parsed.transport === 'oci' && parsed.tag !== undefined && { tag: parsed.tag }),
      scan: (layer) => Promise.resolve(scanOf(opened.layers, layer.digest)),
      onLine: (text: string) => {
        services.log.info(text);
      },
      ...task,
    });
    if (target.transport === 'docker') {
      const { host, repository, tag } = target.registry;
      const client = line.connectRegistry(host, repository, registryOptions(readSettings()));
      await line.pushLayout(await line.openLayout(output), client, tag ?? 'latest', task);
    }
    services.store.update(reference, { index: { digest: index.digest, destination } });
    return { digest: index.digest, destination };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** @throws LensError for what is no destination, or none that can be written to from here */
export function readDestination(line: Line, text: string) {
  const target = line.parseDestination(text);
  if (target.transport !== 'oci-archive') return target;
  throw new LensError(
    'editor/no-archive',
    vscode.l10n.t('An image with its index cannot be written to an archive yet.'),
    vscode.l10n.t('Write oci:FOLDER or docker://HOST/NAME:TAG.'),
  );
}

/** Asks the engine who it is, and notes for the view whether it answered. */
export async function connect(services: Services, signal: AbortSignal): Promise<Engine> {
  const { connectEngine } = await services.line();
  const { engineHost, engineContext } = readSettings();
  const note = (hasEngine: boolean) =>
    vscode.commands.executeCommand('setContext', 'sociLens.hasEngine', hasEngine);
  try {
    const engine = await connectEngine({ host: engineHost, context: engineContext, signal });
    await note(true);
    return engine;
  } catch (error) {
    signal.throwIfAborted();
    await note(false);
    throw error;
  }
}

/** Where the recorded start of an image is kept: with the workspace, else with the extension. */
export function traceFile({ folders }: Services, reference: string): string {
  const folder = vscode.workspace.workspaceFolders?.find(({ uri }) => uri.scheme === 'file');
  // The same name as the command line gives, so that each finds what the other recorded.
  const name = reference.replace(/^docker-daemon:/, '').replace(/[^\w.-]+/g, '-');
  const home = folder ? path.join(folder.uri.fsPath, '.soci-lens') : folders.traces;
  return path.join(home, `${name}.soci-trace.jsonl`);
}

async function draw(
  services: Services,
  parts: Pick<Opened, 'image' | 'layers'> & { trace: string | undefined; dockerfile: Analysis['dockerfile'] },
): Promise<Opened> {
  const { image, layers } = parts;
  const line = await services.line();
  const source = await readDockerfile(services, parts.dockerfile);
  const model = source && line.parseDockerfile(source.text);
  const steps = line.layerSteps(image, model);
  const made = model && source.unchanged ? line.matchLayers(model, image.config.history ?? []) : [];
  const scans = layers.map((result) => ('scan' in result ? result.scan : undefined));
  const mapping =
    parts.trace === undefined
      ? undefined
      : line.mapTrace(await line.readTrace(parts.trace), {
          layers: scans.map((scan) => scan?.entries),
          config: image.config,
        });
  const input: PlanInput = {
    image: {
      reference: image.reference,
      digest: image.descriptor.digest,
      platform: formatPlatform(image.platform),
    },
    layers: layers.map((result, index) => ({
      descriptor: result.layer.descriptor,
      scan: scans[index],
      instruction: steps[index],
      problem: 'error' in result ? result.error.message : 'skipped' in result ? result.skipped : undefined,
    })),
    mapping,
  };
  const picture = line.createPicture(input, { minLayerSize: readSettings().minLayerSize });
  return {
    image,
    layers,
    steps,
    lines: layers.map((_, index) => (made[index]?.keyword === 'FROM' ? undefined : made[index]?.startLine)),
    picture,
    plan: picture.overview(null).plan,
    touches: line.layerTouches(mapping?.touches ?? [], scans),
  };
}

function keep(services: Services, reference: string, trace: string | undefined, opened: Opened): Opened {
  services.store.update(reference, {
    opened,
    facts: factsOf(opened),
    ...(trace !== undefined && { trace }),
  });
  return opened;
}

function known(services: Services, reference: string): Pick<Analysis, 'dockerfile'> & { opened: Opened } {
  const analysis: Analysis | undefined = services.store.get(reference);
  if (!analysis?.opened) throw new Error(`${reference} has not been read.`);
  return { ...analysis, opened: analysis.opened };
}

/** A Dockerfile that was moved or removed only costs the names of the layers. */
async function readDockerfile({ log }: Services, dockerfile: Analysis['dockerfile']) {
  if (dockerfile === undefined) return undefined;
  try {
    const text = await readFile(vscode.Uri.parse(dockerfile.uri).fsPath, 'utf8');
    return { text, unchanged: fingerprint(text) === dockerfile.text };
  } catch (error) {
    log.warn(`The Dockerfile ${dockerfile.uri} cannot be read: ${messageOf(error)}`);
    return undefined;
  }
}

function scanOf(layers: readonly LayerResult[], digest: string) {
  const result = layers.find(({ layer }) => layer.descriptor.digest === digest);
  if (result && 'scan' in result) return result.scan;
  if (result && 'error' in result) throw result.error;
  throw new Error(`Layer ${digest} was not scanned.`);
}

/** Plain HTTP is only ever switched on: where it is usual, on this machine, the client knows by itself. */
function registryOptions({ plainHttp, caFile, proxy, noProxy }: Settings) {
  return { ...(plainHttp && { plainHttp }), caFile, proxy, noProxy };
}

/** An image of a layout or a registry runs where the engine has the same layers; else it has to get there first. */
function asNotInEngine(error: unknown, reference: string): unknown {
  if (!isLensError(error) || error.code !== 'trace/other-image') return error;
  return new LensError(
    'editor/not-in-engine',
    vscode.l10n.t('The Docker engine does not have {0}, and only there it can be started.', reference),
    vscode.l10n.t('Pull or load it into the engine, or use a start that was recorded elsewhere.'),
    { cause: error },
  );
}

async function existing(file: string): Promise<string | undefined> {
  try {
    await vscode.workspace.fs.stat(vscode.Uri.file(file));
    return file;
  } catch {
    return undefined;
  }
}
