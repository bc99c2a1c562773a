/**
 * How long an image takes from the order to pull until its service is ready. The start is simulated event by event with
 * the request sequence, the serial fetches and the costs that were measured on the real snapshotter; docs/model.md holds
 * the evidence and the errors against recorded runs.
 */
import { simulateLazy } from './lazy-pull';
import type { Sequence } from './sequence';
import type { LayerFetches } from './spans';
import type { Forecast, IndexVersion, Network, Node, PullMode } from './types';
import { simulateWhole } from './whole-pull';
import type { WholePull } from './whole-pull';

export interface ForecastLayer {
  /** Bytes of the blob. */
  readonly size: number;
  /** Bytes to unpack; where the layer was not scanned, the blob's own size stands in. */
  readonly unpackedSize: number;
  /** Entries of the tar. */
  readonly files: number;
  /** Distinct files of it that the start opened: each costs more through FUSE. */
  readonly opened: number;
  /** Set when the index covers the layer. */
  readonly indexed: IndexedLayer | undefined;
}

export interface IndexedLayer {
  readonly fetches: LayerFetches;
  readonly ztocBytes: number;
  /** Spans that are fetched before the mount where the mode is `lazy-prefetch`; ascending. */
  readonly prefetch: readonly number[];
}

/** The start itself, as far as the image's place does not change it. */
export interface Start {
  /** Milliseconds that the application takes on local files. */
  readonly ownMs: number;
  /** The trace's clock at ready, in microseconds: how the own time is spread between the touches. */
  readonly readyAt: number | undefined;
}

export interface ForecastInput {
  readonly layers: readonly ForecastLayer[];
  readonly start: Start;
  /** The start's fetches in order, where they are known already. */
  readonly sequence?: Sequence | undefined;
  readonly network: Network;
  readonly node: Node;
  /** How the index is found; 2 where not given. */
  readonly version?: IndexVersion | undefined;
  /** How `parallel-pull` is set up; what upstream advises where not given. */
  readonly parallel?: WholePull | undefined;
}

/** What a simulated pull came to; times in milliseconds since the order to pull. */
export interface Outcome {
  readonly pulled: number;
  readonly started: number;
  readonly ready: number;
  readonly requests: number;
  readonly bytes: number;
}

/** One way to pull, forecast. All numbers are finite for networks and nodes that `checkNetwork` and `checkNode` let through. */
export function forecast(mode: PullMode, input: ForecastInput): Forecast {
  const { pulled, started, ready, requests, bytes } = simulate(mode, input);
  return {
    mode,
    pullSeconds: pulled / 1000,
    startSeconds: (ready - started) / 1000,
    totalSeconds: ready / 1000,
    requests,
    bytes,
  };
}

function simulate(mode: PullMode, input: ForecastInput): Outcome {
  switch (mode) {
    case 'docker-pull':
      return simulateWhole(input, dockerPull(input.node));
    case 'parallel-pull':
      return simulateWhole(input, input.parallel ?? parallelPull(input.node));
    case 'lazy':
      return simulateLazy(input, false);
    case 'lazy-prefetch':
      return simulateLazy(input, true);
  }
}

/**
 * Three downloads at a time and one layer unpacked after the other, from the first that is there on. With two processors
 * that took longer (19.9 s) than unpacking when all are there (15.7 s): no more is forecast than the better of both.
 */
function dockerPull({ cores }: Node): WholePull {
  return { downloads: 3, chunks: false, unpacks: 1, unpackAfterAll: cores <= 2 };
}

/** What upstream advises for parallel pull and unpack (soci-format §6.7): ten to twenty downloads in chunks. */
function parallelPull({ cores }: Node): WholePull {
  const wide = Math.max(3, Math.min(10, cores));
  return { downloads: 2 * wide, chunks: true, unpacks: wide, unpackAfterAll: false };
}
