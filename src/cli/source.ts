import { inspectEngineImage, type EngineImageDetails } from '../image/engine';
import { openLayout } from '../image/layout';
import { BYTES_NOTES } from '../image/open';
import { formatRegistryName, parseReference, type Destination, type RegistryName } from '../image/reference';
import { LensError } from '../errors';
import { findPushed } from '../soci/pushed';
import type { BlobStore } from '../soci/store';
import { typed } from './command';
import { withRegistry, withStore } from './push';
import type { RegistryFlagValues } from './registry-flags';
import type { Session } from './session';

/** What is to be read, and what will become of it. */
interface SourceRequest {
  readonly reference: string;
  readonly destination: Destination;
  readonly flags: RegistryFlagValues;
  /** For which layers are scanned that have to be compressed first, in bytes. */
  readonly spanSize: number | undefined;
  /** Gets the sentence that says which bytes are read, and why these. */
  readonly onNote: (note: string) => void;
}

/**
 * Lets `work` read an image where it lies, and says which bytes those are: one of the engine in the layout that it was saved to,
 * unless the repository that the result goes to has the very same image; then its own blobs are read there, and none is kept.
 */
export async function withSource<T>(
  session: Session,
  request: SourceRequest,
  work: (store: BlobStore, tag: string | undefined) => Promise<T>,
): Promise<T> {
  const { reference, destination, flags, spanSize, onNote } = request;
  const parsed = typed(() => parseReference(reference));
  if (parsed.transport === 'oci' || parsed.transport === 'docker') {
    onNote(parsed.transport === 'oci' ? BYTES_NOTES.layout : BYTES_NOTES.registry);
    return withStore(session, reference, flags, work);
  }
  if (
    destination.transport === 'docker' &&
    (parsed.transport === 'docker-daemon' || parsed.transport === 'any')
  ) {
    const same = await findSame(session, parsed.name, destination.registry, flags);
    if (same) {
      const name = formatRegistryName(same);
      onNote(
        `${name} is this very image: the registry's own blobs are indexed, since only they are pulled; they are streamed and not kept here.`,
      );
      return withStore(session, `docker://${name}`, flags, work);
    }
  }
  const image = await session.open(reference, undefined, flags, spanSize);
  onNote(image.bytesNote);
  if (image.layout !== undefined) return work(await openLayout(image.layout), undefined);
  if (parsed.transport !== 'any') throw new Error(`${reference} was opened without a layout.`);
  // A bare name that the engine does not have is one of a registry.
  return withStore(session, `docker://${formatRegistryName(parsed.registry)}`, flags, work);
}

/**
 * The engine's image in the repository of the destination. `undefined` where there is no engine, or it has no such image: opening
 * it tells that better.
 */
async function findSame(
  session: Session,
  name: string,
  destination: RegistryName,
  flags: RegistryFlagValues,
): Promise<RegistryName | undefined> {
  let image: EngineImageDetails;
  try {
    image = await inspectEngineImage(await session.engine(), name);
  } catch (error) {
    if (error instanceof LensError) return undefined;
    throw error;
  }
  return withRegistry(session, destination, flags, (client) =>
    findPushed(client, destination, image, session.signal),
  );
}
