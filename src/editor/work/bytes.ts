/** Which bytes an index is made of, where there is a choice. */
import { formatPlatform } from '../../oci/platform';
import { isLensError } from '../errors';
import { keyOf, parseKey, shortName } from '../keys';
import { translated } from '../room-texts';
import type { Services } from '../services';
import { readSettings } from '../settings';
import type { Opened } from '../store';
import type { Task } from '../tasks';
import { readDestination } from './indexes';
import { read, traceFiles } from './inspect';
import { connect, withRegistry } from './reach';

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

/** The bytes that an index of an engine's image for this destination is made of (see `chooseBytes`), read. */
export async function bytesFor(
  services: Services,
  key: string,
  opened: Opened,
  destination: string,
  task: Task,
): Promise<IndexedBytes> {
  // The soci program takes a layout, and what lies in a registry has none.
  if (readSettings(opened.scope).indexer === 'soci') return ownBytes(key, opened);
  const line = await services.line();
  const { config } = opened.image.manifest;
  const { reference, note } = await line.chooseBytes(
    parseKey(key).reference,
    readDestination(line, destination),
    {
      image: async (name) => ({
        id: config.digest,
        repoDigests: await rememberedDigests(services, name, task.signal),
      }),
      within: (repository, work) => withRegistry(services, repository, task.signal, work),
      signal: task.signal,
    },
  );
  if (note === undefined) return ownBytes(key, opened);
  const lies = keyOf(reference, formatPlatform(opened.image.platform));
  const known = { dockerfile: services.store.get(key)?.dockerfile, traces: await traceFiles(services, key) };
  const { opened: theirs } = await read(services, lies, known, task);
  return { lies, opened: theirs, note: translated(note) };
}

/** Where the engine has pushed or pulled an image; nowhere when it went away since the image was opened. */
async function rememberedDigests(
  services: Services,
  name: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  try {
    const { inspectEngineImage } = await services.line();
    return (await inspectEngineImage(await connect(services, signal), name)).repoDigests;
  } catch (error) {
    if (!isLensError(error)) throw error;
    services.log.warn(`${shortName(name)}: ${error.message}`);
    return [];
  }
}
