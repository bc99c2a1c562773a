import { createHash } from 'node:crypto';
import { LensError } from '../errors';
import type { Digest } from './types';

const SHA256 = /^sha256:[0-9a-f]{64}$/;

/** The digest of some bytes, `sha256:…` (OCI image-spec, descriptor.md). */
export function sha256(data: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(data).digest('hex')}`;
}

/** True for a well-formed sha256 digest in lower-case hex: the only form that we read or write, and safe as a file name. */
export function isDigest(text: string): boolean {
  return SHA256.test(text);
}

/** The hex part of a digest. Throws `oci/bad-digest` for anything else, so that it can stand in a path. */
export function digestHex(digest: Digest): string {
  if (!isDigest(digest)) {
    throw new LensError(
      'oci/bad-digest',
      `"${digest.slice(0, 100)}" is not a sha256 digest.`,
      'Use an image whose blobs are named by sha256 digests.',
    );
  }
  return digest.slice('sha256:'.length);
}
