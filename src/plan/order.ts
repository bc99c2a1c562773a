/** A decision about an index in the words of those who make it: asked layer by layer, while the layers come. */
import type { Descriptor } from '../oci/types';
import { DEFAULT_SPAN_SIZE } from '../soci/layers';
import type { SpanRange } from '../soci/prefetch';
import type { Best, LayerSpans } from './types';

/** What `soci/` needs to know beside the image. */
export interface IndexOrder {
  /** Bytes; for all layers or for each, where null leaves the layer out of the index. */
  readonly spanSize: number | ((layer: Descriptor) => number | null);
  /** Bytes; smaller layers stay out of the index. */
  readonly minLayerSize: number;
  /** What the layer's prefetch artifact lists. */
  readonly prefetchSpans: (layer: Descriptor) => readonly SpanRange[];
}

/**
 * @param digests of the image's layers, lowest first. Layers of other images (of another platform) get the default span size.
 */
export function orderOf(
  { spanSizes, minLayerSize, prefetch }: Pick<Best, 'spanSizes' | 'minLayerSize' | 'prefetch'>,
  digests: readonly string[],
): IndexOrder {
  return {
    spanSize: ({ digest }) => {
      const layer = digests.lastIndexOf(digest);
      return layer < 0 ? DEFAULT_SPAN_SIZE : (spanSizes[layer] ?? null);
    },
    minLayerSize,
    prefetchSpans: listedSpans(prefetch),
  };
}

/** The spans of each layer as `soci/` takes them. */
export function listedSpans(lists: readonly LayerSpans[]): IndexOrder['prefetchSpans'] {
  return ({ digest }) =>
    (lists.find((layer) => layer.digest === digest)?.spans ?? []).map(([start, end]) => ({ start, end }));
}
