/** The kinds of entries of a layer in words: of one in a row, of all in a choice. */
import { t } from './text';

export const ENTRY_TYPES: Readonly<Record<string, { readonly one: string; readonly all: string }>> = {
  reg: { one: t('file'), all: t('Files') },
  dir: { one: t('folder'), all: t('Folders') },
  symlink: { one: t('symbolic link'), all: t('Symbolic links') },
  hardlink: { one: t('hard link'), all: t('Hard links') },
  char: { one: t('character device'), all: t('Character devices') },
  block: { one: t('block device'), all: t('Block devices') },
  fifo: { one: t('pipe'), all: t('Pipes') },
};

/** The host names the kinds as an index does; one that this page does not know stays as it is. */
export function typeName(type: string): string {
  return ENTRY_TYPES[type]?.one ?? type;
}
