/** Single files of layers, and how the tree shows them. */
import * as vscode from 'vscode';
import { LensError } from '../../errors';
import { checkLayerFile, layerFileUri, saveLayerFile } from '../layer-files';
import { BACK, enter, pick } from '../steps';
import { ORDERS, type Order } from '../tree-order';
import { askedKey, fileOf } from './arguments';
import type { Argument, Bench, CommandTable } from './table';

export function fileCommands(bench: Bench): CommandTable {
  const { actions, images } = bench;

  /** The address of the file that an item stands for, or of one that is asked for by its path. */
  const askedFile = async (argument: Argument, title: string): Promise<vscode.Uri | undefined> => {
    const node = fileOf(argument);
    const key = node ? node.layer.parent.reference : await askedKey(bench, undefined, title);
    if (key === undefined) return undefined;
    const { layers } = await actions.open(key);
    if (node) {
      const result = layers[node.layer.index];
      if (!result || !('scan' in result)) return undefined;
      return layerFileUri(key, node.layer.index, node.entry, result.scan.entries.name(node.entry));
    }
    const wanted = await enter({ title, step: 1, of: 1 }, vscode.l10n.t('Path of the file in the image'), {
      placeholder: '/etc/os-release',
    });
    if (typeof wanted !== 'string') return undefined;
    const path = cleanPath(wanted);
    // The topmost layer that has it is the one that a container sees.
    for (let layer = layers.length - 1; layer >= 0; layer--) {
      const result = layers[layer];
      if (!result || !('scan' in result)) continue;
      const { entries } = result.scan;
      for (let entry = entries.length - 1; entry >= 0; entry--) {
        if (entries.type(entry) === 'reg' && cleanPath(entries.name(entry)) === path)
          return layerFileUri(key, layer, entry, entries.name(entry));
      }
    }
    throw new LensError(
      'editor/no-such-file',
      vscode.l10n.t('No layer has a file {0}.', `/${path}`),
      vscode.l10n.t('Look for it in the tree, with its filter.'),
    );
  };

  return {
    async openLayerFile(argument) {
      const uri = await askedFile(argument, vscode.l10n.t('Open a File of an Image'));
      if (!uri) return;
      await checkLayerFile(bench.services, (key) => actions.open(key), uri);
      await vscode.commands.executeCommand('vscode.open', uri, { preview: true });
    },
    async saveLayerFile(argument) {
      const title = vscode.l10n.t('Save a File of an Image');
      const uri = await askedFile(argument, title);
      if (!uri) return;
      const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
      const name = uri.path.slice(uri.path.lastIndexOf('/') + 1);
      const target = await vscode.window.showSaveDialog({
        title,
        ...(folder && { defaultUri: vscode.Uri.joinPath(folder, name) }),
      });
      if (target) await saveLayerFile(bench.services, (key) => actions.open(key), uri, target);
    },
    async sortFiles() {
      const names: Record<Order, string> = {
        name: vscode.l10n.t('By name'),
        size: vscode.l10n.t('By size'),
        touched: vscode.l10n.t('By what the start reads'),
      };
      const chosen = await pick(
        { title: vscode.l10n.t('Sort Files'), step: 1, of: 1 },
        vscode.l10n.t('Order of folders and files in the tree'),
        ORDERS.map((value) => ({ label: names[value], value })),
        images.order,
      );
      if (chosen !== undefined && chosen !== BACK) await images.sortBy(chosen);
    },
    async filterFiles() {
      const text = await enter(
        { title: vscode.l10n.t('Filter Files'), step: 1, of: 1 },
        vscode.l10n.t('A part of the paths that the tree shall show'),
        { value: images.filter, placeholder: 'node_modules' },
      );
      if (typeof text === 'string') await setFilter(text);
    },
    clearFilter: () => setFilter(''),
  };

  async function setFilter(text: string): Promise<void> {
    images.filterBy(text);
    await vscode.commands.executeCommand('setContext', 'sociLens.filtered', text !== '');
  }
}

function cleanPath(path: string): string {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}
