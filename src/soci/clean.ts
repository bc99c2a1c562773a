import { LensError } from '../errors';
import { INDEX_TYPES } from '../oci/media-types';
import { parseIndex, parseManifest } from '../oci/parse';
import type { Descriptor, Digest, Manifest } from '../oci/types';
import type { OnProgress } from '../progress';
import { fallbackTag, type RegistryClient } from '../registry/client';
import { mapConcurrently } from './concurrent';
import { imagesOf } from './discover';
import { changeFallbackTag } from './fallback-tag';
import { ANNOTATIONS, SOCI_INDEX_V1, SOCI_INDEX_V2 } from './index';
import { isMarkTag, markTag } from './mark';
import { registryStore } from './store';

/** What stands behind the tag of an image when the image with its index is pushed beside it. */
export const SOCI_TAG_SUFFIX = '-soci';

/** One thing to do. */
export type CleanStep =
  /** Take an index of version 1 off the list under a fallback tag; a list without any other entry goes. */
  | { readonly kind: 'unlist'; readonly tag: string; readonly subject: Digest; readonly index: Digest }
  /** Delete a manifest: a SOCI index, an image that carries one, what a `-soci` tag names, or the mark that says that it was made. */
  | {
      readonly kind: 'delete';
      readonly what: 'index' | 'image' | 'tag';
      readonly digest: Digest;
      /** With `tag`, the name that goes with it. */
      readonly tag?: string;
    };

/** One thing that can go by itself: an index of version 1, or the image with its index under a `-soci` tag. */
export interface CleanItem {
  readonly kind: 'index' | 'soci-tag';
  /** What stands behind the name of the repository: `@sha256:…` or `:TAG`. */
  readonly name: string;
  /** Bytes of what nobody needs when it is gone: manifests, ztocs, the index. */
  readonly size: number;
  /** In an order that leaves no reader with half of an image. */
  readonly steps: readonly CleanStep[];
}

/** What stays although it belongs to something that goes, and why. */
export interface KeptBlob {
  readonly kind: 'manifest' | 'blob';
  readonly digest: Digest;
  readonly size: number;
  /**
   * `shared`: images of other tags need it. `only-copy`: the image carries the index within itself, so one cannot go
   * without the other. `unnamed`: nothing that stays names it; freeing it is the registry's own garbage collection's task,
   * since only the registry knows what else does.
   */
  readonly why: 'shared' | 'only-copy' | 'unnamed';
  /** The tags that need it. */
  readonly tags: readonly string[];
}

export interface CleanPlan {
  readonly items: readonly CleanItem[];
  readonly kept: readonly KeptBlob[];
}

export interface CleanOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

/** A manifest or index with the descriptors that it names. */
interface Node {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest | undefined;
  readonly children: readonly Descriptor[];
}

/** What a tag leads to, its root first: manifests and indexes. */
interface Tagged {
  readonly tag: string;
  readonly nodes: readonly Node[];
}

/** Requests under way at once. */
const REQUESTS = 6;

/**
 * Looks for what was made for an image in its registry, and says what removing it would do; changes nothing. That is: the SOCI
 * indexes of version 1 that refer to the image, their entries under its fallback tag, and the image with an index of version 2
 * under `TAG-soci`; with them go the marks by which `index --from-list` knows that they were made. An image that carries its
 * index under a name of its own stays.
 *
 * @throws LensError `registry/…`, `soci/unlisted-tag` where the registry does not tell what is shared
 */
