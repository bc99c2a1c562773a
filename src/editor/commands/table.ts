import * as vscode from 'vscode';
import type { Actions } from '../actions';
import type { EngineWatch } from '../engine-watch';
import { showError } from '../errors';
import type { SpanMaps } from '../panel';
import type { Services } from '../services';
import type { ImagesTree, Node } from '../tree';
import type { TracesTree } from '../traces-tree';
import { cleanUpCommands } from './clean-up';
import { clusterCommands } from './clusters';
import { fileCommands } from './files';
import { imageCommands } from './images';
import { indexCommands } from './indexes';
import { registryCommands } from './registries';
import { viewCommands } from './views';

/** What a command may be called with: by the palette nothing, by a lens or the tree what it is about. */
export type Argument = unknown;
export type Handler = (...args: readonly Argument[]) => Promise<void> | void;

/** Commands by their name after `sociLens.`; package.json lists the same ones. */
export type CommandTable = Readonly<Record<string, Handler>>;

/** What the commands work with. */
export interface Bench {
  readonly services: Services;
  readonly actions: Actions;
  readonly maps: SpanMaps;
  readonly images: ImagesTree;
  readonly imagesView: Pick<vscode.TreeView<Node>, 'reveal' | 'visible'>;
  readonly traces: TracesTree;
  readonly engine: EngineWatch;
}

/** Every command of the extension. */
export function commandTable(bench: Bench): CommandTable {
  return {
    ...imageCommands(bench),
    ...indexCommands(bench),
    ...fileCommands(bench),
    ...registryCommands(bench),
    ...viewCommands(bench),
    ...clusterCommands(bench),
    ...cleanUpCommands(bench),
  };
}

/** Registers a table; whatever a handler throws is shown in the one way that errors are. */
export function registerCommands(table: CommandTable, log: vscode.LogOutputChannel): vscode.Disposable {
  return vscode.Disposable.from(
    ...Object.entries(table).map(([name, handler]) =>
      vscode.commands.registerCommand(`sociLens.${name}`, async (...args: readonly Argument[]) => {
        try {
          await handler(...args);
        } catch (error) {
          void showError(error, log);
        }
      }),
    ),
  );
}
