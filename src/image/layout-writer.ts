import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, realpath, rename, rm, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { LensError, isAbort } from '../errors';
import type { Bytes } from '../layer/bytes';
import { sha256 } from '../oci/digest';
import { encodeIndex } from '../oci/json';
import { OCI_INDEX } from '../oci/media-types';
import type { Descriptor, Digest } from '../oci/types';
import { cannotWrite, cloneFile, hashFile, isSystemError, writeAll, writeFile } from './disk';
import { BlobFolder, checkVersion, INDEX_FILE, LAYOUT_VERSION, VERSION_FILE } from './layout';

interface Blob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/** A layout being written. Until `finish` there is no new `index.json`, so a reader sees the old state or none. */
export interface LayoutWriter {
  /** Absolute. */
  readonly dir: string;
  has(digest: Digest): Promise<boolean>;
  /** Stores bytes under their digest. Throws `image/wrong-digest` when they are not `expected`. */
  addBlob(data: Uint8Array | AsyncIterable<Uint8Array>, expected?: Blob, signal?: AbortSignal): Promise<Blob>;
  /**
   * Stores bytes behind the caller's back, who needs no more of them than their digest. `finish` waits until they are on the disk; where
   * they do not get there, it fails for that reason, and so does every further `keepBlob`.
   */
  keepBlob(data: Uint8Array): Blob;
  /**
   * Takes a blob over from where it is: a file is cloned, else hard-linked, else copied, anything else is streamed. Its
   * digest is checked unless the source does so, or `trusted` says that the caller did.
   */
  takeBlob(
    source: Bytes,
    expected: Blob,
    options?: { readonly trusted?: boolean; readonly signal?: AbortSignal | undefined },
  ): Promise<void>;
  /** Writes `index.json`, last and in one step. */
  finish(manifests: readonly Descriptor[]): Promise<void>;
  /** Removes everything that this writer put there. */
  abort(): Promise<void>;
}

const TEMPORARY = '.soci-lens-';

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

class Writer implements LayoutWriter {
  private readonly store: BlobFolder;
  /** Files and folders that were not there before, in the order they came. */
  private readonly made: { readonly path: string; readonly folder: boolean }[] = [];
  /** What is under way for `keepBlob`; never rejected, since the failure is kept too. */
  private readonly keeping: Promise<unknown>[] = [];
  private failure: Error | undefined;

  constructor(readonly dir: string) {
    this.store = new BlobFolder(dir);
  }

  async begin(): Promise<void> {
    const blobs = path.join(this.dir, 'blobs', 'sha256');
    const first = await mkdir(blobs, { recursive: true }).catch((error: unknown) => {
      throw this.explained(error);
    });
    for (
      let folder = blobs;
      first !== undefined && folder.length >= first.length;
      folder = path.dirname(folder)
    ) {
      this.made.unshift({ path: folder, folder: true });
    }
    const isThere = await stat(path.join(this.dir, VERSION_FILE)).catch(() => undefined);
    if (isThere) await checkVersion(this.dir);
    else await this.placeFile(VERSION_FILE, Buffer.from(LAYOUT_VERSION));
  }

  has(digest: Digest): Promise<boolean> {
    return this.store.has(digest);
  }

  async addBlob(
    data: Uint8Array | AsyncIterable<Uint8Array>,
    expected?: Blob,
    signal?: AbortSignal,
  ): Promise<Blob> {
    if (data instanceof Uint8Array) {
      const own = { digest: sha256(data), size: data.length };
      if (expected) checkContent(own, expected);
      await this.storeBytes(data, own);
      return own;
    }
    const hash = createHash('sha256');
    return this.placeBlob(async (temporary) => {
      const size = await writeBlob(temporary, data, expected, signal, (chunk) => hash.update(chunk));
      const own = { digest: `sha256:${hash.digest('hex')}`, size };
      if (expected) checkContent(own, expected);
      return own;
    });
  }

  keepBlob(data: Uint8Array): Blob {
    if (this.failure) throw this.failure;
    const blob = { digest: sha256(data), size: data.length };
    const keeping = this.storeBytes(data, blob).catch((error: unknown) => {
      this.failure ??= error instanceof Error ? error : new Error(String(error));
    });
    this.keeping.push(keeping);
    return blob;
  }

