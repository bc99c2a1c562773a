import {
  ApiException,
  AuthorizationV1Api,
  CoreV1Api,
  KubeConfig,
  NodeV1Api,
  type V1SelfSubjectAccessReview,
} from '@kubernetes/client-node';
import { isAbort, LensError, messageOf } from '../errors';

/** A cluster of the person's kubeconfig. Connecting asks it nothing yet. */
export interface Cluster {
  readonly context: string;
  readonly server: string;
  /** Where everything of ours goes. */
  readonly namespace: string;
  readonly config: KubeConfig;
  readonly core: CoreV1Api;
}

export interface ClusterChoice {
  /** A context of the kubeconfig; the current one where not named. */
  readonly context?: string | undefined;
  /** The context's own, else `default`. */
  readonly namespace?: string | undefined;
  /** A file; `KUBECONFIG` and `~/.kube/config` where not named. */
  readonly kubeconfig?: string | undefined;
}

/** The client's stand-in where there is no kubeconfig at all. */
const NO_CONFIG = { context: 'loaded-context', server: 'http://localhost:8080' };
/** Milliseconds for the API to make a pod. */
const CREATING = 30_000;

/**
 * The contexts of a kubeconfig with their servers, and which of them is the current one; none where there is no kubeconfig.
 *
 * @throws LensError `cluster/bad-kubeconfig`
 */
export function listContexts(kubeconfig?: string): {
  readonly contexts: readonly { readonly name: string; readonly server: string }[];
  readonly current: string;
} {
  const config = readKubeconfig(kubeconfig);
  if (isNone(config)) return { contexts: [], current: '' };
  const contexts = config.getContexts().map(({ name, cluster }) => ({
    name,
    server: config.getCluster(cluster)?.server ?? '',
  }));
  return { contexts, current: config.getCurrentContext() };
}

function isNone(config: KubeConfig): boolean {
  const server = config.getCurrentCluster()?.server;
  return config.getCurrentContext() === NO_CONFIG.context && server === NO_CONFIG.server;
}

function readKubeconfig(file: string | undefined): KubeConfig {
  const config = new KubeConfig();
  try {
    if (file === undefined) config.loadFromDefault();
    else config.loadFromFile(file);
    return config;
  } catch (error) {
    // No cause: it may carry what the file says.
    throw new LensError(
      'cluster/bad-kubeconfig',
      `The kubeconfig cannot be read: ${withoutText(error)}.`,
      'See that `kubectl config view` works with it.',
    );
  }
}

/** Why a file is not read, without any of its text: of a fault in YAML the message quotes the lines around, where a token may be. */
function withoutText(error: unknown): string {
  if (!(error instanceof Error) || error.name !== 'YAMLException') return messageOf(error);
  const { mark } = error as Error & { readonly mark?: { readonly line: number } };
  return mark ? `line ${mark.line + 1} is not YAML` : 'it is not YAML';
}

/**
 * Finds a cluster by the kubeconfig, as `kubectl` does.
 *
 * @throws LensError `cluster/bad-kubeconfig`, `cluster/no-cluster`, `cluster/no-context`
 */
export function openCluster({ context, namespace, kubeconfig }: ClusterChoice): Cluster {
  const config = readKubeconfig(kubeconfig);
  if (context !== undefined) {
    const known = config.getContexts().map(({ name }) => name);
    if (!known.includes(context)) {
      throw new LensError(
        'cluster/no-context',
        `The kubeconfig has no context ${context}.`,
        `Name one of: ${known.join(', ') || 'none'}.`,
      );
    }
    config.setCurrentContext(context);
  }
  const server = config.getCurrentCluster()?.server;
  const name = config.getCurrentContext();
  if (server === undefined || isNone(config)) {
    throw new LensError(
      'cluster/no-cluster',
      'There is no kubeconfig that names a cluster.',
      'Have your provider write one (for EKS: aws eks update-kubeconfig), or name a file or a context.',
    );
  }
  return {
    context: name,
    server,
    namespace: namespace ?? config.getContextObject(name)?.namespace ?? 'default',
    config,
    core: config.makeApiClient(CoreV1Api),
  };
}

/** One thing that is done at the API: a verb on a resource, for all namespaces where none is named. */
export interface Right {
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'delete';
  readonly resource:
    | 'pods'
    | 'events'
    | 'nodes'
    | 'runtimeclasses'
    | 'configmaps'
    | 'jobs'
    | 'cronjobs'
    | 'deployments'
    | 'daemonsets';
  readonly group?: string;
  readonly namespace?: string;
}

/**
 * Asks the cluster whether all of this is allowed, before anything is done.
 *
 * @throws LensError `cluster/no-rights` with each verb and resource that is not
 */
