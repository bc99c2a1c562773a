import * as path from 'node:path';
import * as vscode from 'vscode';
import { LensError } from '../errors';
import { formatBytes, formatCount, formatSize } from '../plan/format';
import type { IndexOrder } from '../protocol';
import { imageName, shortName } from './dockerfiles';
import { isLensError } from './errors';
import type { PanelActions } from './panel';
import { destinationFor } from './questions';
import type { Services } from './services';
import { saveFile } from './save';
import { readSettings } from './settings';
import type { Opened } from './store';
import * as work from './work';

/** Images that the person has allowed to run, by reference. */
const MAY_RUN = 'mayRun';

/**
 * What a person can have done, from palette, lens, tree and panel alike: asks what must be asked, runs the work as a task, and says
 * what came of it. Rejects with a LensError, or with an abort when the person cancelled the task.
 */
export class Actions implements PanelActions {
  readonly #services: Services;
  /** An engine went away with a container of ours in it, and is tidied up when it is back. */
  #leftBehind = false;

  constructor(services: Services) {
    this.#services = services;
  }

  /** The image as it was read in this window, reading it first if need be. */
  async open(reference: string): Promise<Opened> {
    return this.#services.store.get(reference)?.opened ?? this.inspect(reference);
  }

  inspect(reference: string): Promise<Opened> {
    const title = vscode.l10n.t('Inspecting {0}', shortName(reference));
    return this.#services.tasks.run('inspect', reference, title, (task) =>
      work.inspect(this.#services, reference, task),
    );
  }

  /** @returns how the image that was built is named */
  async build(dockerfile: vscode.Uri): Promise<string> {
    requireTrust(vscode.l10n.t('building runs what the Dockerfile says'));
    const name = imageName(dockerfile);
    const reference = `docker-daemon:${name}`;
    const title = vscode.l10n.t('Building {0}', name);
    await this.#services.tasks.run('build', reference, title, async (task) => {
      // The engine reads the file, so what is typed has to be there.
      await vscode.workspace.save(dockerfile);
      await work.build(this.#services, dockerfile, reference, task);
      await work.inspect(this.#services, reference, task);
    });
    return reference;
  }

