import { randomBytes } from 'node:crypto';
import type { V1Node } from '@kubernetes/client-node';
import { stringify } from 'yaml';
import { LensError } from '../../errors';
import { comparisonPod, MANAGED_BY, RUNTIME_CLASS, type Variant } from '../manifests';
import { ask, checkRights, type Cluster, hasRuntimeClass, type Right } from '../access';

export interface MeasureWish {
  /** Both by digest: the image, and its indexed self. */
  readonly plain: string;
  readonly indexed: string;
  /** Where it listens when it is ready; without one, running counts as ready. */
  readonly port?: number | undefined;
  /** Starts of each variant. */
  readonly rounds: number;
  /** How long a start may take, in milliseconds. */
  readonly timeout: number;
  /**
   * How each start finds a node without the image. By default each takes another node, one that has neither image; with
   * `clear` all take the same one, and a pod there removes the image after each.
   */
  readonly clear?: ClearWish | undefined;
}

export interface ClearWish {
  /** An image with `crictl`, by digest. */
  readonly image: string;
  /** A node; the first that is ready where not named. */
  readonly node?: string | undefined;
  /** Containerd's socket on the node. */
  readonly socket: string;
}

/** A pod as it is written down. */
export interface PodDocument {
  readonly apiVersion: 'v1';
  readonly kind: 'Pod';
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: Readonly<Record<string, unknown>>;
}

export interface PlannedStart {
  readonly variant: Variant;
  readonly round: number;
  readonly node: string;
  readonly pod: PodDocument;
}

/** What a measure would do to a cluster: all of it, and nothing has been done yet. */
export interface MeasurePlan {
  readonly id: string;
  readonly wish: MeasureWish;
  readonly starts: readonly PlannedStart[];
  /** Images of the comparison that nodes have already, and that would be removed from there: node → names. */
  readonly cleared: ReadonlyMap<string, readonly string[]>;
}

/** The label that tells the pods of one measure from those of another. */
export const MEASURE_LABEL = 'soci-lens/measure';
const VARIANTS: readonly Variant[] = ['without', 'with'];
/** Seconds beyond the longest start after which the cluster itself ends a pod of ours, should nobody be there to. */
const DEADLINE_MARGIN = 600;

/**
 * Looks whether a measure is possible, and what it would do. Changes nothing.
 *
 * @throws LensError `cluster/no-rights`, `cluster/no-runtime-class`, `cluster/too-few-nodes`, `cluster/no-node`, and what {@link ask} does
 */
export async function planMeasure(
  cluster: Cluster,
  wish: MeasureWish,
  signal?: AbortSignal,
): Promise<MeasurePlan> {
  await checkRights(cluster, rightsFor(cluster.namespace), signal);
  if (!(await hasRuntimeClass(cluster, RUNTIME_CLASS, signal))) {
    throw new LensError(
      'cluster/no-runtime-class',
      `The cluster has no RuntimeClass ${RUNTIME_CLASS}, by which pods get their images from SOCI.`,
      'Install the snapshotter: `soci-lens cluster manifests` writes what is needed.',
    );
  }
  const { items } = await ask(cluster, () => cluster.core.listNode(), signal);
  const usable = items.filter(isUsable);
  const id = randomBytes(4).toString('hex');
  const nodes = wish.clear ? [clearedNode(usable, wish.clear)] : freshNodes(usable, wish);
  const starts: PlannedStart[] = [];
  for (let round = 1; round <= wish.rounds; round++) {
    // Turn and turn about, so that what changes with time, as a registry's cache, favours neither.
    for (const variant of round % 2 === 1 ? VARIANTS : [...VARIANTS].reverse()) {
      const node = nodeName(nodes[starts.length % nodes.length]);
      starts.push({ variant, round, node, pod: measuredPod(id, variant, round, node, wish) });
    }
  }
  const cleared = new Map(
    wish.clear ? nodes.map((node) => [nodeName(node), imagesOf(node, wish)] as const) : [],
  );
  return { id, wish, starts, cleared };
}

function rightsFor(namespace: string): Right[] {
  const pods = (['get', 'list', 'watch', 'create', 'delete'] as const).map(
    (verb) => ({ verb, resource: 'pods', namespace }) as const,
  );
  const events = (['list', 'watch'] as const).map(
    (verb) => ({ verb, resource: 'events', namespace }) as const,
  );
  const nodes = (['list', 'watch'] as const).map((verb) => ({ verb, resource: 'nodes' }) as const);
  return [...pods, ...events, ...nodes, { verb: 'get', resource: 'runtimeclasses', group: 'node.k8s.io' }];
}

/** Linux, ready, and open to new pods. */
function isUsable({ spec, status, metadata }: V1Node): boolean {
  return (
    spec?.unschedulable !== true &&
    (metadata?.labels?.['kubernetes.io/os'] ?? 'linux') === 'linux' &&
    status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') === true
  );
}

/** Those images of the comparison that a node says it has. */
function imagesOf({ status }: V1Node, { plain, indexed }: MeasureWish): string[] {
  const names = new Set(status?.images?.flatMap((image) => image.names ?? []) ?? []);
  return [plain, indexed].filter((image) => names.has(image));
}

