/** The static guess for an image in its store. */
import type { Image } from '../../image/types';
import { readTar } from '../../layer/spans';
import type { LayerScan } from '../../layer/types';
import type { StartupTrace } from '../types';
import { guessStart, type GuessOptions } from './guess';

/**
 * @param scans of its layers, lowest first; `undefined` for one that could not be read
 * @throws LensError `trace/no-command`, `trace/command-not-found`
 */
export function guessImage(
  image: Image,
  scans: readonly (LayerScan | undefined)[],
  options: GuessOptions = {},
): Promise<StartupTrace> {
  const read = async (layer: number, entry: number): Promise<Buffer> => {
    const [scan, blob] = [scans[layer], image.layers[layer]?.blob];
    if (!scan || !blob) throw new RangeError(`Layer ${layer} has no entries.`);
    const start = scan.entries.offset(entry);
    const end = start + scan.entries.size(entry);
    const parts: Uint8Array[] = [];
    for await (const part of readTar(scan, blob, { start, end }, options.signal)) parts.push(part);
    return Buffer.concat(parts);
  };
  const { reference, config } = image;
  return guessStart({ reference, config, layers: scans.map((scan) => scan?.entries), read }, options);
}
