/** Packages and duplicates of an image that was read: found in a thread of their own, once for each image. */
import type { Found } from '../../plan/blame/worker-protocol';
import type { ReadableLayer, ReadOptions } from '../../plan/blame/packages';
import type { Finding } from '../../plan/blame/types';

/** Looks for something in all layers of an image: `findInThread` of the line. */
export type Find = <F extends Finding>(
  finding: F,
  layers: readonly ReadableLayer[],
  options: ReadOptions,
) => Promise<Found[F]>;

/** A picture comes and goes with each recorded start; what is found in the layers stays. */
export class LayerFindings {
  readonly #find: Find;
  readonly #layers: readonly ReadableLayer[];
  readonly #running = new Map<Finding, Promise<void>>();
  readonly #known: { -readonly [F in Finding]?: Found[F] } = {};

  /** @param layers lowest first */
  constructor(find: Find, layers: readonly ReadableLayer[]) {
    this.#find = find;
    this.#layers = layers;
  }

  /** What was found by now. */
  get known(): { readonly [F in Finding]?: Found[F] } {
    return this.#known;
  }

  /** Looks for it, unless it was found already; joins a search that is under way. */
  async find(finding: Finding, options: ReadOptions = {}): Promise<void> {
    let running = this.#running.get(finding);
    if (running === undefined) {
      running = this.#look(finding, options);
      this.#running.set(finding, running);
      // What failed or was cancelled may be tried again.
      running.catch(() => this.#running.delete(finding));
    }
    await running;
  }

  async #look(finding: Finding, options: ReadOptions): Promise<void> {
    if (finding === 'packages') this.#known.packages = await this.#find(finding, this.#layers, options);
    else this.#known.duplicates = await this.#find(finding, this.#layers, options);
  }
}
