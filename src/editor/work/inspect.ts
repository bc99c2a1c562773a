/** Reading and building images: no questions, no windows. Each step of the line is done by its own room. */
import { readFile, stat } from 'node:fs/promises';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { isAbort, messageOf } from '../../errors';
import type { LayerResult, ScanOptions } from '../../image/scan';
import type { Image } from '../../image/types';
import { formatPlatform } from '../../oci/platform';
import type { Picture } from '../../plan/picture';
import type { PlanInput, PlanInputLayer, PlanOptions } from '../../plan/plan';
import { fingerprint } from '../dockerfiles';
import { isLensError } from '../errors';
import { parseKey, shortName } from '../keys';
import type { Line, Services } from '../services';
import { readSettings, type Settings } from '../settings';
import { factsOf, type Analysis, type DockerfileOrigin, type Opened } from '../store';
import type { Task } from '../tasks';
import { LayerFindings } from './findings';
import { connect, registryOptions } from './reach';

/** Reads an image and notes it: opens it, scans its layers, lays the recorded starts on them if there are any, and draws the picture. */
export async function inspect(services: Services, key: string, task: Task): Promise<Opened> {
  const known = services.store.get(key);
  const traces = await traceFiles(services, key);
  const about = { dockerfile: known?.dockerfile, traces };
  const { opened, used } = await read(services, key, about, task, (picture) => {
    // A picture that is whole stays until the new one is.
    if (!services.store.get(key)?.opened) services.store.grow(key, picture);
  });
  return keep(services, key, opened, { traces: used });
}

/**
 * Reads an image without noting it.
 *
 * @param lies the key of where its bytes are
 * @param onGrow called with what there is to see whenever a layer has been scanned: all layers stand in it from the beginning
 * @returns also the recorded starts that it was drawn with: none where they were recorded from another image
 */
export async function read(
  services: Services,
  lies: string,
  { dockerfile, traces }: { dockerfile: DockerfileOrigin | undefined; traces: readonly string[] },
  task: Task,
  onGrow: (picture: Picture) => void = () => undefined,
): Promise<{ opened: Opened; used: readonly string[] }> {
  const line = await services.line();
  const { reference, platform } = parseKey(lies);
  const pool = line.createScanPool();
  const { cacheSize } = readSettings();
  const cache = line.openScanCache(path.join(services.folders.cache, 'scans'), cacheSize);
  let image: Image;
  let layers: LayerResult[];
  try {
    image = await line.openImage(reference, {
      engine: () => connect(services, task.signal),
      cacheDir: path.join(services.folders.cache, 'images'),
      maxBytes: cacheSize,
      registry: registryOptions(services, line),
      platform: platform === undefined ? undefined : line.parsePlatform(platform),
      indexing: { pool, cache },
      ...task,
    });
    layers = await scanLayers(services, image, dockerfile, { pool, cache, ...task }, onGrow);
  } finally {
    await pool.close();
  }
  const readable = layers.map((result) => ({
    blob: result.layer.blob,
    scan: 'scan' in result ? result.scan : undefined,
  }));
  const findings = new LayerFindings(line.findInThread, readable);
  const parts = { image, layers, findings, dockerfile };
  try {
    return { opened: await draw(services, { ...parts, traces }), used: traces };
  } catch (error) {
    if (traces.length === 0 || !isLensError(error) || !/^(trace\/|plan\/foreign-trace$)/.test(error.code))
      throw error;
    // A start that is damaged, or was recorded from another image, must not keep anybody from looking at this one.
    services.log.warn(`The recorded start ${traces.join(', ')} is left out: ${error.message}`);
    const traceProblem = `${error.message} ${error.advice}`;
    return { opened: await draw(services, { ...parts, traces: [], traceProblem }), used: [] };
  }
}

/** Shortest time between two pictures of an image that is being read, in milliseconds. */
const GROWTH = 100;

