/** How the nodes of the tree of images look: label, description, icon, and the `contextValue` that menus go by. */
import * as vscode from 'vscode';
import type { LayerResult } from '../image/scan';
import { formatBytes, formatCount } from './language';
import { describeAnalysis, describeIndex, fileCount, readAtStart } from './describe';
import { shortName } from './keys';
import { layerFileUri } from './layer-files';
import { translated } from './room-texts';
import type { Opened } from './store';
import type {
  FileNode,
  FolderNode,
  HomeNode,
  ImageNode,
  IndexNode,
  LayerNode,
  MoreNode,
  Node,
  PlatformNode,
  TreeSources,
} from './tree';
import { touchedOf } from './tree-order';

type Sources = Pick<TreeSources, 'store' | 'engine'>;
const { Collapsed, Expanded, None } = vscode.TreeItemCollapsibleState;

/** @param withTooltip tooltips are made only for items that somebody points at */
export function itemOf(node: Node, sources: Sources, { withTooltip = false } = {}): vscode.TreeItem {
  const { lines, ...item } = dress(node, sources);
  const { label, state = None, ...rest } = item;
  const made = Object.assign(new vscode.TreeItem(label, state), rest);
  made.id = idOf(node);
  made.accessibilityInformation = { label: [label, rest.description].filter(Boolean).join(', ') };
  if (withTooltip) made.tooltip = lines.filter((line) => line !== '').join('\n');
  return made;
}

/** What VS Code knows an item by; stable over refreshes, so that the tree keeps its state. */
export function idOf(node: Node): string {
  switch (node.kind) {
    case 'home':
      return node.home;
    case 'image':
    case 'platform':
      return `${node.kind} ${node.reference}`;
    case 'layer':
      return `${idOf(node.parent)} ${node.index}`;
    case 'index':
      return `${idOf(node.parent)} ${node.digest}`;
    case 'folder':
      return `${idOf(node.layer)} /${node.folder.path}`;
    case 'file':
      return `${idOf(node.layer)} #${node.entry}`;
    case 'more':
      return `${idOf(node.layer)} /${node.folder.path} +${node.from}`;
  }
}

interface Dress extends Pick<vscode.TreeItem, 'iconPath' | 'contextValue' | 'command' | 'resourceUri'> {
  readonly label: string;
  readonly state?: vscode.TreeItemCollapsibleState;
  readonly description?: string;
  /** Of the tooltip. */
  readonly lines: readonly string[];
}

function dress(node: Node, sources: Sources): Dress {
  switch (node.kind) {
    case 'home':
      return ofHome(node, sources);
    case 'image':
    case 'platform':
      return ofImage(node, sources);
    case 'layer':
      return ofLayer(node, sources);
    case 'index':
      return ofIndex(node, sources);
    case 'folder':
      return ofFolder(node);
    case 'file':
      return ofFile(node, sources);
    case 'more':
      return ofMore(node);
  }
}

function ofHome({ home }: HomeNode, { engine }: Sources): Dress {
  const label = {
    engine: vscode.l10n.t('Docker Engine'),
    layout: vscode.l10n.t('Layouts and Archives'),
    registry: vscode.l10n.t('Registries'),
  }[home];
  const icon = { engine: 'vm', layout: 'folder-library', registry: 'cloud' }[home];
  const isAway = home === 'engine' && engine.images === undefined;
  return {
    label,
    state: Expanded,
    iconPath: new vscode.ThemeIcon(icon),
    contextValue: `home-${home}`,
    ...(isAway && { description: vscode.l10n.t('does not answer') }),
    lines: [label],
  };
}

/** `image-engine-profiled-indexed`: what it is, where it is, what is known of it. */
function ofImage(node: ImageNode | PlatformNode, { store }: Sources): Dress {
  const analysis = store.get(node.reference);
  const home = node.kind === 'image' ? node.parent.home : node.parent.parent.home;
  const description = analysis && describeAnalysis(analysis);
  const { opened, index } = analysis ?? {};
  const isIndexed = index !== undefined || (analysis?.survey?.indexes.length ?? 0) > 0;
  return {
    label: node.kind === 'platform' ? node.platform : shortName(node.reference),
    state: Collapsed,
    iconPath: new vscode.ThemeIcon(node.kind === 'platform' ? 'circuit-board' : 'package'),
    contextValue: [
      'image',
      home,
      ...(analysis ? ['known'] : []),
      ...((analysis?.traces?.length ?? 0) > 0 ? ['profiled'] : []),
      ...(isIndexed ? ['indexed'] : []),
    ].join('-'),
    ...(description !== undefined && { description }),
    lines: [
      node.reference,
      description ?? '',
      ...(opened ? [opened.image.descriptor.digest, translated(opened.image.bytesNote)] : []),
      index ? vscode.l10n.t('Index {0} at {1}', index.digest, index.destination) : '',
    ],
  };
}

