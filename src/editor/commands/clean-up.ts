/** Cleaning up: everything that was made, as one list with sizes; only what is ticked goes. */
import { readdir, rm, stat } from 'node:fs/promises';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { isAbort, messageOf } from '../../errors';
import { formatBytes, formatCount } from '../language';
import { requireTrust } from '../actions';
import { homeOf, shortName } from '../keys';
import type { Services } from '../services';
import { type Choice, pickMany } from '../steps';
import type { Task } from '../tasks';
import { connect, registryOptions } from '../work/reach';
import type { Bench, CommandTable } from './table';

/** One thing that was made and can go. */
interface Item {
  readonly label: string;
  readonly description: string;
  remove(task: Task): Promise<void>;
}

export function cleanUpCommands({ services }: Pick<Bench, 'services'>): CommandTable {
  return {
    async cleanUp() {
      requireTrust(vscode.l10n.t('cleaning up asks registries with your credentials'));
      const title = vscode.l10n.t('Clean Up');
      const looking = vscode.l10n.t('Looking for what was made');
      const items = await services.tasks.run('clean-look', 'all', looking, (task) => findAll(services, task));
      if (items.length === 0) {
        void vscode.window.showInformationMessage(vscode.l10n.t('Nothing that was made here is left.'));
        return;
      }
      const choices: Choice<Item>[] = items.map((value) => ({ ...value, value }));
      const prompt = vscode.l10n.t('Nothing goes but what is ticked');
      const chosen = await pickMany({ title, step: 1, of: 1 }, prompt, choices);
      if (!chosen || chosen.length === 0) return;
      const remove = vscode.l10n.t('Remove');
      const question = vscode.l10n.t('Remove {0} things for good?', chosen.length);
      const detail = chosen.map(({ label, description }) => `${label}: ${description}`).join('\n');
      if ((await vscode.window.showWarningMessage(question, { modal: true, detail }, remove)) !== remove)
        return;
      await services.tasks.run('clean', 'all', title, async (task) => {
        for (const [done, item] of chosen.entries()) {
          task.signal.throwIfAborted();
          task.onProgress({ step: item.label, done, total: chosen.length });
          await item.remove(task);
          services.log.info(`Removed ${item.label}: ${item.description}`);
        }
      });
      void vscode.window.showInformationMessage(vscode.l10n.t('{0} things are removed.', chosen.length));
    },
  };
}

/** Each place that can be asked; one that does not answer is left out, and the log says why. */
async function findAll(services: Services, task: Task): Promise<Item[]> {
  const images = services.store.all
    .map(({ reference }) => reference)
    .filter((key) => homeOf(key) === 'registry');
  const places = [
    findCache(services),
    findLeftovers(services, task),
    ...images.map((key) => findIndexes(services, key, task)),
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

async function findCache({ folders, store }: Services): Promise<Item[]> {
  const kinds = [
    ['images', vscode.l10n.t('Images saved from the engine')],
    ['scans', vscode.l10n.t('Scans of layers')],
    ['made', vscode.l10n.t('Images that were being made')],
  ] as const;
  const items = await Promise.all(
    kinds.map(async ([name, label]) => {
      const home = path.join(folders.cache, name);
      const size = await sizeOf(home);
      const remove = async () => {
        await rm(home, { recursive: true, force: true });
        store.close();
      };
      return size === 0 ? [] : [{ label, description: formatBytes(size), remove }];
    }),
  );
  return items.flat();
}

/** Bytes of the files below a folder. */
export async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => (await stat(path.join(entry.parentPath, entry.name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** What recordings that were cut off left in the engine. */
async function findLeftovers(services: Services, { signal }: Task): Promise<Item[]> {
  const line = await services.line();
  const engine = await connect(services, signal);
  const left = await line.findLeftovers(engine);
  const count = left.containers.length + left.volumes.length;
  if (count === 0) return [];
  return [
    {
      label: vscode.l10n.t('Left by recordings in the engine'),
      description: vscode.l10n.t('{0} containers and volumes', formatCount(count)),
      remove: () => line.removeLeftovers(engine, left),
    },
  ];
}

/** The indexes of an image in its registry, with their fallback tag and the `-soci` tag. */
async function findIndexes(services: Services, key: string, { signal }: Task): Promise<Item[]> {
  const line = await services.line();
  const source = line.parseReference(key);
  if (source.transport !== 'docker' || source.registry.digest !== undefined) return [];
  const { host, repository, tag = 'latest' } = source.registry;
  const within = async <T>(work: (client: ReturnType<typeof line.connectRegistry>) => Promise<T>) => {
    const client = line.connectRegistry(host, repository, registryOptions(services, line));
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  };
  const plan = await within((client) => line.planClean(client, tag, { signal }));
  if (plan.steps.length === 0) return [];
  const bytes = [...plan.steps, ...plan.kept.filter(({ why }) => why === 'unnamed')].reduce(
    (sum, part) => sum + ('size' in part ? part.size : 0),
    0,
  );
  return [
    {
      label: vscode.l10n.t('SOCI indexes of {0}', shortName(key)),
      description: vscode.l10n.t(
        '{0} entries and documents, {1} in the registry',
        plan.steps.length,
        formatBytes(bytes),
      ),
      remove: (task) => within((client) => line.applyClean(client, plan, task)),
    },
  ];
}
