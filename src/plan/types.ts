/** What the plan says, as plain JSON: the shape of `soci-lens plan --json` and of what the page and the report draw. */

/** The way from the node to the registry. */
export interface Network {
  /** Milliseconds for a request to go and its first byte to come back, the registry's own time left out. */
  readonly rttMs: number;
  /** Bytes per second, all connections together. */
  readonly bytesPerSecond: number;
  /** Milliseconds that the registry itself takes to answer; 5 where not given, as in the measurements. */
  readonly registryMs?: number;
  /** Whether connections stand already, or have to be set up and to find the link's speed; `kept` where not given. */
  readonly connections?: 'kept' | 'tcp' | 'tls';
}

/** The machine that pulls and starts the image. */
export interface Node {
  readonly cores: number;
  /** The instance type, where it is one. */
  readonly name?: string;
  /** Bytes of file data per second that one processor unpacks from a layer, beside the cost of each file. */
  readonly unpackBytesPerSecond: number;
  /** Bytes per second that the disk writes and reads, all together. */
  readonly diskBytesPerSecond: number;
  /** Spans of one layer that are prefetched at once (Go's GOMAXPROCS); the number of processors where not given. */
  readonly workers?: number;
  /** Where given and too small for the image twice, blobs are read back from the disk to be unpacked. */
  readonly memoryBytes?: number;
  /** The node's own end of the network; the registry's way to it may be slower. */
  readonly networkBytesPerSecond?: number;
}

/** 2: the index is part of the image's own manifests. 1: it refers to the image, and has to be looked up. */
export type IndexVersion = 1 | 2;

/** How the image gets onto the node. */
export type PullMode = 'docker-pull' | 'parallel-pull' | 'lazy' | 'lazy-prefetch';

/** Seconds from the order to pull until the service is ready, and where they go. An estimate; see `docs/model.md`. */
export interface Forecast {
  readonly mode: PullMode;
  /** Manifests, indexes, ztocs, un-indexed layers, prefetch; or the whole image. */
  readonly pullSeconds: number;
  /** From the start of the process to ready. */
  readonly startSeconds: number;
  /** Pull, creation of the container and start. */
  readonly totalSeconds: number;
  /** HTTP requests until ready. */
  readonly requests: number;
  /** Bytes over the network until ready. */
  readonly bytes: number;
}

/** Runs of spans, both ends included, ascending and apart: what a prefetch artifact lists (soci-format §3.6). */
export type SpanRuns = readonly (readonly [first: number, last: number])[];

export interface PlanLayer {
  /** Place in the manifest, 0 = lowest. */
  readonly index: number;
  readonly digest: string;
  readonly mediaType: string;
  /** Bytes of the blob. */
  readonly size: number;
  /** Bytes of the tar; null when the layer was not scanned. */
  readonly uncompressedSize: number | null;
  /** Tar entries; null when the layer was not scanned. */
  readonly files: number | null;
  /** The step of the build that made it, as one line of text. */
  readonly instruction: string | null;
  /** True when the index covers it at this plan's min-layer-size. */
  readonly indexed: boolean;
  /** Why it is not covered, in a sentence; null when it is. */
  readonly notIndexed: string | null;
  /** Distinct files that the start read from. */
  readonly touchedFiles: number;
  /** Distinct bytes of files that the start read. */
  readonly touchedBytes: number;
}

/** One span size, everything else equal. Sums run over the indexed layers. */
export interface SpanSizeRow {
  /** Bytes. */
  readonly spanSize: number;
  readonly spans: number;
  readonly touchedSpans: number;
  /** Bytes of the touched spans as they travel. */
  readonly spanBytes: number;
  /** Bytes that they hold once inflated. */
  readonly inflatedBytes: number;
  /** The part of `inflatedBytes` that the start did not ask for, 0–1; 0 when nothing is fetched. */
  readonly waste: number;
  /** Bytes of all ztocs: fetched before the first mount. */
  readonly ztocBytes: number;
  /** Fetches that wait for one another: the start pays one round trip for each. */
  readonly serialFetches: number;
  readonly lazy: Forecast;
  readonly prefetch: Forecast;
}

export interface LayerSpans {
  readonly layer: number;
  readonly digest: string;
  readonly spans: SpanRuns;
}

/** A network beyond which another way to index is faster by more than equal runs differ. */
export interface Flip {
  readonly axis: 'rttMs' | 'bytesPerSecond';
  /** Milliseconds or bytes per second. */
  readonly value: number;
  /** On which side the other way is the better one. */
  readonly side: 'below' | 'above';
  /** The other way. */
  readonly spanSizes: readonly (number | null)[];
  readonly prefetch: boolean;
}

/** One way to index the image, with its forecast. */
export interface BestRow {
  readonly name: string;
  /** Bytes by layer; null where the layer stays out of the index. */
  readonly spanSizes: readonly (number | null)[];
  readonly prefetch: boolean;
  readonly indexVersion: IndexVersion;
  readonly totalSeconds: number;
  readonly bytes: number;
  readonly requests: number;
  /** Bytes of all ztocs. */
  readonly indexBytes: number;
  readonly best: boolean;
  /** True where no other way is better in time, bytes and index size together. */
  readonly undominated: boolean;
}

