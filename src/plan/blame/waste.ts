import type { TarEntries } from '../../layer/types';
import { Prepared, SLICE } from '../picture/prepared';
import type { WasteReason } from './types';

export interface WastedFile {
  readonly path: string;
  /** Index of the layer that carries it. */
  readonly layer: number;
  readonly bytes: number;
  readonly reason: WasteReason;
}

/** Bytes of file content that no container of the image can read. */
export interface Waste {
  /** Bytes of all files in all scanned layers. */
  readonly fileBytes: number;
  /** A later layer, or a later entry of the same one, has something of the same path, or a later layer something else for its folder. */
  readonly replacedBytes: number;
  /** A later layer has a whiteout for it or for a folder around it. */
  readonly removedBytes: number;
  /** The largest ones. */
  readonly files: readonly WastedFile[];
}

const MAX_FILES = 20;
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/** A file whose content no name leads to any more. */
export interface HiddenFile extends WastedFile {
  /** Index of the entry in its layer. */
  readonly entry: number;
}

/** Adds up what the upper layers hide from the lower ones. `layers` from the lowest on; a layer that was not scanned hides nothing. */
export function findWaste(layers: readonly (TarEntries | undefined)[]): Waste {
  let fileBytes = 0;
  for (const entries of layers) {
    for (let entry = 0; entries && entry < entries.length; entry++) {
      if (entries.type(entry) === 'reg') fileBytes += entries.size(entry);
    }
  }
  const hidden = findHidden(layers);
  const sum = (reason: WasteReason): number =>
    hidden.reduce((all, file) => all + (file.reason === reason ? file.bytes : 0), 0);
  return {
    fileBytes,
    replacedBytes: sum('replaced'),
    removedBytes: sum('removed'),
    files: hidden
      .sort((a, b) => b.bytes - a.bytes)
      .slice(0, MAX_FILES)
      .map(({ path, layer, bytes, reason }) => ({ path, layer, bytes, reason })),
  };
}

/** Every file with content that is hidden, by its last name too, the topmost layers' first. */
export function findHidden(layers: readonly (TarEntries | undefined)[]): HiddenFile[] {
  return new Prepared(hiddenFiles(layers)).get();
}

/** The same with pauses after some thousand entries. */
export function* hiddenFiles(layers: readonly (TarEntries | undefined)[]): Generator<void, HiddenFile[]> {
  const above = new Hiding();
  const hidden: HiddenFile[] = [];
  for (let layer = layers.length - 1; layer >= 0; layer--) {
    const entries = layers[layer];
    if (!entries) continue;
    const own = new Hiding();
    const files: Omit<HiddenFile, 'reason'>[] = [];
    // Which entry has the content of each name, once the layer is unpacked: a hard link leads to what its target is by then.
    const content = new Map<string, number>();
    for (let entry = 0; entry < entries.length; entry++) {
      if (entry % SLICE === 0) yield;
      const path = cleanPath(entries.name(entry));
      const type = entries.type(entry);
      if (path !== '') own.add(path, type === 'dir');
      const bytes = type === 'reg' ? entries.size(entry) : 0;
      if (bytes > 0) files.push({ path, layer, entry, bytes });
      const holder =
        type === 'hardlink'
          ? content.get(cleanPath(Buffer.from(entries.get(entry).linkname).toString()))
          : entry;
      if (holder !== undefined && (bytes > 0 || type === 'hardlink')) content.set(path, holder);
      else content.delete(path);
    }
    const reachable = new Set<number>();
    let names = 0;
    for (const [path, entry] of content) {
      if (names++ % SLICE === 0) yield;
      if (above.hides(path) === undefined) reachable.add(entry);
    }
    for (const file of files)
      if (!reachable.has(file.entry)) hidden.push({ ...file, reason: above.hides(file.path) ?? 'replaced' });
    above.take(own);
  }
  return hidden;
}

/** What a layer, or several together, hide from the layers below them. */
class Hiding {
  private readonly nonFolders = new Set<string>();
  private readonly folders = new Set<string>();
  private readonly whiteouts = new Set<string>();
  private readonly opaque = new Set<string>();

  add(path: string, isFolder: boolean): void {
    const slash = path.lastIndexOf('/');
    const base = path.slice(slash + 1);
    const parent = path.slice(0, Math.max(slash, 0));
    if (base === OPAQUE) this.opaque.add(parent);
    else if (base.startsWith(WHITEOUT))
      this.whiteouts.add(path.slice(0, slash + 1) + base.slice(WHITEOUT.length));
    else (isFolder ? this.folders : this.nonFolders).add(path);
  }

  take(other: Hiding): void {
    for (const path of other.nonFolders) this.nonFolders.add(path);
    for (const path of other.folders) this.folders.add(path);
    for (const path of other.whiteouts) this.whiteouts.add(path);
    for (const path of other.opaque) this.opaque.add(path);
  }

  hides(path: string): WasteReason | undefined {
    if (this.nonFolders.has(path) || this.folders.has(path)) return 'replaced';
    if (this.whiteouts.has(path)) return 'removed';
    for (let end = path.lastIndexOf('/'); end !== -1; end = path.lastIndexOf('/', end - 1)) {
      const parent = path.slice(0, Math.max(end, 0));
      if (this.whiteouts.has(parent) || this.opaque.has(parent)) return 'removed';
      if (this.nonFolders.has(parent)) return 'replaced';
      if (end === 0) break;
    }
    return this.opaque.has('') ? 'removed' : undefined;
  }
}

function cleanPath(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  return parts.join('/');
}
