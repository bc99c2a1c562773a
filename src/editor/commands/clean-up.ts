/** Cleaning up: everything that was made, as one list with sizes; only what is ticked goes. */
import * as vscode from 'vscode';
import type { CachedItem } from '../../cleanup/cache';
import type { MadeItem } from '../../cleanup/types';
import { isAbort, messageOf } from '../../errors';
import { formatBytes } from '../language';
import { requireTrust } from '../actions';
import { homeOf, shortName } from '../keys';
import type { Services } from '../services';
import { type Choice, pickMany } from '../steps';
import { type Task, TaskKind } from '../tasks';
import { connect, withRegistry } from '../work/reach';
import type { Bench, CommandTable } from './table';

/** A row of the list. */
interface Row {
  readonly item: MadeItem;
  readonly label: string;
  readonly description: string;
  /** Asks whether it and those like it may go, before the first of them does. */
  readonly place?: Removable;
}

interface Removable {
  check(items: readonly MadeItem[], signal: AbortSignal): Promise<void>;
}

const LOOK = new TaskKind<readonly Row[]>('clean-look');
const CLEAN = new TaskKind<void>('clean');

export function cleanUpCommands({ services }: Pick<Bench, 'services'>): CommandTable {
  return {
    async cleanUp() {
      requireTrust(vscode.l10n.t('cleaning up asks registries with your credentials'));
      const title = vscode.l10n.t('Clean Up');
      const contexts = await pickContexts(services, title);
      if (!contexts) return;
      const looking = vscode.l10n.t('Looking for what was made');
      const rows = await services.tasks.run(LOOK, 'all', looking, (task) =>
        findAll(services, contexts, task),
      );
      if (rows.length === 0) {
        void vscode.window.showInformationMessage(vscode.l10n.t('Nothing that was made here is left.'));
        return;
      }
      const choices: Choice<Row>[] = rows.map((value) => ({ ...value, value }));
      const prompt = vscode.l10n.t('Nothing goes but what is ticked');
      const chosen = await pickMany({ title, step: 2, of: 2 }, prompt, choices);
      if (!chosen || chosen.length === 0) return;
      const remove = vscode.l10n.t('Remove');
      const question = vscode.l10n.t('Remove {0} things for good?', chosen.length);
      const detail = chosen.map(({ label, description }) => `${label}: ${description}`).join('\n');
      if ((await vscode.window.showWarningMessage(question, { modal: true, detail }, remove)) !== remove)
        return;
      await services.tasks.run(CLEAN, 'all', title, async (task) => {
        for (const place of new Set(chosen.map((row) => row.place))) {
          const items = chosen.flatMap((row) => (row.place === place ? row.item : []));
          await place?.check(items, task.signal);
        }
        for (const [done, { item, label, description }] of chosen.entries()) {
          task.signal.throwIfAborted();
          task.onProgress({ step: label, done, total: chosen.length });
          await item.remove(task.signal);
          services.log.info(`Removed ${label}: ${description}`);
        }
      });
      if (chosen.some(({ item }) => item.kind === 'cache')) services.store.close();
      void vscode.window.showInformationMessage(vscode.l10n.t('{0} things are removed.', chosen.length));
    },
  };
}

/** Clusters are asked only when somebody wants it. Undefined when the person leaves. */
async function pickContexts(services: Services, title: string): Promise<readonly string[] | undefined> {
  const { listContexts } = await services.kubernetes();
  const { contexts } = listContexts();
  if (contexts.length === 0) return [];
  const items = contexts.map(({ name, server }) => ({ label: name, description: server, value: name }));
  return pickMany({ title, step: 1, of: 2 }, vscode.l10n.t('In which clusters shall be looked, too?'), items);
}