/** What the best index has to be; what is not said here is chosen. */
export interface IndexWish {
  /** Bytes; the same for every layer. */
  readonly spanSize?: number | undefined;
  /** Bytes of the smallest layer to index. */
  readonly minLayerSize?: number | undefined;
  /**
   * Lists of spans to prefetch. `never`: the nodes have prefetch switched off. `always`: the person wants them. Where not
   * given, they are made where they pay, and where nodes that pass them over are not slower than with the default.
   */
  readonly prefetch?: 'never' | 'always' | undefined;
  /** What the lists hold: spans that any recorded start touches, or those that all of them do; both are tried if not given. */
  readonly prefetchSet?: 'touched' | 'stable' | undefined;
  /** Only spans that are touched within so many seconds of the start. */
  readonly prefetchSeconds?: number | undefined;
  /** 2 if not given. */
  readonly version?: IndexVersion | undefined;
  /** False for indexers that know one span size for all layers. */
  readonly byLayer?: boolean | undefined;
}

/** The best way to index the image that the simulator found. */
export interface Best {
  /** Bytes by layer; null where the layer stays out of the index. */
  readonly spanSizes: readonly (number | null)[];
  /** Bytes of the smallest layer that the index covers. */
  readonly minLayerSize: number;
  /** What the prefetch artifacts list; for nodes with `[prefetch] enable = true`, others ignore them. */
  readonly prefetch: readonly LayerSpans[];
  readonly indexVersion: IndexVersion;
  /** Spans of all layers that the index covers, and bytes of their ztocs. */
  readonly spans: number;
  readonly indexBytes: number;
  readonly forecast: Forecast;
  /** The same index on nodes that pass its prefetch lists over. */
  readonly withoutPrefetch: Forecast;
  /** The forecast of what is done when nobody chooses. Never less than that of the best, where nothing was wished for. */
  readonly usual: Forecast;
  /** In sentences with figures, with the networks for which it holds. */
  readonly reason: string;
  readonly flips: readonly Flip[];
  /** What it rests on. */
  readonly evidence: string;
  /** Ways to choose from, fastest first. */
  readonly table: readonly BestRow[];
}

/** Something to know or to do, and what it rests on. */
export interface Rule {
  readonly text: string;
  readonly evidence: string;
}

/** How to pull the image on this node. */
export interface Advice {
  readonly mode: PullMode;
  readonly reason: string;
  readonly rules: readonly Rule[];
}

/** What to change in the Dockerfile. */
export interface BuildAdvice {
  readonly kind: 'split' | 'squash' | 'reorder';
  /** The layers that it is about, lowest first. */
  readonly layers: readonly number[];
  /** What to do, in a sentence. */
  readonly text: string;
  /** What it rests on, in a sentence with figures. */
  readonly evidence: string;
  /** How the image is pulled in the two forecasts. */
  readonly mode: PullMode;
  readonly before: Forecast;
  /** Of the image as it would then be. */
  readonly after: Forecast;
}

export interface PlanTrace {
  /** Distinct files that the start opened, executed or mapped. */
  readonly files: number;
  /** Milliseconds to ready in the recorded run; null when the trace does not tell. */
  readonly readyMs: number | null;
  /** Paths that led to a file of the image / left out on purpose / led nowhere. */
  readonly mapped: number;
  readonly excluded: number;
  readonly unmapped: number;
  /** The first few that led nowhere, with the reason. */
  readonly examples: readonly { readonly path: string; readonly reason: string }[];
}

export interface Plan {
  readonly version: 1;
  readonly image: { readonly reference: string; readonly digest: string; readonly platform: string };
  readonly network: Network;
  readonly node: Node;
  /** Bytes; layers below it stay out of the index. */
  readonly minLayerSize: number;
  /** In the order of the manifest. */
  readonly layers: readonly PlanLayer[];
  /** Null without a trace: then only sizes are known, and nothing counts as touched. */
  readonly trace: PlanTrace | null;
  /** One per span size asked for, ascending. */
  readonly rows: readonly SpanSizeRow[];
  /** The span size that this plan recommends, and why in a sentence with figures. */
  readonly choice: { readonly spanSize: number; readonly reason: string };
  /** Every way to pull, with the recommended span size. */
  readonly modes: readonly Forecast[];
  /** Which of them to take, and what to watch with it. */
  readonly advice: Advice;
  /** The best index of any kind; null where it was not asked for, or without a trace. */
  readonly best: Best | null;
  /** What to change in the Dockerfile, the dearest first; null where nobody looked. */
  readonly build: readonly BuildAdvice[] | null;
  /** The touched spans of each indexed layer at the recommended span size; layers without one are left out. */
  readonly prefetch: readonly LayerSpans[];
  /** What is missing or assumed, in sentences. */
  readonly notes: readonly string[];
}
