import * as vscode from 'vscode';
import { formatBytes, formatCount, formatSeconds, formatSize } from './language';
import type { Actions } from './actions';
import type { Opened } from './store';
import { touchedOf } from './tree-order';

const SCHEME = 'soci-summary';

/** The address of an image's summary, for the diff editor. */
export function summaryUri(key: string): vscode.Uri {
  return vscode.Uri.from({ scheme: SCHEME, path: `/${key.replace(/[^\w.-]+/g, '-')}.txt`, query: key });
}

/** Images as texts of one fact per line, so that VS Code's own diff editor compares them. */
export class Summaries implements vscode.TextDocumentContentProvider {
  readonly #actions: Actions;

  constructor(actions: Actions) {
    this.#actions = actions;
  }

  register(): vscode.Disposable {
    return vscode.workspace.registerTextDocumentContentProvider(SCHEME, this);
  }

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    return summaryOf(await this.#actions.open(uri.query));
  }
}

/** What of an image is worth comparing: its size, layers, forecast, and every file that the start reads. */
export function summaryOf({ image, plan, layers, touches, steps }: Opened): string {
  const size = plan.layers.reduce((sum, layer) => sum + layer.size, 0);
  const lines = [
    vscode.l10n.t('Platform: {0}', plan.image.platform),
    vscode.l10n.t('Packed: {0}', formatBytes(size)),
    vscode.l10n.t('Layers: {0}', formatCount(plan.layers.length)),
    vscode.l10n.t(
      'Command: {0}',
      [...(image.config.config?.Entrypoint ?? []), ...(image.config.config?.Cmd ?? [])].join(' '),
    ),
    '',
    vscode.l10n.t('Layers'),
    ...plan.layers.map(
      (layer, index) =>
        `  ${steps[index] ?? layer.digest} · ${formatBytes(layer.size)} · ${formatBytes(layer.touchedBytes)}`,
    ),
    '',
    vscode.l10n.t('Span sizes'),
    ...plan.rows.map(
      (row) =>
        `  ${formatSize(row.spanSize)}: ${formatCount(row.touchedSpans)}/${formatCount(row.spans)} · ${formatBytes(row.spanBytes)} · ${formatSeconds(row.lazy.totalSeconds)}`,
    ),
    '',
    vscode.l10n.t('Read by the start'),
  ];
  const files = layers.flatMap((result, index) => {
    const layerTouches = touches[index];
    if (!('scan' in result) || !layerTouches) return [];
    const { entries } = result.scan;
    return layerTouches.entries.flatMap((entry) => {
      const bytes = touchedOf(entry, { entries, touches: layerTouches });
      return bytes > 0 ? [`  /${entries.name(entry).replace(/^\.?\//, '')} · ${formatBytes(bytes)}`] : [];
    });
  });
  return [...lines, ...files.sort(), ''].join('\n');
}
