import * as vscode from 'vscode';
import type { LayerResult } from '../image/scan';
import type { Image } from '../image/types';
import type { Picture } from '../plan/picture';
import type { PlanInput } from '../plan/plan';
import type { LayerTouches } from '../plan/touches';
import type { Plan } from '../plan/types';
import type { LayerFindings } from './work/findings';

/** An image as it was read in this window. */
export interface Opened {
  readonly image: Image;
  /** The Dockerfile, where one is known: the settings of its folder hold, of several that a window may have. */
  readonly scope: vscode.Uri | undefined;
  /** In the order of the manifest. */
  readonly layers: readonly LayerResult[];
  /** The step of the build that made each layer, where it is known. */
  readonly steps: readonly (string | undefined)[];
  /** The line of that step, where it stands in the Dockerfile that the image was built from. */
  readonly lines: readonly (number | undefined)[];
  /** What the picture was drawn from. */
  readonly input: PlanInput;
  readonly picture: Picture;
  /** What reading the layers once more tells. */
  readonly findings: LayerFindings;
  /** What the picture says with the settings of the editor. */
  readonly plan: Plan;
  /** What the start reads from each layer; empty without a trace. */
  readonly touches: readonly LayerTouches[];
  /** Bytes of each layer that later layers replace or remove. */
  readonly hidden: readonly number[];
}

/** The few figures that a lens and a closed tree item show; kept from one session to the next. */
export interface Facts {
  /** Bytes of all layers, unpacked where they were scanned. */
  readonly size: number;
  readonly layers: number;
  /** Set when a start was recorded. `share` is the part of `size` that it reads, 0–1. */
  readonly start?: { readonly share: number; readonly touchedSpans: number; readonly spans: number };
  /** The layers that an instruction of the Dockerfile made. */
  readonly instructions?: readonly InstructionFacts[];
  /** When the image was made, as its config says: RFC 3339. */
  readonly created?: string;
}

export interface InstructionFacts {
  /** 0-based, of the Dockerfile as it was built. */
  readonly line: number;
  /** Place of its layer in the manifest. */
  readonly layer: number;
  /** Bytes, unpacked. */
  readonly size: number;
  readonly files: number;
  /** Bytes that the start reads; missing without a recorded start. */
  readonly touched?: number;
  /** At the recommended span size; missing for a layer outside of the index. */
  readonly spans?: { readonly touched: number; readonly all: number };
  /** Bytes of files that later layers replace or remove. */
  readonly hidden: number;
}

/** The Dockerfile that an image belongs to. */
export interface DockerfileOrigin {
  readonly uri: string;
  /** `fingerprint` of its text when the image was built, or chosen for it. */
  readonly text: string;
  /** The stage that was built; missing for the last one. */
  readonly target?: string;
  /** Set when the image was not built from here but chosen by the person. */
  readonly chosen?: true;
}

/** One SOCI index of an image, as a runtime finds it. */
export interface IndexFacts {
  readonly version: 1 | 2;
  readonly digest: string;
  /** `linux/amd64`, where the image has several. */
  readonly platform?: string;
  readonly layers: number;
  /** Bytes, each size once. */
  readonly spanSizes: readonly number[];
  /** Bytes of its ztocs. */
  readonly ztocBytes: number;
  /** What the last verification found; missing before the first. */
  readonly verified?: boolean;
}

/** What lies around an image where it is kept: its other platforms and its indexes. */
export interface Survey {
  /** `linux/amd64` …; one for an image that is no index. */
  readonly platforms: readonly string[];
  readonly indexes: readonly IndexFacts[];
}

/** What is known about one image. */
export interface Analysis {
  /** How the image is named, see `parseReference`; with a platform behind it where it is not this machine's (`keyOf`). */
  readonly reference: string;
  readonly dockerfile?: DockerfileOrigin;
  /** Paths of the files with its recorded starts; several are laid over each other. */
  readonly traces?: readonly string[];
  readonly facts?: Facts;
  /** The index that was made last, and where it went. */
  readonly index?: { readonly digest: string; readonly destination: string };
  readonly survey?: Survey;
  /** Missing until the image is read in this window. */
  readonly opened?: Opened | undefined;
}

const KEY = 'images';
/** Dockerfile and stage → image. */
const CHOICES = 'imageOfDockerfile';

function choiceKey(uri: vscode.Uri, target: string | undefined): string {
  return `${uri.toString()}#${target ?? ''}`;
}

/**
 * The images that this workspace has to do with, in the order they came, and what is known about them. Names and figures are
 * kept from one session to the next, the picture is not.
 */
