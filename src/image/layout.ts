import { createHash, randomUUID } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import {
  copyFile,
  link,
  mkdir,
  open,
  readFile,
  readdir,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
} from 'node:fs/promises';
import path from 'node:path';
import { LensError, isAbort, messageOf } from '../errors';
import { type Bytes, fileBytes } from '../layer/bytes';
import { digestHex, isDigest, sha256 } from '../oci/digest';
import { encodeIndex } from '../oci/json';
import { INDEX_TYPES, OCI_INDEX } from '../oci/media-types';
import { parseIndex, parseManifest, parseObject } from '../oci/parse';
import type { Descriptor, Digest, Index, Manifest } from '../oci/types';

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

/** A layout being written. Until `finish` there is no new `index.json`, so a reader sees the old state or none. */
export interface LayoutWriter {
  /** Absolute. */
  readonly dir: string;
  has(digest: Digest): Promise<boolean>;
  /** Stores bytes under their digest. Throws `image/wrong-digest` when they are not `expected`. */
  addBlob(
    data: Uint8Array | AsyncIterable<Uint8Array>,
    expected?: { readonly digest: Digest; readonly size: number },
    signal?: AbortSignal,
  ): Promise<{ digest: Digest; size: number }>;
  /**
   * Takes a blob over from a file: cloned, else hard-linked, else copied. Its digest is checked unless `trusted` says that
   * the caller did so.
   */
  linkBlob(
    file: string,
    expected: { readonly digest: Digest; readonly size: number },
    options?: { readonly trusted?: boolean; readonly signal?: AbortSignal },
  ): Promise<void>;
  /** Writes `index.json`, last and in one step. */
  finish(manifests: readonly Descriptor[]): Promise<void>;
  /** Removes everything that this writer put there. */
  abort(): Promise<void>;
}

const REF_NAME = 'org.opencontainers.image.ref.name';
const INDEX_FILE = 'index.json';
const VERSION_FILE = 'oci-layout';
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

/**
 * Begins or reopens a layout in `dir`. A folder that holds something else is refused with `image/not-a-layout`; a full or
 * forbidden disk gives `image/cannot-write`.
 */
export async function createLayout(dir: string): Promise<LayoutWriter> {
  const root = path.resolve(dir);
  const present = await readdir(root).catch(() => undefined);
  if (present && present.length > 0 && !present.includes(VERSION_FILE) && !onlyLeftovers(present)) {
    throw new LensError(
      'image/not-a-layout',
      `${root} holds files, but it is not an OCI layout.`,
      'Name a new folder, an empty one, or an OCI layout.',
    );
  }
  const writer = new Writer(root);
  await writer.begin();
  return writer;
}

class BlobFolder {
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
  const entries = tag === undefined ? images : images.filter((entry) => hasTag(entry, tag));
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

/** skopeo writes the bare tag, containerd the whole name. */
function hasTag(entry: Descriptor, tag: string): boolean {
  const name = entry.annotations?.[REF_NAME];
  return name === tag || name?.endsWith(`:${tag}`) === true;
}

class Writer implements LayoutWriter {
  private readonly store: BlobFolder;
  /** Files and folders that were not there before, in the order they came. */
  private readonly made: { readonly path: string; readonly folder: boolean }[] = [];

  constructor(readonly dir: string) {
    this.store = new BlobFolder(dir);
  }

  async begin(): Promise<void> {
    await this.guard(async () => {
      const blobs = path.join(this.dir, 'blobs', 'sha256');
      const first = await mkdir(blobs, { recursive: true });
      for (
        let folder = blobs;
        first !== undefined && folder.length >= first.length;
        folder = path.dirname(folder)
      ) {
        this.made.unshift({ path: folder, folder: true });
      }
      const file = path.join(this.dir, VERSION_FILE);
      if (await stat(file).catch(() => undefined)) await checkVersion(this.dir);
      else await this.place(file, (handle) => handle.writeFile(LAYOUT_VERSION));
    });
  }

  has(digest: Digest): Promise<boolean> {
    return this.store.has(digest);
  }

  async addBlob(
    data: Uint8Array | AsyncIterable<Uint8Array>,
    expected?: { readonly digest: Digest; readonly size: number },
    signal?: AbortSignal,
  ): Promise<{ digest: Digest; size: number }> {
    if (data instanceof Uint8Array) {
      const own = { digest: sha256(data), size: data.length };
      if (expected) checkContent(own, expected);
      if ((await this.store.size(own.digest)) === own.size) return own;
    }
    return this.guard(async () => {
      const hash = createHash('sha256');
      let size = 0;
      const temporary = this.temporary();
      try {
        await writeFile(temporary, async (handle) => {
          for await (const chunk of data instanceof Uint8Array ? [data] : data) {
            signal?.throwIfAborted();
            hash.update(chunk);
            size += chunk.length;
            if (expected && size > expected.size) checkContent({ digest: 'more bytes', size }, expected);
            await writeAll(handle, chunk);
          }
        });
        const own = { digest: `sha256:${hash.digest('hex')}`, size };
        if (expected) checkContent(own, expected);
        await this.adopt(temporary, this.store.path(own.digest));
        return own;
      } finally {
        await rm(temporary, { force: true });
      }
    });
  }

