import { LensError } from '../errors';
import type { ImageRoot } from '../image/layout';
import { scanLayer } from '../layer/scan';
import { encodeManifest } from '../oci/json';
import { layerType } from '../oci/layer-type';
import { parseConfig, parseManifest } from '../oci/parse';
import type { Descriptor, Digest, Manifest, Platform } from '../oci/types';
import type { OnProgress } from '../progress';
import { ZTOC_LIMIT } from './details';
import { type FoundIndex, imagesOf, readIndex } from './discover';
import { ANNOTATIONS, PREFETCH_TYPE, SOCI_INDEX_V1, sociIndexVersion } from './index';
import type { ScanLayer } from './layers';
import { parsePrefetch } from './prefetch';
import type { BlobStore } from './store';
import { checkZtoc, type InflateSpan } from './verify-ztoc';
import { parseZtoc } from './ztoc';

export interface VerifyOptions {
  /** Tag or digest of the image in the store, where it is not the only one. */
  readonly reference?: string;
  /** Only this platform of the image. */
  readonly platform?: Platform;
  /** Read back that many spans of each layer instead of all, and do not read the layers whole. */
  readonly sample?: number;
  /** Scans a layer; in this thread where not given. */
  readonly scan?: ScanLayer;
  /** Decodes a span; in this thread where not given. */
  readonly inflate?: InflateSpan;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

export interface LayerReport {
  readonly layer: Digest;
  readonly ztoc: Digest;
  /** In the ztoc. */
  readonly files: number;
  readonly spans: number;
  /** Spans whose digest and content were checked. */
  readonly checkedSpans: number;
  /** Each a sentence; empty when all is well. */
  readonly problems: readonly string[];
  /** What will keep a runtime from loading the layer lazily although its index is right. */
  readonly warnings: readonly string[];
}

export interface PlatformReport {
  readonly platform: Platform | undefined;
  readonly manifest: Digest;
  /** `undefined` for an image without one, which a runtime pulls whole. */
  readonly sociIndex: Digest | undefined;
  readonly layers: readonly LayerReport[];
  readonly problems: readonly string[];
}

export interface VerifyReport {
  /** At least one platform has an index, and there is no problem anywhere. */
  readonly ok: boolean;
  readonly platforms: readonly PlatformReport[];
  readonly problems: readonly string[];
}

/**
 * Checks the SOCI index of an image against the image, as a runtime would come upon it: from the image manifest's
 * annotation to the index, its ztocs, and the spans (soci-format §5.1, §6.2). Every span is read back by pako, which took no
 * part in the indexing. What is wrong stands in the report; only what keeps from looking, such as a registry that is away, is
 * thrown.
 */
export async function verifyLayout(store: BlobStore, options: VerifyOptions = {}): Promise<VerifyReport> {
  const root = await store.root(options.reference);
  const images = imagesOf(root, options.platform);
  const platforms: PlatformReport[] = [];
  for (const image of images) platforms.push(await verifyImage(store, root, image, options));
  const problems =
    images.length === 0
      ? ['The image has no manifest for this platform.']
      : platforms.some(({ sociIndex }) => sociIndex !== undefined)
        ? []
        : ['The image has no SOCI index: no manifest of it names one, and none refers to it.'];
  const all = platforms.flatMap((platform) => [platform, ...platform.layers]);
  return {
    ok: problems.length === 0 && all.every((part) => part.problems.length === 0),
    platforms,
    problems,
  };
}

async function verifyImage(
  store: BlobStore,
  root: ImageRoot,
  entry: Descriptor,
  options: VerifyOptions,
): Promise<PlatformReport> {
  const problems: string[] = [];
  const layers: LayerReport[] = [];
  const report = { platform: entry.platform, manifest: entry.digest, sociIndex: undefined, layers, problems };
  const image = await attempt(problems, async () => parseManifest(await store.document(entry.digest)));
  const found = image && (await attempt(problems, () => findIndex(store, entry, image)));
  if (!image || !found) return report;
  const { digest: sociIndex, manifest: index } = found;
  checkIndex(found, root, entry, problems);

  const ztocs = index.layers.filter(({ mediaType }) => mediaType !== PREFETCH_TYPE);
  const byDigest = new Map(image.layers.map((layer) => [layer.digest, layer]));
  const diffIds = (await attempt(problems, () => diffIdsOf(store, image))) ?? new Map<Digest, Digest>();
  const total = ztocs.reduce((sum, ztoc) => sum + (layerOf(ztoc, byDigest)?.size ?? 0), 0);
  const spans = new Map<Digest, number>();
  let before = 0;
  for (const descriptor of ztocs) {
    options.signal?.throwIfAborted();
    const layer = layerOf(descriptor, byDigest);
    if (!layer) {
      problems.push(`The ztoc ${descriptor.digest} is for a layer that the image does not have.`);
      continue;
    }
    const onBytes = (done: number) => {
      const step = `Verifying ${ztocs.length} ${ztocs.length === 1 ? 'layer' : 'layers'}`;
      options.onProgress?.({ step, done: before + done, total, unit: 'bytes' });
    };
    const checked = await verifyLayer(store, layer, descriptor, diffIds.get(layer.digest), options, onBytes);
    before += layer.size;
    spans.set(layer.digest, checked.spans);
    layers.push(checked);
  }
  for (const artifact of index.layers.filter(({ mediaType }) => mediaType === PREFETCH_TYPE)) {
    await attempt(problems, () => verifyPrefetch(store, artifact, spans, problems));
  }
  return { ...report, sociIndex };
}

/** The index that a runtime takes: the one that the image names, else the first that refers to it (soci-format §5.1). */
async function findIndex(
  store: BlobStore,
  entry: Descriptor,
  image: Manifest,
): Promise<FoundIndex | undefined> {
  const named = image.annotations?.[ANNOTATIONS.indexDigest];
  if (named !== undefined) return readIndex(store, 2, named);
  const [first] = await store.referrers(entry.digest, SOCI_INDEX_V1);
  return first && readIndex(store, 1, first.digest);
}

/** Checks an index as far as that can be done without the layers. */
function checkIndex(
  { version, digest, bytes, manifest }: FoundIndex,
  root: ImageRoot,
  image: Descriptor,
  problems: string[],
): void {
  if (sociIndexVersion(manifest) !== version) {
    problems.push(`${digest} is not a SOCI index of version ${version}.`);
  }
  // soci-format §3.1: the snapshotter encodes it anew, and refuses an index that does not come out the same.
  if (Buffer.compare(bytes, encodeManifest(manifest)) !== 0) {
    problems.push(`The SOCI index ${digest} is not in canonical form, so the snapshotter refuses it.`);
  }
  if (version === 1 && manifest.subject?.digest !== image.digest) {
    problems.push(`The SOCI index ${digest} is for another image manifest.`);
  }
  if (version === 2 && root.kind === 'index') {
    const listed = root.index.manifests.find((other) => other.digest === digest);
    if (!listed) {
      problems.push(
        `The image index does not list the SOCI index ${digest}, so a copy of the image loses it.`,
      );
    } else if (listed.annotations?.[ANNOTATIONS.imageDigest] !== image.digest) {
      problems.push(`The SOCI index ${digest} is listed as that of another image manifest.`);
    }
  }
}

/** Digest of each layer → digest of its uncompressed bytes, as the image's config promises. */
async function diffIdsOf(store: BlobStore, image: Manifest): Promise<Map<Digest, Digest>> {
  const config = parseConfig(await store.readBlob(image.config));
  const ids = config.rootfs.diff_ids;
  return new Map(
    image.layers.flatMap((layer, at) => (ids[at] === undefined ? [] : [[layer.digest, ids[at]]])),
  );
}

function layerOf(ztoc: Descriptor, layers: ReadonlyMap<Digest, Descriptor>): Descriptor | undefined {
  return layers.get(ztoc.annotations?.[ANNOTATIONS.layerDigest] ?? '');
}

async function verifyLayer(
  store: BlobStore,
  layer: Descriptor,
  descriptor: Descriptor,
  diffId: Digest | undefined,
  options: VerifyOptions,
  onBytes: (done: number) => void,
): Promise<LayerReport> {
  const { inflate } = options;
  const problems: string[] = [];
  const warnings: string[] = [];
  const report = {
    layer: layer.digest,
    ztoc: descriptor.digest,
    files: 0,
    spans: 0,
    checkedSpans: 0,
    problems,
    warnings,
  };
  const ztoc = await attempt(problems, async () => parseZtoc(await store.readBlob(descriptor, ZTOC_LIMIT)));
  if (!ztoc) return report;
  const { annotations } = descriptor;
  if (annotations?.[ANNOTATIONS.layerMediaType] !== layer.mediaType) {
    problems.push(
      `The ztoc is annotated for a layer of type ${annotations?.[ANNOTATIONS.layerMediaType] ?? 'unknown'}.`,
    );
  }
  // The annotation exists since soci 0.12.
  const spanSize = annotations?.[ANNOTATIONS.spanSize];
  if (spanSize !== undefined && spanSize !== String(ztoc.zinfo.spanSize)) {
    problems.push(
      `The ztoc is annotated with spans of ${spanSize} bytes and has spans of ${ztoc.zinfo.spanSize}.`,
    );
  }
  const checkedSpans = await attempt(problems, async () => {
    const { compression } = layerType(layer.mediaType);
    if (compression !== ztoc.compression) {
      problems.push(`The ztoc is for a ${ztoc.compression} layer, and the layer is none.`);
      return 0;
    }
    const blob = await store.blob(layer);
    const signal = options.signal ?? new AbortController().signal;
    if (options.sample !== undefined) {
      return checkZtoc(ztoc, blob, { sample: options.sample, inflate, problems, signal });
    }
    const scan =
      options.scan ??
      ((_, bytes, how, rest) => scanLayer(bytes, how, { ...rest, expectedDigest: layer.digest }));
    const found = await scan(layer, blob, compression, {
      signal,
      onProgress: (done) => {
        onBytes(done / 2);
      },
      spanSize: ztoc.zinfo.spanSize,
      diffId: true,
    });
    warnings.push(...found.warnings.map(({ message }) => message));
    const onSpan = (done: number) => {
      onBytes((layer.size + done) / 2);
    };
    return checkZtoc(ztoc, blob, { scan: found, diffId, inflate, problems, signal, onBytes: onSpan });
  });
  return {
    ...report,
    files: ztoc.files.length,
    spans: ztoc.spanDigests.length,
    checkedSpans: checkedSpans ?? 0,
  };
}

async function verifyPrefetch(
  store: BlobStore,
  artifact: Descriptor,
  spans: ReadonlyMap<Digest, number>,
  problems: string[],
): Promise<void> {
  const ranges = parsePrefetch(await store.readBlob(artifact));
  const known = spans.get(artifact.annotations?.[ANNOTATIONS.layerDigest] ?? '');
  if (known === undefined)
    problems.push(`The prefetch artifact ${artifact.digest} is for a layer without a ztoc.`);
  else if (ranges.some(({ end }) => end >= known)) {
    problems.push(`The prefetch artifact ${artifact.digest} lists spans that its layer does not have.`);
  }
}

/** Runs a check; what is wrong with the image becomes a problem, what keeps us from looking is thrown. */
async function attempt<T>(problems: string[], check: () => Promise<T>): Promise<T | undefined> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof LensError) || UNREADABLE.test(error.code)) throw error;
    problems.push(error.message);
    return undefined;
  }
}

/** Codes that say nothing about the image. */
const UNREADABLE = /^registry\/(?!not-found$|wrong-digest$)/;
