import type { Bytes } from '../layer/bytes';
import type { LayerScan } from '../layer/types';
import type { Descriptor } from '../oci/types';

/** One entry of one layer of an image. */
export interface EntryRef {
  readonly layer: number;
  readonly entry: number;
}

/**
 * A layer that is to be: entries of the image's layers, each with all its header blocks as they are. `rest` names the layer of
 * which all other entries follow in their old order, with the end of its archive; without, the archive ends there.
 */
export interface NewLayer {
  readonly front: readonly EntryRef[];
  readonly rest: number | undefined;
}

/** A layer to read from. */
export interface SourceLayer {
  readonly descriptor: Descriptor;
  readonly blob: Bytes;
  /** Missing for a layer that could not be read; it can be neither changed nor looked into. */
  readonly scan?: LayerScan | undefined;
}

/** What is done to an image, layer by layer from the lowest on. */
export interface Recipe {
  readonly way: OptimizeWay;
  readonly layers: readonly (
    | { readonly kind: 'kept'; readonly layer: number }
    /** `replaces` is missing for a start layer. */
    | { readonly kind: 'new'; readonly archive: NewLayer; readonly replaces: number | undefined }
  )[];
  /** What was left as it is, and why, in sentences. */
  readonly notes: readonly string[];
}

export const OPTIMIZE_WAYS = ['start-layer', 're-pack'] as const;
export type OptimizeWay = (typeof OPTIMIZE_WAYS)[number];
