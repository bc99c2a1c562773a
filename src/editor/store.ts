import * as vscode from 'vscode';
import type { LayerResult } from '../image/scan';
import type { Image } from '../image/types';
import type { Picture } from '../plan/picture';
import type { LayerTouches } from '../plan/touches';
import type { Plan } from '../plan/types';

/** An image as it was read in this window. */
export interface Opened {
  readonly image: Image;
  /** In the order of the manifest. */
  readonly layers: readonly LayerResult[];
  /** The step of the build that made each layer, where it is known. */
  readonly steps: readonly (string | undefined)[];
  /** The line of that step, where it stands in the Dockerfile that the image was built from. */
  readonly lines: readonly (number | undefined)[];
  readonly picture: Picture;
  /** What the picture says with the settings of the editor. */
  readonly plan: Plan;
  /** What the start reads from each layer; empty without a trace. */
  readonly touches: readonly LayerTouches[];
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
}

export interface InstructionFacts {
  /** 0-based, of the Dockerfile as it was built. */
  readonly line: number;
  /** Bytes, unpacked. */
  readonly size: number;
  readonly files: number;
  /** Bytes that the start reads; missing without a recorded start. */
  readonly touched?: number;
}

/** What is known about one image. */
export interface Analysis {
  /** How the image is named, see `parseReference`. */
  readonly reference: string;
  /** The Dockerfile that it was built from here: its URI, and `fingerprint` of its text at the time. */
  readonly dockerfile?: { readonly uri: string; readonly text: string };
  /** Path of the file with its recorded start. */
  readonly trace?: string;
  readonly facts?: Facts;
  /** The index that was made last, and where it went. */
  readonly index?: { readonly digest: string; readonly destination: string };
  /** Missing until the image is read in this window. */
  readonly opened?: Opened;
}

const KEY = 'images';

/**
 * The images that this workspace has to do with, in the order they came, and what is known about them. Names and figures are
 * kept from one session to the next, the picture is not.
 */
export class AnalysisStore implements vscode.Disposable {
  readonly #memento: vscode.Memento;
  readonly #analyses = new Map<string, Analysis>();
  readonly #changed = new vscode.EventEmitter<string>();
  /** Fires with the reference of the image that changed, came or went. */
  readonly onDidChange = this.#changed.event;

  constructor(memento: vscode.Memento) {
    this.#memento = memento;
    for (const analysis of memento.get<Analysis[]>(KEY, [])) this.#analyses.set(analysis.reference, analysis);
  }

  get all(): readonly Analysis[] {
    return [...this.#analyses.values()];
  }

  get(reference: string): Analysis | undefined {
    return this.#analyses.get(reference);
  }

  /** The image that was built last from a Dockerfile. */
  builtFrom(dockerfile: vscode.Uri): Analysis | undefined {
    return this.all.findLast((analysis) => analysis.dockerfile?.uri === dockerfile.toString());
  }

  /** Adds an image or replaces what is named in `change`; the rest stays. */
  update(reference: string, change: Omit<Analysis, 'reference'>): Analysis {
    const analysis = { ...this.#analyses.get(reference), ...change, reference };
    this.#analyses.set(reference, analysis);
    this.#changed.fire(reference);
    this.#save();
    return analysis;
  }

  forget(reference: string): void {
    if (!this.#analyses.delete(reference)) return;
    this.#changed.fire(reference);
    this.#save();
  }

  dispose(): void {
    this.#changed.dispose();
  }

  #save(): void {
    void this.#memento.update(
      KEY,
      this.all.map((analysis) => ({ ...analysis, opened: undefined })),
    );
  }
}

/** The facts of an image; `lines` are those of the instructions that made its layers, where they are known. */
export function factsOf({ plan, lines }: Pick<Opened, 'plan' | 'lines'>): Facts {
  const size = plan.layers.reduce((sum, layer) => sum + (layer.uncompressedSize ?? layer.size), 0);
  const touched = plan.layers.reduce((sum, layer) => sum + layer.touchedBytes, 0);
  const row = plan.rows.find((one) => one.spanSize === plan.choice.spanSize);
  return {
    size,
    layers: plan.layers.length,
    ...(plan.trace &&
      row && {
        start: { share: size > 0 ? touched / size : 0, touchedSpans: row.touchedSpans, spans: row.spans },
      }),
    instructions: plan.layers.flatMap(({ index, uncompressedSize, files, touchedBytes }) => {
      const line = lines[index];
      if (line === undefined || uncompressedSize === null || files === null) return [];
      return [{ line, size: uncompressedSize, files, ...(plan.trace && { touched: touchedBytes }) }];
    }),
  };
}
