import type { CoreV1Event, V1ContainerStatus, V1Node, V1Pod } from '@kubernetes/client-node';
import { LensError } from '../../errors';
import { type Cluster, createPod } from '../access';
import { follow, type Following } from './follow';
import type { PlannedStart } from './plan';
import { pullDuration, stageOf, wasThere, whyUnscheduled } from './timeline';
import { STAGES, type Stage, type Start } from './types';

/** Milliseconds that events may lag behind the state that they tell of. */
const GRACE = 2000;
/** States of a waiting container from which no cold start comes any more. */
const HOPELESS = /^(?:ErrImage\w*|ImagePullBackOff|InvalidImageName|Create\w*Error|RunContainerError)$/;
/** What kubelet says when containerd has no runtime of the class's name. */
const NO_RUNTIME = /no runtime for|runtime ?handler .*not (?:supported|found)/i;

/**
 * Has a pod made and follows it until it is ready. Times are those at which this machine sees a step, since the node's clock
 * is another one, and its events are dated to the second only. The pod is left to the caller.
 *
 * @throws LensError `cluster/node-gone`, `cluster/pod-gone`, `cluster/pod-failed`, `cluster/no-runtime`, `cluster/not-cold`,
 * `cluster/unschedulable`, `cluster/not-ready-in-time`, and what {@link createPod} does
 */
export async function followStart(
  cluster: Cluster,
  planned: PlannedStart,
  options: {
    /** Milliseconds. */
    readonly timeout: number;
    readonly signal: AbortSignal;
    readonly onStage?: (stage: Stage) => void;
  },
): Promise<Start> {
  const { core, namespace } = cluster;
  const { node, pod } = planned;
  const { signal, timeout } = options;
  const { name } = pod.metadata;
  const state = new StartState(planned, options.onStage);
  const eyes: Following[] = [];
  const inNamespace = (what: string) => `/api/v1/namespaces/${encodeURIComponent(namespace)}/${what}`;
  const listener = {
    onGap: () => {
      state.gaps = true;
    },
    onError: (error: unknown) => {
      state.fail(error);
    },
  };
  let limit: NodeJS.Timeout | undefined;
  const abort = () => {
    state.fail(signal.reason);
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    signal.throwIfAborted();
    // All eyes open before the pod is there, so that no step is seen late.
    const podField = `metadata.name=${name}`;
    const eventField = `involvedObject.name=${name}`;
    const nodeField = `metadata.name=${node}`;
    eyes.push(
      follow<V1Pod>(
        cluster,
        inNamespace('pods'),
        podField,
        () => core.listNamespacedPod({ namespace, fieldSelector: podField }),
        {
          ...listener,
          onChange: (one) => {
            state.seePod(one);
          },
          onDelete: () => {
            state.fail(state.podGone());
          },
        },
      ),
      follow<CoreV1Event>(
        cluster,
        inNamespace('events'),
        eventField,
        () => core.listNamespacedEvent({ namespace, fieldSelector: eventField }),
        {
          ...listener,
          onChange: (event) => {
            state.seeEvent(event);
          },
        },
      ),
      follow<V1Node>(cluster, '/api/v1/nodes', nodeField, () => core.listNode({ fieldSelector: nodeField }), {
        ...listener,
        onChange: (one) => {
          state.seeNode(one);
        },
        onDelete: () => {
          state.fail(state.nodeGone('was removed from the cluster'));
        },
      }),
    );
    await Promise.race([Promise.all(eyes.map(({ opened }) => opened)), state.end]);
    state.begin();
    limit = setTimeout(() => {
      state.fail(state.tooLate(timeout));
    }, timeout);
    await createPod(cluster, pod);
    await state.end;
    return state.result();
  } finally {
    clearTimeout(limit);
    signal.removeEventListener('abort', abort);
    for (const eye of eyes) eye.stop();
  }
}

/** What is known of a start, and whether it has come to its end. */
class StartState {
  gaps = false;
  /** Resolves when the pod is ready and the events have had their time; rejects when nothing can come of it any more. */
  readonly end: Promise<void>;
  readonly fail: (error: unknown) => void;
  readonly #succeed: () => void;
  readonly #planned: PlannedStart;
  readonly #onStage: ((stage: Stage) => void) | undefined;
  readonly #seen: Partial<Record<Stage, number>> = {};
  readonly #clocks: number[] = [];
  #pullTook: number | undefined;
  #began = 0;
  #grace: NodeJS.Timeout | undefined;
  /** The last that the cluster warned of. */
  #warning = '';

