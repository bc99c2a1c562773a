import type { LensError } from '../../errors';
import type { Variant } from '../manifests';

/** The steps of a start, in the order in which they come. */
export const STAGES = ['scheduled', 'pulling', 'pulled', 'created', 'started', 'ready'] as const;
export type Stage = (typeof STAGES)[number];

/** `pull` is what the node says that pulling took; the others are when a step was seen, from the order to start. */
export type Figure = 'pull' | Stage;

/** One start of one variant. */
export interface Start {
  readonly variant: Variant;
  /** From 1 on. */
  readonly round: number;
  readonly node: string;
  /**
   * Milliseconds from the order to start until the step was seen, all by this machine's clock. A step that nobody told
   * of is left out.
   */
  readonly seen: Readonly<Partial<Record<Stage, number>>>;
  /** What the node itself says that pulling took, in milliseconds. */
  readonly pullTook: number | undefined;
  /** How far the node's clock is ahead of this machine's, in milliseconds; `undefined` without a dated event. */
  readonly clockAhead: number | undefined;
  /** The connection broke, so that a step may have been seen late. */
  readonly gaps: boolean;
}

/** A start that came to nothing. */
export interface FailedStart {
  readonly variant: Variant;
  readonly round: number;
  readonly node: string;
  readonly error: LensError;
}

export interface Measurement {
  readonly starts: readonly Start[];
  readonly failed: readonly FailedStart[];
  /** Whether the pods say themselves when they are ready; else running counts as ready. */
  readonly asksReady: boolean;
  /** What this way of measuring can tell. */
  readonly figures: readonly Figure[];
}
