import type { Descriptor, Index, Manifest, Platform } from './types';

/**
 * What Go's `encoding/json` can be asked to write. A plain object is a struct: its fields keep their order, and those
 * that are `undefined` are left out. A `Map` is a Go map: its keys are sorted by their bytes.
 */
export type GoJson =
  | string
  | number
  | boolean
  | null
  | readonly GoJson[]
  | ReadonlyMap<string, GoJson>
  | { readonly [field: string]: GoJson | undefined };

/**
 * Encodes as Go's `encoding/json` does: compact, no newline at the end, `<`, `>`, `&`, U+2028 and U+2029 escaped,
 * lone surrogates as U+FFFD (soci-format §3.1). The snapshotter re-encodes an index and refuses it when one byte
 * differs, so this is part of the format.
 */
export function encodeJson(value: GoJson): Uint8Array {
  return new TextEncoder().encode(encode(value));
}

/** A manifest in the field order of the OCI image-spec's Go types (soci-format §3.1). */
export function encodeManifest(manifest: Manifest): Uint8Array {
  return encodeJson({
    schemaVersion: manifest.schemaVersion,
    mediaType: nonEmpty(manifest.mediaType),
    artifactType: nonEmpty(manifest.artifactType),
    config: descriptor(manifest.config),
    layers: manifest.layers.map(descriptor),
    subject: manifest.subject && descriptor(manifest.subject),
    annotations: map(manifest.annotations),
  });
}

/** An index in the field order of the OCI image-spec's Go types (soci-format §3.1). */
export function encodeIndex(index: Index): Uint8Array {
  return encodeJson({
    schemaVersion: index.schemaVersion,
    mediaType: nonEmpty(index.mediaType),
    artifactType: nonEmpty(index.artifactType),
    manifests: index.manifests.map(descriptor),
    subject: index.subject && descriptor(index.subject),
    annotations: map(index.annotations),
  });
}

function descriptor(value: Descriptor): GoJson {
  return {
    mediaType: value.mediaType,
    digest: value.digest,
    size: value.size,
    urls: value.urls?.length ? value.urls : undefined,
    annotations: map(value.annotations),
    data: nonEmpty(value.data),
    platform: value.platform && platform(value.platform),
    artifactType: nonEmpty(value.artifactType),
  };
}

function platform(value: Platform): GoJson {
  return {
    architecture: value.architecture,
    os: value.os,
    'os.version': nonEmpty(value['os.version']),
    'os.features': value['os.features']?.length ? value['os.features'] : undefined,
    variant: nonEmpty(value.variant),
  };
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

function map(annotations: Readonly<Record<string, string>> | undefined): GoJson | undefined {
  const entries = Object.entries(annotations ?? {});
  return entries.length === 0 ? undefined : new Map(entries);
}

function encode(value: GoJson): string {
  if (typeof value === 'string') return encodeString(value);
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return JSON.stringify(value);
  if (isArray(value)) return `[${value.map(encode).join(',')}]`;
  const members = isMap(value) ? [...value].sort(([a], [b]) => byBytes(a, b)) : Object.entries(value);
  const written = members.flatMap(([key, member]) =>
    member === undefined ? [] : [`${encodeString(key)}:${encode(member)}`],
  );
  return `{${written.join(',')}}`;
}

function isArray(value: GoJson): value is readonly GoJson[] {
  return Array.isArray(value);
}

function isMap(value: GoJson): value is ReadonlyMap<string, GoJson> {
  return value instanceof Map;
}

/** UTF-8 order is code point order, which UTF-16 order is not beyond U+FFFF. */
function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function encodeString(text: string): string {
  return JSON.stringify(text.replace(/\p{Surrogate}/gu, '\ufffd')).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
