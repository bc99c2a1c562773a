import * as path from 'node:path';
import * as vscode from 'vscode';
import { Actions } from './editor/actions';
import { commandTable, registerCommands } from './editor/commands';
import { showError } from './editor/errors';
import { LayerFiles } from './editor/layer-files';
import { DockerfileLenses } from './editor/lens';
import { SpanMaps, type RevealEntry } from './editor/panel';
import type { Services } from './editor/services';
import { AnalysisStore } from './editor/store';
import { Tasks } from './editor/tasks';
import { ImagesTree } from './editor/tree';

/** Constructs and registers; reads nothing and asks nobody until the person does something. */
export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel('SOCI Lens', { log: true });
  const store = new AnalysisStore(context.workspaceState);
  const tasks = new Tasks(log);
  const services: Services = {
    log,
    store,
    tasks,
    answers: context.workspaceState,
    line: () => import('./line'),
    folders: {
      cache: context.globalStorageUri.fsPath,
      tracer: path.join(context.extensionPath, 'dist', 'tracer'),
      traces: path.join(context.globalStorageUri.fsPath, 'traces'),
    },
  };
  const actions = new Actions(services);
  const open = (reference: string) => actions.open(reference);
  const tree = new ImagesTree(store, (reference) =>
    open(reference).catch((error: unknown) => void showError(error, log)),
  );
  const view = vscode.window.createTreeView('sociLens.images', {
    treeDataProvider: tree,
    showCollapseAll: true,
  });
  const reveal: RevealEntry = async (reference, entry) => {
    const node = tree.find(reference, entry);
    if (!node) return null;
    await view.reveal(node, { select: true, focus: true });
    return vscode.l10n.t('Shown in the tree of images.');
  };
  const maps = new SpanMaps(services, actions, reveal, context.extensionUri);

  const note = (key: string, value: boolean) =>
    void vscode.commands.executeCommand('setContext', `sociLens.${key}`, value);
  const noteImages = () => {
    note('hasImage', store.all.length > 0);
    note(
      'hasTrace',
      store.all.some(({ trace }) => trace !== undefined),
    );
    note(
      'hasIndex',
      store.all.some(({ index }) => index !== undefined),
    );
  };
  noteImages();
  // Until an engine has failed to answer, there is one.
  note('hasEngine', true);

  context.subscriptions.push(
    log,
    store,
    tasks,
    tree,
    maps,
    store.onDidChange(noteImages),
    new DockerfileLenses(store),
    new LayerFiles(services, open).register(),
    view,
    registerCommands(commandTable(services, actions, maps, tree), log),
  );
}