/** Scans the layers of an image, and draws it anew as they come. */
async function scanLayers(
  services: Services,
  image: Image,
  dockerfile: DockerfileOrigin | undefined,
  options: ScanOptions,
  onGrow: (picture: Picture) => void,
): Promise<LayerResult[]> {
  const line = await services.line();
  const source = await readDockerfile(services, dockerfile);
  const steps = line.layerSteps(image, source && line.parseDockerfile(source.text));
  const results: (LayerResult | undefined)[] = image.layers.map(() => undefined);
  const grow = (unread?: string): void => {
    const pending = unread === undefined ? results.filter((result) => result === undefined).length : 0;
    const input = imageInput(image, results, steps, unread);
    onGrow(line.createPicture(input, planOptions(line, readSettings(scopeOf(dockerfile))), pending));
  };
  grow();
  let growing: NodeJS.Timeout | undefined;
  try {
    return await line.scanImage(image, {
      ...options,
      onLayer(result, index) {
        results[index] = result;
        growing ??= setTimeout(() => {
          growing = undefined;
          grow();
        }, GROWTH);
      },
    });
  } catch (error) {
    grow(isAbort(error) ? vscode.l10n.t('Reading it was cancelled.') : messageOf(error));
    throw error;
  } finally {
    clearTimeout(growing);
  }
}

/** Builds the image of a Dockerfile in its own folder, and notes which text it was built from. Its output goes to the log. */
export async function build(
  services: Services,
  dockerfile: vscode.Uri,
  target: string | undefined,
  key: string,
  task: Task,
): Promise<void> {
  const line = await services.line();
  const engine = await connect(services, task.signal);
  const text = fingerprint(await readFile(dockerfile.fsPath, 'utf8'));
  await line.buildImage(engine, {
    contextDir: path.dirname(dockerfile.fsPath),
    dockerfile: dockerfile.fsPath,
    tag: shortName(key),
    target,
    onLog: (text) => {
      services.log.info(text);
    },
    ...task,
  });
  services.store.update(key, {
    dockerfile: { uri: dockerfile.toString(), text, ...(target !== undefined && { target }) },
  });
}

/** Draws an image that was read already anew: after a setting, its Dockerfile or its recorded starts have changed. */
export async function redraw(
  services: Services,
  key: string,
  change: Pick<Analysis, 'dockerfile' | 'traces'> = {},
): Promise<Opened> {
  const known = services.store.get(key);
  if (!known?.opened) throw new Error(`${key} has not been read.`);
  const { traces = [], dockerfile } = { ...known, ...change };
  return keep(services, key, await draw(services, { ...known.opened, traces, dockerfile }), change);
}

/** The image as another recorded start shows it; what is kept of it stays as it is. */
export async function pictureOf(services: Services, key: string, trace: string): Promise<Picture> {
  const known = services.store.get(key);
  if (!known?.opened) throw new Error(`${key} has not been read.`);
  return (await draw(services, { ...known.opened, traces: [trace], dockerfile: known.dockerfile })).picture;
}

/** Where the recorded start of an image is kept: with the workspace, else with the extension. */
export function traceFile(
  { folders }: { readonly folders: Pick<Services['folders'], 'traces'> },
  key: string,
): string {
  const folder = vscode.workspace.workspaceFolders?.find(({ uri }) => uri.scheme === 'file');
  // The same name as the command line gives, so that each finds what the other recorded.
  const name = key.replace(/^docker-daemon:/, '').replace(/[^\w.-]+/g, '-');
  const home = folder ? path.join(folder.uri.fsPath, '.soci-lens') : folders.traces;
  return path.join(home, `${name}.soci-trace.jsonl`);
}

/** The settings that a plan follows. */
export function planOptions(line: Line, settings: Settings): PlanOptions {
  const { minLayerSize, network, node, spanSizes } = settings;
  return {
    minLayerSize,
    ...(network !== undefined && { network: line.parseNetwork(network) }),
    ...(node !== undefined && { node: line.parseNode(node) }),
    ...(spanSizes.length > 0 && { spanSizes }),
  };
}

