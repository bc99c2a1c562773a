import { inspectEngineImage } from '../image/engine';
import { openLayout } from '../image/layout';
import { BYTES_NOTES } from '../image/open';
import { formatRegistryName, parseReference, type Destination } from '../image/reference';
import { LensError } from '../errors';
import { chooseBytes, type IndexedBytes } from '../soci/pushed';
import type { BlobStore } from '../soci/store';
import { typed } from './command';
import { withRegistry, withStore } from './push';
import type { RegistryFlagValues } from './registry-flags';
import type { Session } from './session';

/** Which bytes the index of an image is made of that goes to this destination. */
export async function findBytes(
  session: Session,
  reference: string,
  destination: Destination,
  flags: RegistryFlagValues,
): Promise<IndexedBytes> {
  typed(() => parseReference(reference));
  return chooseBytes(reference, destination, {
    async image(name) {
      try {
        return await inspectEngineImage(await session.engine(), name);
      } catch (error) {
        // Opening it tells better what is missing.
        if (error instanceof LensError) return undefined;
        throw error;
      }
    },
    within: (repository, work) => withRegistry(session, repository, flags, work),
    signal: session.signal,
  });
}

interface SourceOptions {
  readonly flags: RegistryFlagValues;
  /** For which layers are scanned that have to be compressed first, in bytes. */
  readonly spanSize: number | undefined;
  /** Gets the sentence that says which bytes are read, and why these. */
  readonly onNote: (note: string) => void;
}

/** Lets `work` read an image where its bytes lie: one of the engine in the layout that it was saved to. */
export async function withSource<T>(
  session: Session,
  { reference, note }: IndexedBytes,
  { flags, spanSize, onNote }: SourceOptions,
  work: (store: BlobStore, tag: string | undefined) => Promise<T>,
): Promise<T> {
  const parsed = typed(() => parseReference(reference));
  if (parsed.transport === 'oci' || parsed.transport === 'docker') {
    onNote(note ?? (parsed.transport === 'oci' ? BYTES_NOTES.layout : BYTES_NOTES.registry));
    return withStore(session, reference, flags, work);
  }
  const image = await session.open(reference, undefined, flags, spanSize);
  onNote(image.bytesNote);
  if (image.layout !== undefined) return work(await openLayout(image.layout), undefined);
  if (parsed.transport !== 'any') throw new Error(`${reference} was opened without a layout.`);
  // A bare name that the engine does not have is one of a registry.
  return withStore(session, `docker://${formatRegistryName(parsed.registry)}`, flags, work);
}