/** Each place that can be asked; one that does not answer is left out, and the log says why. */
async function findAll(services: Services, contexts: readonly string[], task: Task): Promise<Row[]> {
  const known = services.store.all;
  const pushed = known.filter(({ reference }) => homeOf(reference) === 'registry');
  const built = known.filter(
    ({ reference, dockerfile }) =>
      homeOf(reference) === 'engine' && dockerfile !== undefined && !dockerfile.chosen,
  );
  const places = [
    findCache(services),
    findLeft(services, task),
    ...built.map(({ reference }) => findBuilt(services, reference, task)),
    ...pushed.map(({ reference }) => findIndexes(services, reference, task)),
    ...contexts.map((context) => findObjects(services, context, task)),
  ];
  const found = await Promise.all(
    places.map((place) =>
      place.catch((error: unknown) => {
        if (isAbort(error)) throw error;
        services.log.warn(messageOf(error));
        return [];
      }),
    ),
  );
  return found.flat();
}

function row(item: MadeItem, label: string, what?: string): Row {
  const size = item.size === undefined ? undefined : formatBytes(item.size);
  return { item, label, description: [what, size].filter((part) => part !== undefined).join(' · ') };
}

async function findCache({ folders, line }: Services): Promise<Row[]> {
  const labels: Readonly<Record<CachedItem['folder'], string>> = {
    images: vscode.l10n.t('Images saved from the engine'),
    scans: vscode.l10n.t('Scans of layers'),
    made: vscode.l10n.t('Images that were being made'),
  };
  const { findCached } = await line();
  return (await findCached(folders.cache)).map((item) => row(item, labels[item.folder]));
}

async function findLeft(services: Services, { signal }: Task): Promise<Row[]> {
  const line = await services.line();
  const left = await line.findLeft(await connect(services, signal));
  return left.map((item) => row(item, item.id, vscode.l10n.t('Left by a recording in the engine')));
}

async function findBuilt(services: Services, key: string, { signal }: Task): Promise<Row[]> {
  const line = await services.line();
  const item = await line.findBuilt(await connect(services, signal), shortName(key));
  return [row(item, shortName(key), vscode.l10n.t('Image on the engine that was built here'))];
}

/** The indexes of an image in its registry, with their fallback tag and the `-soci` tag. */
async function findIndexes(services: Services, key: string, { signal }: Task): Promise<Row[]> {
  const line = await services.line();
  const source = line.parseReference(key);
  if (source.transport !== 'docker' || source.registry.digest !== undefined) return [];
  const { items } = await line.findIndexes(
    source.registry,
    (name, work) => withRegistry(services, name, signal, work),
    { signal },
  );
  const what = {
    index: vscode.l10n.t('SOCI index of {0}', shortName(key)),
    'soci-tag': vscode.l10n.t('{0} with its SOCI index', shortName(key)),
  };
  return items.map((item) => row(item, item.id, what[item.kind]));
}

/** What carries our label where the context stands, and where generated files go by themselves. */
async function findObjects(services: Services, context: string, { signal }: Task): Promise<Row[]> {
  const [kubernetes, { DEFAULT_NAMESPACE }] = await Promise.all([
    services.kubernetes(),
    services.snapshotter(),
  ]);
  const own = kubernetes.openCluster({ context });
  const clusters =
    own.namespace === DEFAULT_NAMESPACE
      ? [own]
      : [own, kubernetes.openCluster({ context, namespace: DEFAULT_NAMESPACE })];
  const rows = new Map<string, Row>();
  for (const cluster of clusters) {
    const { items, unseen } = await kubernetes.findClusterItems(cluster, signal);
    if (unseen) services.log.warn(messageOf(unseen));
    const place: Removable = {
      check: (chosen, each) =>
        kubernetes.checkRemovable(
          cluster,
          items.filter((item) => chosen.includes(item)),
          each,
        ),
    };
    for (const item of items) {
      const where = item.right.namespace === undefined ? context : `${context}/${item.right.namespace}`;
      // What has no namespace is found from each of them.
      const label = `${where}: ${item.id}`;
      if (!rows.has(label)) rows.set(label, { ...row(item, label, cluster.server), place });
    }
  }
  return [...rows.values()];
}
