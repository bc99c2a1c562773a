import { PassThrough, Readable } from 'node:stream';
import { LensError } from '../errors';
import type { Digest } from '../oci/types';
import { type Scanner, scanKey, type ScanStore } from './scan';

/** Who scans layers while they are written, and where the results are kept. */
export interface Indexing {
  readonly pool: Scanner;
  readonly cache: ScanStore;
  /** For which the scans best keep what a ztoc needs, in bytes. */
  readonly spanSize?: number | undefined;
}

/**
 * Writes the bytes of a gzip layer and scans them on their way, so that the layer is never read again for its index. A layer
 * that cannot be indexed is written all the same: whoever scans it later is told why.
 *
 * @param isFresh whether a compressor of ours makes the bytes, so that only the writer has to take their digest
 * @param write stores the bytes and gives their digest
 */
export async function writeAndScan<T extends { readonly digest: Digest }>(
  { packed, isFresh }: { readonly packed: AsyncIterable<Uint8Array>; readonly isFresh: boolean },
  write: (bytes: AsyncIterable<Uint8Array>) => Promise<T>,
  { pool, cache, spanSize }: Indexing,
  signal: AbortSignal | undefined,
): Promise<T> {
  const { stem, branches } = fork(packed);
  const [toDisk, toScanner] = branches;
  const blob = { size: undefined, ranged: false, read: () => toScanner };
  const options = { isFresh, ...(signal && { signal }), ...(spanSize !== undefined && { spanSize }) };
  const scanning = pool
    .scan(blob, 'gzip', options)
    .catch((error: unknown) => {
      if (error instanceof LensError) return undefined;
      throw error;
    })
    // A scanner that is done, or that failed before it read anything, must not keep the writer waiting.
    .finally(() => toScanner.destroy());
  // It is awaited below; until then its failure must not count as unhandled.
  scanning.catch(() => undefined);
  try {
    const written = await write(toDisk);
    const scan = await scanning;
    const { digest } = written;
    // Of fresh bytes only the writer took the digest; of others a scan of other bytes than were written is not kept.
    if (scan && (isFresh || scan.digest === digest))
      await cache.put(scanKey(digest, 'gzip'), { ...scan, digest });
    return written;
  } catch (error) {
    stem.destroy(error instanceof Error ? error : new Error(String(error)));
    await scanning.catch(() => undefined);
    throw error;
  }
}

/**
 * The same bytes for two readers, neither of which gets far ahead of the other. One that leaves does not keep the other
 * waiting; an error of the source is one of both.
 */
function fork(source: AsyncIterable<Uint8Array>): {
  readonly stem: Readable;
  readonly branches: readonly [PassThrough, PassThrough];
} {
  const stem = Readable.from(source, { objectMode: false });
  const branches = [new PassThrough(), new PassThrough()] as const;
  stem.once('error', (error) => {
    for (const branch of branches) branch.destroy(error);
  });
  for (const branch of branches) {
    // Its reader gets the error too; without one it must not count as unhandled.
    branch.on('error', () => undefined);
    stem.pipe(branch);
  }
  return { stem, branches };
}
