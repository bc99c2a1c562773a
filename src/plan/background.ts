/** The snapshotter's background fetcher in the simulator (soci-format §6.4). */
import { COSTS } from './costs';
import type { IndexedLayer } from './forecast';
import { lengthOf } from './spans';
import type { Wire } from './wire';

/**
 * After a silence it fetches one span per step, round robin over the layers, from their first span on. Most starts are
 * over before it begins; one that is not finds spans that it need not fetch any more.
 */
export class Background {
  #step: number;
  readonly #layers: {
    readonly layer: number;
    readonly table: IndexedLayer['fetches']['table'];
    next: number;
  }[];
  /** Milliseconds at which a span was there, by `layer:span`. */
  readonly #there = new Map<string, number>();

  constructor(
    mounted: number,
    indexed: readonly (IndexedLayer | undefined)[],
    private readonly wire: Wire,
  ) {
    this.#step = mounted + COSTS.backgroundSilence;
    this.#layers = indexed.flatMap((one, layer) =>
      one ? [{ layer, table: one.fetches.table, next: 0 }] : [],
    );
  }

  /**
   * When the compressed bytes of a span that the start wants at `at` are there; undefined where it has to fetch them
   * itself, which counts as done from then on.
   */
  fetched(layer: number, span: number, at: number): number | undefined {
    while (this.#step <= at && this.#layers.length > 0) this.#advance();
    const key = `${layer}:${span}`;
    const there = this.#there.get(key);
    if (there === undefined) {
      this.#there.set(key, at);
      return undefined;
    }
    return Math.max(at, there);
  }

  #advance(): void {
    const turn = this.#layers.shift();
    if (turn === undefined) return;
    const key = `${turn.layer}:${turn.next}`;
    // A span that is there already takes its step all the same.
    if (!this.#there.has(key))
      this.#there.set(
        key,
        this.wire.get(this.#step, lengthOf(turn.table.compressed(turn.next)), COSTS.intakeBytesPerSecond),
      );
    this.#step += COSTS.backgroundStep;
    if (++turn.next < turn.table.length) this.#layers.push(turn);
  }
}
