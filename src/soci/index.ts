import { encodeManifest } from '../oci/json';
import { OCI_MANIFEST } from '../oci/media-types';
import type { Descriptor, Manifest } from '../oci/types';
import { BUILD_TOOL } from './ztoc';

export { BUILD_TOOL };

/** soci-format §3.2. */
export const SOCI_INDEX_V1 = 'application/vnd.amazon.soci.index.v1+json';
export const SOCI_INDEX_V2 = 'application/vnd.amazon.soci.index.v2+json';
export const PREFETCH_TYPE = 'application/vnd.amazon.soci.prefetch.v1+json';
const ZTOC_TYPE = 'application/octet-stream';

/** soci-format §3.2. */
export const ANNOTATIONS = {
  layerDigest: 'com.amazon.soci.image-layer-digest',
  layerMediaType: 'com.amazon.soci.image-layer-mediaType',
  spanSize: 'com.amazon.soci.span-size',
  disableXattrs: 'com.amazon.soci.disable-xattrs',
  buildTool: 'com.amazon.soci.build-tool-identifier',
  /** On an image manifest and its descriptor: the digest of its v2 index. */
  indexDigest: 'com.amazon.soci.index-digest',
  /** On the descriptor of a v2 index: the digest of its image manifest. */
  imageDigest: 'com.amazon.soci.image-manifest-digest',
} as const;

/** The config blob of every SOCI index. */
export const EMPTY_CONFIG = new TextEncoder().encode('{}');
const EMPTY_CONFIG_DIGEST = 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a';

/** How an index refers to the ztoc of one layer (soci-format §3.2). */
export function ztocDescriptor(
  layer: Descriptor,
  ztoc: { readonly digest: string; readonly size: number },
  options: {
    /** Bytes; left out, the descriptor is as the soci CLI before 0.12 wrote it. */
    readonly spanSize?: number;
    /** No file of the layer has extended attributes, so the runtime need not ask for them. */
    readonly disableXattrs?: boolean;
  },
): Descriptor {
  return {
    mediaType: ZTOC_TYPE,
    digest: ztoc.digest,
    size: ztoc.size,
    annotations: {
      ...(options.disableXattrs ? { [ANNOTATIONS.disableXattrs]: 'true' } : {}),
      [ANNOTATIONS.layerDigest]: layer.digest,
      [ANNOTATIONS.layerMediaType]: layer.mediaType,
      ...(options.spanSize === undefined ? {} : { [ANNOTATIONS.spanSize]: String(options.spanSize) }),
    },
  };
}

/**
 * The bytes of a SOCI index (soci-format §3.2). With `subject`, the image manifest it belongs to, it is of version 1 and is
 * found by the Referrers API; without, of version 2 and found by an annotation of the image.
 */
export function encodeSociIndex(
  blobs: readonly Descriptor[],
  subject?: Descriptor,
  buildTool = BUILD_TOOL,
): Uint8Array {
  return encodeManifest({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: {
      mediaType: subject ? SOCI_INDEX_V1 : SOCI_INDEX_V2,
      digest: EMPTY_CONFIG_DIGEST,
      size: EMPTY_CONFIG.length,
    },
    layers: blobs,
    ...(subject
      ? { subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size } }
      : {}),
    annotations: { [ANNOTATIONS.buildTool]: buildTool },
  });
}

/** True for the descriptor of a v2 index: by its type or, where a copy by skopeo 1.9 has lost that, by its annotation. */
export function isSociIndexV2({ artifactType, annotations }: Descriptor): boolean {
  return artifactType === SOCI_INDEX_V2 || annotations?.[ANNOTATIONS.imageDigest] !== undefined;
}

/** Which version of SOCI index a manifest is, if it is one. */
export function sociIndexVersion(manifest: Manifest): 1 | 2 | undefined {
  switch (manifest.config.mediaType) {
    case SOCI_INDEX_V1:
      return 1;
    case SOCI_INDEX_V2:
      return 2;
    default:
      return undefined;
  }
}
