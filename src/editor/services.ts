import type * as vscode from 'vscode';
import type * as kubernetes from '../kubernetes';
import type * as line from '../line';
import type * as snapshotter from '../snapshotter';
import type { SignIns } from './sign-ins';
import type { AnalysisStore } from './store';
import type { Tasks } from './tasks';

/** The rooms of the line, loaded as a bundle of their own by the first command that needs them. */
export type Line = typeof line;

/** What the parts of the editor share; made once, in `extension.ts`. */
export interface Services {
  readonly log: vscode.LogOutputChannel;
  /** Fires when the engine has answered somebody: it is there. */
  readonly engineReached: vscode.EventEmitter<void>;
  readonly store: AnalysisStore;
  readonly tasks: Tasks;
  /** What was answered before in this workspace: destinations, images that may be run. */
  readonly answers: vscode.Memento;
  readonly signIns: SignIns;
  readonly line: () => Promise<Line>;
  /** The snapshotter's config and the files for a cluster. */
  readonly snapshotter: () => Promise<typeof snapshotter>;
  /** What asks a cluster. */
  readonly kubernetes: () => Promise<typeof kubernetes>;
  readonly folders: Folders;
}

/** Absolute paths. */
export interface Folders {
  /** Engine images as OCI layouts, and layer scans. */
  readonly cache: string;
  /** The tracers that are put into containers. */
  readonly tracer: string;
  /** Recorded starts of windows without a folder. */
  readonly traces: string;
  /** The OCI layout of the sample image, made when somebody asks for it. */
  readonly sample: string;
  /** Its recorded start, which comes with the extension. */
  readonly sampleTrace: string;
}
