import { LensError } from '../errors';
import type { Bytes } from './bytes';
import { readTar } from './random-access';
import { latin1, sparseForm } from './tar-fields';
import type { LayerScan } from './types';

/**
 * The content of one file of a layer, read by its spans alone. Fails as `readTar` does; and with `layer/sparse-file`, since of a
 * sparse file the tar holds the pieces without what lies between them (soci-format §1.4).
 */
export async function* fileContent(
  scan: LayerScan,
  blob: Bytes,
  entry: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { entries } = scan;
  const { pax } = entries.get(entry);
  if (sparseForm(new Map(pax.map(([key, value]) => [latin1(key), value]))) !== 'none') {
    throw new LensError(
      'layer/sparse-file',
      `The layer holds ${entries.name(entry)} as a sparse file, without its holes: its spans alone do not give its content.`,
      'Read it in a container of the image, or build the layer without sparse files.',
    );
  }
  const start = entries.offset(entry);
  yield* readTar(scan, blob, { start, end: start + entries.size(entry) }, signal);
}