function ofLayer(node: LayerNode, sources: Sources): Dress {
  const { opened, result } = layerOf(node, sources);
  const isScanned = result !== undefined && 'scan' in result;
  const number = vscode.l10n.t('Layer {0}', node.index + 1);
  const step = opened?.steps[node.index];
  const layer = opened?.plan.layers[node.index];
  const hidden = opened?.hidden[node.index] ?? 0;
  const parts = [
    formatBytes(result?.layer.descriptor.size ?? 0),
    ...(layer?.files == null ? [] : [fileCount(layer.files)]),
    ...(opened?.plan.trace ? [readAtStart(layer?.touchedBytes ?? 0)] : []),
    ...(result && !isScanned ? [problemOf(result)] : []),
  ];
  const description = parts.join(' · ');
  return {
    label: step ?? number,
    state: isScanned ? Collapsed : None,
    iconPath: new vscode.ThemeIcon(isScanned ? 'layers' : 'warning'),
    contextValue: isScanned ? 'layer' : 'layer.unread',
    description,
    lines: [
      number,
      step ?? '',
      result?.layer.descriptor.digest ?? '',
      description,
      hidden > 0 ? vscode.l10n.t('{0} hidden by later layers', formatBytes(hidden)) : '',
    ],
  };
}

function ofIndex({ parent, digest }: IndexNode, { store }: Sources): Dress {
  const facts = store.get(parent.reference)?.survey?.indexes.find((index) => index.digest === digest);
  const label = vscode.l10n.t('SOCI index v{0}', facts?.version ?? 2);
  const icon = facts?.verified === undefined ? 'list-tree' : facts.verified ? 'verified' : 'error';
  return {
    label,
    iconPath: new vscode.ThemeIcon(icon),
    contextValue: 'index',
    description: facts ? describeIndex(facts) : '',
    lines: [label, digest, facts ? describeIndex(facts) : ''],
  };
}

function ofFolder({ folder }: FolderNode): Dress {
  const description = `${formatBytes(folder.size)} · ${fileCount(folder.count)}`;
  return {
    label: folder.name,
    state: Collapsed,
    iconPath: vscode.ThemeIcon.Folder,
    contextValue: 'folder',
    description,
    lines: [`/${folder.path}`, description],
  };
}

function ofFile(node: FileNode, sources: Sources): Dress {
  const { opened, result } = layerOf(node.layer, sources);
  const entries = result && 'scan' in result ? result.scan.entries : undefined;
  if (!entries) return { label: '', contextValue: 'file', lines: [] };
  const name = entries.name(node.entry);
  const type = entries.type(node.entry);
  const touches = opened?.touches[node.layer.index];
  const description = [
    type === 'reg' ? formatBytes(entries.size(node.entry)) : typeName(type),
    ...(touches?.at(node.entry) === undefined
      ? []
      : [readAtStart(touchedOf(node.entry, { entries, touches }))]),
  ].join(' · ');
  const resourceUri = layerFileUri(node.layer.parent.reference, node.layer.index, node.entry, name);
  return {
    label: name.split('/').findLast((part) => part !== '') ?? name,
    contextValue: type === 'reg' ? 'file' : 'file.link',
    description,
    resourceUri,
    ...(type === 'reg' && {
      command: { title: vscode.l10n.t('Open'), command: 'sociLens.openLayerFile', arguments: [node] },
    }),
    lines: [`/${name.replace(/^\.?\//, '')}`, description],
  };
}

function ofMore({ left }: MoreNode): Dress {
  const label = vscode.l10n.t('{0} more…', formatCount(left));
  return { label, state: Collapsed, iconPath: new vscode.ThemeIcon('ellipsis'), lines: [label] };
}

function layerOf(
  { parent, index }: LayerNode,
  { store }: Sources,
): { opened: Opened | undefined; result: LayerResult | undefined } {
  const opened = store.get(parent.reference)?.opened;
  return { opened, result: opened?.layers[index] };
}

function problemOf(result: LayerResult): string {
  if ('error' in result) return translated(result.error.message);
  return 'skipped' in result ? translated(result.skipped) : '';
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
