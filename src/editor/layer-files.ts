import * as path from 'node:path';
import * as vscode from 'vscode';
import type { LayerScan } from '../layer/types';
import type { Services } from './services';
import { saveFile } from './save';
import type { Opened } from './store';
import { TaskKind } from './tasks';

const SCHEME = 'soci-layer';
/** VS Code itself opens no larger file; larger ones are saved, not looked at. */
const LARGEST = 1024 ** 3;
const SAVE = new TaskKind<void>('save');

/** The address of one entry of one layer; its path ends as the entry's does, so that icons and languages follow. */
export function layerFileUri(reference: string, layer: number, entry: number, name: string): vscode.Uri {
  return vscode.Uri.from({
    scheme: SCHEME,
    path: `/${name.replace(/^[./]*\/?/, '')}`,
    query: JSON.stringify({ reference, layer, entry }),
  });
}

interface Place {
  readonly image: Opened['image'];
  readonly scan: LayerScan;
  readonly layer: number;
  readonly entry: number;
}

/**
 * Looks at the first bytes of a file of a layer: of a layer that has vanished, VS Code itself would say no more than that the
 * file cannot be opened.
 *
 * @throws LensError `layer/gone`, `layer/sparse-file`
 */
export async function checkLayerFile(
  services: Services,
  open: (reference: string) => Promise<Opened>,
  uri: vscode.Uri,
): Promise<void> {
  const { image, scan, layer, entry } = await find(services, open, uri);
  const blob = image.layers[layer]?.blob;
  const line = await services.line();
  if (blob === undefined) return;
  for await (const chunk of line.fileContent(scan, blob, entry)) if (chunk.length > 0) return;
}

/** Writes a file of a layer to the disk as it comes: it may be larger than what can be opened. */
export async function saveLayerFile(
  services: Services,
  open: (reference: string) => Promise<Opened>,
  uri: vscode.Uri,
  target: vscode.Uri,
): Promise<void> {
  const place = await find(services, open, uri);
  const total = place.scan.entries.size(place.entry);
  const title = vscode.l10n.t('Saving {0}', path.posix.basename(uri.path));
  const about = `${uri.toString()} ${target.toString()}`;
  await services.tasks.run(
    SAVE,
    parseQuery(uri).reference,
    title,
    async ({ signal, onProgress }) => {
      const step = vscode.l10n.t('Reading the spans that hold it');
      const counted = async function* () {
        let done = 0;
        for await (const piece of contentOf(services, uri, place, signal)) {
          onProgress({ step, done: (done += piece.length), total, unit: 'bytes' });
          yield piece;
        }
      };
      await saveFile(target, counted());
    },
    { about },
  );
}

/** Files of layers, read-only: a file is read by the spans that hold it, never by the whole layer. */
export class LayerFiles implements vscode.FileSystemProvider {
  readonly #services: Services;
  readonly #open: (reference: string) => Promise<Opened>;
  /** A layer never changes, so nothing ever fires. */
  readonly onDidChangeFile = new vscode.EventEmitter<vscode.FileChangeEvent[]>().event;

  constructor(services: Services, open: (reference: string) => Promise<Opened>) {
    this.#services = services;
    this.#open = open;
  }

  register(): vscode.Disposable {
    return vscode.workspace.registerFileSystemProvider(SCHEME, this, {
      isReadonly: true,
      isCaseSensitive: true,
    });
  }

  watch(): vscode.Disposable {
    return new vscode.Disposable(() => undefined);
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    const { scan, entry } = await this.#find(uri);
    const { size, modTime } = scan.entries.get(entry);
    const time = Date.parse(modTime) || 0;
    return {
      type: vscode.FileType.File,
      size,
      ctime: time,
      mtime: time,
      permissions: vscode.FilePermission.Readonly,
    };
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    const place = await this.#find(uri);
    const size = place.scan.entries.size(place.entry);
    if (size > LARGEST)
      throw vscode.FileSystemError.Unavailable(vscode.l10n.t('The file is too large to open.'));
    const content = new Uint8Array(size);
    let at = 0;
    for await (const piece of contentOf(this.#services, uri, place)) {
      content.set(piece, at);
      at += piece.length;
    }
    return content;
  }

  readDirectory(): [string, vscode.FileType][] {
    return [];
  }

  createDirectory(): never {
    throw readOnly();
  }
  writeFile(): never {
    throw readOnly();
  }
  delete(): never {
    throw readOnly();
  }
  rename(): never {
    throw readOnly();
  }

  #find(uri: vscode.Uri): Promise<Place> {
    return find(this.#services, this.#open, uri);
  }
}

async function* contentOf(
  services: Services,
  uri: vscode.Uri,
  { image, scan, layer, entry }: Place,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const blob = image.layers[layer]?.blob;
  if (!blob) throw vscode.FileSystemError.FileNotFound(uri);
  const { fileContent } = await services.line();
  yield* fileContent(scan, blob, entry, signal);
}

async function find(
  services: Services,
  open: (reference: string) => Promise<Opened>,
  uri: vscode.Uri,
): Promise<Place> {
  const { reference, layer, entry } = parseQuery(uri);
  // An address can come from anywhere; only images that the person chose are read.
  if (!services.store.get(reference)) throw vscode.FileSystemError.FileNotFound(uri);
  const opened = await open(reference);
  const result = opened.layers[layer];
  if (!result || !('scan' in result) || entry >= result.scan.entries.length) {
    throw vscode.FileSystemError.FileNotFound(uri);
  }
  if (result.scan.entries.type(entry) !== 'reg') throw vscode.FileSystemError.FileNotFound(uri);
  return { image: opened.image, scan: result.scan, layer, entry };
}

function readOnly(): vscode.FileSystemError {
  return vscode.FileSystemError.NoPermissions(vscode.l10n.t('Layers cannot be changed.'));
}

/** An address may come from anywhere, a restored editor or a link. */
function parseQuery(uri: vscode.Uri): { reference: string; layer: number; entry: number } {
  try {
    const query: unknown = JSON.parse(uri.query);
    if (
      typeof query === 'object' &&
      query !== null &&
      'reference' in query &&
      'layer' in query &&
      'entry' in query
    ) {
      const { reference, layer, entry } = query;
      if (typeof reference === 'string' && isIndex(layer) && isIndex(entry))
        return { reference, layer, entry };
    }
  } catch {
    // Not JSON: not an address of ours.
  }
  throw vscode.FileSystemError.FileNotFound(uri);
}

function isIndex(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
