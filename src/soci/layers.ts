import { availableParallelism } from 'node:os';
import type { Bytes } from '../layer/bytes';
import { spanTable } from '../layer/spans';
import type { LayerCompression, LayerScan } from '../layer/types';
import { layerType } from '../oci/layer-type';
import type { Descriptor, Digest, Manifest } from '../oci/types';
import type { OnProgress } from '../progress';
import { mapConcurrently, oneAtATime } from './concurrent';
import { EMPTY_CONFIG, PREFETCH_TYPE, encodeSociIndex, ztocDescriptor } from './index';
import type { PlatformImage } from './platforms';
import type { BlobStore } from './store';
import { LensError } from '../errors';
import type { LayoutWriter } from '../image/layout-writer';
import { type SpanRange, cleanPath, encodePrefetch, findSpans } from './prefetch';
import { buildZtoc } from './ztoc';

/** The soci CLI's own defaults, in bytes. */
export const DEFAULT_SPAN_SIZE = 4 * 1024 * 1024;
export const DEFAULT_MIN_LAYER_SIZE = 10 * 1024 * 1024;

/** Scans one layer; the pool of workers does it in the product. The bytes must be checked against the layer's digest. */
export type ScanLayer = (
  layer: Descriptor,
  blob: Bytes,
  compression: LayerCompression,
  options: {
    readonly signal: AbortSignal;
    readonly onProgress: (bytesDone: number) => void;
    /** For which the scan best keeps what a ztoc needs, in bytes. */
    readonly spanSize: number;
    /** True where the digest of the unpacked layer is needed too. */
    readonly diffId?: boolean;
  },
) => Promise<LayerScan>;

/** A scan of the same bytes that was made before. */
export type KnownScan = (layer: Descriptor, compression: LayerCompression) => Promise<LayerScan | undefined>;

export interface IndexOptions {
  /** Bytes; for all layers or for each, where null leaves the layer out of the index. */
  readonly spanSize: number | ((layer: Descriptor) => number | null);
  /** Compressed bytes. Smaller layers get no ztoc. */
  readonly minLayerSize: number;
  /** `xattr`: say of layers without extended attributes that they have none. */
  readonly optimizations?: readonly 'xattr'[];
  /** Files whose spans the runtime shall fetch before the start. */
  readonly prefetchFiles?: readonly string[];
  /** Spans to fetch before the start beside those of `prefetchFiles`: of one layer, counted in its own span size. */
  readonly prefetchSpans?: (layer: Descriptor) => readonly SpanRange[];
  /** False writes ztoc descriptors without their span size, as the soci CLI before 0.12. */
  readonly spanSizeAnnotation?: boolean;
  readonly scan: ScanLayer;
  /** Asked before `scan`. Where it kept what a ztoc of the span size needs, the bytes are not read, and so not checked either. */
  readonly knownScan?: KnownScan;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
  /** The lines that the soci CLI prints, as they come. */
  readonly onLine?: (line: string) => void;
}

/** What became of one layer that got no ztoc. */
export interface SkippedLayer {
  readonly layer: Descriptor;
  /** `chosen`: left out by the caller. */
  readonly reason: 'small' | 'compression' | 'chosen';
}

/** The ztocs of one image manifest. */
export interface IndexedLayers {
  readonly ztocs: readonly {
    readonly layer: Descriptor;
    readonly ztoc: Descriptor;
    readonly spanSize: number;
    /** The layer was read whole, and its digest is right. */
    readonly isChecked: boolean;
  }[];
  readonly prefetch: readonly { readonly layer: Descriptor; readonly artifact: Descriptor }[];
  readonly skipped: readonly SkippedLayer[];
  /** What is valid in a layer and will not load lazily, or not everywhere (soci-format §1.6), in a sentence. */
  readonly warnings: readonly { readonly layer: Descriptor; readonly message: string }[];
  /** Of `prefetchFiles`, cleaned: those that no indexed layer has. */
  readonly missingFiles: readonly string[];
}

/** An image manifest with its SOCI index. */
export interface IndexedImage extends PlatformImage {
  readonly sociIndex: { readonly digest: Digest; readonly size: number };
  readonly layers: IndexedLayers;
}

/**
 * Makes and stores the SOCI index of each image (soci-format §3.5 step 2); images of which no layer is indexed are dropped.
 * Throws `soci/nothing-indexed` when none is left.
 */
