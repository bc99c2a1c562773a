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
 * @param digests of the image's layers, lowest first
 * @param other bytes of a span in layers of other images (of another platform), of which the recorded start says nothing
 */
export function orderOf(
  { spanSizes, minLayerSize, prefetch }: Pick<Best, 'spanSizes' | 'minLayerSize' | 'prefetch'>,
  digests: readonly string[],
  other = DEFAULT_SPAN_SIZE,
): IndexOrder {
  return {
    spanSize: ({ digest }) => {
      const layer = digests.lastIndexOf(digest);
      return layer < 0 ? other : (spanSizes[layer] ?? null);
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