  constructor(planned: PlannedStart, onStage: ((stage: Stage) => void) | undefined) {
    this.#planned = planned;
    this.#onStage = onStage;
    let [succeed, fail]: [() => void, (error: unknown) => void] = [() => undefined, () => undefined];
    this.end = new Promise<void>((resolve, reject) => {
      [succeed, fail] = [resolve, reject];
    });
    // Whoever waits hears of it; before somebody does, it is no unhandled rejection.
    this.end.catch(() => undefined);
    this.#succeed = succeed;
    this.fail = (error) => {
      clearTimeout(this.#grace);
      fail(error);
    };
  }

  begin(): void {
    this.#began = performance.now();
  }

  result(): Start {
    const { variant, round, node } = this.#planned;
    const { gaps } = this;
    const clocks = [...this.#clocks].sort((a, b) => a - b);
    const clockAhead = clocks[Math.floor(clocks.length / 2)];
    return { variant, round, node, seen: { ...this.#seen }, pullTook: this.#pullTook, clockAhead, gaps };
  }

  seeEvent(event: CoreV1Event): void {
    const { reason, message = '', type, source } = event;
    if (wasThere(event)) {
      this.fail(
        this.#error(
          'not-cold',
          `the image was on the node already`,
          'Take a fresh node, or have the image removed first (--clear-with IMAGE).',
        ),
      );
      return;
    }
    if (reason === 'FailedCreatePodSandBox' && NO_RUNTIME.test(message)) {
      this.fail(
        this.#error(
          'no-runtime',
          message,
          'Tell containerd of the runtime on this node: `soci-lens config --form containerd` writes its part.',
        ),
      );
      return;
    }
    if (type === 'Warning') this.#warning = message;
    this.#pullTook ??= pullDuration(event);
    const stage = stageOf(event);
    if (stage === undefined) return;
    this.#note(stage);
    // A watch gives what JSON has, a list dates.
    const dated = event.lastTimestamp ?? event.firstTimestamp;
    // Only kubelet's clock is the node's; and its events say the second that had begun, so half a one is added.
    if (dated !== undefined && source?.component === 'kubelet')
      this.#clocks.push(new Date(dated).getTime() + 500 - Date.now());
  }

  seePod(pod: V1Pod): void {
    const { status, metadata } = pod;
    if (metadata?.deletionTimestamp !== undefined) {
      this.fail(this.podGone());
      return;
    }
    const unscheduled = whyUnscheduled(pod);
    if (unscheduled !== undefined) {
      this.fail(this.#error('unschedulable', unscheduled, 'Make room on that node, or choose another one.'));
      return;
    }
    if (status?.phase === 'Failed') {
      this.fail(
        this.#error(
          'pod-failed',
          `${status.reason ?? 'the pod failed'}: ${status.message ?? 'no more is told'}`,
          'Look what ends pods on that node.',
        ),
      );
      return;
    }
    const [container] = status?.containerStatuses ?? [];
    if (container) this.#seeContainer(container);
    if (status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True')) {
      this.#note('ready');
      // Events come by a way of their own, and may have been dropped or have expired.
      this.#grace ??= setTimeout(this.#succeed, GRACE);
    }
  }

  seeNode({ status }: V1Node): void {
    const ready = status?.conditions?.find(({ type }) => type === 'Ready');
    if (ready && ready.status !== 'True')
      this.fail(this.nodeGone(`is not ready any more: ${ready.message ?? ''}`));
  }

  podGone(): LensError {
    return this.#error(
      'pod-gone',
      'the pod was removed by somebody else',
      'See that nothing removes or evicts pods there, and measure again.',
    );
  }

  nodeGone(what: string): LensError {
    return this.#error(
      'node-gone',
      `the node ${what}`,
      'Measure on nodes that stay: no spot instances, no autoscaler that takes idle ones away.',
    );
  }

  tooLate(timeout: number): LensError {
    const last = STAGES.filter((stage) => this.#seen[stage] !== undefined).at(-1);
    const late = `it was not ready after ${timeout / 1000} s, the last step seen is ${last ?? 'none'}`;
    return this.#error(
      'not-ready-in-time',
      this.#warning === '' ? late : `${late}; the cluster warned: ${this.#warning}`,
      'Give it longer (--timeout), or see why it does not become ready.',
    );
  }

  #seeContainer({ state, lastState }: V1ContainerStatus): void {
    const waiting = state?.waiting;
    if (waiting && HOPELESS.test(waiting.reason ?? '')) {
      this.fail(
        this.#error(
          'pod-failed',
          `${waiting.reason ?? ''}: ${waiting.message ?? ''}`,
          'See that this namespace may pull the image (imagePullSecrets), and that it runs on these nodes.',
        ),
      );
      return;
    }
    const ended = state?.terminated ?? lastState?.terminated;
    if (ended) {
      const why = `the container ended with ${ended.exitCode} before it was ready`;
      this.fail(
        this.#error(
          'pod-failed',
          why,
          'See that the image starts without arguments and stays, as a service does.',
        ),
      );
    }
  }

  #note(stage: Stage): void {
    if (this.#seen[stage] !== undefined) return;
    this.#seen[stage] = performance.now() - this.#began;
    this.#onStage?.(stage);
    if (STAGES.every((one) => this.#seen[one] !== undefined)) {
      clearTimeout(this.#grace);
      this.#succeed();
    }
  }

  #error(code: string, why: string, advice: string): LensError {
    const { variant, round, node } = this.#planned;
    const message = `Start ${round} ${variant} SOCI on ${node} came to nothing: ${why}.`;
    return new LensError(`cluster/${code}`, message, advice);
  }
}
