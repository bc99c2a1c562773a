import { isAbort, LensError, messageOf } from '../../errors';
import { encodeManifest } from '../../oci/json';
import { parseManifest } from '../../oci/parse';
import { formatPlatform } from '../../oci/platform';
import type { Descriptor, Digest, Manifest, Platform } from '../../oci/types';
import type { OnProgress } from '../../progress';
import { connectRegistry, type RegistryClient } from '../../registry/client';
import { imagesOf, indexedLayers } from '../../soci/discover';
import { ANNOTATIONS, sociIndexVersion, SOCI_INDEX_V1 } from '../../soci/index';
import { registryStore } from '../../soci/store';
import { parseZtoc } from '../../soci/ztoc';
import { loadProblems } from './load';

/** What the registry has of one layer's index. */
export interface ZtocEvidence {
  readonly layer: Digest;
  /** Why the layer would be pulled whole, or fail to be read; empty when nothing stands against it. */
  readonly problems: readonly string[];
  readonly prefetch: boolean;
  /** Names begin with `./`, which no list of paths to prefetch matches. */
  readonly dotSlash: boolean;
}

export interface IndexEvidence {
  readonly version: 1 | 2;
  readonly digest: Digest;
  /** Why it cannot be used as a whole. */
  readonly problem: string | undefined;
  readonly ztocs: readonly ZtocEvidence[];
}

/** An image as the snapshotter meets it in its registry. */
export interface ImageEvidence {
  readonly reference: string;
  readonly platform: Platform;
  readonly manifestDigest: Digest;
  readonly manifest: Manifest;
  /** In the order in which the snapshotter takes them when both kinds are on. */
  readonly indexes: readonly IndexEvidence[];
  /** The registry has the referrers API; else a tag stands for it. */
  readonly referrersApi: boolean;
  /** Anyone may read the image. */
  readonly isPublic: boolean;
  /** How a range of a layer is answered; `undefined` without a layer. */
  readonly ranges: 'answered' | 'refused' | undefined;
}

/** Ztocs of larger images are a sign of tiny spans; larger ones are not read into memory here. */
const ZTOC_LIMIT = 512 * 1024 * 1024;

/**
 * Asks the registry what the snapshotter will ask it.
 *
 * @param anonymous a client of the same repository without credentials
 * @throws LensError `cluster/no-platform`, and what the registry answers about the image itself
 */
export async function gatherImage(
  client: RegistryClient,
  anonymous: RegistryClient,
  name: string,
  options: {
    readonly reference: string;
    readonly platform: Platform;
    readonly signal: AbortSignal;
    readonly onProgress?: OnProgress;
  },
): Promise<ImageEvidence> {
  const { reference, platform, signal, onProgress } = options;
  const store = registryStore(client, name, signal);
  onProgress?.({ step: 'Reading the image' });
  const root = await store.root();
  const [entry] = imagesOf(root, platform);
  if (!entry) {
    throw new LensError(
      'cluster/no-platform',
      `${reference} has no image for ${formatPlatform(platform)}.`,
      'Name the platform of the node with --platform.',
    );
  }
  const manifest = parseManifest(await store.document(entry.digest));
  const named = manifest.annotations?.[ANNOTATIONS.indexDigest];
  onProgress?.({ step: 'Looking for indexes' });
  const referring = await client.referrers(entry.digest, SOCI_INDEX_V1, signal);
  const wanted = [
    ...(named === undefined ? [] : [{ version: 2 as const, digest: named }]),
    ...referring.manifests.map(({ digest }) => ({ version: 1 as const, digest })),
  ];
  const indexes: IndexEvidence[] = [];
  for (const { version, digest } of wanted) {
    onProgress?.({ step: `Reading index ${digest}` });
    indexes.push(await gatherIndex(client, version, digest, signal));
  }
  return {
    reference,
    platform,
    manifestDigest: entry.digest,
    manifest,
    indexes,
    referrersApi: referring.api,
    isPublic: await canRead(anonymous, entry.digest, signal),
    ranges: await asksRange(client, manifest.layers.at(-1), signal),
  };
}

async function gatherIndex(
  client: RegistryClient,
  version: 1 | 2,
  digest: Digest,
  signal: AbortSignal,
): Promise<IndexEvidence> {
  const found = { version, digest };
  try {
    const { bytes } = await client.getManifest(digest, signal);
    const manifest = parseManifest(bytes);
    const problem = indexProblem(version, manifest, bytes);
    if (problem !== undefined) return { ...found, problem, ztocs: [] };
    const ztocs: ZtocEvidence[] = [];
    // One at a time: each may be large.
    for (const { layer, ztoc, prefetch } of indexedLayers(manifest)) {
      ztocs.push({ layer, prefetch, ...(await gatherZtoc(client, ztoc, signal)) });
    }
    return { ...found, problem: undefined, ztocs };
  } catch (error) {
    return { ...found, problem: problemOf(error), ztocs: [] };
  }
}

/** The snapshotter writes an index anew before it keeps it, under the digest it had (soci-format §3.1). */
function indexProblem(version: 1 | 2, manifest: Manifest, bytes: Uint8Array): string | undefined {
  if (sociIndexVersion(manifest) !== version)
    return `it is no SOCI index of version ${version}, by its config's type ${manifest.config.mediaType}.`;
  if (Buffer.compare(encodeManifest(manifest), bytes) !== 0)
    return 'it is not written as the snapshotter writes it, which then refuses it.';
  return undefined;
}

/** The ztoc itself is let go of: its windows can be hundreds of megabytes. */
async function gatherZtoc(
  client: RegistryClient,
  descriptor: Descriptor,
  signal: AbortSignal,
): Promise<Pick<ZtocEvidence, 'problems' | 'dotSlash'>> {
  try {
    const ztoc = parseZtoc(await client.readBlob(descriptor, ZTOC_LIMIT, signal));
    const [first] = ztoc.files;
    return { problems: loadProblems(ztoc), dotSlash: first?.name[0] === 0x2e && first.name[1] === 0x2f };
  } catch (error) {
    return { problems: [problemOf(error)], dotSlash: false };
  }
}

async function canRead(client: RegistryClient, digest: Digest, signal: AbortSignal): Promise<boolean> {
  try {
    return (await client.findManifest(digest, signal)) !== undefined;
  } catch (error) {
    problemOf(error);
    return false;
  }
}

/** The snapshotter reads layers by ranges alone. */
async function asksRange(
  client: RegistryClient,
  layer: Descriptor | undefined,
  signal: AbortSignal,
): Promise<ImageEvidence['ranges']> {
  if (!layer || layer.size < 2) return undefined;
  try {
    return (await client.answersRanges(layer, signal)) ? 'answered' : 'refused';
  } catch (error) {
    problemOf(error);
    return 'refused';
  }
}

/** A client without credentials, for what anyone may see. */
export function connectAnonymously(
  host: string,
  repository: string,
  options: Parameters<typeof connectRegistry>[2],
): RegistryClient {
  return connectRegistry(host, repository, { ...options, credentials: () => Promise.resolve(undefined) });
}

/** What a registry said, as evidence; an abort goes on. */
function problemOf(error: unknown): string {
  if (isAbort(error)) throw error;
  return messageOf(error);
}