  async linkBlob(
    file: string,
    expected: { readonly digest: Digest; readonly size: number },
    options: { readonly trusted?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    const target = this.store.path(expected.digest);
    if ((await this.store.size(expected.digest)) === expected.size) return;
    await this.guard(async () => {
      const temporary = this.temporary();
      try {
        // A link to a symbolic link would be one itself, and dangle when the layout moves.
        await cloneFile(await realpath(file), temporary, options.signal);
        if (!options.trusted) checkContent(await hashFile(temporary, options.signal), expected);
        await this.adopt(temporary, target);
      } finally {
        await rm(temporary, { force: true });
      }
    });
  }

  async finish(manifests: readonly Descriptor[]): Promise<void> {
    const bytes = encodeIndex({ schemaVersion: 2, mediaType: OCI_INDEX, manifests });
    await this.guard(() => this.place(path.join(this.dir, INDEX_FILE), (handle) => writeAll(handle, bytes)));
    this.made.length = 0;
  }

  async abort(): Promise<void> {
    for (const { path: made, folder } of this.made.splice(0).reverse()) {
      // A folder stays when someone else has put something into it.
      await (folder ? rmdir(made) : rm(made, { force: true })).catch(() => undefined);
    }
  }

  /** Beside the blobs, so that a rename moves no bytes. */
  private temporary(): string {
    return path.join(this.dir, `${TEMPORARY}${randomUUID()}`);
  }

  private async place(file: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
    const temporary = this.temporary();
    try {
      await writeFile(temporary, write);
      await this.adopt(temporary, file);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  private async adopt(temporary: string, file: string): Promise<void> {
    const isNew = !(await stat(file).catch(() => undefined));
    await rename(temporary, file);
    if (isNew) this.made.push({ path: file, folder: false });
  }

  private async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isAbort(error) || !isSystemError(error)) throw error;
      throw cannotWrite(this.dir, error);
    }
  }
}

const TEMPORARY = '.soci-lens-';

type FileHandle = Awaited<ReturnType<typeof open>>;

/** What a killed run of ours can leave in a layout it had just begun. */
function onlyLeftovers(names: readonly string[]): boolean {
  return names.every((name) => name === 'blobs' || name.startsWith(TEMPORARY));
}

/** Writes a new file and has it on disk before it returns. */
export async function writeFile(file: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(file, 'wx', 0o644);
  try {
    await write(handle);
    // The rename that follows must never be on disk before the bytes.
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** `write` may take a part only, as a full disk does on its last block. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += (await handle.write(bytes, done)).bytesWritten;
}

async function cloneFile(source: string, target: string, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  for (const attempt of [
    () => copyFile(source, target, constants.COPYFILE_FICLONE_FORCE),
    () => link(source, target),
  ]) {
    try {
      await attempt();
      return;
    } catch (error) {
      // No such feature here, another disk, or not ours to link: the next way. A missing source fails in the last one.
      if (!isSystemError(error)) throw error;
      await rm(target, { force: true });
    }
  }
  await writeFile(target, async (handle) => {
    for await (const chunk of createReadStream(source, { signal })) await writeAll(handle, chunk as Buffer);
  });
}

async function hashFile(
  file: string,
  signal: AbortSignal | undefined,
): Promise<{ digest: Digest; size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of createReadStream(file, { signal, highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer);
    size += (chunk as Buffer).length;
  }
  return { digest: `sha256:${hash.digest('hex')}`, size };
}

function checkContent(
  found: { digest: Digest; size: number },
  expected: { digest: Digest; size: number },
): void {
  if (found.size === expected.size && found.digest === expected.digest) return;
  throw new LensError(
    'image/wrong-digest',
    found.size === expected.size
      ? `The bytes of ${expected.digest} have the digest ${found.digest}.`
      : `The blob ${expected.digest} should have ${expected.size} bytes and has ${found.size} or more.`,
    'Fetch or export the image again; its copy is damaged.',
  );
}

async function checkVersion(dir: string): Promise<void> {
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

/** True for what the operating system refuses. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}

/** The one sentence for a disk that is full or forbidden; `dir` is what was to be written. */
export function cannotWrite(dir: string, cause: NodeJS.ErrnoException): LensError {
  const full = cause.code === 'ENOSPC' || cause.code === 'EDQUOT' || cause.code === 'EFBIG';
  return new LensError(
    'image/cannot-write',
    full
      ? `There is no room left for the image in ${dir}.`
      : `The image cannot be written to ${dir}: ${cause.message}.`,
    full
      ? 'Free some space or name a folder on another disk.'
      : 'Check that the folder can be written, or name another one.',
    { cause },
  );
}
