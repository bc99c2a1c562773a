import * as vscode from 'vscode';
import type { LayerResult } from '../image/scan';
import type { LayerScan } from '../layer/types';
import { formatBytes, formatCount } from '../plan/format';
import { shortName } from './dockerfiles';
import { layerTree, pathParts, type Folder } from '../plan/layer-tree';
import type { EntryRef } from '../plan/picture/types';
import { layerFileUri } from './layer-files';
import { describeAnalysis } from './lens';
import type { AnalysisStore, Opened } from './store';

/** What a tree item stands for: an image, one of its layers, a folder or an entry of a layer, or the rest of a long list. */
export type Node =
  | { readonly kind: 'image'; readonly reference: string }
  | { readonly kind: 'layer'; readonly parent: Node & { kind: 'image' }; readonly index: number }
  | { readonly kind: 'folder'; readonly parent: Inner; readonly layer: LayerNode; readonly folder: Folder }
  | { readonly kind: 'file'; readonly parent: Inner; readonly layer: LayerNode; readonly entry: number }
  | {
      readonly kind: 'more';
      readonly parent: Inner;
      readonly layer: LayerNode;
      readonly folder: Folder;
      readonly from: number;
    };
type LayerNode = Extract<Node, { kind: 'layer' }>;
type Inner = Extract<Node, { kind: 'layer' | 'folder' }>;

/** Items of one folder that are shown at once; the rest follows on demand. */
const PAGE = 1000;
/** Milliseconds in which changes of the store become one change of the view. */
const DEBOUNCE = 50;

/** The view `sociLens.images`: image → layers → folders and files, read when they are opened. */
export class ImagesTree implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  readonly #store: AnalysisStore;
  readonly #open: (reference: string) => Promise<Opened | undefined>;
  readonly #changed = new vscode.EventEmitter<Node | undefined>();
  readonly #subscription: vscode.Disposable;
  /** Made once per scan; gone with it. */
  readonly #folders = new WeakMap<LayerScan, Folder>();
  #timer: NodeJS.Timeout | undefined;
  readonly onDidChangeTreeData = this.#changed.event;

  /** @param open reads an image that is not read yet, with its own progress and message; called when an item is expanded */
  constructor(store: AnalysisStore, open: (reference: string) => Promise<Opened | undefined>) {
    this.#store = store;
    this.#open = open;
    this.#subscription = store.onDidChange(() => {
      this.refresh();
    });
  }

  refresh(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#changed.fire(undefined);
    }, DEBOUNCE);
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#subscription.dispose();
    this.#changed.dispose();
  }

  async getChildren(node?: Node): Promise<Node[]> {
    if (!node) return this.#store.all.map(({ reference }): Node => ({ kind: 'image', reference })).reverse();
    switch (node.kind) {
      case 'image': {
        const opened = this.#store.get(node.reference)?.opened ?? (await this.#open(node.reference));
        return opened?.layers.map((_, index) => ({ kind: 'layer', parent: node, index })) ?? [];
      }
      case 'layer': {
        const root = this.#root(node);
        return root ? page(node, node, root, 0) : [];
      }
      case 'folder':
        return page(node, node.layer, node.folder, 0);
      case 'more':
        return page(node.parent, node.layer, node.folder, node.from);
      case 'file':
        return [];
    }
  }

  getParent(node: Node): Node | undefined {
    return node.kind === 'image' ? undefined : node.parent;
  }

  /** The item of one entry, for the view to reveal; undefined where there is none. */
  find(reference: string, { layer: index, entry }: EntryRef): Node | undefined {
    const layer: LayerNode = { kind: 'layer', parent: { kind: 'image', reference }, index };
    const { result } = this.#layer(layer);
    const root = this.#root(layer);
    if (!root || !result || !('scan' in result) || entry >= result.scan.entries.length) return undefined;
    let [parent, folder]: [Inner, Folder] = [layer, root];
    for (const part of pathParts(result.scan.entries.name(entry)).slice(0, -1)) {
      const next = folder.folders.find(({ name }) => name === part);
      if (!next) return undefined;
      folder = next;
      parent = { kind: 'folder', parent, layer, folder };
    }
    return folder.files.includes(entry) ? { kind: 'file', parent, layer, entry } : undefined;
  }

  getTreeItem(node: Node): vscode.TreeItem {
    switch (node.kind) {
      case 'image':
        return this.#imageItem(node.reference);
      case 'layer':
        return this.#layerItem(node);
      case 'folder':
        return this.#folderItem(node);
      case 'file':
        return this.#fileItem(node);
      case 'more':
        return this.#moreItem(node);
    }
  }

  #imageItem(reference: string): vscode.TreeItem {
    const analysis = this.#store.get(reference);
    const item = new vscode.TreeItem(shortName(reference), vscode.TreeItemCollapsibleState.Collapsed);
    item.id = reference;
    item.iconPath = new vscode.ThemeIcon('package');
    item.contextValue = analysis?.trace === undefined ? 'image' : 'image.profiled';
    if (!analysis) return item;
    item.description = describeAnalysis(analysis);
    const lines = [reference, item.description];
    if (analysis.opened) lines.push(analysis.opened.image.descriptor.digest, analysis.opened.image.bytesNote);
    if (analysis.index)
      lines.push(vscode.l10n.t('Index {0} at {1}', analysis.index.digest, analysis.index.destination));
    item.tooltip = lines.join('\n');
    return item;
  }

  #layerItem(node: LayerNode): vscode.TreeItem {
    const { opened, result } = this.#layer(node);
    const scanned = result !== undefined && 'scan' in result;
    const number = vscode.l10n.t('Layer {0}', node.index + 1);
    const step = opened?.steps[node.index];
    const item = new vscode.TreeItem(
      step ?? number,
      scanned ? vscode.TreeItemCollapsibleState.Collapsed : vscode.TreeItemCollapsibleState.None,
    );
    item.id = idOf(node);
    item.iconPath = new vscode.ThemeIcon(scanned ? 'layers' : 'warning');
    item.contextValue = scanned ? 'layer' : 'layer.unread';
    if (!result) return item;
    const layer = opened?.plan.layers[node.index];
    const parts = [formatBytes(result.layer.descriptor.size)];
    if (layer?.files != null) parts.push(files(layer.files));
    if (opened?.plan.trace) parts.push(readAtStart(layer?.touchedBytes ?? 0));
    const problem = problemOf(result);
    if (problem !== undefined) parts.push(problem);
    item.description = parts.join(' · ');
    item.tooltip = [number, step, result.layer.descriptor.digest, item.description]
      .filter(Boolean)
      .join('\n');
    return item;
  }

  #folderItem({ kind, parent, layer, folder }: Node & { kind: 'folder' }): vscode.TreeItem {
    const item = new vscode.TreeItem(folder.name, vscode.TreeItemCollapsibleState.Collapsed);
    item.id = idOf({ kind, parent, layer, folder });
    item.iconPath = vscode.ThemeIcon.Folder;
    item.contextValue = 'folder';
    item.description = `${formatBytes(folder.size)} · ${files(folder.count)}`;
    item.tooltip = `/${folder.path}\n${item.description}`;
    return item;
  }

  #fileItem(node: Node & { kind: 'file' }): vscode.TreeItem {
    const { opened, result } = this.#layer(node.layer);
    const entries = result && 'scan' in result ? result.scan.entries : undefined;
    const name = entries?.name(node.entry) ?? '';
    const item = new vscode.TreeItem(name.split('/').findLast((part) => part !== '') ?? name);
    item.id = idOf(node);
    item.contextValue = 'file';
    if (!entries) return item;
    const type = entries.type(node.entry);
    const size = type === 'reg' ? entries.size(node.entry) : 0;
    const touches = opened?.touches[node.layer.index];
    const parts = [type === 'reg' ? formatBytes(size) : typeName(type)];
    if (touches?.at(node.entry) !== undefined) {
      const start = entries.offset(node.entry);
      parts.push(readAtStart(touches.within(start, start + size)));
    }
    item.description = parts.join(' · ');
    item.tooltip = `/${name.replace(/^\.?\//, '')}\n${item.description}`;
    item.resourceUri = layerFileUri(node.layer.parent.reference, node.layer.index, node.entry, name);
    if (type === 'reg') {
      item.command = { title: vscode.l10n.t('Open'), command: 'vscode.open', arguments: [item.resourceUri] };
    }
    item.accessibilityInformation = { label: `${name}, ${item.description}` };
    return item;
  }

  #moreItem(node: Node & { kind: 'more' }): vscode.TreeItem {
    const left = node.folder.folders.length + node.folder.files.length - node.from;
    const item = new vscode.TreeItem(
      vscode.l10n.t('{0} more…', formatCount(left)),
      vscode.TreeItemCollapsibleState.Collapsed,
    );
    item.id = idOf(node);
    item.iconPath = new vscode.ThemeIcon('ellipsis');
    return item;
  }

  #layer({ parent, index }: LayerNode): { opened: Opened | undefined; result: LayerResult | undefined } {
    const opened = this.#store.get(parent.reference)?.opened;
    return { opened, result: opened?.layers[index] };
  }

  #root(node: LayerNode): Folder | undefined {
    const { result } = this.#layer(node);
    if (!result || !('scan' in result)) return undefined;
    let root = this.#folders.get(result.scan);
    if (!root) this.#folders.set(result.scan, (root = layerTree(result.scan)));
    return root;
  }
}

