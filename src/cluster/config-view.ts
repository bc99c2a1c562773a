import { defaultOf, findKey, isReadBy } from './config-keys';
import { samePath } from './edits';
import type { Release } from './releases';
import type { TomlDocument, TomlEntry } from './toml';

/** A config as one release reads it: what is written, else the default. */
export class ConfigView {
  constructor(
    readonly document: TomlDocument,
    readonly release: Release,
  ) {}

  /** Where a key is written, if it is and the release reads it. */
  entry(path: string): TomlEntry | undefined {
    const parts = path.split('.');
    const entry = this.document.entries.find((one) => samePath(one.path, parts));
    const key = findKey(parts);
    return entry && key && isReadBy(key, this.release) ? entry : undefined;
  }

  /** True when the value cannot be told, since a template stands there. */
  isUnknown(path: string): boolean {
    return this.entry(path)?.content.kind === 'unknown';
  }

  flag(path: string): boolean {
    const content = this.entry(path)?.content;
    return content?.kind === 'boolean' ? content.value : this.fallback(path) === true;
  }

  /** Zero is the default, as for most keys of the snapshotter. */
  number(path: string): number {
    const content = this.entry(path)?.content;
    const fallback = this.fallback(path);
    const otherwise = typeof fallback === 'number' ? fallback : 0;
    return content?.kind === 'integer' && content.value !== 0 ? content.value : otherwise;
  }

  /** The empty text is the default. */
  text(path: string): string {
    const content = this.entry(path)?.content;
    const fallback = this.fallback(path);
    const otherwise = typeof fallback === 'string' ? fallback : '';
    return content?.kind === 'string' && content.value !== '' ? content.value : otherwise;
  }

  private fallback(path: string): boolean | number | string | undefined {
    const key = findKey(path.split('.'));
    return key && isReadBy(key, this.release) ? defaultOf(key, this.release) : undefined;
  }
}
