/** What `clean` and `cluster clean` have in common: one list of everything that was made, with sizes, of which single things can go. */
import type { MadeItem } from '../cleanup/types';
import { isAbort, LensError } from '../errors';
import { formatBytes, formatCount, formatMany } from '../plan/format';
import type { KeptBlob } from '../soci/clean';
import { EXIT, type ExitCode, type Flag, type FlagValues, UsageError } from './command';
import type { Session } from './session';
import { formatTable } from './terminal';

export const CLEANING_FLAGS = {
  only: { type: 'string', multiple: true, value: 'ID', help: 'These of the list, and no others.' },
  yes: { type: 'boolean', short: 'y', help: 'Do not ask.' },
  'dry-run': { type: 'boolean', help: 'Show the list, and change nothing.' },
} as const satisfies Record<string, Flag>;

type CleaningFlags = FlagValues<typeof CLEANING_FLAGS> & { readonly json: boolean | undefined };

/** Somewhere that things of ours may be. */
export interface CleaningPlace {
  /** The head of its part of the list: `Context test at https://…, namespace soci`. */
  readonly name: string;
  readonly find: () => Promise<Findings>;
}

export interface Findings {
  readonly items: readonly MadeItem[];
  /** What stays although it belongs to something that goes. */
  readonly kept?: readonly KeptBlob[];
  /** Why not all of the place could be seen. */
  readonly unseen?: LensError | undefined;
  /** Asks, before the first of these IDs goes, whether all of them may. */
  readonly check?: (chosen: ReadonlySet<string>) => Promise<void>;
}

interface Seen extends Findings {
  readonly name: string;
}

/** What each kind is called, and what goes with it. */
const KINDS: Readonly<Record<MadeItem['kind'], string>> = {
  index: 'SOCI index of version 1, with its entry under the fallback tag',
  'soci-tag': 'image with its SOCI index',
  image: 'image on the engine',
  container: 'left by a recording',
  volume: 'left by a recording',
  cache: 'saved images and scans',
  object: 'object of the cluster',
};

/**
 * Shows what is in these places, asks, and removes it. A place that cannot be asked and a thing that does not go are named, and
 * the others go on; the run has then failed.
 */
export async function cleanUp(
  { terminal, signal }: Session,
  places: readonly CleaningPlace[],
  flags: CleaningFlags,
): Promise<ExitCode> {
  const failures: { readonly id: string; readonly error: LensError }[] = [];
  const note = (id: string, error: unknown) => {
    if (isAbort(error) || !(error instanceof LensError)) throw error;
    failures.push({ id, error });
    terminal.error(`${id}: ${error.message}\n${error.advice}`);
  };
  const seen: Seen[] = [];
  for (const { name, find } of places) {
    const found = await find().catch((error: unknown) => {
      note(name, error);
      return undefined;
    });
    if (found?.unseen) note(name, found.unseen);
    if (found) seen.push({ ...found, name });
  }
  const { only } = flags;
  const unknown = only?.filter((id) => !seen.some(({ items }) => items.some((item) => item.id === id))) ?? [];
  if (unknown.length > 0) throw new UsageError(`There is no ${unknown.join(', ')} of ours.`);
  const chosen = seen.map((place) => ({
    ...place,
    items: place.items.filter(({ id }) => only?.includes(id) ?? true),
  }));
  const count = chosen.reduce((sum, { items }) => sum + items.length, 0);
  const isDry = flags['dry-run'] ?? false;

  const list = chosen.map(describePlace).join('\n\n');
  if (isDry && !flags.json) terminal.result(list);
  else terminal.info(list);
  const removed = new Set<string>();
  if (!isDry && count > 0) {
    const question = count === 1 ? 'Remove it?' : `Remove these ${formatCount(count)} things?`;
    if (flags.yes || (await terminal.confirm(question, '--yes', signal))) {
      for (const { items, check } of chosen) await check?.(new Set(items.map(({ id }) => id)));
      for (const { id, remove } of chosen.flatMap(({ items }) => items)) {
        signal.throwIfAborted();
        terminal.progress({ step: `Removing ${id}`, done: removed.size, total: count });
        await remove(signal).then(
          () => removed.add(id),
          (error: unknown) => {
            note(id, error);
          },
        );
      }
    }
    terminal.info(removed.size > 0 ? `${formatCount(removed.size)} removed.` : 'Nothing was done.');
  }
  const document = {
    version: 1 as const,
    dryRun: isDry,
    items: chosen.flatMap(({ name, items }) =>
      items.map(({ id, kind, size, created }) => ({
        place: name,
        id,
        kind,
        size: size ?? null,
        created: created?.toISOString() ?? null,
        removed: removed.has(id),
      })),
    ),
    kept: chosen.flatMap(({ name, kept = [] }) => kept.map((blob) => ({ place: name, ...blob }))),
    failed: failures.map(({ id, error: { code, message, advice } }) => ({ id, code, message, advice })),
  };
  if (flags.json) terminal.json(document);
  return failures.length > 0 ? EXIT.failed : EXIT.done;
}

function describePlace({ name, items, kept = [] }: Seen): string {
  const rows = items.map(({ id, kind, size, created }) => [
    id,
    size === undefined ? '' : formatBytes(size),
    created ? `since ${created.toISOString()}` : KINDS[kind],
  ]);
  return [
    `${name}:`,
    ...(rows.length > 0
      ? formatTable(['', '', ''], rows).split('\n').slice(1)
      : ['Nothing of ours is there.']),
    ...(items.length > 0 ? describeKept(kept) : []),
  ].join('\n');
}

function describeKept(kept: readonly KeptBlob[]): string[] {
  const unnamed = kept.filter(({ why }) => why === 'unnamed');
  const bytes = unnamed.reduce((sum, { size }) => sum + size, 0);
  const stays = kept
    .filter(({ why }) => why !== 'unnamed')
    .map(({ kind, digest, size, why, tags }) => {
      const what = `the ${kind} ${digest} (${formatBytes(size)})`;
      return why === 'only-copy'
        ? `${what}: ${tags.join(', ')} is the image itself and carries its index within it; push the image without one under that tag instead`
        : `${what}: ${tags.join(', ')} ${tags.length === 1 ? 'needs' : 'need'} it`;
    });
  const left =
    unnamed.length === 0
      ? []
      : [
          `${formatMany(unnamed.length, 'blob')} of ${formatBytes(bytes)} that no tag needs: the registry's garbage collection frees them, as only it knows what else names them`,
        ];
  const lines = [...stays, ...left];
  return lines.length === 0 ? [] : ['Stays:', ...lines.map((line) => `  ${line}`)];
}