export async function planClean(
  client: RegistryClient,
  tag: string,
  options: CleanOptions = {},
): Promise<CleanPlan> {
  const { signal } = options;
  const root = await registryStore(client, tag, signal).root();
  const tagged = await readTags(client, tag, options);
  const own = tagged.find((other) => other.tag === tag);
  const isGoing = (other: Tagged) =>
    carriesIndex(other) &&
    (other.tag === `${tag}${SOCI_TAG_SUFFIX}` || (other === own && tag.endsWith(SOCI_TAG_SUFFIX)));
  const going = tagged.filter(isGoing);
  const staying = tagged.filter((other) => !isGoing(other));
  const needed = neededBy(staying);

  const subjects = new Set([
    ...imagesOf(root).map(({ digest }) => digest),
    ...going.flatMap(({ nodes }) =>
      nodes.flatMap(({ manifest, descriptor }) => (manifest ? descriptor.digest : [])),
    ),
  ]);
  const referring = await readReferrers(client, [...subjects], signal);
  const deleted = new Map(referring.map(({ node }) => [node.descriptor.digest, node]));
  const kept: KeptBlob[] = [];
  const sizeOf = ({ descriptor, manifest }: Node) =>
    [descriptor, ...(manifest ? [manifest.config, ...manifest.layers] : [])]
      .filter(({ digest }) => !needed.has(digest))
      .reduce((sum, { size }) => sum + size, 0);

  const ownMark = referring.length > 0 ? await planMark(client, tag, signal) : [];
  const items: CleanItem[] = referring.map(({ node, unlist }) => {
    const { digest } = node.descriptor;
    const steps: CleanStep[] = [...unlist, { kind: 'delete', what: 'index', digest }, ...ownMark];
    return { kind: 'index', name: `@${digest}`, size: sizeOf(node), steps };
  });
  for (const { tag: name, nodes } of going) {
    const [top] = nodes;
    if (top && needed.has(top.descriptor.digest)) {
      kept.push(keptBlob('manifest', top.descriptor, needed));
      continue;
    }
    const steps: CleanStep[] = [];
    let size = 0;
    for (const node of nodes) {
      const { descriptor, manifest } = node;
      if (deleted.has(descriptor.digest)) continue;
      if (needed.has(descriptor.digest)) {
        kept.push(keptBlob('manifest', descriptor, needed));
        continue;
      }
      deleted.set(descriptor.digest, node);
      size += sizeOf(node);
      const what = node === top ? 'tag' : manifest?.config.mediaType === SOCI_INDEX_V2 ? 'index' : 'image';
      const { digest } = descriptor;
      steps.push({ kind: 'delete', what, digest, ...(what === 'tag' && { tag: name }) });
    }
    steps.push(...(await planMark(client, name, signal)));
    items.push({ kind: 'soci-tag', name: `:${name}`, size, steps });
  }
  if (own && carriesIndex(own) && !going.includes(own)) {
    const { digest, size } = own.nodes[0]?.descriptor ?? root.descriptor;
    kept.push({ kind: 'manifest', digest, size, why: 'only-copy', tags: [tag] });
  }
  const blobs = [...deleted.values()].flatMap(({ manifest }) =>
    manifest ? [manifest.config, ...manifest.layers] : [],
  );
  for (const blob of new Map(blobs.map((one) => [one.digest, one])).values())
    kept.push(keptBlob('blob', blob, needed));
  return { items, kept };
}

/**
 * Removes these things of a plan. A runtime finds an index no more before its parts go, and each tag goes before what it names.
 *
 * @throws LensError `soci/changed` when a tag names something else by now, `registry/unsupported` where nothing may be deleted
 */
export async function applyClean(
  client: RegistryClient,
  items: readonly CleanItem[],
  { signal, onProgress }: CleanOptions = {},
): Promise<void> {
  const steps = items.flatMap((item) => item.steps);
  for (const [done, step] of steps.entries()) {
    signal?.throwIfAborted();
    onProgress?.({ step: `Cleaning ${client.host}/${client.repository}`, done, total: steps.length });
    if (step.kind === 'unlist') {
      await changeFallbackTag(
        client,
        step.subject,
        (entries) =>
          entries.some(({ digest }) => digest === step.index)
            ? entries.filter(({ digest }) => digest !== step.index)
            : undefined,
        signal,
      );
      continue;
    }
    if (step.tag !== undefined) await checkTag(client, step.tag, step.digest, signal);
    await client.deleteManifest(step.digest, signal);
  }
}

interface Referring {
  readonly node: Node;
  /** Takes it off the list under the fallback tag, where the registry keeps one. */
  readonly unlist: readonly CleanStep[];
}

/** The indexes of version 1 of these images. */
async function readReferrers(
  client: RegistryClient,
  subjects: readonly Digest[],
  signal: AbortSignal | undefined,
): Promise<Referring[]> {
  const perImage = await mapConcurrently(
    subjects,
    REQUESTS,
    async (subject, _, each) => {
      const { api, manifests } = await client.referrers(subject, SOCI_INDEX_V1, each);
      const nodes = await mapConcurrently(
        manifests,
        REQUESTS,
        (entry, __, inner) => readNode(client, entry, inner),
        each,
      );
      return nodes.flatMap((node): Referring[] => {
        if (!node) return [];
        const index = node.descriptor.digest;
        return [{ node, unlist: api ? [] : [{ kind: 'unlist', tag: fallbackTag(subject), subject, index }] }];
      });
    },
    signal,
  );
  return perImage.flat();
}

