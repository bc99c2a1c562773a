/** Which bytes an index is made of, where there is a choice. */
import * as vscode from 'vscode';
import { formatPlatform } from '../../oci/platform';
import { isLensError } from '../errors';
import { keyOf, parseKey, shortName } from '../keys';
import { translated } from '../room-texts';
import type { Line, Services } from '../services';
import { readSettings } from '../settings';
import type { Opened } from '../store';
import type { Task } from '../tasks';
import { readDestination } from './indexes';
import { read, traceFiles } from './inspect';
import { connect, registryOptions } from './reach';

export interface IndexedBytes {
  /** The key of where they lie. */
  readonly lies: string;
  readonly opened: Opened;
  /** Which bytes these are, and why. */
  readonly note: string;
}

/** Those of the image as it was opened. */
export function ownBytes(key: string, opened: Opened): IndexedBytes {
  return { lies: key, opened, note: translated(opened.image.bytesNote) };
}

/**
 * The bytes that an index of an engine's image for this destination is made of: those of the image as it was opened, unless the
 * repository that the index goes to has the very same image. Nodes pull the registry's blobs then and never ours, so these are
 * read there, and none of them is kept.
 */
export async function bytesFor(
  services: Services,
  key: string,
  opened: Opened,
  destination: string,
  task: Task,
): Promise<IndexedBytes> {
  const line = await services.line();
  const name = await findInDestination(services, line, key, opened, destination, task.signal);
  if (name === undefined) return ownBytes(key, opened);
  const lies = keyOf(`docker://${name}`, formatPlatform(opened.image.platform));
  const known = { dockerfile: services.store.get(key)?.dockerfile, traces: await traceFiles(services, key) };
  const { opened: theirs } = await read(services, lies, known, task);
  const note = vscode.l10n.t(
    "{0} is this very image: the registry's own blobs are indexed, since only they are pulled; they are streamed and not kept here.",
    name,
  );
  return { lies, opened: theirs, note };
}

async function findInDestination(
  services: Services,
  line: Line,
  key: string,
  { image }: Opened,
  destination: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const target = readDestination(line, destination);
  // The soci program takes a layout, and what lies in a registry has none.
  if (target.transport !== 'docker' || readSettings().indexer === 'soci') return undefined;
  const { registry } = target;
  const repoDigests = await rememberedDigests(services, line, key, signal);
  const client = line.connectRegistry(registry.host, registry.repository, registryOptions(services, line));
  try {
    const same = { id: image.manifest.config.digest, repoDigests };
    const found = await line.findPushed(client, registry, same, signal);
    return found && line.formatRegistryName(found);
  } finally {
    await client.close();
  }
}

/** Where the engine has pushed or pulled an image; nowhere when it went away since the image was opened. */
async function rememberedDigests(
  services: Services,
  line: Line,
  key: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  try {
    const engine = await connect(services, signal);
    const name = parseKey(key).reference.replace(/^docker-daemon:/, '');
    return (await line.inspectEngineImage(engine, name)).repoDigests;
  } catch (error) {
    if (!isLensError(error)) throw error;
    services.log.warn(`${shortName(key)}: ${error.message}`);
    return [];
  }
}
