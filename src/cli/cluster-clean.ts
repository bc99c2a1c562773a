import { CLEANING_FLAGS, type CleaningPlace, cleanUp } from './cleaning';
import { CLUSTER_FLAGS, type ClusterFlagValues } from './cluster-flags';
import { defineCommand } from './command';

export const clusterCleanCommand = defineCommand({
  name: 'cluster clean',
  summary:
    'Removes what was made in a cluster: installer, comparison, jobs, pods of a measure, runtime class.',
  usage: 'cluster clean [--dry-run] [--only KIND/NAME …] [flags]',
  positionals: 0,
  flags: { ...CLEANING_FLAGS, ...CLUSTER_FLAGS },
  run: async (session, { flags }) => cleanUp(session, [await clusterPlace(flags, session.signal)], flags),
});

/** A cluster, by name and server, so that the one who is asked sees which it is. */
export async function clusterPlace(flags: ClusterFlagValues, signal: AbortSignal): Promise<CleaningPlace> {
  const { checkRemovable, findClusterItems, openCluster } = await import('../kubernetes');
  const cluster = openCluster(flags);
  const { context, server, namespace } = cluster;
  return {
    name: `Context ${context} at ${server}, namespace ${namespace}`,
    async find() {
      const { items, unseen } = await findClusterItems(cluster, signal);
      const check = (ids: ReadonlySet<string>) =>
        checkRemovable(
          cluster,
          items.filter(({ id }) => ids.has(id)),
          signal,
        );
      return { items, unseen, check };
    },
  };
}
