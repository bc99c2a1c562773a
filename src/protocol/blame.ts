/** Checks of who costs what. */
import { MANAGERS } from '../plan/blame/types';
import type {
  Blame,
  Costs,
  DuplicateGroup,
  Duplicates,
  FolderCosts,
  FolderQuery,
  InstructionCosts,
  Package,
  PackageCosts,
} from '../plan/blame/types';
import { count, list, number, object, oneOf, orNull, text } from './checks';
import type { Check } from './checks';
import { spanSize, version } from './plan';

const costsFields = {
  files: count,
  bytes: count,
  packedBytes: count,
  touchedFiles: count,
  touchedBytes: count,
  fetchedBytes: count,
  unusedBytes: count,
  hiddenBytes: count,
};

export const folderCosts: Check<FolderCosts> = (value, where) =>
  object<FolderCosts>({
    ...costsFields,
    kind: oneOf(['folder', 'file', 'rest']),
    name: text,
    children: list(folderCosts),
  })(value, where);

export const blame = object<Blame>({
  version,
  spanSize,
  minLayerSize: count,
  total: object<Costs>(costsFields),
  instructions: list(object<InstructionCosts>({ ...costsFields, layer: count, instruction: orNull(text) })),
  folders: folderCosts,
  packages: orNull(
    list(
      object<PackageCosts>({
        ...costsFields,
        package: orNull(object<Package>({ manager: oneOf(MANAGERS), name: text, version: text })),
      }),
    ),
  ),
  hidden: list(
    object<Blame['hidden'][number]>({
      layer: count,
      path: text,
      bytes: count,
      reason: oneOf(['replaced', 'removed']),
    }),
  ),
  duplicates: orNull(
    object<Duplicates>({
      bytes: count,
      groups: count,
      dearest: list(
        object<DuplicateGroup>({
          bytes: count,
          count,
          copies: list(object<DuplicateGroup['copies'][number]>({ layer: count, path: text })),
        }),
      ),
    }),
  ),
  notes: list(text),
});

export const folderQuery = object<FolderQuery>({
  path: text,
  spanSize,
  minLayerSize: count,
  limit: number(1, 1000, true),
});
