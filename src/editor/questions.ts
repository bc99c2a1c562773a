/** What is asked by quick pick and input box, with the last answer first. */
import * as path from 'node:path';
import * as vscode from 'vscode';
import { messageOf } from '../errors';
import { formatBytes } from '../plan/format';
import { findDockerfiles, shortName } from './dockerfiles';
import { describeAnalysis } from './lens';
import type { Services } from './services';
import type { Opened } from './store';
import { connect, readDestination } from './work';

/** Destinations by reference of the image, and the one that was used last for any. */
const DESTINATIONS = 'destinations';

/** Which image of those that were looked at; undefined when the person leaves. */
export async function pickKnownImage({ store }: Services): Promise<string | undefined> {
  const items = store.all
    .map((analysis) => ({
      label: shortName(analysis.reference),
      description: describeAnalysis(analysis),
      reference: analysis.reference,
    }))
    .reverse();
  const only = items.length === 1 ? items[0] : undefined;
  const chosen = only ?? (await vscode.window.showQuickPick(items, { title: vscode.l10n.t('Image') }));
  return chosen?.reference;
}

interface ImageItem extends vscode.QuickPickItem {
  readonly reference?: string;
  readonly ask?: 'name' | 'folder';
}

/** Any image: one that is known, one of the engine, an OCI layout of a folder, or one by name. */
export async function pickImage(services: Services): Promise<string | undefined> {
  const items: Promise<ImageItem[]> = engineImages(services).then((found) => [
    {
      label: `$(edit) ${vscode.l10n.t('Enter a Name…')}`,
      detail: 'docker://HOST/NAME:TAG, oci:FOLDER, NAME:TAG',
      ask: 'name',
    },
    { label: `$(folder-opened) ${vscode.l10n.t('Open an OCI Layout…')}`, ask: 'folder' },
    ...found,
  ]);
  const chosen = await vscode.window.showQuickPick(items, {
    title: vscode.l10n.t('Inspect Image'),
    placeHolder: vscode.l10n.t('An image of the Docker engine, or another one'),
    matchOnDescription: true,
  });
  if (chosen?.ask === 'folder') return pickLayout();
  if (chosen?.ask === 'name') return enterReference(services);
  return chosen?.reference;
}

/** The engine's images; without an engine the list says so and the other ways stay. */
async function engineImages(services: Services): Promise<ImageItem[]> {
  const line = await services.line();
  try {
    const engine = await connect(services, AbortSignal.timeout(10_000));
    return (await line.listImages(engine)).flatMap(({ tags, size }) =>
      tags.map((tag) => ({
        label: tag,
        description: formatBytes(size),
        iconPath: new vscode.ThemeIcon('package'),
        reference: `docker-daemon:${tag}`,
      })),
    );
  } catch (error) {
    services.log.warn(messageOf(error));
    return [{ label: vscode.l10n.t('No Docker engine answers'), kind: vscode.QuickPickItemKind.Separator }];
  }
}

async function pickLayout(): Promise<string | undefined> {
  const [folder] =
    (await vscode.window.showOpenDialog({
      title: vscode.l10n.t('Open an OCI Layout'),
      canSelectFolders: true,
      canSelectFiles: false,
    })) ?? [];
  return folder && `oci:${folder.fsPath}`;
}

async function enterReference(services: Services): Promise<string | undefined> {
  const line = await services.line();
  const text = await vscode.window.showInputBox({
    title: vscode.l10n.t('Inspect Image'),
    prompt: vscode.l10n.t('Name of the image'),
    placeHolder: 'docker://registry.example/team/service:1.0',
    validateInput: (value) => problem(() => line.parseReference(value.trim())),
  });
  return text && anchored(text.trim());
}

/** Which Dockerfile: the one in the editor, the only one of the workspace, or one that is picked. */
export async function pickDockerfile(): Promise<vscode.Uri | undefined> {
  const document = vscode.window.activeTextEditor?.document;
  if (document?.languageId === 'dockerfile' && document.uri.scheme === 'file') return document.uri;
  const found = await findDockerfiles();
  if (found.length === 0) {
    void vscode.window.showInformationMessage(vscode.l10n.t('There is no Dockerfile in this workspace.'));
    return undefined;
  }
  if (found.length === 1) return found[0];
  const items = found.map((uri) => ({ label: vscode.workspace.asRelativePath(uri), uri }));
  return (await vscode.window.showQuickPick(items, { title: vscode.l10n.t('Dockerfile') }))?.uri;
}

/** Where image and index shall go: the last answer for this image stands in the box. */
export async function destinationFor(
  { line, answers }: Services,
  reference: string,
  { image }: Opened,
): Promise<string | undefined> {
  const rooms = await line();
  const before = answers.get<Record<string, string>>(DESTINATIONS, {});
  const text = await vscode.window.showInputBox({
    title: vscode.l10n.t('Create and Push Index'),
    prompt: vscode.l10n.t('Where the image with its index shall go: docker://HOST/NAME:TAG, or oci:FOLDER'),
    placeHolder: 'docker://registry.example/team/service:1.0-soci',
    value: before[reference] ?? (image.source === 'registry' ? reference : ''),
    ignoreFocusOut: true,
    validateInput: (value) => problem(() => readDestination(rooms, value.trim())),
  });
  const destination = text && anchored(text.trim());
  if (destination !== undefined) await answers.update(DESTINATIONS, { ...before, [reference]: destination });
  return destination;
}

/** A folder or file that is named relatively is looked for in the workspace, since the window has no current folder. */
export function anchored(reference: string): string {
  const [, transport, file] = /^(oci|oci-archive|docker-archive):(.+)$/s.exec(reference) ?? [];
  const root = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  if (transport === undefined || file === undefined || root === undefined || path.isAbsolute(file))
    return reference;
  return `${transport}:${path.join(root, file)}`;
}

/** What is wrong with an answer while it is typed. */
function problem(check: () => unknown): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
