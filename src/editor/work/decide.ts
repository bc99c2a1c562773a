/** What an index is going to be, said before it is made: by the panel's controls, or by the recorded start. */
import type { IndexOrder as LayerOrder } from '../../plan/order';
import type { Best, IndexWish, LayerSpans } from '../../plan/types';
import type { IndexOrder } from '../../protocol';
import type { Line } from '../services';
import { readSettings } from '../settings';
import type { Opened } from '../store';

export interface Decision extends LayerOrder {
  readonly format: 'v2' | 'v1';
  /** Why it is to be so; null where the person said it. */
  readonly reason: string | null;
  /** Layers that the index covers, their span sizes (each once, ascending), their spans, the bytes of their ztocs. */
  readonly layers: number;
  readonly spanSizes: readonly number[];
  readonly spans: number;
  readonly ztocBytes: number;
  /** Spans that its lists name. */
  readonly prefetched: number;
}

/** As the controls of the panel say. */
export function asOrdered(line: Line, { picture, plan, scope }: Opened, order: IndexOrder): Decision {
  const shown = picture.overview({ ...order, network: plan.network, node: plan.node });
  const row = shown.plan.rows.find(({ spanSize }) => spanSize === order.spanSize);
  return {
    spanSize: order.spanSize,
    minLayerSize: order.minLayerSize,
    prefetchSpans: line.listedSpans(shown.prefetched),
    format: readSettings(scope).format,
    reason: null,
    layers: shown.plan.layers.filter((layer) => layer.indexed).length,
    spanSizes: [order.spanSize],
    spans: row?.spans ?? 0,
    ztocBytes: row?.ztocBytes ?? 0,
    prefetched: countSpans(shown.prefetched),
  };
}

/** As the recorded start decided. */
export function asBest(line: Line, { plan }: Opened, best: Best): Decision {
  const sizes = best.spanSizes.filter((size) => size !== null);
  const digests = plan.layers.map(({ digest }) => digest);
  return {
    ...line.orderOf(best, digests),
    format: best.indexVersion === 1 ? 'v1' : 'v2',
    reason: best.reason,
    layers: sizes.length,
    spanSizes: [...new Set(sizes)].sort((a, b) => a - b),
    spans: best.spans,
    ztocBytes: best.indexBytes,
    prefetched: countSpans(best.prefetch),
  };
}

/** What the settings ask of the best index that the panel recommends. */
export function settledWish({ scope }: Pick<Opened, 'scope'>): IndexWish {
  const { ownMinLayerSize, format } = readSettings(scope);
  return { minLayerSize: ownMinLayerSize, version: format === 'v1' ? 1 : 2 };
}

/** What the settings leave to the recorded start. */
export function wishOf(opened: Pick<Opened, 'scope'>, prefetch: boolean): IndexWish {
  const { spanSize } = readSettings(opened.scope);
  return {
    ...settledWish(opened),
    spanSize: spanSize === 'auto' ? undefined : spanSize,
    prefetch: prefetch ? 'always' : 'never',
  };
}

function countSpans(lists: readonly LayerSpans[]): number {
  return lists.flatMap(({ spans }) => spans).reduce((sum, [first, last]) => sum + last - first + 1, 0);
}
