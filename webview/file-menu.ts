/** What can be done with a file, wherever the page shows one. */
import type { EntryRef } from '../src/plan/picture/types';
import { showMenu } from './menu';
import type { ExtraFile } from './state';
import { t } from './text';

export interface FileActions {
  /** Has the host do it. */
  do(name: 'openEntry' | 'saveEntry' | 'revealEntry', entry: EntryRef): void;
  copy(text: string): void;
  /** The files that are prefetched beside the touched spans. */
  extras(): readonly ExtraFile[];
  /** False in a layer outside the index: it is pulled whole. */
  canPrefetch(entry: EntryRef): boolean;
  prefetch(extras: readonly ExtraFile[]): void;
}

/** Shows the menu of a file with its corner at a place of the window. */
export type FileMenu = (entry: EntryRef, path: string, x: number, y: number) => void;

export function createFileMenu(actions: FileActions): FileMenu {
  return (entry, path, x, y) => {
    const isSame = (one: ExtraFile): boolean => one.layer === entry.layer && one.entry === entry.entry;
    const extras = actions.extras();
    const has = extras.some(isSame);
    const item = (label: string, run: () => void): { label: string; run: () => void } => ({ label, run });
    const prefetch = item(has ? t('Remove from prefetch') : t('Add to prefetch'), () => {
      actions.prefetch(has ? extras.filter((one) => !isSame(one)) : [...extras, { ...entry, path }]);
    });
    const items = [
      item(t('Open'), () => {
        actions.do('openEntry', entry);
      }),
      item(t('Save as…'), () => {
        actions.do('saveEntry', entry);
      }),
      item(t('Copy path'), () => {
        actions.copy(`/${path.replace(/^(\.?\/)+/, '')}`);
      }),
      item(t('Reveal in tree'), () => {
        actions.do('revealEntry', entry);
      }),
    ];
    showMenu(actions.canPrefetch(entry) ? [...items, prefetch] : items, x, y);
  };
}
