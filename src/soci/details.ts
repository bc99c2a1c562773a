import { LensError } from '../errors';
import type { Descriptor, Digest, Manifest } from '../oci/types';
import { mapConcurrently } from './concurrent';
import { type FoundIndex, indexedLayers } from './discover';
import { ANNOTATIONS, PREFETCH_TYPE, sociIndexVersion } from './index';
import { parsePrefetch, type SpanRange } from './prefetch';
import type { BlobStore } from './store';
import { parseZtoc, type Ztoc } from './ztoc';

/** A ztoc in numbers. */
export interface ZtocSummary {
  readonly digest: Digest;
  /** Bytes of the ztoc itself. */
  readonly size: number;
  readonly buildTool: string;
  /** Bytes. */
  readonly spanSize: number;
  readonly spans: number;
  readonly files: number;
  /** Tar bytes. */
  readonly uncompressedSize: number;
}

/** What an index has for one layer of its image. */
export interface LayerDetails {
  readonly layer: Descriptor;
  /** `undefined` for a layer that is not in the index: it is pulled whole. */
  readonly ztoc: ZtocSummary | undefined;
  /** True where the runtime is told not to ask for extended attributes. */
  readonly disableXattrs: boolean;
  /** Spans to fetch before the start. */
  readonly prefetch: readonly SpanRange[];
}

/** A file of a ztoc and the spans that hold it. */
export interface ZtocFileSpans {
  readonly name: string;
  readonly type: string;
  /** In the tar. */
  readonly offset: number;
  readonly size: number;
  readonly startSpan: number;
  readonly endSpan: number;
}

/** A ztoc above this does not fit the format (soci-format §1.2). */
export const ZTOC_LIMIT = 2 ** 31;
const ZTOCS_AT_ONCE = 4;

/**
 * One index in detail, layer by layer of its image. Its ztocs and prefetch artifacts are read, digests checked.
 *
 * @throws LensError `soci/bad-ztoc`, `soci/bad-prefetch`, and what reading gives
 */
export async function indexDetails(
  store: BlobStore,
  image: Manifest,
  { manifest }: FoundIndex,
  signal?: AbortSignal,
): Promise<LayerDetails[]> {
  const ztocs = new Map(indexedLayers(manifest).map(({ layer, ztoc }) => [layer, ztoc]));
  const artifacts = new Map(
    manifest.layers
      .filter(({ mediaType }) => mediaType === PREFETCH_TYPE)
      .map((artifact) => [artifact.annotations?.[ANNOTATIONS.layerDigest] ?? '', artifact]),
  );
  return mapConcurrently(
    image.layers,
    ZTOCS_AT_ONCE,
    async (layer) => {
      const ztoc = ztocs.get(layer.digest);
      const artifact = artifacts.get(layer.digest);
      return {
        layer,
        ztoc: ztoc && summarize(ztoc, parseZtoc(await store.readBlob(ztoc, ZTOC_LIMIT))),
        disableXattrs: ztoc?.annotations?.[ANNOTATIONS.disableXattrs] === 'true',
        prefetch: artifact ? parsePrefetch(await store.readBlob(artifact)) : [],
      };
    },
    signal,
  );
}

/** Its files in the order of the tar. */
export function ztocFiles({ files, zinfo, spanDigests }: Ztoc): ZtocFileSpans[] {
  const last = spanDigests.length - 1;
  const spanAt = (offset: number): number => {
    if (zinfo.kind === 'tar') return Math.min(Math.floor(offset / zinfo.spanSize), last);
    const after = zinfo.out.findIndex((start) => start > offset);
    return after < 0 ? last : Math.max(0, after - 1);
  };
  return files
    .map(({ name, type, offset, size }) => ({
      name: new TextDecoder().decode(name),
      type,
      offset,
      size,
      startSpan: spanAt(offset),
      // soci-format §4: the span of the offset after the last byte, as the runtime counts.
      endSpan: spanAt(offset + size),
    }))
    .sort((a, b) => a.offset - b.offset);
}

/** @throws LensError `soci/not-an-index` */
export function checkIsIndex({ digest, manifest }: Pick<FoundIndex, 'digest' | 'manifest'>): 1 | 2 {
  const version = sociIndexVersion(manifest);
  if (version !== undefined) return version;
  throw new LensError(
    'soci/not-an-index',
    `${digest} is a manifest, but not a SOCI index.`,
    'List the indexes of the image first.',
  );
}

export function summarize({ digest, size }: Descriptor, ztoc: Ztoc): ZtocSummary {
  return {
    digest,
    size,
    buildTool: ztoc.buildTool,
    spanSize: ztoc.zinfo.spanSize,
    spans: ztoc.spanDigests.length,
    files: ztoc.files.length,
    uncompressedSize: ztoc.uncompressedSize,
  };
}
