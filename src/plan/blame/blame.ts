/** Who is to blame for what a start costs: by instruction, folder and package, with what nobody needs at all. */
import type { PlanInput, Planner } from '../plan';
import { addCosts, entryCosts, noCosts, rounded, type Sum } from './costs';
import { FolderTree } from './folders';
import { ownerOf, type Owners } from './owners';
import { Prepared } from '../picture/prepared';
import type { Blame, Costs, Duplicates, FolderCosts, FolderQuery, PackageCosts } from './types';
import { hiddenFiles, type HiddenFile } from './waste';

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
  /** Makes ready what the other two answer from, in slices between other work; without it the first of them does it. */
  prepare(options: BlameOptions): Promise<void>;
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
  const hidden = new Prepared(hiddenFiles(input.layers.map(({ scan }) => scan?.entries)));
  let last: { key: string; divided: Prepared<Divided> } | undefined;

  function divided(options: BlameOptions): Prepared<Divided> {
    const key = `${options.spanSize} ${options.minLayerSize}`;
    if (last?.key !== key) {
      last = { key, divided: new Prepared(divide(input, planner, hidden.get(), findings.packages, options)) };
    }
    return last.divided;
  }

  function blame(options: BlameOptions): Blame {
    const { folders, byLayer, byPackage } = divided(options).get();
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
      hidden: [...hidden.get()]
        .sort((a, b) => b.bytes - a.bytes)
        .slice(0, HIDDEN)
        .map(({ layer, path, bytes, reason }) => ({ layer, path, bytes, reason })),
      duplicates: findings.duplicates ?? null,
      notes: notesOf(input, findings),
    };
  }

  return {
    async prepare(options) {
      await hidden.inBackground();
      await divided(options).inBackground();
    },
    blame,
    folder: ({ path, limit, ...options }) => divided(options).get().folders.cut(path, limit),
  };
}

interface Divided {
  readonly folders: FolderTree;
  readonly byLayer: readonly Costs[];
  readonly byPackage: readonly PackageCosts[] | null;
}

function* divide(
  { layers }: PlanInput,
  planner: Pick<Planner, 'touches' | 'laid'>,
  hiddenFiles: readonly HiddenFile[],
  owners: Owners | undefined,
  { spanSize, minLayerSize }: BlameOptions,
): Generator<void, Divided> {
  const { tables, fetches } = planner.laid(spanSize);
  const folders = new FolderTree();
  const byPackage = owners?.packages.map(noCosts);
  const unowned = noCosts();
  const byLayer: Sum[] = [];
  for (const [layer, { descriptor, scan }] of layers.entries()) {
    const sum = noCosts();
    byLayer.push(sum);
    const touches = planner.touches[layer];
    if (!scan || !touches || scan.entries.length === 0) {
      sum.packedBytes = sum.fetchedBytes = sum.unusedBytes = descriptor.size;
      folders.addToRoot(sum);
      addCosts(unowned, sum);
      continue;
    }
    const [table, first] = [tables[layer], fetches.first[layer]];
    const fetched = table && first && descriptor.size >= minLayerSize ? { table, first } : undefined;
    const hidden = new Set(hiddenFiles.flatMap((file) => (file.layer === layer ? [file.entry] : [])));
    yield* entryCosts(scan, touches, fetched, hidden, (entry, costs) => {
      addCosts(sum, costs);
      folders.add(scan, entry, costs);
      const owner = owners && ownerOf(owners, layer, entry);
      addCosts((owner === undefined ? undefined : byPackage?.[owner]) ?? unowned, costs);
    });
  }
  yield* folders.prepare();
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
