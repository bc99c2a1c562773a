/** What is asked, with the last answer first. Each question is a step, so that flows of several have a way back. */
import * as path from 'node:path';
import * as vscode from 'vscode';
import { messageOf } from '../errors';
import { formatBytes } from './language';
import { findDockerfiles } from './dockerfiles';
import { homeOf, sampleKey, shortName } from './keys';
import { describeAnalysis } from './describe';
import { translated } from './room-texts';
import type { Services } from './services';
import type { Analysis } from './store';
import { askInSteps, BACK, enter, pick, type Choice, type Place } from './steps';
import { connect } from './work/reach';
import { readDestination } from './work/indexes';

/** Destinations by key of the image, and the image that was chosen last. */
const DESTINATIONS = 'destinations';
const LAST_IMAGE = 'lastImage';

const alone = (title: string): Place => ({ title, step: 1, of: 1 });

/** Which image of those that were looked at; the only one is not asked for. Undefined when the person leaves. */
export async function pickKnownImage(
  services: Services,
  title: string,
  fits: (analysis: Analysis) => boolean = () => true,
): Promise<string | undefined> {
  const found = services.store.all.filter(fits);
  const [first] = found;
  if (found.length === 1 && first) return first.reference;
  if (!first) {
    void vscode.window.showInformationMessage(vscode.l10n.t('No image of this kind has been looked at yet.'));
    return undefined;
  }
  const items = found.map(imageChoice).reverse();
  const chosen = await pick(alone(title), vscode.l10n.t('Image'), items, services.answers.get(LAST_IMAGE));
  if (chosen === undefined || chosen === BACK) return undefined;
  await services.answers.update(LAST_IMAGE, chosen);
  return chosen;
}

/** An image of the list as one to choose; where a short name leaves its folder away, the whole follows. */
export function imageChoice(analysis: Analysis): Choice<string> {
  const { reference } = analysis;
  return {
    label: shortName(reference),
    description: describeAnalysis(analysis),
    ...(homeOf(reference) === 'layout' && { detail: reference }),
    value: reference,
  };
}

type ImageWay = { readonly key: string } | { readonly ask: 'name' | 'folder' };

/** Any image: one that is known, one of the engine, an OCI layout of a folder, or one by name. */
export async function pickImage(services: Services, title: string): Promise<string | undefined> {
  const ways: Promise<Choice<ImageWay>[]> = engineImages(services).then((found) => [
    {
      label: `$(edit) ${vscode.l10n.t('Enter a Name…')}`,
      detail: 'docker://HOST/NAME:TAG, oci:FOLDER, NAME:TAG',
      value: { ask: 'name' },
    },
    { label: `$(folder-opened) ${vscode.l10n.t('Open an OCI Layout…')}`, value: { ask: 'folder' } },
    {
      label: `$(beaker) ${vscode.l10n.t('Open the Sample Image')}`,
      detail: vscode.l10n.t('Comes with SOCI Lens and needs no engine'),
      value: { key: sampleKey(services.folders) },
    },
    ...found,
  ]);
  const rooms = await services.line();
  const way = await askWay(title, ways, (text) => problem(() => rooms.parseReference(text)));
  if (way === undefined) return undefined;
  return 'key' in way ? way.key : pickLayout();
}

/** The list, and behind one of its rows the box for a name, with the way back to the list. */
async function askWay(
  title: string,
  ways: Promise<Choice<ImageWay>[]>,
  wrong: (text: string) => string | undefined,
): Promise<ImageWay | undefined> {
  for (;;) {
    const placeholder = vscode.l10n.t('An image of the Docker engine, or another one');
    const way = await pick(alone(title), placeholder, ways);
    if (way === undefined || way === BACK) return undefined;
    if (!('ask' in way) || way.ask === 'folder') return way;
    const name = await enter({ title, step: 2, of: 2 }, vscode.l10n.t('Name of the image'), {
      placeholder: 'docker://registry.example/team/service:1.0',
      problem: wrong,
    });
    if (name === undefined) return undefined;
    if (name !== BACK) return { key: anchored(name) };
  }
}

