import { type Stats, statSync } from 'node:fs';
import { LensError } from '../errors';

/** A name in a registry, completed as Docker completes it (distribution/reference: `ParseDockerRef`). */
export interface RegistryName {
  /** `host[:port]`; Docker Hub is `docker.io`. */
  readonly host: string;
  /** `library/nginx`, `team/service`. */
  readonly repository: string;
  /** `latest` where neither tag nor digest was written. */
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

/** Where an image comes from, by `skopeo`'s transports; `any` is a bare name: the engine first, then the registry. */
export type Reference =
  | { readonly transport: 'docker-daemon'; readonly name: string }
  | { readonly transport: 'docker'; readonly registry: RegistryName }
  | { readonly transport: 'oci'; readonly path: string; readonly tag: string | undefined }
  | {
      readonly transport: 'oci-archive' | 'docker-archive' | 'archive';
      readonly path: string;
      readonly tag: string | undefined;
    }
  | { readonly transport: 'any'; readonly name: string; readonly registry: RegistryName };

/** Where an image can be written to. */
export type Destination = Extract<Reference, { transport: 'docker' | 'oci' }> | OciArchive;

interface OciArchive {
  readonly transport: 'oci-archive';
  readonly path: string;
  readonly tag: string | undefined;
}

/** distribution/reference, `regexp.go`. */
const HOST =
  /^(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*(?::[0-9]{1,5})?$|^\[[a-fA-F0-9:]+\](?::[0-9]{1,5})?$/;
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[a-f0-9]{64}$/;
/** An image ID as the engine prints it, whole or cut. */
const IMAGE_ID = /^(?:sha256:[a-f0-9]{64}|[a-f0-9]{64})$/;

/**
 * Reads a reference as a person writes it: `docker-daemon:NAME`, `docker://HOST/NAME`, `oci:DIR[:TAG]`,
 * `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:TAG]`, an existing directory or `.tar`, or a bare name.
 *
 * @throws LensError `image/bad-reference`
 */
export function parseReference(text: string): Reference {
  const [, transport, rest] =
    /^(docker-daemon|docker|oci|oci-archive|docker-archive):(.*)$/s.exec(text) ?? [];
  if (transport === undefined || rest === undefined) return parseBare(text);
  switch (transport) {
    case 'docker-daemon':
      return { transport, name: engineName(rest, text) };
    case 'docker':
      // `docker:5000/name` is a host called docker; only `docker://` is the transport.
      if (!rest.startsWith('//')) return parseBare(text);
      return { transport, registry: parseRegistryName(rest.slice(2), text) };
    case 'oci':
      return { transport, ...splitPath(rest, text) };
    default:
      return {
        transport: transport === 'oci-archive' ? transport : 'docker-archive',
        ...splitPath(rest, text),
      };
  }
}

/**
 * Reads a destination: `docker://HOST/NAME[:TAG]`, `oci:DIR`, `oci-archive:FILE`.
 *
 * @throws LensError `image/bad-reference`
 */
export function parseDestination(text: string): Destination {
  if (/^(docker:\/\/|oci:|oci-archive:)/.test(text)) {
    const reference = parseReference(text);
    if (reference.transport === 'docker') {
      if (reference.registry.digest === undefined) return reference;
      throw bad(text, 'a destination takes a tag, not a digest');
    }
    if (reference.transport === 'oci') return reference;
    if (reference.transport === 'oci-archive') return { ...reference, transport: 'oci-archive' };
  }
  throw bad(
    text,
    'it does not say where to write to',
    'Write docker://HOST/NAME:TAG, oci:FOLDER or oci-archive:FILE.',
  );
}

/** The name as the engine and people know it: `nginx:latest` for Docker Hub's library, the whole name else. */
export function formatRegistryName(name: RegistryName): string {
  const end = name.digest === undefined ? `:${name.tag ?? 'latest'}` : `@${name.digest}`;
  return `${name.host}/${name.repository}${end}`;
}

function parseBare(text: string): Reference {
  const found = statOf(text);
  if (found?.isDirectory()) return { transport: 'oci', path: text, tag: undefined };
  if (found?.isFile() && text.endsWith('.tar')) return { transport: 'archive', path: text, tag: undefined };
  if (IMAGE_ID.test(text)) return { transport: 'docker-daemon', name: text };
  if (/^[./\\~]/.test(text) || text.endsWith('.tar')) {
    throw bad(text, 'there is no such folder or file', 'Check the path, or write the name of an image.');
  }
  return { transport: 'any', name: text, registry: parseRegistryName(text, text) };
}

function engineName(name: string, whole: string): string {
  if (!IMAGE_ID.test(name)) parseRegistryName(name, whole);
  return name;
}

/** `[HOST/]NAME[:TAG][@DIGEST]`, with Docker's defaults for what is missing. */
function parseRegistryName(text: string, whole: string): RegistryName {
  const [beforeDigest = '', digest, ...more] = text.split('@');
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) {
    throw bad(whole, 'its digest is not sha256: and 64 hexadecimal digits');
  }
  const slash = beforeDigest.indexOf('/');
  const first = beforeDigest.slice(0, Math.max(slash, 0));
  // A first part is a host when it could not be part of a repository's name (distribution/reference: splitDockerDomain).
  const hasHost = /[.:[]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  const rest = hasHost ? beforeDigest.slice(slash + 1) : beforeDigest;
  const colon = rest.indexOf(':', rest.lastIndexOf('/') + 1);
  const path = colon < 0 ? rest : rest.slice(0, colon);
  const tag = colon < 0 ? undefined : rest.slice(colon + 1);

  const isHub = !hasHost || first === 'docker.io' || first === 'index.docker.io';
  const host = isHub ? 'docker.io' : first;
  const repository = isHub && !path.includes('/') ? `library/${path}` : path;
  if (!HOST.test(host)) throw bad(whole, `"${host}" is not a host name`);
  if (path !== path.toLowerCase()) throw bad(whole, 'repository names are lower case');
  if (!REPOSITORY.test(repository) || repository.length > 255)
    throw bad(whole, `"${path}" is not a repository name`);
  if (tag !== undefined && !TAG.test(tag)) throw bad(whole, `"${tag}" is not a tag`);
  return { host, repository, tag: tag ?? (digest === undefined ? 'latest' : undefined), digest };
}

/**
 * `PATH[:TAG]`, where TAG may also be a whole name (`reg.example/a:1`): the longest path that is there. Where none is, the last
 * colon separates, unless a path goes on behind it. The colon of a Windows drive is part of the path.
 */
function splitPath(text: string, whole: string): { path: string; tag: string | undefined } {
  const colons = [...text.matchAll(/(?<!^[a-zA-Z]):/g)]
    .map(({ index }) => index)
    .filter((index) => index > 0);
  const last = colons.at(-1);
  const end =
    [text.length, ...colons.toReversed()].find((index) => statOf(text.slice(0, index))) ??
    (last === undefined || /[/\\]/.test(text.slice(last)) ? text.length : last);
  const path = text.slice(0, end);
  if (path === '') throw bad(whole, 'the path is missing');
  return { path, tag: end < text.length ? text.slice(end + 1) : undefined };
}

/** What lies at a path; a name that no path can have leads nowhere. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** True when `tag` is a whole name or the end of one, as people write it: `reg.example/a:1`, `a:1`, `1`. */
export function isNamed(name: string | undefined, tag: string): boolean {
  return name === tag || name?.endsWith(`:${tag}`) === true || name?.endsWith(`/${tag}`) === true;
}

function bad(
  text: string,
  why: string,
  advice = 'Write NAME[:TAG], docker-daemon:NAME, docker://HOST/NAME:TAG, oci:FOLDER, oci-archive:FILE or docker-archive:FILE.',
): LensError {
  return new LensError('image/bad-reference', `"${text}" is not an image reference: ${why}.`, advice);
}
