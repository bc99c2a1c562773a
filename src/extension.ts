import * as path from 'node:path';
import * as vscode from 'vscode';
import { Actions } from './editor/actions';
import { createApi, type SociLensApi } from './editor/api';
import { registerChatTool } from './editor/chat-tool';
import { commandTable, registerCommands } from './editor/commands/table';
import { StartCosts } from './editor/decorations';
import { EngineWatch } from './editor/engine-watch';
import { showError } from './editor/errors';
import { LayerFiles } from './editor/layer-files';
import { DockerfileLenses } from './editor/lens';
import { SpanMaps, type RevealEntry } from './editor/panel';
import type { Services } from './editor/services';
import { SignIns } from './editor/sign-ins';
import { SnapshotterConfigs } from './editor/snapshotter-config';
import { AnalysisStore } from './editor/store';
import { Summaries } from './editor/summaries';
import { Tasks } from './editor/tasks';
import { TraceDrop } from './editor/trace-drop';
import { TraceEditors } from './editor/trace-editor';
import { TracesTree } from './editor/traces-tree';
import { ImagesTree } from './editor/tree';

export type { Analysed, SociLensApi } from './editor/api';

/** Constructs and registers; reads nothing and asks nobody until the person does something. */
export function activate(context: vscode.ExtensionContext): SociLensApi {
  const log = vscode.window.createOutputChannel('SOCI Lens', { log: true });
  const store = new AnalysisStore(context.workspaceState);
  const services: Services = {
    log,
    engineReached: new vscode.EventEmitter(),
    store,
    tasks: new Tasks(log),
    answers: context.workspaceState,
    signIns: new SignIns(context.secrets, context.globalState),
    line: () => import('./line'),
    snapshotter: () => import('./snapshotter'),
    kubernetes: () => import('./kubernetes'),
    folders: {
      cache: context.globalStorageUri.fsPath,
      tracer: path.join(context.extensionPath, 'dist', 'tracer'),
      traces: path.join(context.globalStorageUri.fsPath, 'traces'),
      sample: path.join(context.globalStorageUri.fsPath, 'sample'),
      sampleTrace: path.join(context.extensionPath, 'sample', 'small.soci-trace.jsonl'),
    },
  };
  const actions = new Actions(services);
  const engine = new EngineWatch(services);
  const images = new ImagesTree({
    store,
    engine,
    answers: context.workspaceState,
    open: (key) => actions.open(key).catch((error: unknown) => void showError(error, log)),
  });
  const traces = new TracesTree(services);
  const { api, disposable } = createApi(actions, store);
  const imagesView = vscode.window.createTreeView('sociLens.images', {
    treeDataProvider: images,
    showCollapseAll: true,
    dragAndDropController: new TraceDrop(actions, log),
  });
  const reveal: RevealEntry = async (key, entry) => {
    const node = images.find(key, entry);
    if (!node)
      return images.filter === '' ? null : vscode.l10n.t('The filter of the tree of images hides it.');
    await imagesView.reveal(node, { select: true, focus: true });
    return vscode.l10n.t('Shown in the tree of images.');
  };
  const maps = new SpanMaps(services, actions, reveal, context.extensionUri);
  const watch = () => {
    // In a folder that is not trusted, the engine is asked for nothing by itself.
    if (imagesView.visible && vscode.workspace.isTrusted) engine.start();
    else engine.stop();
  };

  context.subscriptions.push(
    log,
    services.engineReached,
    store,
    services.tasks,
    engine,
    images,
    traces,
    maps,
    disposable,
    imagesView,
    imagesView.onDidChangeVisibility(watch),
    vscode.workspace.onDidGrantWorkspaceTrust(watch),
    vscode.window.createTreeView('sociLens.traces', {
      treeDataProvider: traces,
      dragAndDropController: traces,
    }),
    noteState(store),
    actions.redrawOnChange(),
    new DockerfileLenses(store),
    new StartCosts(store),
    new SnapshotterConfigs(services.snapshotter, log),
    new LayerFiles(services, (key) => actions.open(key)).register(),
    new Summaries(actions).register(),
    new TraceEditors(services, actions, maps).register(),
    registerChatTool(store),
    registerCommands(commandTable({ services, actions, maps, images, imagesView, traces, engine }), log),
  );
  return api;
}

/** Keeps the context keys that menus, welcome texts and the walkthrough go by. */
function noteState(store: AnalysisStore): vscode.Disposable {
  const note = (key: string, value: boolean) =>
    void vscode.commands.executeCommand('setContext', `sociLens.${key}`, value);
  const noteImages = () => {
    note('hasImage', store.all.length > 0);
    note(
      'hasTrace',
      store.all.some(({ traces = [] }) => traces.length > 0),
    );
    note(
      'hasIndex',
      store.all.some(({ index }) => index !== undefined),
    );
  };
  noteImages();
  // Until an engine has failed to answer, there is one.
  note('hasEngine', true);
  return store.onDidChange(noteImages);
}
