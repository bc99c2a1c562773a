/** Which package each file belongs to, as it was found. */
import type { Package } from './types';

/** Plain data, so that it can come from another thread. */
export interface Owners {
  readonly packages: readonly Package[];
  /** By layer and entry: one more than the index into `packages`; 0 for what no package claims. */
  readonly claims: readonly Uint32Array[];
  /** What could not be read, in sentences. */
  readonly notes: readonly string[];
}

/** Index into `packages`; undefined for what no package claims. */
export function ownerOf({ claims }: Owners, layer: number, entry: number): number | undefined {
  const claim = claims[layer]?.[entry] ?? 0;
  return claim === 0 ? undefined : claim - 1;
}
