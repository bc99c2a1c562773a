import { readFile, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { LensError, messageOf } from '../errors';
import { type Bytes, fileBytes } from '../layer/bytes';
import { digestHex, isDigest, sha256 } from '../oci/digest';
import { encodeIndex } from '../oci/json';
import { INDEX_TYPES, OCI_INDEX } from '../oci/media-types';
import { parseIndex, parseManifest, parseObject } from '../oci/parse';
import type { Descriptor, Digest, Index, Manifest } from '../oci/types';
import { isSystemError } from './disk';
import { isNamed } from './reference';

/** An image's topmost document: one manifest, or the index that lists several. */
export type ImageRoot = { readonly descriptor: Descriptor; readonly bytes: Uint8Array } & (
  | { readonly kind: 'manifest'; readonly manifest: Manifest }
  | { readonly kind: 'index'; readonly index: Index }
);

/** An OCI image layout on disk, for reading (OCI image-spec, image-layout.md). Nothing in it is believed before its digest is checked. */
export interface OciLayout {
  /** Absolute. */
  readonly dir: string;
  /** `index.json`. */
  readonly index: Index;
  /** The `org.opencontainers.image.ref.name` of the entries, in order. */
  readonly tags: readonly string[];
  /** Every blob that lies in the layout, reachable or not. */
  blobs(): Promise<{ digest: Digest; size: number }[]>;
  has(descriptor: Descriptor): Promise<boolean>;
  /** A blob for streaming. Its size is checked, its digest is not: the one who reads to the end does that. */
  blob(descriptor: Pick<Descriptor, 'digest' | 'size'>): Promise<Bytes>;
  /** A manifest or index by its digest alone, digest checked. */
  document(digest: Digest): Promise<Uint8Array>;
  /** A whole blob, size and digest checked. `limit` in bytes. */
  readBlob(descriptor: Descriptor, limit?: number): Promise<Uint8Array>;
  /** The manifests in `index.json` whose subject that one is. */
  referrers(digest: Digest, artifactType: string): Promise<Descriptor[]>;
  /**
   * The image that is meant (soci-format §3.5): the only entry, the index it names, or `index.json` itself where it lists
   * several; children whose blobs are not here are left out. With `tag`, the entry of that name.
   */
  root(tag?: string): Promise<ImageRoot>;
}

const REF_NAME = 'org.opencontainers.image.ref.name';
export const INDEX_FILE = 'index.json';
export const VERSION_FILE = 'oci-layout';
/** image-layout.md, "oci-layout file". */
export const LAYOUT_VERSION = '{"imageLayoutVersion":"1.0.0"}';
/** A manifest or index above this is refused, as registries do; other documents are bounded by their reader. */
export const DOCUMENT_LIMIT = 4 * 1024 * 1024;
/** An index in an index in an index is nobody's image. */
const MAX_NESTING = 4;

/** Opens a layout. Throws `image/no-layout` or `image/bad-layout`. */
export async function openLayout(dir: string): Promise<OciLayout> {
  const root = path.resolve(dir);
  await checkVersion(root);
  const index = parseIndex(await readSmall(root, INDEX_FILE));
  const store = new BlobFolder(root);
  return {
    dir: root,
    index,
    tags: index.manifests.flatMap((entry) => entry.annotations?.[REF_NAME] ?? []),
    blobs: () => store.blobs(),
    has: (descriptor) => store.has(descriptor.digest),
    blob: (descriptor) => store.blob(descriptor),
    document: async (digest) => store.readBlob({ digest, size: (await store.size(digest)) ?? 0 }),
    readBlob: (descriptor, limit) => store.readBlob(descriptor, limit),
    referrers: (digest, artifactType) => findReferrers(index, store, digest, artifactType),
    root: (tag) => resolveRoot(root, index, store, tag),
  };
}

/** Where a layout keeps its blobs: `blobs/sha256/HEX`. */
export class BlobFolder {
  constructor(private readonly dir: string) {}

  path(digest: Digest): string {
    return path.join(this.dir, 'blobs', 'sha256', digestHex(digest));
  }

  async blobs(): Promise<{ digest: Digest; size: number }[]> {
    const names = await readdir(path.join(this.dir, 'blobs', 'sha256')).catch(() => []);
    const found: { digest: Digest; size: number }[] = [];
    for (const digest of names.map((name) => `sha256:${name}`).filter(isDigest)) {
      const size = await this.size(digest);
      if (size !== undefined) found.push({ digest, size });
    }
    return found;
  }

  async size(digest: Digest): Promise<number | undefined> {
    const found = await stat(this.path(digest)).catch(() => undefined);
    return found?.isFile() ? found.size : undefined;
  }

  async has(digest: Digest): Promise<boolean> {
    return (await this.size(digest)) !== undefined;
  }

  async blob({ digest, size }: Pick<Descriptor, 'digest' | 'size'>): Promise<Bytes> {
    const found = await this.size(digest);
    if (found === undefined) throw badLayout(this.dir, `the blob ${digest} is missing`);
    if (found !== size) throw badLayout(this.dir, `the blob ${digest} has ${found} bytes instead of ${size}`);
    return fileBytes(this.path(digest), size);
  }

  async readBlob(
    descriptor: Pick<Descriptor, 'digest' | 'size'>,
    limit = DOCUMENT_LIMIT,
  ): Promise<Uint8Array> {
    if (descriptor.size > limit) {
      throw badLayout(
        this.dir,
        `${descriptor.digest} has ${descriptor.size} bytes where at most ${limit} make sense`,
      );
    }
    await this.blob(descriptor);
    const bytes = await readFile(this.path(descriptor.digest));
    if (sha256(bytes) !== descriptor.digest)
      throw badLayout(this.dir, `the content of ${descriptor.digest} is not what its name says`);
    return bytes;
  }
}

async function resolveRoot(
  dir: string,
  top: Index,
  store: BlobFolder,
  tag: string | undefined,
): Promise<ImageRoot> {
  // What refers to an image, such as a SOCI index of version 1, stands beside it and is for no platform.
  const images = top.manifests.filter(
    ({ artifactType, platform }) => artifactType === undefined || platform !== undefined,
  );
  // skopeo writes the bare tag, containerd the whole name.
  const entries =
    tag === undefined ? images : images.filter((entry) => isNamed(entry.annotations?.[REF_NAME], tag));
  if (entries.length === 0) {
    if (tag === undefined) throw badLayout(dir, 'its index.json lists no image');
    const known = top.manifests.flatMap((entry) => entry.annotations?.[REF_NAME] ?? []);
    throw new LensError(
      'image/no-tag',
      `The OCI layout ${dir} has no image named "${tag}".`,
      known.length > 0 ? `It has: ${known.join(', ')}.` : 'Leave the name away: its images have none.',
    );
  }
  let index: Index = { ...top, manifests: entries };
  let stored: { descriptor: Descriptor; bytes: Uint8Array } | undefined;
  for (let depth = 0; depth < MAX_NESTING; depth++) {
    const here = await Promise.all(index.manifests.map((entry) => store.has(entry.digest)));
    const available = index.manifests.filter((_, position) => here[position]);
    const [only] = available;
    if (!only) throw badLayout(dir, 'none of the images that its index lists is in it');
    if (available.length > 1) {
      if (stored && available.length === index.manifests.length) return { kind: 'index', index, ...stored };
      const kept: Index = { ...index, manifests: available };
      const bytes = encodeIndex(kept);
      const descriptor = {
        mediaType: kept.mediaType ?? OCI_INDEX,
        digest: sha256(bytes),
        size: bytes.length,
      };
      return { kind: 'index', index: kept, descriptor, bytes };
    }
    const bytes = await store.readBlob(only);
    if (!INDEX_TYPES.has(only.mediaType))
      return { kind: 'manifest', descriptor: only, bytes, manifest: parseManifest(bytes) };
    index = parseIndex(bytes);
    stored = { descriptor: only, bytes };
  }
  throw badLayout(dir, `its indexes are nested more than ${MAX_NESTING} deep`);
}

async function findReferrers(
  index: Index,
  store: BlobFolder,
  digest: Digest,
  artifactType: string,
): Promise<Descriptor[]> {
  const found: Descriptor[] = [];
  for (const entry of index.manifests.filter((other) => other.artifactType === artifactType)) {
    const { subject } = parseManifest(await store.readBlob(entry));
    if (subject?.digest === digest) found.push(entry);
  }
  return found;
}

/** Throws `image/no-layout` or `image/bad-layout` unless the folder says that it is a layout of our version. */
export async function checkVersion(dir: string): Promise<void> {
  const version = parseObject(await readSmall(dir, VERSION_FILE), `${VERSION_FILE} of ${dir}`)[
    'imageLayoutVersion'
  ];
  if (version !== '1.0.0') throw badLayout(dir, `its version is ${JSON.stringify(version)} and not "1.0.0"`);
}

async function readSmall(dir: string, name: string): Promise<Uint8Array> {
  const file = path.join(dir, name);
  try {
    const found = await stat(file);
    if (found.isFile() && found.size <= DOCUMENT_LIMIT) return await readFile(file);
  } catch (cause) {
    const isMissing = isSystemError(cause) && cause.code === 'ENOENT';
    const isFolder = isMissing && (await stat(dir).catch(() => undefined));
    const why = isFolder
      ? `it has no file ${name}`
      : isMissing
        ? 'there is no such folder'
        : `${name} cannot be read: ${messageOf(cause)}`;
    throw new LensError(
      'image/no-layout',
      `${dir} is not an OCI layout: ${why}.`,
      'Name a folder that holds oci-layout, index.json and blobs, as skopeo, docker buildx or soci write it.',
      { cause },
    );
  }
  throw badLayout(dir, `${name} is not a file of at most ${DOCUMENT_LIMIT} bytes`);
}

function badLayout(dir: string, why: string): LensError {
  return new LensError(
    'image/bad-layout',
    `The OCI layout ${dir} is damaged: ${why}.`,
    'Export the image again.',
  );
}
