/** Facts as lenses, items and decorations say them. */
import * as vscode from 'vscode';
import { formatBytes, formatCount, formatShare, formatSize } from './language';
import type { EndReason, TraceFooter } from '../trace/types';
import type { Analysis, Facts, IndexFacts, InstructionFacts } from './store';

/** As many of a program's last lines as a notification has room for. */
const LAST_LINES = 3;

/** `1.47 GB · 6 % read at start · 64 of 362 spans`, or what is known of it. */
export function describeFacts({ size, layers, start }: Facts): string {
  const parts = start
    ? [
        vscode.l10n.t('{0} read at start', formatShare(start.share)),
        vscode.l10n.t('{0} of {1} spans', formatCount(start.touchedSpans), formatCount(start.spans)),
      ]
    : [
        layers === 1 ? vscode.l10n.t('1 layer') : vscode.l10n.t('{0} layers', formatCount(layers)),
        vscode.l10n.t('start not profiled'),
      ];
  return [formatBytes(size), ...parts].join(' · ');
}

/** `31.7 MB · 1,204 files · 12 % read at start · 3 of 8 spans · 1.2 MB hidden` */
export function describeInstruction({ size, files, touched, spans, hidden }: InstructionFacts): string {
  return [
    formatBytes(size),
    fileCount(files),
    ...(touched === undefined
      ? []
      : [vscode.l10n.t('{0} read at start', formatShare(size > 0 ? touched / size : 0))]),
    ...(touched === undefined || spans === undefined
      ? []
      : [vscode.l10n.t('{0} of {1} spans', formatCount(spans.touched), formatCount(spans.all))]),
    ...(hidden > 0 ? [vscode.l10n.t('{0} hidden by later layers', formatBytes(hidden))] : []),
  ].join(' · ');
}

/** The same for a tree item, with what became of the index. */
export function describeAnalysis({ facts, index, survey }: Analysis): string {
  return [
    facts ? describeFacts(facts) : vscode.l10n.t('not read yet'),
    ...(index || (survey?.indexes.length ?? 0) > 0 ? [vscode.l10n.t('indexed')] : []),
  ].join(' · ');
}

/** `4 layers · 512 KiB – 4 MiB · 1.2 MB of ztocs · verified` */
export function describeIndex({ platform, layers, spanSizes, ztocBytes, verified }: IndexFacts): string {
  return [
    ...(platform === undefined ? [] : [platform]),
    layers === 1 ? vscode.l10n.t('1 layer') : vscode.l10n.t('{0} layers', formatCount(layers)),
    ...(spanSizes.length === 0 ? [] : [spanRange(spanSizes)]),
    vscode.l10n.t('{0} of ztocs', formatBytes(ztocBytes)),
    ...(verified === undefined
      ? []
      : [verified ? vscode.l10n.t('verified') : vscode.l10n.t('does not hold')]),
  ].join(' · ');
}

/** `4 MiB`, or `512 KiB – 4 MiB` where the layers differ. */
export function spanRange(sizes: readonly number[]): string {
  return [...new Set([Math.min(...sizes), Math.max(...sizes)])].map(formatSize).join(' – ');
}

export function fileCount(count: number): string {
  return count === 1 ? vscode.l10n.t('1 file') : vscode.l10n.t('{0} files', formatCount(count));
}

export function readAtStart(bytes: number): string {
  return bytes > 0
    ? vscode.l10n.t('{0} read at start', formatBytes(bytes))
    : vscode.l10n.t('not read at start');
}

/** Whether a recording ended before its start was over. */
export function isEarly({ reason }: TraceFooter): boolean {
  return !/^(ready:.*|quiet|exit)$/.test(reason);
}

/** A start of so many files; where a recording ended early, why, and the program's last lines. */
export function describeStart(files: number, early: TraceFooter | undefined): string {
  if (!early) return vscode.l10n.t('The start reads {0} files.', formatCount(files));
  const { reason, exit_code: code, log = [] } = early;
  const why =
    reason === 'early-exit' && code !== undefined
      ? vscode.l10n.t('ended early with exit code {0}', code)
      : reasonName(reason);
  const told = vscode.l10n.t(
    'The start did not come to its end ({0}); until then it reads {1} files.',
    why,
    formatCount(files),
  );
  if (log.length === 0) return told;
  return `${told} ${vscode.l10n.t('Its last lines: {0}', log.slice(-LAST_LINES).join(' / '))}`;
}

/** How a recording ended. */
export function reasonName(reason: EndReason | undefined): string {
  switch (reason) {
    case 'ready:log':
      return vscode.l10n.t('ready by its log');
    case 'ready:health':
      return vscode.l10n.t('ready by its health check');
    case 'ready:listen':
      return vscode.l10n.t('ready by its port');
    case 'ready:http':
      return vscode.l10n.t('ready by its answer');
    case 'quiet':
      return vscode.l10n.t('ready by a pause');
    case 'exit':
      return vscode.l10n.t('ran to its end');
    case 'imported':
      return vscode.l10n.t('imported');
    case 'guessed':
      return vscode.l10n.t('guessed');
    case 'timeout':
      return vscode.l10n.t('not ready in time');
    case 'early-exit':
      return vscode.l10n.t('ended early');
    case 'oom':
      return vscode.l10n.t('out of memory');
    case 'stopped':
      return vscode.l10n.t('stopped');
    case 'engine-lost':
    case undefined:
      return vscode.l10n.t('cut short');
  }
}