  async takeBlob(
    source: Bytes,
    expected: Blob,
    { trusted = source.isChecked, signal }: { trusted?: boolean; signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    if ((await this.store.size(expected.digest)) === expected.size) return;
    const { file } = source;
    if (file === undefined && !trusted) {
      await this.addBlob(source.read(undefined, signal), expected, signal);
      return;
    }
    await this.placeBlob(async (temporary) => {
      if (file === undefined) {
        const size = await writeBlob(temporary, source.read(undefined, signal), expected, signal);
        checkContent({ ...expected, size }, expected);
      } else {
        // A link to a symbolic link would be one itself, and dangle when the layout moves.
        await cloneFile(await realpath(file), temporary, signal);
        if (!trusted) checkContent(await hashFile(temporary, signal), expected);
      }
      return expected;
    });
  }

  async finish(manifests: readonly Descriptor[]): Promise<void> {
    await Promise.all(this.keeping);
    if (this.failure) throw this.failure;
    const bytes = encodeIndex({ schemaVersion: 2, mediaType: OCI_INDEX, manifests });
    await this.placeFile(INDEX_FILE, bytes);
    this.made.length = 0;
  }

  async abort(): Promise<void> {
    await Promise.all(this.keeping);
    for (const { path: made, folder } of this.made.splice(0).reverse()) {
      // A folder stays when someone else has put something into it.
      await (folder ? rmdir(made) : rm(made, { force: true })).catch(() => undefined);
    }
  }

  private async storeBytes(data: Uint8Array, blob: Blob): Promise<void> {
    if ((await this.store.size(blob.digest)) === blob.size) return;
    await this.placeBlob(async (temporary) => {
      await writeFile(temporary, (handle) => writeAll(handle, data));
      return blob;
    });
  }

  private placeFile(name: string, bytes: Uint8Array): Promise<void> {
    return this.place(
      (temporary) => writeFile(temporary, (handle) => writeAll(handle, bytes)),
      () => path.join(this.dir, name),
    );
  }

  private placeBlob(make: (temporary: string) => Promise<Blob>): Promise<Blob> {
    return this.place(make, ({ digest }) => this.store.path(digest));
  }

  /** Has a file made under another name, and moves it to its place. What fails on the way leaves nothing. */
  private async place<T>(make: (temporary: string) => Promise<T>, placeOf: (made: T) => string): Promise<T> {
    // Beside the blobs, so that a rename moves no bytes.
    const temporary = path.join(this.dir, `${TEMPORARY}${randomUUID()}`);
    try {
      const made = await make(temporary);
      const file = placeOf(made);
      const isNew = !(await stat(file).catch(() => undefined));
      await rename(temporary, file);
      if (isNew) this.made.push({ path: file, folder: false });
      return made;
    } catch (error) {
      throw this.explained(error);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  /** What the disk refuses, in a sentence. */
  private explained(error: unknown): unknown {
    return isAbort(error) || !isSystemError(error) ? error : cannotWrite(this.dir, error);
  }
}

/** What a killed run of ours can leave in a layout it had just begun. */
function onlyLeftovers(names: readonly string[]): boolean {
  return names.every((name) => name === 'blobs' || name.startsWith(TEMPORARY));
}

/** Writes what a stream gives into a new file, no more than is expected. @returns bytes */
async function writeBlob(
  file: string,
  chunks: AsyncIterable<Uint8Array>,
  expected: Blob | undefined,
  signal: AbortSignal | undefined,
  onChunk?: (chunk: Uint8Array) => void,
): Promise<number> {
  let size = 0;
  await writeFile(file, async (handle) => {
    for await (const chunk of chunks) {
      signal?.throwIfAborted();
      onChunk?.(chunk);
      size += chunk.length;
      if (expected && size > expected.size) checkContent({ digest: 'more bytes', size }, expected);
      await writeAll(handle, chunk);
    }
  });
  return size;
}

function checkContent(found: Blob, expected: Blob): void {
  if (found.size === expected.size && found.digest === expected.digest) return;
  throw new LensError(
    'image/wrong-digest',
    found.size === expected.size
      ? `The bytes of ${expected.digest} have the digest ${found.digest}.`
      : `The blob ${expected.digest} should have ${expected.size} bytes and has ${found.size} or more.`,
    'Fetch or export the image again; its copy is damaged.',
  );
}
