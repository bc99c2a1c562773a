/** Made-up starts of real layers. */
import type { LayerScan } from '../../src/layer/types';
import type { Touch } from '../../src/trace/types';
import { ImageTree } from '../../src/trace/tree';
import type { Random } from './random';

/** Touches of one entry: all of it, or a part. */
export function touchOf(layer: number, entry: number, at: number, start: number, end: number): Touch {
  return { layer, entry, start, end, at, pid: 1, kind: 'read', executable: false };
}

/** A start that reads about `share` of the files that a container sees, in no order. */
export function randomStart(
  random: Random,
  scans: readonly (LayerScan | undefined)[],
  share: number,
): Touch[] {
  const tree = new ImageTree(scans.map((scan) => scan?.entries));
  const touches: Touch[] = [];
  for (const { path, kind } of tree.all()) {
    const found = kind === 'file' ? tree.resolve(`/${path}`, false) : undefined;
    if (found?.found !== 'file' || random.next() >= share) continue;
    touches.push(touchOf(found.layer, found.entry, random.int(0, 1_000_000), 0, found.size));
  }
  return touches.sort((a, b) => a.at - b.at);
}
