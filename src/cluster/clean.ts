import { AppsV1Api, BatchV1Api, NodeV1Api, type V1ObjectMeta } from '@kubernetes/client-node';
import type { LensError } from '../errors';
import { MANAGED_BY } from './manifests';
import { ask, checkRights, type Cluster, missingRights, noRights, type Right, statusOf } from './access';

/** An object of ours in a cluster. */
export interface ClusterItem {
  /** `Kind/name`, as `kubectl` takes it. */
  readonly id: string;
  readonly kind: 'object';
  readonly created: Date | undefined;
  /** What removing it needs. */
  readonly right: Right;
  /** What is gone already is as good as removed. */
  remove(): Promise<unknown>;
}

interface Listed {
  readonly items: readonly { readonly metadata?: V1ObjectMeta }[];
}

interface Kind {
  readonly kind: string;
  readonly of: Omit<Right, 'verb'>;
  readonly list: () => Promise<Listed>;
  readonly remove: (name: string) => Promise<unknown>;
}

/**
 * Everything in the cluster that carries our label: in the namespace, and the runtime class, which has none. What belongs to
 * another object goes with that, and is left out. Kinds that may not be listed are left out too, and `unseen` says which.
 *
 * @throws what {@link ask} does
 */
export async function findClusterItems(
  cluster: Cluster,
  signal: AbortSignal,
): Promise<{ readonly items: ClusterItem[]; readonly unseen: LensError | undefined }> {
  const kinds = kindsOf(cluster);
  const missing = await missingRights(
    cluster,
    kinds.map(({ of }) => ({ ...of, verb: 'list' as const })),
    signal,
  );
  const seen = kinds.filter(({ of }) => !missing.some(({ resource }) => resource === of.resource));
  const found = await Promise.all(
    seen.map(async ({ kind, of, list, remove }) => {
      const { items } = await ask(cluster, list, signal);
      return items.flatMap(({ metadata }): ClusterItem[] => {
        if (!metadata) return [];
        const { name, creationTimestamp: created, ownerReferences } = metadata;
        if (name === undefined || (ownerReferences?.length ?? 0) > 0) return [];
        const gone = (error: unknown) => {
          if (statusOf(error) !== 404) throw error;
        };
        return [
          {
            id: `${kind}/${name}`,
            kind: 'object',
            created,
            right: { ...of, verb: 'delete' },
            remove: () => ask(cluster, () => remove(name).catch(gone)),
          },
        ];
      });
    }),
  );
  return { items: found.flat(), unseen: missing.length > 0 ? noRights(cluster, missing) : undefined };
}

/**
 * Asks whether all of these may be removed, before the first of them is.
 *
 * @throws LensError `cluster/no-rights` with each verb and resource that is missing
 */
export async function checkRemovable(
  cluster: Cluster,
  items: readonly ClusterItem[],
  signal: AbortSignal,
): Promise<void> {
  const rights = new Map(items.map(({ right }) => [right.resource, right]));
  await checkRights(cluster, [...rights.values()], signal);
}

function kindsOf({ core, config, namespace }: Cluster): readonly Kind[] {
  const [apps, batch, nodes] = [
    config.makeApiClient(AppsV1Api),
    config.makeApiClient(BatchV1Api),
    config.makeApiClient(NodeV1Api),
  ];
  const labelSelector = Object.entries(MANAGED_BY)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const ours = { namespace, labelSelector };
  // A Job's and a DaemonSet's pods go with it.
  const named = (name: string) => ({ name, namespace, propagationPolicy: 'Background' });
  return [
    {
      kind: 'Job',
      of: { group: 'batch', resource: 'jobs', namespace },
      list: () => batch.listNamespacedJob(ours),
      remove: (name) => batch.deleteNamespacedJob(named(name)),
    },
    {
      kind: 'CronJob',
      of: { group: 'batch', resource: 'cronjobs', namespace },
      list: () => batch.listNamespacedCronJob(ours),
      remove: (name) => batch.deleteNamespacedCronJob(named(name)),
    },
    {
      kind: 'Deployment',
      of: { group: 'apps', resource: 'deployments', namespace },
      list: () => apps.listNamespacedDeployment(ours),
      remove: (name) => apps.deleteNamespacedDeployment(named(name)),
    },
    {
      kind: 'DaemonSet',
      of: { group: 'apps', resource: 'daemonsets', namespace },
      list: () => apps.listNamespacedDaemonSet(ours),
      remove: (name) => apps.deleteNamespacedDaemonSet(named(name)),
    },
    {
      kind: 'Pod',
      of: { resource: 'pods', namespace },
      list: () => core.listNamespacedPod(ours),
      remove: (name) => core.deleteNamespacedPod({ name, namespace }),
    },
    {
      kind: 'ConfigMap',
      of: { resource: 'configmaps', namespace },
      list: () => core.listNamespacedConfigMap(ours),
      remove: (name) => core.deleteNamespacedConfigMap({ name, namespace }),
    },
    {
      kind: 'RuntimeClass',
      of: { group: 'node.k8s.io', resource: 'runtimeclasses' },
      list: () => nodes.listRuntimeClass({ labelSelector }),
      remove: (name) => nodes.deleteRuntimeClass({ name }),
    },
  ];
}
