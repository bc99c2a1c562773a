import * as vscode from 'vscode';
import type { Actions } from './actions';
import { showError } from './errors';
import type { SpanMaps } from './panel';
import { pickDockerfile, pickImage, pickKnownImage } from './questions';
import type { Services } from './services';
import type { ImagesTree } from './tree';

/** What a command may be called with: by the palette nothing, by a lens or the tree what it is about. */
type Argument = unknown;
type Handler = (argument: Argument) => Promise<void> | void;

/** Every command of the extension by its name after `sociLens.`; package.json lists the same ones. */
export type CommandTable = Readonly<Record<string, Handler>>;

export function commandTable(
  services: Services,
  actions: Actions,
  maps: SpanMaps,
  tree: ImagesTree,
): CommandTable {
  const { store, log } = services;
  const knownImage = async (argument: Argument) =>
    referenceOf(argument) ?? (store.all.length > 0 ? pickKnownImage(services) : pickImage(services));

  return {
    async buildAndInspect(argument) {
      const dockerfile = argument instanceof vscode.Uri ? argument : await pickDockerfile();
      if (dockerfile) maps.show(await actions.build(dockerfile));
    },
    async inspectImage(argument) {
      const reference = referenceOf(argument) ?? (await pickImage(services));
      if (reference === undefined) return;
      await actions.inspect(reference);
      maps.show(reference);
    },
    async profileStartup(argument) {
      const reference = await knownImage(argument);
      if (reference === undefined) return;
      if ((await actions.profile(reference)) !== null) maps.show(reference);
    },
    async showSpanMap(argument) {
      const reference = await knownImage(argument);
      if (reference === undefined) return;
      await actions.open(reference);
      maps.show(reference);
    },
    async createAndPushIndex(argument) {
      const reference = await knownImage(argument);
      if (reference === undefined) return;
      const done = await actions.createIndex(reference);
      if (done !== null) void offerCopy(done, store.get(reference)?.index);
    },
    async importTrace(argument) {
      const reference = await knownImage(argument);
      if (reference === undefined) return;
      const [file] =
        (await vscode.window.showOpenDialog({
          title: vscode.l10n.t('Use a Recorded Start'),
          filters: { [vscode.l10n.t('Recorded starts')]: ['jsonl'] },
        })) ?? [];
      if (!file) return;
      await actions.useTrace(reference, file);
      maps.show(reference);
    },
    async forgetImage(argument) {
      const reference = referenceOf(argument) ?? (await pickKnownImage(services));
      if (reference !== undefined) store.forget(reference);
    },
    refresh() {
      tree.refresh();
    },
    async openWalkthrough() {
      await vscode.commands.executeCommand('workbench.action.openWalkthrough', 'soci-lens.soci-lens#start');
    },
    showLog() {
      log.show();
    },
  };
}

/** Registers the table; whatever a handler throws is shown in the one way that errors are. */
export function registerCommands(table: CommandTable, log: vscode.LogOutputChannel): vscode.Disposable {
  return vscode.Disposable.from(
    ...Object.entries(table).map(([name, handler]) =>
      vscode.commands.registerCommand(`sociLens.${name}`, async (argument: Argument) => {
        try {
          await handler(argument);
        } catch (error) {
          void showError(error, log);
        }
      }),
    ),
  );
}

/** A lens gives the reference itself, the tree gives the item. */
function referenceOf(argument: Argument): string | undefined {
  if (typeof argument === 'string') return argument;
  if (typeof argument !== 'object' || argument === null || !('reference' in argument)) return undefined;
  return typeof argument.reference === 'string' ? argument.reference : undefined;
}

async function offerCopy(done: string, index: { digest: string } | undefined): Promise<void> {
  const copy = vscode.l10n.t('Copy Digest');
  const chosen = await vscode.window.showInformationMessage(done, ...(index ? [copy] : []));
  if (chosen === copy && index) await vscode.env.clipboard.writeText(index.digest);
}
