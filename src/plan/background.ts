/** The snapshotter's background fetcher in the simulator (soci-format §6.4). */
import type { SpanTable } from '../layer/types';
import { COSTS } from './costs';
import type { IndexedLayer } from './forecast';
import { spanCosts } from './sequence';
import type { Wire } from './wire';

/**
 * After a silence it fetches one span per step, round robin over the layers, from their first span on. Most starts are
 * over before it begins; one that is not finds spans that it need not fetch any more.
 */
export class Background {
  #step: number;
  readonly #layers: readonly (Uint8Array | undefined)[];
  /** Whose turn it is, first. */
  readonly #queue: { readonly layer: number; readonly table: SpanTable; next: number }[];
  /** Milliseconds at which a span that this fetcher asked for was there, by `layer:span`. */
  readonly #there = new Map<string, number>();

  constructor(
    mounted: number,
    indexed: readonly (IndexedLayer | undefined)[],
    private readonly wire: Wire,
  ) {
    this.#step = mounted + COSTS.backgroundSilence;
    this.#layers = indexed.map((one) => one && new Uint8Array(one.fetches.table.length));
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
    const present = this.#layers[layer];
    if (present?.[span] !== 1) {
      if (present) present[span] = 1;
      return undefined;
    }
    return Math.max(at, this.#there.get(`${layer}:${span}`) ?? at);
  }

  #advance(): void {
    const turn = this.#queue.shift();
    if (turn === undefined) return;
    const { layer, table, next } = turn;
    const present = this.#layers[layer];
    // A span that is there already takes its step all the same.
    if (present && present[next] !== 1) {
      present[next] = 1;
      const bytes = spanCosts(table).bytes[next] ?? 0;
      this.#there.set(`${layer}:${next}`, this.wire.get(this.#step, bytes, COSTS.intakeBytesPerSecond));
    }
    this.#step += COSTS.backgroundStep;
    if (++turn.next < table.length) this.#queue.push(turn);
  }
}
