/** Files of the same content in an image. */
import { createHash } from 'node:crypto';
import { readContents } from '../../layer/contents';
import type { ReadableLayer, ReadOptions } from './packages';
import type { DuplicateGroup, Duplicates } from './types';
import { findHidden } from './waste';

/** Smaller files are often equal, and never worth it; bytes. */
const SMALLEST = 4096;
const GROUPS = 50;
const COPIES = 20;

/**
 * Compares the contents of all visible files that have the same size as another one, by SHA-256. Reads only the parts of the
 * layers where such files lie.
 *
 * @param layers lowest first
 */
export async function findDuplicates(
  layers: readonly ReadableLayer[],
  { signal, onProgress }: ReadOptions = {},
): Promise<Duplicates> {
  const hidden = new Set(
    findHidden(layers.map(({ scan }) => scan?.entries)).map(({ layer, entry }) => `${layer}:${entry}`),
  );
  const bySize = new Map<number, { layer: number; entry: number }[]>();
  layers.forEach(({ scan }, layer) => {
    for (let entry = 0; scan && entry < scan.entries.length; entry++) {
      const size = scan.entries.size(entry);
      if (scan.entries.type(entry) !== 'reg' || size < SMALLEST || hidden.has(`${layer}:${entry}`)) continue;
      const same = bySize.get(size);
      if (same) same.push({ layer, entry });
      else bySize.set(size, [{ layer, entry }]);
    }
  });
  const candidates = [...bySize].flatMap(([size, files]) => (files.length > 1 ? [{ size, files }] : []));
  const total = candidates.reduce((sum, { size, files }) => sum + size * files.length, 0);

  const groups = new Map<string, { bytes: number; copies: { layer: number; path: string }[] }>();
  let done = 0;
  for (const [layer, { scan, blob }] of layers.entries()) {
    if (!scan) continue;
    const wanted = candidates.flatMap(({ files }) =>
      files.flatMap((file) => (file.layer === layer ? [file.entry] : [])),
    );
    let hash = createHash('sha256');
    for await (const { entry, bytes, last } of readContents(scan, blob, wanted, signal)) {
      hash.update(bytes);
      done += bytes.length;
      onProgress?.({ step: 'Comparing files of equal size', done, total, unit: 'bytes' });
      if (!last) continue;
      const digest = hash.digest('base64');
      hash = createHash('sha256');
      const copy = { layer, path: scan.entries.name(entry) };
      const group = groups.get(digest);
      if (group) group.copies.push(copy);
      else groups.set(digest, { bytes: scan.entries.size(entry), copies: [copy] });
    }
  }
  return summarize([...groups.values()].filter(({ copies }) => copies.length > 1));
}

function summarize(groups: readonly Omit<DuplicateGroup, 'count'>[]): Duplicates {
  const wasted = ({ bytes, copies }: Omit<DuplicateGroup, 'count'>): number => bytes * (copies.length - 1);
  return {
    bytes: groups.reduce((sum, group) => sum + wasted(group), 0),
    groups: groups.length,
    dearest: [...groups]
      .sort((a, b) => wasted(b) - wasted(a))
      .slice(0, GROUPS)
      .map(({ bytes, copies }) => ({ bytes, copies: copies.slice(0, COPIES), count: copies.length })),
  };
}