export async function checkRights(
  cluster: Cluster,
  rights: readonly Right[],
  signal?: AbortSignal,
): Promise<void> {
  const missing = await missingRights(cluster, rights, signal);
  if (missing.length > 0) throw noRights(cluster, missing);
}

/** Which of these the cluster does not allow. */
export async function missingRights(
  cluster: Cluster,
  rights: readonly Right[],
  signal?: AbortSignal,
): Promise<Right[]> {
  const api = cluster.config.makeApiClient(AuthorizationV1Api);
  const allowed = await Promise.all(
    rights.map(({ group = '', ...right }) => {
      // The client's classes are but shapes: its serializer takes any object that fits.
      const review: object = { spec: { resourceAttributes: { group, ...right } } };
      const body = review as V1SelfSubjectAccessReview;
      return ask(cluster, () => api.createSelfSubjectAccessReview({ body }), signal);
    }),
  );
  return rights.filter((_, index) => allowed[index]?.status?.allowed !== true);
}

/** What is missing, verb by verb. */
export function noRights({ context }: Pick<Cluster, 'context'>, missing: readonly Right[]): LensError {
  const verbs = missing.map(
    ({ verb, resource, namespace }) =>
      `${verb} ${resource}${namespace === undefined ? '' : ` in namespace ${namespace}`}`,
  );
  return new LensError(
    'cluster/no-rights',
    `Context ${context} may not ${verbs.join(', ')}.`,
    'Have these verbs added to a role of yours (kubectl create role, kubectl create rolebinding), or use another context.',
  );
}

/** Whether the cluster has the runtime class that a pod asks for. */
export async function hasRuntimeClass(
  cluster: Cluster,
  name: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const api = cluster.config.makeApiClient(NodeV1Api);
  const found = await ask(
    cluster,
    () =>
      api.readRuntimeClass({ name }).catch((error: unknown) => {
        if (statusOf(error) === 404) return undefined;
        throw error;
      }),
    signal,
  );
  return found !== undefined;
}

/**
 * Makes one call. What the API or the way to it says against it becomes an error of ours, and an abort ends the wait.
 *
 * @throws LensError `cluster/unreachable`, `cluster/not-signed-in`, `cluster/no-rights`, `cluster/refused`
 */
export async function ask<T>(cluster: Cluster, call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  signal?.throwIfAborted();
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => {
      reject(signal?.reason as Error);
    };
    signal?.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([call(), aborted]);
  } catch (error) {
    throw explain(cluster, error);
  } finally {
    if (stop) signal?.removeEventListener('abort', stop);
  }
}

/** The HTTP status of a refusal; `undefined` where there was no answer. */
export function statusOf(error: unknown): number | undefined {
  if (error instanceof ApiException) return error.code;
  // What a watch fails with.
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number')
    return error.statusCode;
  return undefined;
}

/** An error of the client as one of ours; aborts and our own as they are. */
export function explain({ context, server }: Cluster, error: unknown): unknown {
  if (isAbort(error) || error instanceof LensError) return error;
  const status = statusOf(error);
  const cause = { cause: error };
  const said = apiMessage(error);
  if (status === undefined) {
    return new LensError(
      'cluster/unreachable',
      `The cluster of context ${context} at ${server} does not answer: ${messageOf(error)}.`,
      'See that `kubectl get nodes` works here: network or VPN, the certificate, the program that signs in.',
      cause,
    );
  }
  if (status === 401) {
    return new LensError(
      'cluster/not-signed-in',
      `${server} does not take the credentials of context ${context}.`,
      'Sign in again as your provider has it, and see that `kubectl get nodes` works.',
      cause,
    );
  }
  if (status === 403) {
    return new LensError(
      'cluster/no-rights',
      `${server} refuses it to context ${context}: ${said}.`,
      'Have the verb that it names added to a role of yours, or use another context.',
      cause,
    );
  }
  return new LensError(
    'cluster/refused',
    `${server} answers ${status}: ${said}.`,
    'See what the message names; the cluster was not changed by this call.',
    cause,
  );
}

/** What the API says in its Status document. */
function apiMessage(error: unknown): string {
  const body: unknown = error instanceof ApiException ? error.body : undefined;
  const parsed = typeof body === 'string' ? readJson(body) : body;
  const message =
    typeof parsed === 'object' && parsed !== null && 'message' in parsed ? parsed.message : undefined;
  return typeof message === 'string' ? message : (messageOf(error).split('\n')[0] ?? '');
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Makes a pod of a document of ours, which fits the client's own class by its shape. No abort ends the wait: until the API has
 * answered, whoever cleans up cannot find the pod.
 */
export async function createPod(cluster: Cluster, pod: object): Promise<void> {
  const { core, namespace } = cluster;
  const limit = AbortSignal.timeout(CREATING);
  await ask(cluster, () => core.createNamespacedPod({ namespace, body: pod }), limit);
}