  async profile(reference: string): Promise<string | null> {
    requireTrust(vscode.l10n.t('profiling runs the image'));
    const { image } = await this.open(reference);
    if (!(await this.#mayRun(reference, image))) return null;
    const title = vscode.l10n.t('Profiling the start of {0}', shortName(reference));
    const { opened, reason } = await this.#services.tasks
      .run('profile', reference, title, async (task) => {
        if (this.#leftBehind) await work.tidyEngine(this.#services, task);
        this.#leftBehind = false;
        return work.profile(this.#services, reference, task);
      })
      .catch((error: unknown) => {
        this.#leftBehind ||= isLensError(error) && error.code === 'trace/engine-gone';
        throw error;
      });
    const files = formatCount(opened.plan.trace?.files ?? 0);
    // Only these ends were not reached by the start itself.
    return reason === 'timeout' || reason === undefined
      ? vscode.l10n.t('The start did not come to its end; until then it reads {0} files.', files)
      : vscode.l10n.t('The start reads {0} files.', files);
  }

  async useTrace(reference: string, file: vscode.Uri): Promise<void> {
    await this.open(reference);
    await work.useTrace(this.#services, reference, file.fsPath);
  }

  /** @param wanted what the panel's controls say; the recommendation and the settings stand in for it */
  async createIndex(reference: string, wanted?: IndexOrder): Promise<string | null> {
    requireTrust(vscode.l10n.t('an index is pushed with your credentials'));
    const opened = await this.open(reference);
    const order = wanted ?? defaultOrder(opened);
    const destination = await destinationFor(this.#services, reference, opened);
    if (destination === undefined || !(await confirmIndex(reference, opened, order, destination)))
      return null;
    const title = vscode.l10n.t('Indexing {0}', shortName(reference));
    const { digest } = await this.#services.tasks.run('index', reference, title, (task) =>
      work.createIndex(this.#services, reference, destination, order, task),
    );
    return vscode.l10n.t('{0} holds the image with its index: {1}', destination, digest);
  }

  async exportReport(reference: string): Promise<string | null> {
    const { plan, picture } = await this.open(reference);
    const name = `${shortName(reference).replace(/[^\w.-]+/g, '-')}.html`;
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
    const file = await vscode.window.showSaveDialog({
      title: vscode.l10n.t('Save the Report'),
      filters: { HTML: ['html'] },
      ...(folder && { defaultUri: vscode.Uri.joinPath(folder, name) }),
    });
    if (!file) return null;
    const { renderReport } = await this.#services.line();
    await saveFile(file, new TextEncoder().encode(renderReport(plan, picture)));
    return vscode.l10n.t('The report is {0}.', path.basename(file.fsPath));
  }

  /** The first run of an image asks, and shows how it will be run. */
  async #mayRun(reference: string, { config: { config = {} } }: Opened['image']): Promise<boolean> {
    const allowed = this.#services.answers.get<string[]>(MAY_RUN, []);
    if (allowed.includes(reference)) return true;
    const command = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
    const run = vscode.l10n.t('Run');
    const isRoot = /^(|0|root)(:.*)?$/.test(config.User ?? '');
    const detail = [
      vscode.l10n.t('Command: {0}', command.length > 0 ? command.join(' ') : vscode.l10n.t('none')),
      vscode.l10n.t('User: {0}', config.User === undefined || config.User === '' ? 'root' : config.User),
      vscode.l10n.t(
        "A tracer is copied into the container and starts the command, in the engine's usual network. No port is published, nothing of this machine is mounted, and the container is removed afterwards.",
      ),
      ...(isRoot ? [vscode.l10n.t('The tracer alone gets the capability SYS_PTRACE.')] : []),
    ].join('\n');
    const question = vscode.l10n.t('Run {0} once to record what its start reads?', shortName(reference));
    if ((await vscode.window.showWarningMessage(question, { modal: true, detail }, run)) !== run)
      return false;
    await this.#services.answers.update(MAY_RUN, [...allowed, reference]);
    return true;
  }
}

/** Shows what will be made and where, before anything is written. */
async function confirmIndex(
  reference: string,
  { image, plan, picture }: Opened,
  order: IndexOrder,
  destination: string,
): Promise<boolean> {
  const shown = picture.overview({ ...order, network: plan.network, node: plan.node });
  const indexed = shown.plan.layers.filter((layer) => layer.indexed);
  const row = shown.plan.rows.find(({ spanSize }) => spanSize === order.spanSize);
  const size = plan.layers.reduce((sum, layer) => sum + layer.size, 0);
  const prefetched = shown.prefetched
    .flatMap(({ spans }) => spans)
    .reduce((sum, [first, last]) => sum + last - first + 1, 0);
  const detail = [
    vscode.l10n.t('To: {0}', destination),
    vscode.l10n.t('Image: {0} layers, {1}', formatCount(plan.layers.length), formatBytes(size)),
    vscode.l10n.t(
      'Index (v2): {0} of them in spans of {1}; {2} spans, {3} of ztocs',
      formatCount(indexed.length),
      formatSize(order.spanSize),
      formatCount(row?.spans ?? 0),
      formatBytes(row?.ztocBytes ?? 0),
    ),
    ...(prefetched > 0
      ? [
          vscode.l10n.t(
            'Prefetch: {0} spans; nodes with prefetch enabled fetch them before the start',
            formatCount(prefetched),
          ),
        ]
      : []),
    image.bytesNote,
    vscode.l10n.t('What the destination holds under this name is replaced.'),
  ].join('\n');
  const go = destination.startsWith('docker://') ? vscode.l10n.t('Create and Push') : vscode.l10n.t('Create');
  const question = vscode.l10n.t('Create the SOCI index of {0}?', shortName(reference));
  return (await vscode.window.showInformationMessage(question, { modal: true, detail }, go)) === go;
}

function defaultOrder({ plan }: Opened): IndexOrder {
  const { spanSize, minLayerSize } = readSettings();
  return {
    spanSize: spanSize === 'auto' ? plan.choice.spanSize : spanSize,
    minLayerSize,
    prefetch: false,
    extra: [],
  };
}

function requireTrust(why: string): void {
  if (vscode.workspace.isTrusted) return;
  throw new LensError(
    'editor/untrusted',
    vscode.l10n.t('This workspace is not trusted, and {0}.', why),
    vscode.l10n.t('Trust the workspace first.'),
  );
}
