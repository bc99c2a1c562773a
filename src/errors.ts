/**
 * An error that a person can act on. `message` says what failed and why, in one sentence; `advice` says what
 * to do next. Everything that crosses a room's wall is either one of these or an abort
 * (`signal.reason`, never wrapped); any other error is a defect of ours.
 */
export class LensError extends Error {
  /** Stable, for tests and for the faces that choose an action: `room/what`, for example `layer/bad-gzip`. */
  readonly code: `${string}/${string}`;
  /** What to do next: one sentence in the imperative. */
  readonly advice: string;

  constructor(code: `${string}/${string}`, message: string, advice: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'LensError';
    this.code = code;
    this.advice = advice;
  }
}

/** True for the rejection that an aborted `AbortSignal` causes, ours or Node's own. */
export function isAbort(error: unknown): boolean {
  return (
    error instanceof Error && (error.name === 'AbortError' || ('code' in error && error.code === 'ABORT_ERR'))
  );
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