export class AnalysisStore implements vscode.Disposable {
  readonly #memento: vscode.Memento;
  readonly #analyses = new Map<string, Analysis>();
  readonly #changed = new vscode.EventEmitter<string>();
  readonly #growing = new Map<string, Picture>();
  readonly #grew = new vscode.EventEmitter<string>();
  #choices: Readonly<Record<string, string>>;
  /** Fires with the reference of the image that changed, came or went. */
  readonly onDidChange = this.#changed.event;
  /** Fires with the reference of an image of which there is more to see, though it is not read to its end. */
  readonly onDidGrow = this.#grew.event;

  constructor(memento: vscode.Memento) {
    this.#memento = memento;
    this.#choices = memento.get(CHOICES, {});
    for (const analysis of memento.get<Analysis[]>(KEY, [])) this.#analyses.set(analysis.reference, analysis);
  }

  get all(): readonly Analysis[] {
    return [...this.#analyses.values()];
  }

  get(reference: string): Analysis | undefined {
    return this.#analyses.get(reference);
  }

  /** What there is to see of an image: the whole, or as many layers as have been read; undefined before the first. */
  picture(reference: string): Picture | undefined {
    return this.#analyses.get(reference)?.opened?.picture ?? this.#growing.get(reference);
  }

  /** Takes in what is known of an image before it is read to its end. Nothing but its map shows it. */
  grow(reference: string, picture: Picture): void {
    this.#growing.set(reference, picture);
    this.#grew.fire(reference);
  }

  /** Nobody looks at it any more. */
  dropGrowing(reference: string): void {
    this.#growing.delete(reference);
  }

  /** The images of one stage of a Dockerfile, the one that the person chose or that came last first. */
  ofDockerfile(uri: vscode.Uri, target: string | undefined): readonly Analysis[] {
    const found = this.all
      .filter(({ dockerfile }) => dockerfile?.uri === uri.toString() && dockerfile.target === target)
      .reverse();
    const chosen = found.find(({ reference }) => reference === this.#choices[choiceKey(uri, target)]);
    return chosen ? [chosen, ...found.filter((one) => one !== chosen)] : found;
  }

  /** Remembers for this workspace which image a stage of a Dockerfile stands for. */
  choose(uri: vscode.Uri, target: string | undefined, reference: string): void {
    this.#choices = { ...this.#choices, [choiceKey(uri, target)]: reference };
    void this.#memento.update(CHOICES, this.#choices);
    this.#changed.fire(reference);
  }

  /** Drops what was read of every image, so that it is read anew when it is wanted. */
  close(): void {
    this.#growing.clear();
    for (const [reference, analysis] of this.#analyses) {
      this.#analyses.set(reference, { ...analysis, opened: undefined });
      this.#changed.fire(reference);
    }
  }

  /** Adds an image or replaces what is named in `change`; the rest stays. */
  update(reference: string, change: Omit<Analysis, 'reference'>): Analysis {
    const analysis = { ...this.#analyses.get(reference), ...change, reference };
    this.#analyses.set(reference, analysis);
    if (analysis.opened) this.dropGrowing(reference);
    this.#changed.fire(reference);
    this.#save();
    return analysis;
  }

  forget(reference: string): void {
    this.dropGrowing(reference);
    if (!this.#analyses.delete(reference)) return;
    this.#changed.fire(reference);
    this.#save();
  }

  dispose(): void {
    this.#changed.dispose();
    this.#grew.dispose();
  }

  #save(): void {
    void this.#memento.update(
      KEY,
      this.all.map((analysis) => ({ ...analysis, opened: undefined })),
    );
  }
}

/** The facts of an image. */
export function factsOf({
  image,
  plan,
  lines,
  picture,
  hidden,
}: Omit<Opened, 'layers' | 'steps' | 'touches' | 'findings'>): Facts {
  const size = plan.layers.reduce((sum, layer) => sum + (layer.uncompressedSize ?? layer.size), 0);
  const touched = plan.layers.reduce((sum, layer) => sum + layer.touchedBytes, 0);
  const { spanSize } = plan.choice;
  const row = plan.rows.find((one) => one.spanSize === spanSize);
  return {
    size,
    layers: plan.layers.length,
    ...(plan.trace &&
      row && {
        start: { share: size > 0 ? touched / size : 0, touchedSpans: row.touchedSpans, spans: row.spans },
      }),
    ...(image.config.created !== undefined && { created: image.config.created }),
    instructions: plan.layers.flatMap((layer) => {
      const line = lines[layer.index];
      if (line === undefined || layer.uncompressedSize === null || layer.files === null) return [];
      const cells = picture.cells({
        layer: layer.index,
        spanSize,
        axis: 'compressed',
        start: 0,
        end: layer.size,
        limit: 1,
      });
      return [
        {
          line,
          layer: layer.index,
          size: layer.uncompressedSize,
          files: layer.files,
          hidden: hidden[layer.index] ?? 0,
          ...(plan.trace && { touched: layer.touchedBytes }),
          ...(layer.indexed && { spans: { touched: cells.touched, all: cells.spans } }),
        },
      ];
    }),
  };
}
