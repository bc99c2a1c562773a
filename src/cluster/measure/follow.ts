import {
  type KubeConfig,
  type KubernetesListObject,
  type KubernetesObject,
  ListWatch,
  Watch,
} from '@kubernetes/client-node';
import { type Cluster, explain, statusOf } from '../access';

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

/** A watch that has begun. */
export interface Following {
  /** Resolves once the watch stands, or has told of its first failure. */
  readonly opened: Promise<void>;
  stop(): void;
}

/**
 * Watches the objects that a field selector picks. A connection that breaks, or a history that the server has forgotten, is
 * made up for by listing anew.
 */
export function follow<T extends KubernetesObject>(
  cluster: Cluster,
  path: string,
  fieldSelector: string,
  list: () => Promise<KubernetesListObject<T>>,
  listener: Listener<T>,
): Following {
  let failures = 0;
  let ended = false;
  const connection = new Connection(cluster.config, () => ended);
  const watch = new ListWatch<T>(path, connection, list, false, undefined, fieldSelector);
  let timer: NodeJS.Timeout | undefined;
  const note = (object: T) => {
    failures = 0;
    if (!ended) listener.onChange(object);
  };
  // The client's 'change' would be told of deletions too.
  watch.on('add', note);
  watch.on('update', note);
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
  return {
    opened: watch.start(),
    stop() {
      ended = true;
      clearTimeout(timer);
      void watch.stop();
    },
  };
}

/**
 * The client's watch with two gaps closed: a sign-in that fails is told of as any other failure, where the client rejects a promise
 * that nobody holds; and what is stopped while it connects does not stay open.
 */
class Connection extends Watch {
  readonly #isEnded: () => boolean;

  constructor(config: KubeConfig, isEnded: () => boolean) {
    super(config);
    this.#isEnded = isEnded;
  }

  override async watch(...args: Parameters<Watch['watch']>): Promise<AbortController> {
    if (this.#isEnded()) return new AbortController();
    try {
      const request = await super.watch(...args);
      if (this.#isEnded()) request.abort();
      return request;
    } catch (error) {
      const [, , , done] = args;
      done(error);
      return new AbortController();
    }
  }
}
