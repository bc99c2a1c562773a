import { setTimeout as sleep } from 'node:timers/promises';
import type { V1Pod } from '@kubernetes/client-node';
import { LensError, messageOf } from '../../errors';
import type { OnProgress } from '../../progress';
import { ask, type Cluster, createPod, statusOf } from '../access';
import { clearingPod, MEASURE_LABEL, type ClearWish, type MeasurePlan } from './plan';
import { followStart } from './start';
import { whyUnscheduled } from './timeline';
import { type FailedStart, type Measurement, type Start, STAGES } from './types';

/** Milliseconds between two looks whether a pod is gone or done. */
const LOOK = 100;
/** Milliseconds after which a pod that does not go is removed without waiting for its node; after twice that it is given up. */
const PATIENCE = 20_000;
/** Milliseconds for all of the cleaning up. */
const CLEANING = 60_000;
/** What ends the whole measure, not one start of it. */
const FATAL: ReadonlySet<string> = new Set([
  'cluster/unreachable',
  'cluster/not-signed-in',
  'cluster/no-rights',
  'cluster/refused',
]);

export interface MeasureOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: OnProgress;
  /** Milliseconds that a pod has to go, see `PATIENCE`. */
  readonly patience?: number;
}

/** How long a removal may wait. */
type Waiting = Required<Pick<MeasureOptions, 'signal' | 'patience'>>;

/**
 * Does what a plan says, one start after the other, and takes everything away again, also when it fails or is aborted.
 *
 * @throws LensError the first start's error when a variant never came up, `cluster/left-behind` when something could not be
 * removed, and what {@link ask} does
 */
export async function runMeasure(
  cluster: Cluster,
  plan: MeasurePlan,
  options: MeasureOptions,
): Promise<Measurement> {
  const { signal, onProgress, patience = PATIENCE } = options;
  const starts: Start[] = [];
  const failed: FailedStart[] = [];
  const { wish } = plan;
  try {
    for (const [node, images] of plan.cleared) {
      onProgress?.({ step: `Removing the image from ${node}` });
      if (wish.clear) await clearImages(cluster, plan, node, images, wish.clear, { signal, patience });
    }
    for (const [done, planned] of plan.starts.entries()) {
      const { variant, round, node } = planned;
      const step = `Round ${round} of ${wish.rounds}, ${variant} SOCI, on ${node}`;
      const total = plan.starts.length;
      onProgress?.({ step, done, total });
      try {
        const onStage = (stage: string) => onProgress?.({ step: `${step}: ${stage}`, done, total });
        starts.push(await followStart(cluster, planned, { timeout: wish.timeout, signal, onStage }));
      } catch (error) {
        if (!(error instanceof LensError) || FATAL.has(error.code)) throw error;
        failed.push({ variant, round, node, error });
        // With its only node gone, there is nowhere left to measure.
        if (wish.clear && error.code === 'cluster/node-gone') break;
      }
      await removePod(cluster, planned.pod.metadata.name, { signal, patience });
      if (wish.clear) {
        const image = variant === 'with' ? wish.indexed : wish.plain;
        await clearImages(cluster, plan, node, [image], wish.clear, { signal, patience });
      }
    }
  } finally {
    onProgress?.({ step: 'Cleaning up' });
    await removeAll(cluster, plan.id, patience);
  }
  for (const variant of ['without', 'with']) {
    const error = failed.find((one) => one.variant === variant)?.error;
    if (error && !starts.some((one) => one.variant === variant)) throw error;
  }
  return { starts, failed, asksReady: wish.port !== undefined, figures: ['pull', ...STAGES] };
}

async function clearImages(
  cluster: Cluster,
  { id, wish }: MeasurePlan,
  node: string,
  images: readonly string[],
  clear: ClearWish,
  waiting: Waiting,
): Promise<void> {
  const { core, namespace } = cluster;
  const { signal } = waiting;
  for (const image of images) {
    const pod = clearingPod(id, node, image, clear);
    const { name } = pod.metadata;
    signal.throwIfAborted();
    await createPod(cluster, pod);
    const until = performance.now() + wish.timeout;
    for (;;) {
      const found = await ask(cluster, () => core.readNamespacedPod({ name, namespace }), signal);
      if (found.status?.phase === 'Succeeded') break;
      // Of a pod without a node the cluster's own deadline does not begin.
      const late = performance.now() > until ? `it took longer than ${wish.timeout / 1000} s` : undefined;
      const why = whyNotCleared(found) ?? late;
      if (why !== undefined) {
        throw new LensError(
          'cluster/cannot-clear',
          `The image could not be removed from ${node}: ${why}.`,
          'See that the node has room for a pod, the image of --clear-with has crictl, and --containerd-socket is where containerd listens.',
        );
      }
      await sleep(LOOK, undefined, { signal });
    }
    await removePod(cluster, name, waiting);
  }
}

