import * as path from 'node:path';
import * as vscode from 'vscode';
import { messageOf } from '../errors';
import { reasonName } from './describe';
import { formatCount, formatSeconds } from './language';
import { translated } from './room-texts';
import type { Services } from './services';
import { readRecorded, type Recorded } from './work/record';

/** A recorded start, or a file that claims to be one. */
export interface TraceNode {
  readonly uri: vscode.Uri;
}

/** Where recorded starts are kept by editor and command line. */
const GLOB = '**/*.soci-trace.jsonl';
/** How a dragged trace is named between the two views. */
export const TRACE_MIME = 'application/vnd.code.tree.socilens.traces';
const DEBOUNCE = 200;

/** The view `sociLens.traces`: the recorded starts of the workspace, each with its rule, time to ready and files. */
export class TracesTree
  implements
    vscode.TreeDataProvider<TraceNode>,
    vscode.TreeDragAndDropController<TraceNode>,
    vscode.Disposable
{
  readonly dragMimeTypes = [TRACE_MIME, 'text/uri-list'];
  readonly dropMimeTypes = [];
  readonly #services: Pick<Services, 'store' | 'line' | 'log' | 'folders'>;
  readonly #changed = new vscode.EventEmitter<TraceNode | undefined>();
  readonly #subscriptions: { dispose(): unknown }[];
  readonly #refresh = () => {
    this.refresh();
  };
  #isWatching = false;
  /** What was read, by file and the time of its last change. */
  readonly #read = new Map<string, Promise<Recorded>>();
  #timer: NodeJS.Timeout | undefined;
  readonly onDidChangeTreeData = this.#changed.event;

  constructor(services: Pick<Services, 'store' | 'line' | 'log' | 'folders'>) {
    this.#services = services;
    this.#subscriptions = [this.#changed, services.store.onDidChange(this.#refresh)];
  }

  refresh(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#changed.fire(undefined);
    }, DEBOUNCE);
  }

  dispose(): void {
    clearTimeout(this.#timer);
    for (const subscription of this.#subscriptions) subscription.dispose();
  }

  async getChildren(node?: TraceNode): Promise<TraceNode[]> {
    if (node) return [];
    this.#watch();
    const found = await vscode.workspace.findFiles(GLOB, '**/node_modules/**', 200);
    const used = this.#services.store.all.flatMap(({ traces = [] }) =>
      traces.map((file) => vscode.Uri.file(file)),
    );
    const all = new Map([...found, ...used].map((uri) => [uri.toString(), uri]));
    return [...all.values()].sort((a, b) => a.path.localeCompare(b.path)).map((uri) => ({ uri }));
  }

  getParent(): undefined {
    return undefined;
  }

  async getTreeItem({ uri }: TraceNode): Promise<vscode.TreeItem> {
    const name = path.posix.basename(uri.path).replace(/\.soci-trace\.jsonl$/, '');
    const item = new vscode.TreeItem(name);
    item.id = uri.toString();
    item.resourceUri = uri;
    item.iconPath = new vscode.ThemeIcon('pulse');
    item.contextValue = 'trace';
    item.command = { title: vscode.l10n.t('Open'), command: 'vscode.open', arguments: [uri] };
    try {
      item.description = describeRecorded(await this.#recorded(uri));
    } catch (error) {
      item.iconPath = new vscode.ThemeIcon('warning');
      item.contextValue = 'trace.unread';
      item.description = translated(messageOf(error));
    }
    const users = this.#services.store.all
      .filter(({ traces = [] }) => traces.includes(uri.fsPath))
      .map(({ reference }) => vscode.l10n.t('Laid on {0}', reference));
    item.tooltip = [uri.fsPath, item.description, ...users].join('\n');
    item.accessibilityInformation = { label: `${name}, ${item.description}` };
    return item;
  }

  handleDrag(nodes: readonly TraceNode[], data: vscode.DataTransfer): void {
    const uris = nodes.map(({ uri }) => uri.toString());
    data.set(TRACE_MIME, new vscode.DataTransferItem(uris));
    data.set('text/uri-list', new vscode.DataTransferItem(uris.join('\r\n')));
  }

  /** Files are watched from the moment on that somebody looks at the view. */
  #watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    const watcher = vscode.workspace.createFileSystemWatcher(GLOB);
    this.#subscriptions.push(
      watcher,
      watcher.onDidCreate(this.#refresh),
      watcher.onDidChange(this.#refresh),
      watcher.onDidDelete(this.#refresh),
    );
  }

  async #recorded(uri: vscode.Uri): Promise<Recorded> {
    const { mtime } = await vscode.workspace.fs.stat(uri);
    const key = `${uri.toString()} ${mtime}`;
    let reading = this.#read.get(key);
    if (!reading) {
      reading = readRecorded(this.#services, uri.fsPath);
      this.#read.set(key, reading);
    }
    return reading;
  }
}

/** `ready:listen after 0.42 s · 231 files` */
export function describeRecorded({ reason, readySeconds, files }: Recorded): string {
  const how = reasonName(reason);
  return [
    readySeconds === undefined ? how : vscode.l10n.t('{0} after {1}', how, formatSeconds(readySeconds)),
    files === 1 ? vscode.l10n.t('1 file') : vscode.l10n.t('{0} files', formatCount(files)),
  ].join(' · ');
}