async function draw(
  services: Services,
  parts: Pick<Opened, 'image' | 'layers' | 'findings'> & {
    traces: readonly string[];
    dockerfile: DockerfileOrigin | undefined;
    traceProblem?: string;
  },
): Promise<Opened> {
  const { image, layers, findings, traces, dockerfile, traceProblem } = parts;
  const line = await services.line();
  const source = await readDockerfile(services, dockerfile);
  const model = source && line.parseDockerfile(source.text);
  const steps = line.layerSteps(image, model);
  const made =
    model && source.unchanged ? line.matchLayers(model, image.config.history ?? [], dockerfile?.target) : [];
  const scans = layers.map((result) => ('scan' in result ? result.scan : undefined));
  const entries = scans.map((scan) => scan?.entries);
  const mappings = await Promise.all(
    traces.map(async (file) =>
      line.mapTrace(await line.readTrace(file), { layers: entries, config: image.config }),
    ),
  );
  const mapping = mappings.length > 1 ? line.uniteRuns(mappings).mapping : mappings[0];
  const input = { ...imageInput(image, layers, steps), mapping, runs: mappings, traceProblem };
  const scope = scopeOf(dockerfile);
  const picture = line.createPicture(input, planOptions(line, readSettings(scope)), 0, findings.known);
  const hidden = layers.map(() => 0);
  for (const { layer, bytes } of line.findHidden(entries)) hidden[layer] = (hidden[layer] ?? 0) + bytes;
  return {
    image,
    scope,
    layers,
    findings,
    steps,
    lines: layers.map((_, index) => (made[index]?.keyword === 'FROM' ? undefined : made[index]?.startLine)),
    input,
    picture,
    plan: picture.overview(null).plan,
    touches: line.layerTouches(mapping?.touches ?? [], scans),
    hidden,
  };
}

function scopeOf(dockerfile: DockerfileOrigin | undefined): vscode.Uri | undefined {
  return dockerfile && vscode.Uri.parse(dockerfile.uri);
}

/** @param unread why there is no result for a layer */
function imageInput(
  image: Image,
  results: readonly (LayerResult | undefined)[],
  steps: readonly (string | undefined)[],
  unread?: string,
): PlanInput {
  return {
    image: {
      reference: image.reference,
      digest: image.descriptor.digest,
      platform: formatPlatform(image.platform),
    },
    layers: image.layers.map(({ descriptor }, index) => ({
      descriptor,
      instruction: steps[index],
      ...outcome(results[index], unread),
    })),
  };
}

function outcome(
  result: LayerResult | undefined,
  unread: string | undefined,
): Pick<PlanInputLayer, 'scan' | 'problem'> {
  if (result === undefined) return { problem: unread };
  if ('scan' in result) return { scan: result.scan };
  return { problem: 'error' in result ? result.error.message : result.skipped };
}

function keep(
  services: Services,
  key: string,
  opened: Opened,
  change: Pick<Analysis, 'dockerfile' | 'traces'>,
): Opened {
  services.store.update(key, { ...change, opened, facts: factsOf(opened) });
  return opened;
}

/** A Dockerfile that was moved or removed only costs the names of the layers. */
async function readDockerfile({ log }: Services, dockerfile: DockerfileOrigin | undefined) {
  if (dockerfile === undefined) return undefined;
  try {
    const text = await readFile(vscode.Uri.parse(dockerfile.uri).fsPath, 'utf8');
    return { text, unchanged: fingerprint(text) === dockerfile.text };
  } catch (error) {
    log.warn(`The Dockerfile ${dockerfile.uri} cannot be read: ${messageOf(error)}`);
    return undefined;
  }
}

/** The recorded starts of an image: those that were laid on it, else the one that is kept of it. */
export async function traceFiles(services: Services, key: string): Promise<readonly string[]> {
  const laid = services.store.get(key)?.traces;
  if (laid) return laid;
  const file = traceFile(services, key);
  return (await stat(file).catch(() => undefined))?.isFile() === true ? [file] : [];
}