/** The children of a folder from the `from`-th on: folders, then files, at most `PAGE` of them and an item for the rest. */
function page(parent: Inner, layer: LayerNode, folder: Folder, from: number): Node[] {
  const to = from + PAGE;
  const count = folder.folders.length;
  const nodes: Node[] = [
    ...folder.folders
      .slice(from, to)
      .map((child) => ({ kind: 'folder' as const, parent, layer, folder: child })),
    ...folder.files
      .slice(Math.max(0, from - count), Math.max(0, to - count))
      .map((entry) => ({ kind: 'file' as const, parent, layer, entry })),
  ];
  if (to < count + folder.files.length) nodes.push({ kind: 'more', parent, layer, folder, from: to });
  return nodes;
}

function idOf(node: Node): string {
  switch (node.kind) {
    case 'image':
      return node.reference;
    case 'layer':
      return `${node.parent.reference} ${node.index}`;
    case 'folder':
      return `${idOf(node.layer)} /${node.folder.path}`;
    case 'file':
      return `${idOf(node.layer)} #${node.entry}`;
    case 'more':
      return `${idOf(node.layer)} /${node.folder.path} +${node.from}`;
  }
}

function problemOf(result: LayerResult): string | undefined {
  if ('error' in result) return result.error.message;
  if ('skipped' in result) return result.skipped;
  return undefined;
}

function files(count: number): string {
  return count === 1 ? vscode.l10n.t('1 file') : vscode.l10n.t('{0} files', formatCount(count));
}

function readAtStart(bytes: number): string {
  return bytes > 0
    ? vscode.l10n.t('{0} read at start', formatBytes(bytes))
    : vscode.l10n.t('not read at start');
}

function typeName(type: string): string {
  switch (type) {
    case 'hardlink':
      return vscode.l10n.t('hard link');
    case 'symlink':
      return vscode.l10n.t('symbolic link');
    case 'fifo':
      return vscode.l10n.t('pipe');
    default:
      return vscode.l10n.t('device');
  }
}
