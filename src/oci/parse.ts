import { LensError, messageOf } from '../errors';
import { isDigest } from './digest';
import type { Descriptor, HistoryEntry, ImageConfig, Index, Manifest, Platform } from './types';

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads an image manifest, OCI or Docker schema 2 (OCI image-spec, manifest.md). Unknown fields are dropped, as by
 * Go's decoder. Throws `oci/bad-json` or `oci/bad-document`.
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  const fields = parseObject(bytes, 'The image manifest');
  const where = 'image manifest';
  return {
    schemaVersion: schemaVersion(fields, where),
    ...optional('mediaType', fields, where, text),
    ...optional('artifactType', fields, where, text),
    config: parseDescriptor(fields['config'], `${where}: config`),
    layers: list(fields['layers'], `${where}: layers`, parseDescriptor),
    ...optional('subject', fields, where, parseDescriptor),
    ...optional('annotations', fields, where, strings),
  };
}

/** Reads an image index or a Docker manifest list (OCI image-spec, image-index.md). Throws as `parseManifest` does. */
export function parseIndex(bytes: Uint8Array): Index {
  const fields = parseObject(bytes, 'The image index');
  const where = 'image index';
  return {
    schemaVersion: schemaVersion(fields, where),
    ...optional('mediaType', fields, where, text),
    ...optional('artifactType', fields, where, text),
    manifests: list(fields['manifests'], `${where}: manifests`, parseDescriptor),
    ...optional('subject', fields, where, parseDescriptor),
    ...optional('annotations', fields, where, strings),
  };
}

/** Reads an image's config (OCI image-spec, config.md). Throws as `parseManifest` does. */
export function parseConfig(bytes: Uint8Array): ImageConfig {
  const fields = parseObject(bytes, 'The image config');
  const where = 'image config';
  const rootfs = object(fields['rootfs'], `${where}: rootfs`);
  return {
    architecture: text(fields['architecture'], `${where}: architecture`),
    os: text(fields['os'], `${where}: os`),
    ...optional('variant', fields, where, text),
    ...optional('created', fields, where, text),
    ...optional('config', fields, where, runConfig),
    rootfs: {
      type: text(rootfs['type'], `${where}: rootfs.type`),
      // Docker writes null for an image without layers.
      diff_ids: list(rootfs['diff_ids'] ?? [], `${where}: rootfs.diff_ids`, digest),
    },
    ...optional('history', fields, where, (value, at) => list(value, at, historyEntry)),
  };
}

/** Reads a descriptor out of parsed JSON. `where` names it in an error. */
export function parseDescriptor(value: unknown, where = 'descriptor'): Descriptor {
  const fields = object(value, where);
  return {
    mediaType: text(fields['mediaType'], `${where}.mediaType`),
    digest: digest(fields['digest'], `${where}.digest`),
    size: size(fields['size'], `${where}.size`),
    ...optional('urls', fields, where, texts),
    ...optional('annotations', fields, where, strings),
    ...optional('data', fields, where, base64),
    ...optional('platform', fields, where, platform),
    ...optional('artifactType', fields, where, text),
  };
}

/** Parses JSON whose root is an object. `what` begins the sentence of an error: `The image index`. */
export function parseObject(bytes: Uint8Array, what: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw new LensError('oci/bad-json', `${what} is not JSON: ${messageOf(cause)}.`, ADVICE, { cause });
  }
  return object(value, what);
}

const ADVICE = 'Pull or export the image again; if that does not help, it was made by a broken tool.';

function bad(where: string, expected: string): LensError {
  return new LensError('oci/bad-document', `${where} is not ${expected}.`, ADVICE);
}

function platform(value: unknown, where: string): Platform {
  const fields = object(value, where);
  return {
    architecture: text(fields['architecture'], `${where}.architecture`),
    os: text(fields['os'], `${where}.os`),
    ...optional('os.version', fields, where, text),
    ...optional('os.features', fields, where, texts),
    ...optional('variant', fields, where, text),
  };
}

function runConfig(value: unknown, where: string): NonNullable<ImageConfig['config']> {
  const fields = object(value, where);
  return {
    ...optional('User', fields, where, text),
    ...optional('ExposedPorts', fields, where, object),
    ...optional('Env', fields, where, texts),
    ...optional('Entrypoint', fields, where, texts),
    ...optional('Cmd', fields, where, texts),
    ...optional('Volumes', fields, where, object),
    ...optional('WorkingDir', fields, where, text),
    ...optional('Labels', fields, where, strings),
    ...optional('StopSignal', fields, where, text),
  };
}

function historyEntry(value: unknown, where: string): HistoryEntry {
  const fields = object(value, where);
  return {
    ...optional('created', fields, where, text),
    ...optional('created_by', fields, where, text),
    ...optional('comment', fields, where, text),
    ...optional('author', fields, where, text),
    ...optional('empty_layer', fields, where, (flag, at) => {
      if (typeof flag !== 'boolean') throw bad(at, 'true or false');
      return flag;
    }),
  };
}

/** `{ [key]: value }` when the field is there, `{}` when it is missing or null, which Go's decoder takes for the same. */
function optional<K extends string, T>(
  key: K,
  fields: Fields,
  where: string,
  read: (value: unknown, where: string) => T,
): Partial<Record<K, T>> {
  const value = fields[key];
  // A computed key of a generic type widens to an index signature; the object has exactly this one key.
  return value === undefined || value === null
    ? {}
    : ({ [key]: read(value, `${where}.${key}`) } as Record<K, T>);
}

function schemaVersion(fields: Fields, where: string): number {
  if (fields['schemaVersion'] !== 2) throw bad(`${where}: schemaVersion`, '2');
  return 2;
}

function object(value: unknown, where: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(where, 'an object');
  return value as Fields;
}

function list<T>(value: unknown, where: string, read: (value: unknown, where: string) => T): T[] {
  if (!Array.isArray(value)) throw bad(where, 'a list');
  return value.map((item: unknown, index) => read(item, `${where}[${index}]`));
}

function text(value: unknown, where: string): string {
  if (typeof value !== 'string') throw bad(where, 'a string');
  return value;
}

function texts(value: unknown, where: string): string[] {
  return list(value, where, text);
}

function strings(value: unknown, where: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(object(value, where)).map(([key, item]) => [key, text(item, `${where}["${key}"]`)]),
  );
}

function digest(value: unknown, where: string): string {
  if (typeof value !== 'string' || !isDigest(value)) throw bad(where, 'a sha256 digest');
  return value;
}

function size(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw bad(where, 'a size in bytes');
  return value;
}

function base64(value: unknown, where: string): string {
  const encoded = text(value, where);
  if (Buffer.from(encoded, 'base64').toString('base64') !== encoded) throw bad(where, 'base64');
  return encoded;
}
