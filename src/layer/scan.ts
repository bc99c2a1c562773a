import type { Bytes } from './bytes';
import { EntryTable } from './entries';
import { digestError, gzipError, tarError } from './faults';
import { GzipPass } from './gzip-pass';
import { InlineDigester, type DigestOptions, type Digester } from './digests';
import { Inflater } from './inflate/inflater';
import { plainMemory, type LayerMemory } from './memory';
import { TarPass } from './tar-pass';
import type { LayerCompression, LayerScan } from './types';
import { layerWarnings } from './warnings';

/** The span size of `soci` where none is given; the pass keeps windows and digests for it. */
export const DEFAULT_SPAN_SIZE = 4 << 20;

export interface ScanOptions {
  readonly signal?: AbortSignal;
  /** Bytes of the blob that are done. */
  readonly onProgress?: (bytesDone: number) => void;
  /** What the blob must be: `sha256:…`. */
  readonly expectedDigest?: string;
  /** Span size that windows and span digests are kept for, in bytes. Any other one can be asked for later too. */
  readonly spanSize?: number;
  /** True adds the digest of the uncompressed stream, which takes about a quarter of the time. */
  readonly diffId?: boolean;
  /**
   * True for bytes that come straight from a compressor in this program, and whose digest is taken where they are stored. CRC-32 and
   * digest of the blob would only tell damage, so they are left out; the scan's `digest` is empty.
   */
  readonly isFresh?: boolean;
}

/** Gives what takes the digests of a layer that stands in `memory`. */
export type DigesterOf = (memory: LayerMemory, options: DigestOptions) => Digester;

/**
 * Reads a layer once, from its first byte to its last, and tells what any index of it needs (soci-format §1–2). Nothing
 * of the layer is kept but offsets and a bounded number of windows. What `digesterOf` gives takes all digests.
 *
 * Fails with `layer/digest-mismatch`, else `layer/bad-gzip`, else `layer/bad-tar` or `layer/unsupported-entry`: the deepest
 * cause goes first. The verdict is that of the `soci` CLI.
 */
export async function scanLayer(
  blob: Bytes,
  compression: LayerCompression,
  options: ScanOptions = {},
  digesterOf: DigesterOf = (...given) => new InlineDigester(...given),
): Promise<LayerScan> {
  const { signal, onProgress, expectedDigest, spanSize = DEFAULT_SPAN_SIZE } = options;
  const { diffId = false, isFresh = false } = options;
  const inflater = compression === 'gzip' ? new Inflater() : undefined;
  const digester = digesterOf(inflater?.shared ?? plainMemory(), { blob: !isFresh, spans: true, diffId });
  const pass = inflater ? new GzipPass(spanSize, inflater, digester, isFresh) : new TarPass(spanSize);
  let size = 0;
  for await (const chunk of blob.read(undefined, signal, (length) => digester.allocate(length))) {
    signal?.throwIfAborted();
    size += chunk.length;
    pass.write(chunk);
    // A blob of known digest is read to its end, since the broken stream may only be the sign of a damaged copy.
    if (pass.fault && expectedDigest === undefined) break;
    digester.add(chunk, pass.takeCuts());
    onProgress?.(size);
  }
  if (!pass.fault) pass.end();
  const { digest, spans, ...digests } = await digester.finish(pass.takeCuts());
  if (expectedDigest !== undefined && digest !== expectedDigest)
    throw digestError(expectedDigest, digest, size);
  if (pass.fault) throw gzipError(pass.fault);
  if (pass.tar.fault) throw tarError(pass.tar.fault, pass.tarFaultAt);

  const boundaries = pass.boundaries();
  const entries = new EntryTable(pass.tar.entries());
  return {
    compression,
    digest,
    diffId: compression === 'tar' ? digest : digests.diffId,
    compressedSize: size,
    tarSize: pass.tar.position,
    streamSize: pass.streamSize,
    boundaries,
    entries,
    warnings: layerWarnings(entries, boundaries, pass.members, pass.tar.end),
    kept: { spanSize, digests: spans, ...pass.windows() },
  };
}