export async function indexImages(
  images: readonly PlatformImage[],
  source: BlobStore,
  output: LayoutWriter,
  version: 1 | 2,
  options: IndexOptions,
): Promise<IndexedImage[]> {
  const known = new Map<Digest, Promise<BuiltLayer>>();
  const store: LayerStore = {
    read: (layer) => source.blob(layer),
    write: (bytes) => output.keepBlob(bytes),
  };
  const indexed: IndexedImage[] = [];
  for (const image of images) {
    const layers = await indexLayers(image.manifest, store, options, known);
    if (layers.ztocs.length === 0) continue;
    const blobs = [
      ...layers.ztocs.map(({ ztoc }) => ztoc),
      ...layers.prefetch.map(({ artifact }) => artifact),
    ];
    output.keepBlob(EMPTY_CONFIG);
    const bytes = encodeSociIndex(blobs, version === 1 ? image.entry : undefined);
    indexed.push({ ...image, layers, sociIndex: output.keepBlob(bytes) });
  }
  if (indexed.length > 0) return indexed;
  throw new LensError(
    'soci/nothing-indexed',
    'No ztocs were created: every layer is too small or compressed in a way that cannot be indexed.',
    `Lower the smallest layer size (now ${options.minLayerSize} bytes), or build the image with gzip layers.`,
  );
}

/** Where the layers come from and where the artifacts made of them go. */
interface LayerStore {
  read(layer: Descriptor): Promise<Bytes>;
  write(bytes: Uint8Array): { digest: Digest; size: number };
}

/**
 * Makes the ztocs and prefetch artifacts of one image manifest and stores them (soci-format §3.3, §3.6). `known` holds the
 * layers that were built before, by digest; new ones are added.
 */
async function indexLayers(
  manifest: Manifest,
  store: LayerStore,
  options: IndexOptions,
  known: Map<Digest, Promise<BuiltLayer>>,
): Promise<IndexedLayers> {
  const wanted = new Set((options.prefetchFiles ?? []).map(cleanPath).filter((name) => name !== ''));
  const { chosen, skipped } = chooseLayers(manifest, options);
  const progress = layerProgress(
    chosen.map(({ layer }) => layer),
    options.onProgress,
  );
  const earlier = new Set(known.keys());
  // The largest layer begins first, since the others wait for it in the end: its scan is asked for before any other one.
  const order = [...chosen.entries()].sort(([, a], [, b]) => b.layer.size - a.layer.size);
  const inTurn = oneAtATime();
  const made = await mapConcurrently(
    order,
    availableParallelism() + 1,
    async ([index, { layer, compression, spanSize }], _, signal) => {
      const making =
        known.get(layer.digest) ??
        build(layer, compression, store, {
          ...{ ...options, spanSize, signal, wanted, inTurn },
          onBytes: progress(index),
        });
      known.set(layer.digest, making);
      const result = await making;
      const again = earlier.has(layer.digest) ? ' (already exists)' : '';
      options.onLine?.(`layer ${layer.digest} -> ztoc ${result.ztoc.digest}${again}`);
      return { index, layer, ...result };
    },
    options.signal,
  );
  const built = made.sort((a, b) => a.index - b.index);
  const { prefetch, missingFiles } = writePrefetch(built, store, wanted, options);
  const ztocs = built.map(({ layer, ztoc, spanSize, isChecked, disableXattrs }) => ({
    layer,
    ztoc: ztocDescriptor(layer, ztoc, {
      ...(options.spanSizeAnnotation === false ? {} : { spanSize }),
      disableXattrs,
    }),
    spanSize,
    isChecked,
  }));
  const warnings = built.flatMap(({ layer, warnings }) => warnings.map((message) => ({ layer, message })));
  return { ztocs, prefetch, skipped, warnings, missingFiles };
}

interface ChosenLayer {
  readonly layer: Descriptor;
  readonly compression: LayerCompression;
  /** Bytes. */
  readonly spanSize: number;
}

/** soci-format §3.3: which layers get a ztoc, in manifest order, duplicates too. */
function chooseLayers(
  manifest: Manifest,
  { minLayerSize, spanSize, onLine }: IndexOptions,
): { chosen: ChosenLayer[]; skipped: SkippedLayer[] } {
  const skipped: SkippedLayer[] = [];
  const chosen: ChosenLayer[] = [];
  for (const layer of manifest.layers) {
    if (layer.mediaType === PREFETCH_TYPE) continue;
    const { compression, unsupported } = layerType(layer.mediaType);
    const line = `ztoc skipped - layer ${layer.digest} (${layer.mediaType})`;
    if (layer.size < minLayerSize) {
      skipped.push({ layer, reason: 'small' });
      onLine?.(`${line} size ${layer.size} is less than min-layer-size ${minLayerSize}`);
    } else if (compression === undefined) {
      skipped.push({ layer, reason: 'compression' });
      const expected = '[tar, gzip, unknown]';
      onLine?.(
        `${line} is compressed in an unsupported format. expect: ${expected} but got "${unsupported}"`,
      );
    } else {
      const size = typeof spanSize === 'number' ? spanSize : spanSize(layer);
      if (size === null) skipped.push({ layer, reason: 'chosen' });
      else chosen.push({ layer, compression, spanSize: size });
    }
  }
  return { chosen, skipped };
}

