/** What the map shows of the host's answers: the cells of every row, and what of one layer is in view. */
import type { Requests } from '../src/protocol';
import type { Axis, Cells, Overview, PlacedFiles, SpanDetail } from '../src/plan/picture/types';
import { barWidth, largestOf, lengthOf } from './paint';
import type { View } from './paint';

export type Ask = <N extends keyof Requests>(
  name: N,
  body: Requests[N]['ask'],
) => Promise<Requests[N]['reply']>;

/** CSS pixels of the narrowest cell that is asked for, and of the narrowest file. */
const CELL_WIDTH = 3;
const FILE_WIDTH = 4;
/** Details of spans that are kept for the pointer. */
const KEPT = 200;

function limitOf(width: number): number {
  return Math.max(1, Math.min(4096, Math.ceil(width / CELL_WIDTH)));
}

/** The whole of each indexed layer, no finer than its bar is wide. */
export async function loadRows(
  ask: Ask,
  { plan: { layers }, spanSize }: Overview,
  axis: Axis,
  width: number,
): Promise<Map<number, Cells>> {
  const largest = largestOf({ layers, axis });
  const answers = await Promise.all(
    layers
      .filter((layer) => layer.indexed)
      .map((layer) =>
        ask('cells', {
          layer: layer.index,
          spanSize,
          axis,
          start: 0,
          end: lengthOf(layer, axis),
          limit: limitOf(barWidth(layer, largest, axis, width)),
        }),
      ),
  );
  return new Map(answers.map((cells) => [cells.layer, cells]));
}

/** The cells and the files of one layer that are in view. */
export async function loadView(
  ask: Ask,
  layer: number,
  { spanSize }: Overview,
  axis: Axis,
  view: View,
  width: number,
): Promise<{ strip: Cells; files: PlacedFiles }> {
  const query = { layer, spanSize, axis, ...view };
  const [strip, files] = await Promise.all([
    ask('cells', { ...query, limit: limitOf(width) }),
    ask('filesInView', { ...query, limit: Math.max(1, Math.min(400, Math.floor(width / FILE_WIDTH))) }),
  ]);
  return { strip, files };
}

/** Details of spans by number, asked for once the pointer rests on them; for one layer at one span size. */
export class SpanDetails {
  readonly #ask: (span: number) => Promise<SpanDetail>;
  readonly #onCome: () => void;
  readonly #known = new Map<number, SpanDetail | 'asked'>();

  constructor(ask: (span: number) => Promise<SpanDetail>, onCome: () => void) {
    this.#ask = ask;
    this.#onCome = onCome;
  }

  /** Keeps what was asked for elsewhere. */
  put(detail: SpanDetail): void {
    this.#known.set(detail.span, detail);
  }

  get(span: number): SpanDetail | undefined {
    const known = this.#known.get(span);
    if (known === undefined) {
      if (this.#known.size >= KEPT) this.#known.clear();
      this.#known.set(span, 'asked');
      this.#ask(span).then(
        (detail) => {
          this.#known.set(span, detail);
          this.#onCome();
        },
        // A pointer may rest on what is gone by now; a click on it says so.
        () => undefined,
      );
    }
    return known === 'asked' ? undefined : known;
  }
}

/** Milliseconds of a flight from one view to another; none where motion is unwelcome. */
const FLIGHT = 350;

/** Moves the view in a few frames; returns what stops it. */
export function fly(from: View, to: View, show: (view: View) => void): () => void {
  if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
    show(to);
    return () => undefined;
  }
  const began = performance.now();
  let frame = 0;
  const step = (): void => {
    const share = Math.min(1, (performance.now() - began) / FLIGHT);
    const ease = 1 - (1 - share) ** 3;
    const between = (a: number, b: number): number => Math.round(a + (b - a) * ease);
    show({ start: between(from.start, to.start), end: between(from.end, to.end) });
    if (share < 1) frame = requestAnimationFrame(step);
  };
  frame = requestAnimationFrame(step);
  return () => {
    cancelAnimationFrame(frame);
  };
}
