/** What a span map asks of the editor beside its picture: files to write, places to show, pictures to lay beside it. */
import * as path from 'node:path';
import * as vscode from 'vscode';
import type { Finding } from '../plan/blame/types';
import { formatBytes, formatCount } from './language';
import type { Axis, Comparable, Comparison, EntryFilter, EntryRef, Settings } from '../plan/picture/types';
import type { CompareQuery } from '../protocol';
import { shortName } from './keys';
import { checkLayerFile, layerFileUri, saveLayerFile } from './layer-files';
import { saveFile } from './save';
import type { Services } from './services';
import type { Opened } from './store';
import { TaskKind } from './tasks';
import { pictureOf } from './work/inspect';

const FIND = new TaskKind<void>('find');

/** Rows that are turned into text before the next look at the event loop. */
const ROWS = 5000;

export class PanelWork {
  readonly #services: Services;
  readonly #open: (reference: string) => Promise<Opened>;

  constructor(services: Services, open: (reference: string) => Promise<Opened>) {
    this.#services = services;
    this.#open = open;
  }

  /** As SVG, or as the PNG that the page drew. */
  async exportMap(
    reference: string,
    map: { settings: Settings | null; axis: Axis; png: string | null },
  ): Promise<string | null> {
    const file = await askWhere(reference, map.png === null ? 'svg' : 'png');
    if (!file) return null;
    const { picture } = await this.#open(reference);
    const content =
      map.png === null
        ? Buffer.from(picture.svg(map.settings, map.axis), 'utf8')
        : Buffer.from(map.png, 'base64');
    await saveFile(file, content);
    return vscode.l10n.t('The map is {0}.', path.basename(file.fsPath));
  }

  async exportFiles(reference: string, filter: EntryFilter): Promise<string | null> {
    const file = await askWhere(`${shortName(reference)}-files`, 'csv', 'json');
    if (!file) return null;
    const { picture } = await this.#open(reference);
    const { csvLines, jsonLines } = await this.#services.line();
    const lines = (file.path.endsWith('.json') ? jsonLines : csvLines)(picture.allEntries(filter));
    const parts: string[] = [];
    for (let count = 0, next = lines.next(); next.done !== true; next = lines.next()) {
      parts.push(next.value);
      if (++count % ROWS === 0) await new Promise(setImmediate);
    }
    await saveFile(file, Buffer.from(parts.join(''), 'utf8'));
    return vscode.l10n.t('The list is {0}.', path.basename(file.fsPath));
  }