/** Each file is looked for from the topmost layer down, and the first layer that has it gets its spans (soci-format §3.6). */
function writePrefetch(
  built: readonly ({ readonly layer: Descriptor } & BuiltLayer)[],
  store: LayerStore,
  wanted: ReadonlySet<string>,
  { prefetchSpans, onLine }: IndexOptions,
): Pick<IndexedLayers, 'prefetch' | 'missingFiles'> {
  const missing = new Set(wanted);
  const layers = [...new Map(built.map((item) => [item.layer.digest, item])).values()];
  const ranges = new Map<Digest, SpanRange[]>();
  for (const { layer, found } of layers.toReversed()) {
    const first = [...found].filter(([name]) => missing.delete(name));
    if (first.length > 0)
      ranges.set(
        layer.digest,
        first.map(([, range]) => range),
      );
  }
  const prefetch: { layer: Descriptor; artifact: Descriptor }[] = [];
  for (const { layer } of layers) {
    const own = [...(ranges.get(layer.digest) ?? []), ...(prefetchSpans?.(layer) ?? [])];
    if (own.length === 0) continue;
    const { bytes, descriptor } = encodePrefetch(layer, own);
    store.write(bytes);
    prefetch.push({ layer, artifact: descriptor });
    onLine?.(`Created prefetch artifact for layer ${layer.digest}: ${descriptor.digest}`);
  }
  return { prefetch, missingFiles: [...missing] };
}

/** What is kept of a layer once its ztoc is stored; the scan itself may be large and is let go. */
interface BuiltLayer {
  readonly ztoc: { readonly digest: Digest; readonly size: number };
  readonly spanSize: number;
  readonly isChecked: boolean;
  readonly disableXattrs: boolean;
  readonly warnings: readonly string[];
  /** The spans of the files to prefetch that this layer has. */
  readonly found: ReadonlyMap<string, SpanRange>;
}

async function build(
  layer: Descriptor,
  compression: LayerCompression,
  store: LayerStore,
  options: IndexOptions & {
    readonly spanSize: number;
    readonly signal: AbortSignal;
    readonly wanted: ReadonlySet<string>;
    readonly inTurn: ReturnType<typeof oneAtATime>;
    readonly onBytes: (done: number) => void;
  },
): Promise<BuiltLayer> {
  const { spanSize } = options;
  const { blob, earlier } = await options.inTurn(async () => ({
    blob: await store.read(layer),
    earlier: await options.knownScan?.(layer, compression),
  }));
  // For any other span size the bytes are read again, and only a scan checks them.
  const known = earlier?.kept.spanSize === spanSize ? earlier : undefined;
  const scan =
    known ??
    (await options.scan(layer, blob, compression, {
      signal: options.signal,
      onProgress: options.onBytes,
      spanSize,
    }));
  const ztoc = await buildZtoc({ scan, spanSize, blob, signal: options.signal });
  return {
    ztoc: store.write(ztoc),
    spanSize,
    isChecked: known === undefined,
    disableXattrs: (options.optimizations?.includes('xattr') ?? false) && !needsXattrs(scan),
    warnings: scan.warnings.map(({ message }) => message),
    found: findSpans(scan, spanTable(scan, spanSize), options.wanted),
  };
}

/** soci-format §3.3: an opaque directory becomes an attribute in overlayfs, so its marker counts too. */
function needsXattrs({ entries }: LayerScan): boolean {
  const prefix = Buffer.from('SCHILY.xattr.');
  for (let index = 0; index < entries.length; index++) {
    if (entries.name(index).endsWith('.wh..wh..opq')) return true;
    if (entries.get(index).pax.some(([key]) => prefix.equals(key.subarray(0, prefix.length)))) return true;
  }
  return false;
}

/** Adds up the bytes of layers that are scanned side by side. */
function layerProgress(
  layers: readonly Descriptor[],
  onProgress: OnProgress | undefined,
): (index: number) => (done: number) => void {
  const total = layers.reduce((sum, { size }) => sum + size, 0);
  const parts = layers.map(() => 0);
  const step = `Indexing ${layers.length} ${layers.length === 1 ? 'layer' : 'layers'}`;
  return (index) => (done) => {
    parts[index] = done;
    onProgress?.({ step, done: parts.reduce((sum, part) => sum + part, 0), total, unit: 'bytes' });
  };
}