function freshNodes(usable: readonly V1Node[], wish: MeasureWish): V1Node[] {
  const fresh = usable.filter((node) => imagesOf(node, wish).length === 0);
  const needed = wish.rounds * VARIANTS.length;
  if (fresh.length >= needed) return fresh.slice(0, needed);
  throw new LensError(
    'cluster/too-few-nodes',
    `${wish.rounds} rounds need ${needed} nodes that have neither image, since a second start on a node finds its layers there; ${fresh.length} of ${usable.length} are.`,
    'Measure fewer rounds, add fresh nodes, or have the image removed after each start (--clear-with IMAGE).',
  );
}

function clearedNode(usable: readonly V1Node[], { node }: ClearWish): V1Node {
  const found = node === undefined ? usable[0] : usable.find((one) => nodeName(one) === node);
  if (found) return found;
  throw new LensError(
    'cluster/no-node',
    node === undefined
      ? 'No Linux node of the cluster is ready and open to new pods.'
      : `The node ${node} is not there, not ready, or closed to new pods.`,
    `Name one of: ${usable.map(nodeName).join(', ') || 'none'}.`,
  );
}

function nodeName(node: V1Node | undefined): string {
  return node?.metadata?.name ?? '';
}

/** Binds a pod to a node as a DaemonSet does, so that the scheduler still minds what the node has room for. */
function onNode(node: string): PodDocument['spec'] {
  const matchFields = [{ key: 'metadata.name', operator: 'In', values: [node] }];
  return {
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] },
      },
    },
    // A pool for accelerators is often closed by a taint; that node was chosen on purpose.
    tolerations: [{ operator: 'Exists', effect: 'NoSchedule' }],
  };
}

function measuredPod(
  id: string,
  variant: Variant,
  round: number,
  node: string,
  { plain, indexed, port, timeout }: MeasureWish,
): PodDocument {
  const image = variant === 'with' ? indexed : plain;
  const { metadata, spec } = comparisonPod(variant, image, port);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...metadata,
      name: `soci-measure-${id}-${round}-${variant}`,
      labels: { ...metadata.labels, [MEASURE_LABEL]: id },
    },
    spec: {
      // The very pod of the Deployments that `cluster manifests` writes.
      ...spec,
      ...onNode(node),
      activeDeadlineSeconds: Math.ceil(timeout / 1000) + DEADLINE_MARGIN,
    },
  };
}

/** A pod that removes an image from a node, by containerd's own interface for Kubernetes. */
export function clearingPod(id: string, node: string, image: string, clear: ClearWish): PodDocument {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `soci-measure-${id}-clear`,
      labels: { ...MANAGED_BY, [MEASURE_LABEL]: id },
    },
    spec: {
      ...onNode(node),
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      activeDeadlineSeconds: DEADLINE_MARGIN,
      containers: [
        {
          name: 'clear',
          image: clear.image,
          command: ['crictl', '--image-endpoint', 'unix:///node/containerd.sock', 'rmi', image],
          // The socket is root's; nothing else is needed.
          securityContext: {
            runAsUser: 0,
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
            seccompProfile: { type: 'RuntimeDefault' },
          },
          volumeMounts: [{ name: 'socket', mountPath: '/node/containerd.sock' }],
        },
      ],
      volumes: [{ name: 'socket', hostPath: { path: clear.socket, type: 'Socket' } }],
    },
  };
}

/**
 * A plan as a diff: whom it is about first, then every object that would come, and that all of them go again.
 *
 * @param say says a sentence in the language of the reader; the objects themselves are written as Kubernetes has them
 */
export function describeMeasurePlan(
  { context, server, namespace }: Cluster,
  { starts, wish, cleared, id }: MeasurePlan,
  say: (sentence: string) => string = (sentence) => sentence,
): string {
  const samples = VARIANTS.flatMap((variant) => starts.find((start) => start.variant === variant) ?? []);
  const rest = starts.filter((start) => !samples.includes(start));
  const added = (pod: PodDocument) =>
    stringify(pod, { lineWidth: 0 })
      .trimEnd()
      .split('\n')
      .map((line) => `+ ${line}`);
  const { clear } = wish;
  return [
    say(`Context    ${context}\nServer     ${server}\nNamespace  ${namespace}`),
    '',
    say(`${starts.length} starts, one after the other; each pod is removed after its own:`),
    ...samples.flatMap(({ pod }) => [...added(pod), '']),
    ...rest.map(({ pod, node }) => say(`+ Pod ${pod.metadata.name} on node ${node}`)),
    ...(clear
      ? [
          say(`+ Pod soci-measure-${id}-clear after each start, as root on the socket of containerd:`),
          ...added(clearingPod(id, starts[0]?.node ?? '', wish.plain, clear)),
        ]
      : []),
    ...[...cleared].flatMap(([node, images]) =>
      images.map((image) => say(`- ${image} on ${node}, which has it now and would have to pull it again`)),
    ),
  ].join('\n');
}
