import { createLayout } from '../image/layout-writer';
import type { Destination } from '../image/reference';
import type { Platform } from '../oci/types';
import type { IndexOrder } from '../plan/order';
import type { OnProgress } from '../progress';
import { attachLayout, convertLayout, type ConvertResult } from '../soci/convert';
import type { IndexedBytes } from '../soci/pushed';
import { writeTo } from './destination';
import type { RegistryFlagValues } from './registry-flags';
import type { Session } from './session';
import { withSource } from './source';

/** How an index is to be made: what its bytes depend on beside the image. */
export interface IndexSettings {
  readonly format: 'v1' | 'v2';
  /** Bytes. */
  readonly spanSize: number;
  /** Bytes. */
  readonly minLayerSize: number;
  /** Those of the image that are wanted; where not given, as the soci CLI does without flags. */
  readonly platforms: readonly Platform[] | 'all' | undefined;
  readonly prefetchFiles: readonly string[];
  readonly optimizations: readonly 'xattr'[];
}

/** The same, where a recorded start decided for each layer. */
export type TunedSettings = Omit<IndexSettings, keyof IndexOrder> &
  Omit<IndexOrder, 'prefetchSpans'> &
  Partial<IndexOrder>;

/** Makes the index of these bytes of one image and brings image and index to where they are to be. */
export async function makeIndex(
  session: Session,
  bytes: IndexedBytes,
  destination: Destination,
  settings: TunedSettings,
  flags: RegistryFlagValues,
  told: { readonly onProgress: OnProgress; readonly onNote: (note: string) => void } = {
    onProgress: session.terminal.progress,
    onNote: (note) => {
      session.terminal.info(note);
    },
  },
): Promise<ConvertResult> {
  const { onProgress, onNote } = told;
  const { format, prefetchSpans, platforms, ...rest } = settings;
  const make = format === 'v1' ? attachLayout : convertLayout;
  const spanSize = typeof settings.spanSize === 'number' ? settings.spanSize : undefined;
  return withSource(session, bytes, { flags, spanSize, onNote }, (store, tag) => {
    const convert = async (folder: string, copy: boolean): Promise<ConvertResult> =>
      make(store, await createLayout(folder), {
        ...rest,
        ...(prefetchSpans && { prefetchSpans }),
        copy,
        signal: session.signal,
        onProgress,
        onLine: (line) => {
          session.terminal.debug(line);
        },
        scan: session.scanLayer,
        knownScan: session.knownScan,
        ...(platforms && { platforms }),
        ...(tag !== undefined && { tag }),
      });
    return writeTo(session, destination, convert, flags, store, onProgress);
  });
}