  async openEntry(reference: string, entry: EntryRef): Promise<string | null> {
    const uri = await this.#uri(reference, entry);
    if (!uri) return null;
    await checkLayerFile(this.#services, this.#open, uri);
    await vscode.commands.executeCommand('vscode.open', uri, { preview: true });
    return uri.path;
  }

  async saveEntry(reference: string, entry: EntryRef): Promise<string | null> {
    const uri = await this.#uri(reference, entry);
    if (!uri) return null;
    await checkLayerFile(this.#services, this.#open, uri);
    const name = path.posix.basename(uri.path);
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
    const target = await vscode.window.showSaveDialog({
      title: vscode.l10n.t('Save {0}', name),
      ...(folder && { defaultUri: vscode.Uri.joinPath(folder, name) }),
    });
    if (!target) return null;
    await saveLayerFile(this.#services, this.#open, uri, target);
    return vscode.l10n.t('The file is {0}.', path.basename(target.fsPath));
  }

  /**
   * Reads the layers once more, unless that was done before; the picture knows it from then on.
   *
   * @param signal of the map, which asks for packages by itself: they are nothing that a notification offers to cancel
   */
  async find(reference: string, finding: Finding, signal: AbortSignal): Promise<string | null> {
    const opened = await this.#open(reference);
    if (finding === 'packages') await opened.findings.find(finding, { signal });
    else {
      const title = vscode.l10n.t('Comparing files of {0}', shortName(reference));
      await this.#services.tasks.run(FIND, reference, title, (task) => opened.findings.find(finding, task), {
        about: finding,
      });
    }
    // A start may have been recorded meanwhile: its picture learns it, whichever one asked.
    (await this.#open(reference)).picture.learn(opened.findings.known);
    const { duplicates, packages } = opened.findings.known;
    return finding === 'packages'
      ? vscode.l10n.t('{0} packages own files of this image.', formatCount(packages?.packages.length ?? 0))
      : vscode.l10n.t('{0} are copies of other files.', formatBytes(duplicates?.bytes ?? 0));
  }

  /** Other starts of this image that lie beside its own, and other images that were read in this window. */
  async comparables(reference: string): Promise<Comparable[]> {
    const own = this.#services.store.get(reference)?.traces ?? [];
    const runs = (await traceFiles()).filter((file) => !own.includes(file.fsPath));
    const images = this.#services.store.all.filter((one) => one.reference !== reference && one.opened);
    return [
      ...runs.map((file): Comparable => ({
        id: `run:${file.toString()}`,
        label: vscode.workspace.asRelativePath(file),
        kind: 'run',
      })),
      ...images.map((one): Comparable => ({
        id: `image:${one.reference}`,
        label: shortName(one.reference),
        kind: 'image',
      })),
    ];
  }

  async compare(reference: string, { settings, with: other }: CompareQuery): Promise<Comparison> {
    const [{ picture }, { comparePictures, formatSize }] = await Promise.all([
      this.#open(reference),
      this.#services.line(),
    ]);
    const shown = picture.overview(settings);
    if (!('id' in other)) {
      const own = settings ?? settingsOf(shown);
      return comparePictures(
        picture.side(formatSize(shown.spanSize), settings),
        picture.side(formatSize(other.spanSize), { ...own, spanSize: other.spanSize }),
      );
    }
    const fixed = { ...(settings ?? settingsOf(shown)), spanSize: shown.spanSize, extra: [] };
    const known = (await this.comparables(reference)).find(({ id }) => id === other.id);
    if (!known) throw new Error(`There is no ${other.id} to compare with.`);
    const target = other.id.slice(other.id.indexOf(':') + 1);
    const against =
      known.kind === 'image'
        ? (await this.#open(target)).picture
        : await pictureOf(this.#services, reference, vscode.Uri.parse(target).fsPath);
    return comparePictures(picture.side(shortName(reference), fixed), against.side(known.label, fixed));
  }

  /** The address of a regular file of the image; undefined for what is none. */
  async #uri(reference: string, { layer, entry }: EntryRef): Promise<vscode.Uri | undefined> {
    const result = (await this.#open(reference)).layers[layer];
    if (!result || !('scan' in result) || entry >= result.scan.entries.length) return undefined;
    if (result.scan.entries.type(entry) !== 'reg') return undefined;
    return layerFileUri(reference, layer, entry, result.scan.entries.name(entry));
  }
}

function settingsOf({ plan }: { plan: Opened['plan'] }): Settings {
  const { minLayerSize, network, node } = plan;
  return { spanSize: null, minLayerSize, network, node, prefetch: false, extra: [] };
}

async function askWhere(name: string, ...kinds: string[]): Promise<vscode.Uri | undefined> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const base = `${shortName(name).replace(/[^\w.-]+/g, '-')}.${kinds[0] ?? ''}`;
  return vscode.window.showSaveDialog({
    filters: Object.fromEntries(kinds.map((kind) => [kind.toUpperCase(), [kind]])),
    ...(folder && { defaultUri: vscode.Uri.joinPath(folder, base) }),
  });
}

function traceFiles(): Thenable<vscode.Uri[]> {
  return vscode.workspace.findFiles('**/*.soci-trace.jsonl', '**/node_modules/**', 50);
}