/** The mark of a tag: with it there, `index --from-list` would take an index for made that is gone. */
async function planMark(
  client: RegistryClient,
  name: string,
  signal: AbortSignal | undefined,
): Promise<CleanStep[]> {
  const tag = markTag(name);
  const mark = await client.headManifest(tag, signal);
  return mark ? [{ kind: 'delete', what: 'tag', digest: mark.digest, tag }] : [];
}

/** What every tag of the repository leads to: the only way to know what is shared. */
async function readTags(
  client: RegistryClient,
  own: string,
  { signal, onProgress }: CleanOptions,
): Promise<Tagged[]> {
  const listed = await client.tags(signal);
  if (!listed.includes(own)) {
    throw new LensError(
      'soci/unlisted-tag',
      `${client.host}/${client.repository} does not list its tag ${own}, so nobody can know what its other tags need.`,
      'Have its tags listed by someone who may see them, or remove the index in the console of the registry.',
    );
  }
  const tags = listed.filter((tag) => !/^sha256-[0-9a-f]{64}$/.test(tag) && !isMarkTag(tag));
  const known = new Map<Digest, Promise<Node | undefined>>();
  const read = (descriptor: Descriptor, each: AbortSignal) => {
    const node = known.get(descriptor.digest) ?? readNode(client, descriptor, each);
    known.set(descriptor.digest, node);
    return node;
  };
  let done = 0;
  return mapConcurrently(
    tags,
    REQUESTS,
    async (tag, _, each) => {
      const nodes: Node[] = [];
      const visit = async (descriptor: Descriptor): Promise<void> => {
        const node = await read(descriptor, each);
        if (!node || nodes.includes(node)) return;
        nodes.push(node);
        for (const child of node.manifest ? [] : node.children) await visit(child);
      };
      const top = await client.headManifest(tag, each);
      if (top) await visit(top);
      onProgress?.({ step: 'Reading what the tags need', done: ++done, total: tags.length });
      return { tag, nodes };
    },
    signal,
  );
}

/** `undefined` for what is not there, as children of a sparse index, or is no image document. */
async function readNode(
  client: RegistryClient,
  entry: Descriptor,
  signal: AbortSignal,
): Promise<Node | undefined> {
  const found = await client.findManifest(entry.digest, signal);
  if (!found) return undefined;
  const descriptor = { ...entry, mediaType: found.descriptor.mediaType, size: found.bytes.length };
  if (INDEX_TYPES.has(descriptor.mediaType))
    return { descriptor, manifest: undefined, children: parseIndex(found.bytes).manifests };
  const manifest = parseManifest(found.bytes);
  return { descriptor, manifest, children: [manifest.config, ...manifest.layers] };
}

function carriesIndex({ nodes }: Tagged): boolean {
  return nodes.some(({ manifest }) => manifest?.annotations?.[ANNOTATIONS.indexDigest] !== undefined);
}

/** Digest of everything that the tags lead to → the tags. */
function neededBy(tagged: readonly Tagged[]): Map<Digest, string[]> {
  const needed = new Map<Digest, string[]>();
  for (const { tag, nodes } of tagged) {
    const all = new Set(
      nodes.flatMap(({ descriptor, children }) => [descriptor, ...children].map(({ digest }) => digest)),
    );
    for (const digest of all) needed.set(digest, [...(needed.get(digest) ?? []), tag]);
  }
  return needed;
}

function keptBlob(
  kind: KeptBlob['kind'],
  { digest, size }: Descriptor,
  needed: ReadonlyMap<Digest, string[]>,
): KeptBlob {
  const tags = needed.get(digest) ?? [];
  return { kind, digest, size, why: tags.length > 0 ? 'shared' : 'unnamed', tags };
}

async function checkTag(
  client: RegistryClient,
  tag: string,
  expected: Digest,
  signal: AbortSignal | undefined,
): Promise<void> {
  const now = await client.headManifest(tag, signal);
  if (!now || now.digest === expected) return;
  throw new LensError(
    'soci/changed',
    `${client.host}/${client.repository}:${tag} names another image than when the clean-up was planned.`,
    'Look at what would be removed now, then do it again.',
  );
}