/** The engine's images; without an engine the list says so and the other ways stay. */
async function engineImages(services: Services): Promise<Choice<ImageWay>[]> {
  const line = await services.line();
  try {
    const engine = await connect(services, AbortSignal.timeout(10_000));
    return (await line.listImages(engine)).flatMap(({ tags, size }) =>
      tags.map((tag) => ({
        label: tag,
        description: formatBytes(size),
        iconPath: new vscode.ThemeIcon('package'),
        value: { key: `docker-daemon:${tag}` },
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

/** Which Dockerfile: the one in the editor, the only one of the workspace, or one that is picked. */
export async function pickDockerfile(title: string): Promise<vscode.Uri | undefined> {
  const document = vscode.window.activeTextEditor?.document;
  if (document && /^dockerfile$/i.test(document.languageId) && document.uri.scheme === 'file')
    return document.uri;
  const found = await findDockerfiles();
  if (found.length === 0) {
    void vscode.window.showInformationMessage(vscode.l10n.t('There is no Dockerfile in this workspace.'));
    return undefined;
  }
  if (found.length === 1) return found[0];
  const items = found.map((uri) => ({ label: vscode.workspace.asRelativePath(uri), value: uri }));
  const chosen = await pick(alone(title), vscode.l10n.t('Dockerfile'), items);
  return chosen === BACK ? undefined : chosen;
}

/** What a flow that makes an index knows by now. */
export interface IndexAnswers {
  readonly destination?: string;
  readonly prefetch?: boolean;
}

/**
 * Where image and index shall go, and what shall be fetched before the start where one is recorded.
 *
 * @param to what kind of destination it has to be
 * @param prefetch undefined to ask
 */
export async function askForIndex(
  services: Services,
  key: string,
  {
    to,
    title,
    prefetch,
  }: { readonly to: 'registry' | 'folder' | 'any'; title: string; prefetch?: boolean | undefined },
): Promise<Required<IndexAnswers> | undefined> {
  const rooms = await services.line();
  const before = services.answers.get<Record<string, string>>(DESTINATIONS, {});
  const opened = services.store.get(key)?.opened;
  const suggested = to !== 'folder' && homeOf(key) === 'registry' ? key : '';
  const ofKind = (text: string) => to === 'any' || (to === 'registry') === text.startsWith('docker://');
  const last = before[`${to} ${key}`] ?? suggested;
  const steps = [
    async (known: IndexAnswers, place: Place) => {
      const text = await enter(place, promptFor(to), {
        value: known.destination ?? last,
        placeholder: to === 'folder' ? 'oci:FOLDER' : 'docker://registry.example/team/service:1.0-soci',
        problem: (value) =>
          problem(() => readDestination(rooms, value)) ?? (ofKind(value) ? undefined : promptFor(to)),
      });
      return typeof text === 'string' ? { ...known, destination: anchored(text) } : text;
    },
    async (known: IndexAnswers, place: Place) => {
      const items = [
        {
          label: vscode.l10n.t('Fetch nothing before the start'),
          detail: vscode.l10n.t('Spans come as the start asks for them'),
          value: false,
        },
        {
          label: vscode.l10n.t('Prefetch what the start touches'),
          detail: vscode.l10n.t(
            'Nodes with prefetch enabled fetch exactly the touched spans before the start',
          ),
          value: true,
        },
      ];
      const chosen = await pick(
        place,
        vscode.l10n.t('Prefetch'),
        items,
        services.answers.get<boolean>('prefetch'),
      );
      return typeof chosen === 'boolean' ? { ...known, prefetch: chosen } : chosen;
    },
  ];
  const asksPrefetch = prefetch === undefined && opened?.plan.trace != null;
  const answers = await askInSteps<IndexAnswers>(title, {}, asksPrefetch ? steps : steps.slice(0, 1));
  if (answers?.destination === undefined) return undefined;
  await services.answers.update(DESTINATIONS, { ...before, [`${to} ${key}`]: answers.destination });
  if (answers.prefetch !== undefined) await services.answers.update('prefetch', answers.prefetch);
  return { destination: answers.destination, prefetch: answers.prefetch ?? prefetch ?? false };
}

function promptFor(to: 'registry' | 'folder' | 'any'): string {
  switch (to) {
    case 'registry':
      return vscode.l10n.t('A registry: docker://HOST/NAME:TAG');
    case 'folder':
      return vscode.l10n.t('A folder for the OCI layout: oci:FOLDER');
    case 'any':
      return vscode.l10n.t('Where the image with its index shall go: docker://HOST/NAME:TAG, or oci:FOLDER');
  }
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
export function problem(check: () => unknown): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return translated(messageOf(error));
  }
}

/** What a modal question shows below itself: facts, one in a line, and what else is to be known, each in a paragraph. */
export function detailOf(facts: readonly string[], notes: readonly string[]): string {
  return [facts.join('\n'), ...notes].join('\n\n');
}
