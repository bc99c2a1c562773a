/** Who is to blame for what a start costs: by instruction, folder and package, with what nobody needs at all. */
import type { PlanInput, Planner } from '../plan';
import { addCosts, entryCosts, noCosts, rounded, type Sum } from './costs';
import { FolderTree } from './folders';
import { ownerOf, type Owners } from './owners';
import type { Blame, Costs, Duplicates, FolderCosts, FolderQuery, PackageCosts } from './types';
import { findHidden } from './waste';

/** Bytes, files and rectangles that a report lists. */
const HIDDEN = 50;
const RECTANGLES = 400;
const PACKAGES = 200;

export interface BlameOptions {
  readonly spanSize: number;
  readonly minLayerSize: number;
}

/** What takes reading the layers once more, and therefore comes later or not at all. */
export interface Findings {
  readonly packages?: Owners | undefined;
  readonly duplicates?: Duplicates | undefined;
}

export interface BlameModel {
  blame(options: BlameOptions): Blame;
  /** A part of the treemap in more detail; undefined for a folder that no layer has. */
  folder(query: FolderQuery): FolderCosts | undefined;
}

/** Answers for one image as often as asked; only the last settings are kept. */
export function createBlame(
  input: PlanInput,
  planner: Pick<Planner, 'touches' | 'laid'>,
  findings: Findings = {},
): BlameModel {
  const hidden = findHidden(input.layers.map(({ scan }) => scan?.entries));
  const hiddenBy = input.layers.map(
    (_, layer) => new Set(hidden.flatMap((file) => (file.layer === layer ? [file.entry] : []))),
  );
  let last: { key: string; divided: Divided } | undefined;

  function divided(options: BlameOptions): Divided {
    const key = `${options.spanSize} ${options.minLayerSize}`;
    if (last?.key !== key)
      last = { key, divided: divide(input, planner, hiddenBy, findings.packages, options) };
    return last.divided;
  }

  function blame(options: BlameOptions): Blame {
    const { folders, byLayer, byPackage } = divided(options);
    return {
      version: 1,
      spanSize: options.spanSize,
      minLayerSize: options.minLayerSize,
      total: rounded(folders.total),
      instructions: input.layers.map(({ instruction }, layer) => ({
        layer,
        instruction: instruction ?? null,
        ...rounded(byLayer[layer] ?? noCosts()),
      })),
      folders: folders.cut('', RECTANGLES) ?? { kind: 'folder', name: '', ...noCosts(), children: [] },
      packages: byPackage?.slice(0, PACKAGES) ?? null,
      hidden: [...hidden]
        .sort((a, b) => b.bytes - a.bytes)
        .slice(0, HIDDEN)
        .map(({ layer, path, bytes, reason }) => ({ layer, path, bytes, reason })),
      duplicates: findings.duplicates ?? null,
      notes: notesOf(input, findings),
    };
  }

  return {
    blame,
    folder: ({ path, limit, ...options }) => divided(options).folders.cut(path, limit),
  };
}

interface Divided {
  readonly folders: FolderTree;
  readonly byLayer: readonly Costs[];
  readonly byPackage: readonly PackageCosts[] | null;
}

function divide(
  { layers }: PlanInput,
  planner: Pick<Planner, 'touches' | 'laid'>,
  hidden: readonly ReadonlySet<number>[],
  owners: Owners | undefined,
  { spanSize, minLayerSize }: BlameOptions,
): Divided {
  const { tables, fetches } = planner.laid(spanSize);
  const folders = new FolderTree();
  const byPackage = owners?.packages.map(noCosts);
  const unowned = noCosts();
  const byLayer = layers.map(({ descriptor, scan }, layer): Sum => {
    const sum = noCosts();
    const touches = planner.touches[layer];
    if (!scan || !touches || scan.entries.length === 0) {
      sum.packedBytes = sum.fetchedBytes = sum.unusedBytes = descriptor.size;
      folders.addToRoot(sum);
      addCosts(unowned, sum);
      return sum;
    }
    const [table, first] = [tables[layer], fetches.first[layer]];
    const fetched = table && first && descriptor.size >= minLayerSize ? { table, first } : undefined;
    entryCosts(scan, touches, fetched, hidden[layer] ?? new Set(), (entry, costs) => {
      addCosts(sum, costs);
      folders.add(scan, entry, costs);
      const owner = owners && ownerOf(owners, layer, entry);
      addCosts((owner === undefined ? undefined : byPackage?.[owner]) ?? unowned, costs);
    });
    return sum;
  });
  return {
    folders,
    byLayer,
    byPackage: owners && byPackage ? packageRows(owners, byPackage, unowned) : null,
  };
}

function packageRows(owners: Owners, sums: readonly Sum[], unowned: Sum): PackageCosts[] {
  const rows = sums.flatMap((sum, index): PackageCosts[] => {
    const one = owners.packages[index];
    return one && sum.packedBytes > 0 ? [{ package: one, ...rounded(sum) }] : [];
  });
  return [...rows, { package: null, ...rounded(unowned) }].sort(
    (a, b) => b.fetchedBytes - a.fetchedBytes || b.packedBytes - a.packedBytes,
  );
}

function notesOf({ layers, mapping }: PlanInput, { packages, duplicates }: Findings): string[] {
  const unread = layers.filter(({ scan }) => scan === undefined).length;
  return [
    ...(mapping ? [] : ['Without a recorded start nothing counts as touched.']),
    ...(unread === 0
      ? []
      : [
          `${unread} of ${layers.length} layers could not be read: they stand as a whole, and nothing in them is known.`,
        ]),
    ...(packages?.notes ?? ['The package databases were not read.']),
    ...(duplicates ? [] : ['Contents were not compared, so duplicates are not known.']),
  ];
}
