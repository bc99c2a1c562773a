/** Views, cache, log and help. */
import * as path from 'node:path';
import * as vscode from 'vscode';
import { formatBytes } from '../language';
import { askedKey, layerOf, uriOf } from './arguments';
import type { Bench, CommandTable } from './table';

export function viewCommands(bench: Bench): CommandTable {
  const { services, images, imagesView, traces, engine } = bench;
  const { folders, log, store } = services;
  return {
    refresh() {
      if (imagesView.visible && vscode.workspace.isTrusted) engine.start();
      images.refresh();
      traces.refresh();
    },
    async revealInTree(argument, layer) {
      const key = await askedKey(bench, argument, vscode.l10n.t('Show in Tree'));
      if (key === undefined) return;
      const index = typeof layer === 'number' ? layer : layerOf(argument)?.index;
      // The tree shows layers of images that are read, and no image that nobody has looked at.
      if (index !== undefined || !store.get(key)) await bench.actions.open(key);
      await imagesView.reveal(images.nodeOf(key, index), { select: true, focus: true, expand: 1 });
    },
    async deleteTrace(argument) {
      const trace = uriOf(argument);
      if (!trace) return;
      // The file systems of remote windows have no trash.
      const useTrash = vscode.env.remoteName === undefined;
      const remove = useTrash ? vscode.l10n.t('Move to Trash') : vscode.l10n.t('Delete Permanently');
      const question = vscode.l10n.t('Delete the recorded start {0}?', path.basename(trace.fsPath));
      if ((await vscode.window.showWarningMessage(question, { modal: true }, remove)) !== remove) return;
      await vscode.workspace.fs.delete(trace, { useTrash });
      for (const { reference, traces: used = [] } of store.all) {
        if (used.includes(trace.fsPath))
          store.update(reference, { traces: used.filter((file) => file !== trace.fsPath) });
      }
    },
    async clearCache() {
      const { findCached } = await services.line();
      const cached = await findCached(folders.cache);
      const bytes = cached.reduce((sum, { size = 0 }) => sum + size, 0);
      const clear = vscode.l10n.t('Clear');
      const question = vscode.l10n.t('Clear the cache of saved images and scans ({0})?', formatBytes(bytes));
      const detail = vscode.l10n.t('Images are saved and scanned again when they are looked at.');
      if ((await vscode.window.showWarningMessage(question, { modal: true, detail }, clear)) !== clear)
        return;
      for (const folder of cached) await folder.remove();
      store.close();
      log.info(`The cache was cleared: ${bytes} bytes.`);
    },
    async openWalkthrough() {
      await vscode.commands.executeCommand('workbench.action.openWalkthrough', 'soci-lens.soci-lens#start');
    },
    showLog() {
      log.show();
    },
  };
}
