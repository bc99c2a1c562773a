import * as vscode from 'vscode';
import type { LayerScan } from '../layer/types';
import type { Opened } from './store';
import type { EngineWatch } from './engine-watch';
import { formatPlatform } from '../oci/platform';
import { homeOf, keyOf, parseKey, type Home } from './keys';
import { layerTree, pathParts, type Folder } from '../plan/layer-tree';
import type { EntryRef } from '../plan/picture/types';
import type { AnalysisStore } from './store';
import { contentsOf, ORDERS, type Contents, type Order, type OrderedLayer } from './tree-order';
import { itemOf } from './tree-items';

/** Where images are kept: the first level of the tree. */
export interface HomeNode {
  readonly kind: 'home';
  readonly home: Home;
}
export interface ImageNode {
  readonly kind: 'image';
  readonly parent: HomeNode;
  /** The key of the image. */
  readonly reference: string;
}
/** Another platform of an image that has several. */
export interface PlatformNode {
  readonly kind: 'platform';
  readonly parent: ImageNode;
  /** The key of the image for that platform. */
  readonly reference: string;
  readonly platform: string;
}
export interface LayerNode {
  readonly kind: 'layer';
  readonly parent: ImageNode | PlatformNode;
  readonly index: number;
}
export interface IndexNode {
  readonly kind: 'index';
  readonly parent: ImageNode;
  readonly digest: string;
}
/** What files and folders stand in: the rest of a long folder, too. */
type Place = LayerNode | FolderNode | MoreNode;
export interface FolderNode {
  readonly kind: 'folder';
  readonly parent: Place;
  readonly layer: LayerNode;
  readonly folder: Folder;
}
export interface FileNode {
  readonly kind: 'file';
  readonly parent: Place;
  readonly layer: LayerNode;
  readonly entry: number;
}
/** The rest of a long folder. */
export interface MoreNode {
  readonly kind: 'more';
  readonly parent: Place;
  readonly layer: LayerNode;
  readonly folder: Folder;
  readonly from: number;
  readonly left: number;
}
export type Node =
  HomeNode | ImageNode | PlatformNode | LayerNode | IndexNode | FolderNode | FileNode | MoreNode;

/** Items of one folder that are shown at once; the rest follows on demand. */
const PAGE = 1000;
/** Milliseconds in which changes of the store become one change of the view. */
const DEBOUNCE = 50;
const HOMES: readonly Home[] = ['engine', 'layout', 'registry'];
/** Where the order of the files is kept. */
const ORDER = 'treeOrder';

/** What the tree asks of others. */
export interface TreeSources {
  readonly store: AnalysisStore;
  readonly engine: Pick<EngineWatch, 'images' | 'onDidChange'>;
  /** Reads an image that is not read yet, with its own progress and message; called when an item is expanded. */
  readonly open: (key: string) => Promise<Opened | undefined>;
  readonly answers: vscode.Memento;
}

