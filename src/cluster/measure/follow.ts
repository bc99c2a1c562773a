import { type KubernetesListObject, type KubernetesObject, ListWatch, Watch } from '@kubernetes/client-node';
import { type Cluster, explain, statusOf } from './access';

/** Milliseconds between two attempts to watch, and how many may fail in a row. */
const AGAIN = 1000;
const ATTEMPTS = 5;

/** What a watch tells. */
export interface Listener<T> {
  /** The object is new, or changed. */
  onChange(object: T): void;
  onDelete?(object: T): void;
  /** The connection broke; what comes next may come late. */
  onGap(): void;
  /** There is no use in trying on. */
  onError(error: unknown): void;
}

/**
 * Watches the objects that a field selector picks. A connection that breaks, or a history that the server has forgotten, is
 * made up for by listing anew.
 *
 * @returns once the watch stands; a function that ends it
 */
export async function follow<T extends KubernetesObject>(
  cluster: Cluster,
  path: string,
  fieldSelector: string,
  list: () => Promise<KubernetesListObject<T>>,
  listener: Listener<T>,
): Promise<() => void> {
  const watch = new ListWatch<T>(path, new Watch(cluster.config), list, false, undefined, fieldSelector);
  let failures = 0;
  let ended = false;
  let timer: NodeJS.Timeout | undefined;
  watch.on('change', (object) => {
    failures = 0;
    if (!ended) listener.onChange(object);
  });
  watch.on('delete', (object) => {
    if (!ended) listener.onDelete?.(object);
  });
  watch.on('error', (error: unknown) => {
    if (ended) return;
    const status = statusOf(error);
    if (status === 401 || status === 403 || ++failures >= ATTEMPTS) {
      listener.onError(explain(cluster, error));
      return;
    }
    listener.onGap();
    timer = setTimeout(() => {
      if (!ended) void watch.start();
    }, AGAIN);
  });
  await watch.start();
  return () => {
    ended = true;
    clearTimeout(timer);
    void watch.stop();
  };
}
