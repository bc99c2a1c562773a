import type { Flag, FlagValues } from './command';

/** Which cluster: flags of every verb that asks one, named as `openCluster` takes them. */
export const CLUSTER_FLAGS = {
  context: { type: 'string', value: 'NAME', help: 'A context of the kubeconfig (its current one).' },
  namespace: { type: 'string', value: 'NAME', help: "Where everything goes (the context's)." },
  kubeconfig: { type: 'string', value: 'FILE', help: 'Another kubeconfig than the usual one.' },
} as const satisfies Record<string, Flag>;

export type ClusterFlagValues = FlagValues<typeof CLUSTER_FLAGS>;
