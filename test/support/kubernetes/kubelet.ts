import { setTimeout as sleep } from 'node:timers/promises';

/** How the node treats a pod. */
export interface Fate {
  /** Milliseconds from one step to the next. */
  readonly step?: number;
  /** What kubelet says that pulling took. */
  readonly pullTook?: string;
  /** How far the node's clock is ahead, in milliseconds. */
  readonly clockAhead?: number;
  /** No events: they were dropped, or have expired. */
  readonly silent?: boolean;
  /** No node is found for it, and the scheduler says why, or nothing yet (''). */
  readonly unscheduled?: string;
  /** The image is on the node already. */
  readonly warm?: boolean;
  /** Why its image does not come. */
  readonly pullError?: string;
  /** Why there is no sandbox for it. */
  readonly sandboxError?: string;
  /** It starts and ends with this exit code. */
  readonly exit?: number;
  /** It comes up and is never ready. */
  readonly stuck?: boolean;
  /** Called between pulling and pulled. */
  readonly during?: (() => Promise<void>) | undefined;
}

interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly containers: readonly [{ readonly image: string }];
    readonly affinity: {
      readonly nodeAffinity: {
        readonly requiredDuringSchedulingIgnoredDuringExecution: {
          readonly nodeSelectorTerms: readonly [
            { readonly matchFields: readonly [{ readonly values: readonly [string] }] },
          ];
        };
      };
    };
  };
}

/** One request to the API, refused answers as errors. */
export async function request(
  api: string,
  method: string,
  path: string,
  body?: unknown,
  type = 'application/json',
): Promise<unknown> {
  const response = await fetch(`${api}${path}`, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': type } }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}

/**
 * Plays scheduler and kubelet for the pods of a namespace, through the API alone: binds them, tells of them in events and
 * statuses as the real ones do, and lets them go when they are deleted. There are no containers.
 */
export class Kubelet {
  readonly #api: string;
  readonly #namespace: string;
  readonly #fate: (pod: Pod) => Fate;
  readonly #known = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  readonly #loop: Promise<void>;
  /** Images of the pods in the order in which they came. */
  readonly images: string[] = [];
  #stopped = false;

  constructor(api: string, namespace: string, fate: (pod: Pod) => Fate = () => ({})) {
    this.#api = api;
    this.#namespace = namespace;
    this.#fate = fate;
    this.#loop = this.#watch();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop;
    await Promise.allSettled(this.#running);
  }

  async #watch(): Promise<void> {
    const pods = `/api/v1/namespaces/${this.#namespace}/pods`;
    while (!this.#stopped) {
      const { items } = (await request(this.#api, 'GET', pods)) as { items: Pod[] };
      for (const pod of items) {
        const { name, uid, deletionTimestamp } = pod.metadata;
        if (deletionTimestamp !== undefined) {
          const end = { gracePeriodSeconds: 0, preconditions: { uid } };
          // Somebody else may have been quicker.
          await request(this.#api, 'DELETE', `${pods}/${name}`, end).catch(() => undefined);
        } else if (!this.#known.has(uid)) {
          this.#known.add(uid);
          // A pod that is deleted under way is no concern of its kubelet's.
          const life = this.#run(pod).catch(() => undefined);
          this.#running.add(life);
        }
      }
      await sleep(25);
    }
  }

  async #run(pod: Pod): Promise<void> {
    const { name, uid, namespace } = pod.metadata;
    const [{ image }] = pod.spec.containers;
    this.images.push(image);
    const fate = this.#fate(pod);
    const { step = 5, pullTook = '1.5s', clockAhead = 0, silent = false } = fate;
    const [term] =
      pod.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms;
    const [node] = term.matchFields[0].values;
    const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
    const now = () => new Date(Date.now() + clockAhead).toISOString().replace(/\.\d+Z$/, 'Z');
    const say = async (reason: string, message: string, component = 'kubelet', type = 'Normal') => {
      if (silent) return;
      await request(this.#api, 'POST', `/api/v1/namespaces/${namespace}/events`, {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { generateName: `${name}.`, namespace },
        involvedObject: { apiVersion: 'v1', kind: 'Pod', name, namespace, uid },
        ...{ reason, message, type, count: 1, firstTimestamp: now(), lastTimestamp: now() },
        source: { component, ...(component === 'kubelet' && { host: node }) },
      });
    };
    const status = (value: unknown) =>
      request(this.#api, 'PATCH', `${path}/status`, { status: value }, 'application/merge-patch+json');
    const container = (state: unknown, ready = false) => ({
      containerStatuses: [{ name: 'app', image, imageID: '', ready, restartCount: 0, state }],
    });

    if (fate.unscheduled !== undefined) {
      const refusal = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable' };
      const conditions = fate.unscheduled === '' ? [] : [{ ...refusal, message: fate.unscheduled }];
      await status({ phase: 'Pending', conditions });
      return;
    }
    await request(this.#api, 'POST', `${path}/binding`, {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, uid },
      target: { apiVersion: 'v1', kind: 'Node', name: node },
    });
    await say('Scheduled', `Successfully assigned ${namespace}/${name} to ${node}`, 'default-scheduler');
    if (pod.metadata.labels?.['app.kubernetes.io/name'] === undefined) {
      // One of the clean-up: it has something to do and is done.
      await status({
        phase: 'Succeeded',
        ...container({ terminated: { exitCode: 0, reason: 'Completed' } }),
      });
      return;
    }
    if (fate.sandboxError !== undefined) {
      await say('FailedCreatePodSandBox', fate.sandboxError, 'kubelet', 'Warning');
      return;
    }
    await sleep(step);
    if (fate.warm) await say('Pulled', `Container image "${image}" already present on machine`);
    else {
      await say('Pulling', `Pulling image "${image}"`);
      if (fate.pullError !== undefined) {
        await status({
          phase: 'Pending',
          ...container({ waiting: { reason: 'ErrImagePull', message: fate.pullError } }),
        });
        return;
      }
      await fate.during?.();
      await sleep(step);
      await say(
        'Pulled',
        `Successfully pulled image "${image}" in ${pullTook} (${pullTook} including waiting). Image size: 1024 bytes.`,
      );
    }
    await say('Created', 'Container created');
    await say('Started', 'Container started');
    if (fate.exit !== undefined) {
      const terminated = { exitCode: fate.exit, reason: 'Error' };
      await status({ phase: 'Running', ...container({ terminated }) });
      return;
    }
    const started = { running: { startedAt: now() } };
    await status({ phase: 'Running', ...container(started) });
    if (fate.stuck) return;
    await sleep(step);
    const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: now() }];
    await status({ phase: 'Running', conditions, ...container(started, true) });
  }
}
