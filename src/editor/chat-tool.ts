import * as vscode from 'vscode';
import { formatBytes, formatCount, formatSeconds, formatShare, formatSize } from '../plan/format';
import { describeFacts } from './describe';
import type { AnalysisStore, Opened } from './store';
import { touchedOf } from './tree-order';

const NAME = 'soci-lens_explainStart';
/** Files and layers that an answer lists. */
const MOST = 10;

/** The part of VS Code's API for tools of chat agents that is used here; versions before 1.95 do not have it. */
interface ToolApi {
  readonly lm?: {
    registerTool?(
      name: string,
      tool: { invoke(options: { readonly input: unknown }): Promise<unknown> },
    ): vscode.Disposable;
  };
  readonly LanguageModelToolResult?: new (parts: readonly unknown[]) => unknown;
  readonly LanguageModelTextPart?: new (text: string) => unknown;
}

/**
 * A tool for chat agents that answers why an image starts slowly, from what was analysed in this window and nothing else: it
 * reads no file, asks no network and starts nothing. Does nothing where VS Code has no such tools.
 */
export function registerChatTool(store: AnalysisStore): vscode.Disposable {
  // Our types are those of the oldest VS Code that we support.
  const api = vscode as unknown as ToolApi;
  const { LanguageModelToolResult: Result, LanguageModelTextPart: Text } = api;
  if (!api.lm?.registerTool || !Result || !Text) return vscode.Disposable.from();
  return api.lm.registerTool(NAME, {
    invoke: ({ input }) => Promise.resolve(new Result([new Text(explain(store, imageOf(input)))])),
  });
}

/** Why the start of an image takes as long as it does, in plain English for a language model. */
export function explain(store: AnalysisStore, wanted: string | undefined): string {
  const known = store.all;
  const found =
    wanted === undefined ? known.at(-1) : known.findLast(({ reference }) => reference.includes(wanted));
  if (!found) {
    const names = known.map(({ reference }) => reference).join(', ');
    return `No image${wanted === undefined ? '' : ` like "${wanted}"`} was analysed in this window. ${names === '' ? 'The person can inspect one with the command "SOCI: Inspect Image".' : `Analysed: ${names}.`}`;
  }
  const { reference, facts, opened } = found;
  if (!opened) {
    return `${reference} was analysed before (${facts ? describeFacts(facts) : 'no figures'}), but is not open in this window. The command "SOCI: Show Span Map" opens it.`;
  }
  return explainOpened(reference, opened);
}

function explainOpened(reference: string, opened: Opened): string {
  const { plan } = opened;
  const size = plan.layers.reduce((sum, layer) => sum + layer.size, 0);
  const lines = [
    `Image ${reference} (${plan.image.platform}): ${formatCount(plan.layers.length)} layers, ${formatBytes(size)} packed.`,
  ];
  if (!plan.trace) {
    lines.push(
      'No start is recorded, so only sizes are known. The command "SOCI: Profile Start of Image" records one; it runs the image and asks the person first.',
    );
  } else {
    const touched = plan.layers.reduce((sum, layer) => sum + layer.touchedBytes, 0);
    const all = plan.layers.reduce((sum, layer) => sum + (layer.uncompressedSize ?? layer.size), 0);
    lines.push(
      `The recorded start reads ${formatCount(plan.trace.files)} files, ${formatBytes(touched)} (${formatShare(touched / Math.max(1, all))} of the unpacked image)${plan.trace.readyMs === null ? '' : `, and was ready ${formatSeconds(plan.trace.readyMs / 1000)} after its process began`}.`,
      ...plan.modes.map(
        (mode) =>
          `Forecast, ${mode.mode}: ready after ${formatSeconds(mode.totalSeconds)} (pull ${formatSeconds(mode.pullSeconds)}, start ${formatSeconds(mode.startSeconds)}), ${formatCount(mode.requests)} requests, ${formatBytes(mode.bytes)}.`,
      ),
    );
  }
  lines.push(`Recommended span size: ${formatSize(plan.choice.spanSize)}. ${plan.choice.reason}`);
  const layers = [...plan.layers].sort((a, b) => b.touchedBytes - a.touchedBytes || b.size - a.size);
  for (const layer of layers.slice(0, MOST)) {
    const hidden = opened.hidden[layer.index] ?? 0;
    lines.push(
      `Layer ${layer.index + 1} (${layer.instruction ?? layer.digest}): ${formatBytes(layer.size)} packed, ${formatBytes(layer.touchedBytes)} read at start${hidden > 0 ? `, ${formatBytes(hidden)} hidden by later layers` : ''}${layer.notIndexed === null ? '' : `; not indexed: ${layer.notIndexed}`}.`,
    );
  }
  lines.push(...dearestFiles(opened), ...plan.notes);
  return lines.join('\n');
}

function dearestFiles({ layers, touches }: Opened): string[] {
  const files = layers.flatMap((result, index) => {
    const layerTouches = touches[index];
    if (!('scan' in result) || !layerTouches) return [];
    const { entries } = result.scan;
    return layerTouches.entries.map((entry) => ({
      name: entries.name(entry),
      bytes: touchedOf(entry, { entries, touches: layerTouches }),
    }));
  });
  return files
    .filter(({ bytes }) => bytes > 0)
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, MOST)
    .map(({ name, bytes }) => `Most read: /${name.replace(/^\.?\//, '')}, ${formatBytes(bytes)}.`);
}

function imageOf(input: unknown): string | undefined {
  return typeof input === 'object' && input !== null && 'image' in input && typeof input.image === 'string'
    ? input.image
    : undefined;
}
