import { defineCommand, EXIT, UsageError } from './command';
import { CLUSTER_FLAGS } from './cluster-flags';

export const clusterCleanCommand = defineCommand({
  name: 'cluster clean',
  summary:
    'Removes what was made in a cluster: installer, comparison, jobs, pods of a measure, runtime class.',
  usage: 'cluster clean [--dry-run] [--only KIND/NAME …] [flags]',
  positionals: 0,
  flags: {
    only: { type: 'string', multiple: true, value: 'KIND/NAME', help: 'These of the list, and no others.' },
    yes: { type: 'boolean', short: 'y', help: 'Do not ask.' },
    'dry-run': { type: 'boolean', help: 'Show the list, and change nothing.' },
    ...CLUSTER_FLAGS,
  },
  async run({ terminal, signal }, { flags }) {
    const { findClusterItems, openCluster } = await import('../kubernetes');
    const cluster = openCluster(flags);
    const { context, server, namespace } = cluster;
    const found = await findClusterItems(cluster, signal);
    const unknown = flags.only?.filter((id) => !found.some((item) => item.id === id)) ?? [];
    if (unknown.length > 0)
      throw new UsageError(`There is no ${unknown.join(', ')} of ours in ${namespace}.`);
    const chosen = found.filter(({ id }) => flags.only?.includes(id) ?? true);
    const isDry = flags['dry-run'] ?? false;
    const list = chosen.map(
      ({ id, created }) => `- ${id}${created ? `, since ${created.toISOString()}` : ''}`,
    );
    const head = `Context ${context} at ${server}, namespace ${namespace}:`;
    const text = [head, ...(list.length > 0 ? list : ['Nothing of ours is there.'])].join('\n');
    if (!flags.json && isDry) terminal.result(text);
    else terminal.info(text);
    let removed = false;
    if (!isDry && chosen.length > 0) {
      removed = (flags.yes ?? false) || (await terminal.confirm('Remove all of this?', '--yes', signal));
      if (removed) for (const item of chosen) await item.remove();
      terminal.info(removed ? 'Removed.' : 'Nothing was done.');
    }
    const items = chosen.map(({ id, created }) => ({ id, created: created?.toISOString() ?? null }));
    const document = { version: 1 as const, context, server, namespace, dryRun: isDry, removed, items };
    if (flags.json) terminal.json(document);
    return EXIT.done;
  },
});
