/** One report of a long task. Both faces turn it into a bar: the CLI on stderr, the editor in a notification. */
export interface Progress {
  /** What is being done, as a person would say it: `Scanning layer 3 of 7`. */
  readonly step: string;
  /** Units done so far in this step. */
  readonly done?: number;
  /** Units in the whole step, where known. */
  readonly total?: number;
  /** What the numbers count. */
  readonly unit?: 'bytes' | 'files' | 'layers' | 'events';
}

export type OnProgress = (progress: Progress) => void;
