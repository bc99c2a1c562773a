import type { Bytes } from '../layer/bytes';
import type { Descriptor, HistoryEntry, ImageConfig, Manifest, Platform } from '../oci/types';

export interface ImageLayer {
  /** Place in the manifest, 0 = lowest. */
  readonly index: number;
  readonly descriptor: Descriptor;
  readonly diffId: string | undefined;
  readonly blob: Bytes;
  /** The step of the build that made it, where the config tells. */
  readonly history: HistoryEntry | undefined;
}

/** One image for one platform, ready to be read. Its blobs lie in an OCI layout of this machine or in a registry. */
export interface Image {
  /** As the person wrote it. */
  readonly reference: string;
  readonly source: 'engine' | 'layout' | 'registry' | 'archive';
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  /** The config as it is stored: it may hold more than we know of. */
  readonly configBytes: Uint8Array;
  readonly platform: Platform;
  readonly layers: readonly ImageLayer[];
  /** The OCI layout that holds the blobs, where there is one. */
  readonly layout: string | undefined;
  /**
   * Which bytes these are, in a sentence: a registry's own blobs, or layers that we compressed because the
   * engine keeps plain tars (architecture, decision 4).
   */
  readonly bytesNote: string;
}