/** The view `sociLens.images`: where images are → image → platforms → layers → folders and files, read when they are opened. */
export class ImagesTree implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  readonly #sources: TreeSources;
  readonly #changed = new vscode.EventEmitter<Node | undefined>();
  readonly #subscriptions: vscode.Disposable;
  /** Made once per scan; gone with it. */
  readonly #folders = new WeakMap<LayerScan, Folder>();
  #filter = '';
  #timer: NodeJS.Timeout | undefined;
  readonly onDidChangeTreeData = this.#changed.event;

  constructor(sources: TreeSources) {
    this.#sources = sources;
    const refresh = () => {
      this.refresh();
    };
    this.#subscriptions = vscode.Disposable.from(
      this.#changed,
      sources.store.onDidChange(refresh),
      sources.engine.onDidChange(refresh),
    );
  }

  get order(): Order {
    const kept = this.#sources.answers.get<string>(ORDER);
    return ORDERS.find((order) => order === kept) ?? 'name';
  }

  /** A part of the paths that are shown; empty for all. */
  get filter(): string {
    return this.#filter;
  }

  async sortBy(order: Order): Promise<void> {
    await this.#sources.answers.update(ORDER, order);
    this.refresh();
  }

  filterBy(text: string): void {
    this.#filter = text;
    this.refresh();
  }

  refresh(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#changed.fire(undefined);
    }, DEBOUNCE);
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#subscriptions.dispose();
  }

  async getChildren(node?: Node): Promise<Node[]> {
    switch (node?.kind) {
      case undefined:
        return HOMES.filter((home) => this.#imagesAt(home).length > 0).map((home) => ({
          kind: 'home',
          home,
        }));
      case 'home':
        return this.#imagesAt(node.home).map((reference) => ({ kind: 'image', parent: node, reference }));
      case 'image':
        return this.#insideImage(node);
      case 'platform':
        return this.#layers(node, await this.#opened(node.reference));
      case 'layer': {
        const root = this.#root(node);
        return root ? this.#page(node, node, root, 0) : [];
      }
      case 'folder':
        return this.#page(node, node.layer, node.folder, 0);
      case 'more':
        return this.#page(node, node.layer, node.folder, node.from);
      case 'index':
      case 'file':
        return [];
    }
  }

  getParent(node: Node): Node | undefined {
    return node.kind === 'home' ? undefined : node.parent;
  }

  /** The item of one entry, for the view to reveal; undefined where there is none, or where the filter hides it. */
  find(reference: string, { layer: index, entry }: EntryRef): Node | undefined {
    const layer = this.nodeOf(reference, index);
    if (layer.kind !== 'layer') return undefined;
    const ordered = this.#layer(layer);
    const root = this.#root(layer);
    if (!root || !ordered || entry >= ordered.entries.length) return undefined;
    let [parent, folder]: [Place, Folder] = [layer, root];
    for (const part of pathParts(ordered.entries.name(entry)).slice(0, -1)) {
      const contents = this.#contents(folder, ordered);
      const at = contents.folders.findIndex(({ name }) => name === part);
      const next = contents.folders[at];
      if (!next) return undefined;
      const place = placeAt(at, contents, { parent, layer, folder });
      parent = { kind: 'folder', parent: place, layer, folder: next };
      folder = next;
    }
    const contents = this.#contents(folder, ordered);
    const at = contents.files.indexOf(entry);
    if (at < 0) return undefined;
    const place = placeAt(contents.folders.length + at, contents, { parent, layer, folder });
    return { kind: 'file', parent: place, layer, entry };
  }

  getTreeItem(node: Node): vscode.TreeItem {
    return itemOf(node, this.#sources);
  }

  /** Tooltips are put together when somebody looks at them. */
  resolveTreeItem(item: vscode.TreeItem, node: Node): vscode.TreeItem {
    const { tooltip } = itemOf(node, this.#sources, { withTooltip: true });
    if (tooltip !== undefined) item.tooltip = tooltip;
    return item;
  }

  /** The node of an image or of one of its layers, for `reveal`: below its platform where it has several. */
  nodeOf(key: string, layer?: number): Node {
    const { reference, platform } = parseKey(key);
    const image: ImageNode = { kind: 'image', parent: { kind: 'home', home: homeOf(reference) }, reference };
    const parent = this.#platforms(image).find((one) => one.reference === key) ?? image;
    if (layer !== undefined) return { kind: 'layer', parent, index: layer };
    return platform === undefined ? image : parent;
  }

  /** The images of this workspace, the last one first, then what the engine has besides. */
  #imagesAt(home: Home): string[] {
    const known = this.#sources.store.all
      .map(({ reference }) => reference)
      .filter((key) => homeOf(key) === home && parseKey(key).platform === undefined)
      .reverse();
    // In a folder that is not trusted, images are only looked at by name.
    if (home !== 'engine' || !vscode.workspace.isTrusted) return known;
    const others = (this.#sources.engine.images ?? []).flatMap(({ tags }) =>
      tags.map((tag) => `docker-daemon:${tag}`),
    );
    return [...new Set([...known, ...others])];
  }

  async #opened(key: string): Promise<Opened | undefined> {
    return this.#sources.store.get(key)?.opened ?? (await this.#sources.open(key));
  }

  async #insideImage(node: ImageNode): Promise<Node[]> {
    const opened = await this.#opened(node.reference);
    const { indexes = [] } = this.#sources.store.get(node.reference)?.survey ?? {};
    const found = indexes.map(({ digest }): IndexNode => ({ kind: 'index', parent: node, digest }));
    const platforms = this.#platforms(node);
    return [...(platforms.length > 0 ? platforms : this.#layers(node, opened)), ...found];
  }

  /** The platforms of an image that has several; none for other images. */
  #platforms(image: ImageNode): PlatformNode[] {
    const { survey, opened } = this.#sources.store.get(image.reference) ?? {};
    if (!survey || survey.platforms.length < 2) return [];
    const own = opened && formatPlatform(opened.image.platform);
    return survey.platforms.map((platform) => {
      const reference = keyOf(image.reference, platform === own ? undefined : platform);
      return { kind: 'platform', parent: image, reference, platform };
    });
  }

  #layers(parent: ImageNode | PlatformNode, opened: Opened | undefined): Node[] {
    return opened?.layers.map((_, index) => ({ kind: 'layer', parent, index })) ?? [];
  }

  #layer({ parent, index }: LayerNode): (OrderedLayer & { readonly scan: LayerScan }) | undefined {
    const opened = this.#sources.store.get(parent.reference)?.opened;
    const result = opened?.layers[index];
    if (!opened || !result || !('scan' in result)) return undefined;
    return { scan: result.scan, entries: result.scan.entries, touches: opened.touches[index] };
  }

  #root(node: LayerNode): Folder | undefined {
    const layer = this.#layer(node);
    if (!layer) return undefined;
    let root = this.#folders.get(layer.scan);
    if (!root) this.#folders.set(layer.scan, (root = layerTree(layer.scan)));
    return root;
  }

  /** The children of a folder from the `from`-th on: folders, then files, at most `PAGE` of them and an item for the rest. */
  #page(parent: Place, layer: LayerNode, folder: Folder, from: number): Node[] {
    const ordered = this.#layer(layer);
    if (!ordered) return [];
    const { folders, files } = this.#contents(folder, ordered);
    const to = from + PAGE;
    const count = folders.length;
    const nodes: Node[] = [
      ...folders.slice(from, to).map((child) => ({ kind: 'folder' as const, parent, layer, folder: child })),
      ...files
        .slice(Math.max(0, from - count), Math.max(0, to - count))
        .map((entry) => ({ kind: 'file' as const, parent, layer, entry })),
    ];
    const left = count + files.length - to;
    if (left > 0) nodes.push({ kind: 'more', parent, layer, folder, from: to, left });
    return nodes;
  }

  #contents(folder: Folder, layer: OrderedLayer): Contents {
    return contentsOf(folder, layer, this.order, this.#filter);
  }
}

/** What the child at a position of a folder stands in: the folder itself, or one of the items for its rest. */
function placeAt(
  position: number,
  { folders, files }: Contents,
  { parent, layer, folder }: Pick<MoreNode, 'parent' | 'layer' | 'folder'>,
): Place {
  const all = folders.length + files.length;
  let place = parent;
  for (let from = PAGE; from <= position; from += PAGE)
    place = { kind: 'more', parent: place, layer, folder, from, left: all - from };
  return place;
}
