import type { Handlers } from '../../protocol';
import type { Picture } from '../picture';

/** Files that a search lists. */
const HITS = 30;

/** What a picture answers by itself; the rest is the host's. */
export function pictureHandlers(
  picture: () => Promise<Picture> | Picture,
): Pick<
  Handlers,
  | 'overview'
  | 'cells'
  | 'filesInView'
  | 'place'
  | 'span'
  | 'search'
  | 'entries'
  | 'listFolder'
  | 'folder'
  | 'blame'
  | 'timeline'
> {
  return {
    overview: async ({ settings }) => {
      const shown = await picture();
      // Where it cannot be made ready, the search itself says why.
      shown.prepare().catch(() => undefined);
      return shown.overview(settings);
    },
    cells: async (query) => (await picture()).cells(query),
    filesInView: async (query) => (await picture()).filesInView(query),
    place: async (query) => (await picture()).place(query),
    span: async (query) => (await picture()).span(query),
    search: async ({ text }) => ({ hits: text === '' ? [] : (await picture()).search(text, HITS) }),
    entries: async (query) => (await picture()).entries(query),
    listFolder: async (query) => (await picture()).listFolder(query),
    folder: async (query) => {
      const shown = await picture();
      await shown.prepareBlame(query);
      return { folder: shown.folder(query) ?? null };
    },
    blame: async (query) => {
      const shown = await picture();
      await shown.prepareBlame(query);
      return shown.blame(query);
    },
    timeline: async ({ settings }) => (await picture()).timeline(settings),
  };
}