/** Why nothing comes of a clearing pod; undefined while something may. */
function whyNotCleared(pod: V1Pod): string | undefined {
  const { status } = pod;
  const waiting = status?.containerStatuses?.[0]?.state?.waiting;
  const isOver = status?.phase === 'Failed' || /ErrImage|ImagePullBackOff|Error$/.test(waiting?.reason ?? '');
  return isOver ? (waiting?.message ?? status?.message ?? 'crictl failed') : whyUnscheduled(pod);
}

/**
 * Removes a pod and waits until it is gone, since its image is in use until then.
 *
 * @throws LensError `cluster/pod-stays` when it is still there, which only a finalizer explains once no node is waited for
 */
async function removePod(cluster: Cluster, name: string, { signal, patience }: Waiting): Promise<void> {
  const { core, namespace } = cluster;
  const remove = (gracePeriodSeconds: number) =>
    absentIs(() => core.deleteNamespacedPod({ name, namespace, gracePeriodSeconds }));
  const read = () => absentIs(() => core.readNamespacedPod({ name, namespace }));
  await ask(cluster, () => remove(1), signal);
  const since = performance.now();
  let forced = false;
  for (let pod; (pod = await ask(cluster, read, signal));) {
    const waited = performance.now() - since;
    // A node that is gone never says that its pod has ended.
    if (!forced && waited > patience) {
      forced = true;
      await ask(cluster, () => remove(0), signal);
    }
    if (waited > 2 * patience) throw podStays(cluster, name, pod.metadata?.finalizers ?? []);
    await sleep(LOOK, undefined, { signal });
  }
}

function podStays({ context, namespace }: Cluster, name: string, finalizers: readonly string[]): LensError {
  const isHeld = finalizers.length > 0;
  return new LensError(
    'cluster/pod-stays',
    `The pod ${name} in namespace ${namespace} was removed and is still there${isHeld ? `, held by ${finalizers.length === 1 ? 'the finalizer' : 'the finalizers'} ${finalizers.join(', ')}` : ''}.`,
    isHeld
      ? `Let go in place of the controllers that should (kubectl --context ${context} --namespace ${namespace} patch pod ${name} --type merge --patch '{"metadata":{"finalizers":null}}'), or see why they do not.`
      : `See what its events say (kubectl --context ${context} --namespace ${namespace} describe pod ${name}).`,
  );
}

/** Undefined for what is not there. */
async function absentIs<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

/** Removes every pod of a measure. Takes its own time: what aborted the measure must not keep it from cleaning up. */
async function removeAll(cluster: Cluster, id: string, patience: number): Promise<void> {
  const { core, namespace, context } = cluster;
  const signal = AbortSignal.timeout(CLEANING);
  const labelSelector = `${MEASURE_LABEL}=${id}`;
  try {
    const { items } = await ask(cluster, () => core.listNamespacedPod({ namespace, labelSelector }), signal);
    // One that stays keeps none of the others.
    const removed = await Promise.allSettled(
      items.map(({ metadata }) => removePod(cluster, metadata?.name ?? '', { signal, patience })),
    );
    const failure = removed.find((one) => one.status === 'rejected');
    if (failure) throw failure.reason;
  } catch (error) {
    const stays = error instanceof LensError && error.code === 'cluster/pod-stays' ? error : undefined;
    throw new LensError(
      'cluster/left-behind',
      `Pods of this measure may be left in namespace ${namespace} of context ${context}; they end by themselves. ${messageOf(error)}`,
      stays?.advice ??
        `Remove them (kubectl --context ${context} --namespace ${namespace} delete pods --selector ${labelSelector}).`,
      { cause: error },
    );
  }
}
