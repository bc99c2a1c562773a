/** The snapshotter's background fetcher in the simulator (soci-format §6.4). */
import type { SpanTable } from '../layer/types';
import { COSTS } from './costs';
import type { IndexedLayer } from './forecast';
import { spanColumns } from './span-columns';
import type { Wire } from './wire';

/**
 * After a silence it fetches one span per step, round robin over the layers, from their first span on. Most starts are
 * over before it begins; one that is not finds spans that it need not fetch any more.
 */
export class Background {
  #step: number;
  /** 1 for each span that is there; the spans of a layer begin at its base. */
  readonly #present: Uint8Array;
  readonly #base: Uint32Array;
  /** Whose turn it is, first. */
  readonly #queue: { readonly layer: number; readonly table: SpanTable; next: number }[];
  /** Milliseconds at which a span that this fetcher asked for was there. */
  readonly #there = new Map<number, number>();

  constructor(
    mounted: number,
    indexed: readonly (IndexedLayer | undefined)[],
    private readonly wire: Wire,
  ) {
    this.#step = mounted + COSTS.backgroundSilence;
    this.#base = new Uint32Array(indexed.length);
    let spans = 0;
    indexed.forEach((one, layer) => {
      this.#base[layer] = spans;
      spans += one?.fetches.table.length ?? 0;
    });
    this.#present = new Uint8Array(spans);
    this.#queue = indexed.flatMap((one, layer) =>
      one && one.fetches.table.length > 0 ? [{ layer, table: one.fetches.table, next: 0 }] : [],
    );
  }

  /**
   * When the compressed bytes of a span that the start wants at `at` are there; undefined where it has to fetch them
   * itself, which counts as done from then on.
   */
  fetched(layer: number, span: number, at: number): number | undefined {
    while (this.#step <= at && this.#queue.length > 0) this.#advance();
    const place = (this.#base[layer] ?? 0) + span;
    if (this.#present[place] !== 1) {
      this.#present[place] = 1;
      return undefined;
    }
    return Math.max(at, this.#there.get(place) ?? at);
  }

  #advance(): void {
    const turn = this.#queue.shift();
    if (turn === undefined) return;
    const { layer, table, next } = turn;
    const place = (this.#base[layer] ?? 0) + next;
    // A span that is there already takes its step all the same.
    if (this.#present[place] !== 1) {
      this.#present[place] = 1;
      const bytes = spanColumns(table).bytes[next] ?? 0;
      this.#there.set(place, this.wire.get(this.#step, bytes, COSTS.intakeBytesPerSecond));
    }
    this.#step += COSTS.backgroundStep;
    if (++turn.next < table.length) this.#queue.push(turn);
  }
}
