import { AppsV1Api, BatchV1Api, NodeV1Api, type V1ObjectMeta } from '@kubernetes/client-node';
import { MANAGED_BY } from './manifests';
import { ask, type Cluster, statusOf } from './measure/access';

/** An object of ours in a cluster. */
export interface ClusterItem {
  /** `Kind/name`, as `kubectl` takes it. */
  readonly id: string;
  readonly created: Date | undefined;
}

export interface RemovableItem extends ClusterItem {
  /** What is gone already is as good as removed. */
  remove(): Promise<unknown>;
}

interface Listed {
  readonly items: readonly { readonly metadata?: V1ObjectMeta }[];
}

/**
 * Everything in the cluster that carries our label: in the namespace, and the runtime class, which has none. What belongs to
 * another object goes with that, and is left out.
 *
 * @throws what {@link ask} does
 */
export async function findClusterItems(cluster: Cluster, signal: AbortSignal): Promise<RemovableItem[]> {
  const { core, config, namespace } = cluster;
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
  const propagationPolicy = 'Background';
  const kinds: readonly (readonly [
    kind: string,
    list: () => Promise<Listed>,
    remove: (name: string) => Promise<unknown>,
  ])[] = [
    [
      'Job',
      () => batch.listNamespacedJob(ours),
      (name) => batch.deleteNamespacedJob({ name, namespace, propagationPolicy }),
    ],
    [
      'CronJob',
      () => batch.listNamespacedCronJob(ours),
      (name) => batch.deleteNamespacedCronJob({ name, namespace, propagationPolicy }),
    ],
    [
      'Deployment',
      () => apps.listNamespacedDeployment(ours),
      (name) => apps.deleteNamespacedDeployment({ name, namespace, propagationPolicy }),
    ],
    [
      'DaemonSet',
      () => apps.listNamespacedDaemonSet(ours),
      (name) => apps.deleteNamespacedDaemonSet({ name, namespace, propagationPolicy }),
    ],
    ['Pod', () => core.listNamespacedPod(ours), (name) => core.deleteNamespacedPod({ name, namespace })],
    [
      'ConfigMap',
      () => core.listNamespacedConfigMap(ours),
      (name) => core.deleteNamespacedConfigMap({ name, namespace }),
    ],
    [
      'RuntimeClass',
      () => nodes.listRuntimeClass({ labelSelector }),
      (name) => nodes.deleteRuntimeClass({ name }),
    ],
  ];
  const found = await Promise.all(
    kinds.map(async ([kind, list, remove]) => {
      const { items } = await ask(cluster, list, signal);
      return items.flatMap(({ metadata }) => {
        if (!metadata) return [];
        const { name, creationTimestamp: created, ownerReferences } = metadata;
        if (name === undefined || (ownerReferences?.length ?? 0) > 0) return [];
        const gone = (error: unknown) => {
          if (statusOf(error) !== 404) throw error;
        };
        return [
          { id: `${kind}/${name}`, created, remove: () => ask(cluster, () => remove(name).catch(gone)) },
        ];
      });
    }),
  );
  return found.flat();
}
