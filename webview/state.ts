/** What survives hiding, moving and reloading the page. The host finds the image again by `reference`. */
import { parseSettings } from '../src/protocol';
import type { Axis, EntryRef, Settings } from '../src/plan/picture/types';
import type { View } from './paint';

/** A file that is prefetched beside the touched spans. */
export interface ExtraFile extends EntryRef {
  readonly path: string;
}

export interface Saved {
  readonly reference: string;
  readonly settings: Settings | null;
  readonly extras: readonly ExtraFile[];
  readonly layer: number;
  readonly view: View;
  readonly span: number | null;
  readonly axis: Axis;
  readonly tab: string;
  readonly byTime: boolean;
}

export const TABS = ['sizes', 'advice', 'timeline', 'layers', 'files', 'blame', 'compare'] as const;

/**
 * The state that an older page kept may have another shape: each part that is not understood counts as not kept.
 */
export function savedState(value: unknown): Omit<Saved, 'reference'> {
  const kept = new Map<string, unknown>(
    typeof value === 'object' && value !== null ? Object.entries(value) : [],
  );
  const layer = kept.get('layer');
  const span = kept.get('span');
  const tab = TABS.find((name) => name === kept.get('tab'));
  return {
    settings: parseSettings(kept.get('settings')) ?? null,
    extras: extrasOf(kept.get('extras')),
    layer: isCount(layer) ? layer : -1,
    view: viewOf(kept.get('view')),
    span: isCount(span) ? span : null,
    axis: kept.get('axis') === 'uncompressed' ? 'uncompressed' : 'compressed',
    tab: tab ?? 'sizes',
    byTime: kept.get('byTime') === true,
  };
}

function extrasOf(value: unknown): ExtraFile[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [];
  return list.filter(
    (one): one is ExtraFile =>
      typeof one === 'object' &&
      one !== null &&
      'layer' in one &&
      'entry' in one &&
      'path' in one &&
      isCount(one.layer) &&
      isCount(one.entry) &&
      typeof one.path === 'string',
  );
}

function viewOf(value: unknown): View {
  if (typeof value === 'object' && value !== null && 'start' in value && 'end' in value) {
    const { start, end } = value;
    if (isCount(start) && isCount(end) && end > start) return { start, end };
  }
  return { start: 0, end: 1 };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
