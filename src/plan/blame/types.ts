/** Which part of an image costs what: plain JSON, for the treemap of the page, the report and `plan --json`. */

/** Why the bytes of a file are carried along and never seen: OCI image-spec, layer.md. */
export type WasteReason = 'replaced' | 'removed';

/**
 * What one part of an image costs. All in bytes; the parts of one division (by instruction, by folder, by package) add up to
 * the image.
 */
export interface Costs {
  /** Regular files, hidden ones too. */
  readonly files: number;
  /** Bytes of their content. */
  readonly bytes: number;
  /** What they take of the blobs, tar headers included: by the ends of the layers' compressed blocks. */
  readonly packedBytes: number;
  /** Files that the start opened, and the bytes that it read of them. */
  readonly touchedFiles: number;
  readonly touchedBytes: number;
  /** What of `packedBytes` travels before the service is ready: fetched spans, and whole layers outside the index. */
  readonly fetchedBytes: number;
  /** What of `fetchedBytes` travels for nothing: neighbours of what the start reads. */
  readonly unusedBytes: number;
  /** Content that a later layer replaces or removes: no container ever sees it. */
  readonly hiddenBytes: number;
}

export interface InstructionCosts extends Costs {
  readonly layer: number;
  /** One line; null where nothing tells. */
  readonly instruction: string | null;
}

/** A rectangle of the treemap. The costs of `children` add up to its own. */
export interface FolderCosts extends Costs {
  /** `rest` stands for the smaller children together. */
  readonly kind: 'folder' | 'file' | 'rest';
  /** The last step of the path; empty for the root and for `rest`. */
  readonly name: string;
  readonly children: readonly FolderCosts[];
}

export const MANAGERS = ['dpkg', 'apk', 'rpm', 'pip', 'npm'] as const;
export type PackageManager = (typeof MANAGERS)[number];

export interface Package {
  readonly manager: PackageManager;
  readonly name: string;
  /** Empty where the database does not say. */
  readonly version: string;
}

export interface PackageCosts extends Costs {
  /** Null for all files that no package owns. */
  readonly package: Package | null;
}

/** Files of the same content. */
export interface DuplicateGroup {
  /** Bytes of one of them. */
  readonly bytes: number;
  /** How many there are, and the first of them. */
  readonly count: number;
  readonly copies: readonly { readonly layer: number; readonly path: string }[];
}

export interface Duplicates {
  /** What all copies but one of each group take, unpacked. */
  readonly bytes: number;
  readonly groups: number;
  /** The dearest ones. */
  readonly dearest: readonly DuplicateGroup[];
}

export interface Blame {
  readonly version: 1;
  /** Bytes; what `fetchedBytes` are counted for. */
  readonly spanSize: number;
  readonly minLayerSize: number;
  readonly total: Costs;
  /** In the order of the layers. */
  readonly instructions: readonly InstructionCosts[];
  readonly folders: FolderCosts;
  /** The dearest first; null when the databases were not read (see `Findings`). */
  readonly packages: readonly PackageCosts[] | null;
  /** The largest files that later layers hide. */
  readonly hidden: readonly {
    readonly layer: number;
    readonly path: string;
    readonly bytes: number;
    readonly reason: WasteReason;
  }[];
  /** Null when the contents were not compared (see `Findings`). */
  readonly duplicates: Duplicates | null;
  /** What is missing or assumed, in sentences. */
  readonly notes: readonly string[];
}

/** What takes reading the layers once more. */
export const FINDINGS = ['packages', 'duplicates'] as const;
export type Finding = (typeof FINDINGS)[number];

/** A stretch of the treemap: a folder and what lies below it. */
export interface FolderQuery {
  /** Without a slash at either end; empty for the root. */
  readonly path: string;
  readonly spanSize: number;
  /** Bytes. */
  readonly minLayerSize: number;
  /** At most about this many rectangles. */
  readonly limit: number;
}
