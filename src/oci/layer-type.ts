import { LensError } from '../errors';

/**
 * How a layer is packed, told by its media type alone as containerd and the soci CLI do (soci-format §2.1):
 * `compression` where it can be indexed, else `unsupported`, the name that the CLI prints for it.
 */
export type LayerType =
  | { readonly compression: 'gzip' | 'tar'; readonly unsupported?: never }
  | { readonly compression?: never; readonly unsupported: string };

const OCI_PREFIX = 'application/vnd.oci.image.layer.';
const DOCKER_PREFIX = 'application/vnd.docker.image.rootfs.';

/** Throws `oci/bad-layer-type` for a media type that is no layer's. */
export function layerType(mediaType: string): LayerType {
  const [base = '', ...suffixes] = mediaType.split('+');
  // A suffix on a Docker type means that something, such as encryption, is wrapped around it.
  const wrapped = suffixes.length > 0 ? { unsupported: '' } : undefined;
  switch (base) {
    case `${DOCKER_PREFIX}diff.tar`:
    case `${DOCKER_PREFIX}foreign.diff.tar`:
      // The type says nothing about compression, and the CLI then takes the bytes for a tar.
      return wrapped ?? { compression: 'tar' };
    case `${DOCKER_PREFIX}diff.tar.gzip`:
    case `${DOCKER_PREFIX}foreign.diff.tar.gzip`:
      return wrapped ?? { compression: 'gzip' };
    case `${DOCKER_PREFIX}diff.tar.zstd`:
      return wrapped ?? { unsupported: 'zstd' };
    case `${OCI_PREFIX}v1.tar`:
    case `${OCI_PREFIX}nondistributable.v1.tar`: {
      if (mediaType === `${OCI_PREFIX}v1.tar`) return { compression: 'tar' };
      const decisive = suffixes.sort().at(-1);
      if (decisive === 'gzip') return { compression: 'gzip' };
      return { unsupported: decisive === 'zstd' ? 'zstd' : '' };
    }
    default:
      throw new LensError(
        'oci/bad-layer-type',
        base.startsWith(OCI_PREFIX)
          ? `The compression of a layer of type ${mediaType} is not known.`
          : `${mediaType} is not the type of a container image's layer.`,
        'Only container images can be indexed, not other artifacts; rebuild the image with gzip layers.',
      );
  }
}

/** True for a layer that registries do not hold (OCI image-spec, layer.md, "Non-Distributable Layers"). */
export function isForeignLayer(mediaType: string): boolean {
  return (
    mediaType.startsWith(`${OCI_PREFIX}nondistributable.`) || mediaType.startsWith(`${DOCKER_PREFIX}foreign.`)
  );
}
