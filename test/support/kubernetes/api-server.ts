import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import path from 'node:path';
import { repoRoot } from '../paths';

interface Meta {
  name?: string;
  generateName?: string;
  namespace?: string;
  labels?: Record<string, string>;
  resourceVersion?: string;
  uid?: string;
  deletionTimestamp?: string;
  finalizers?: string[];
  creationTimestamp?: string;
}
type Doc = Record<string, unknown> & { metadata: Meta };
interface Change {
  readonly version: number;
  readonly key: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: Doc;
}
interface Watcher {
  readonly kind: string;
  readonly fits: (object: Doc) => boolean;
  readonly response: ServerResponse;
}

/** What a real kube-apiserver was recorded to say (test/fixtures/kubernetes). */
interface Recorded {
  readonly forbidden: object;
  readonly notFound: object;
  readonly gone: object;
  readonly review: object;
  readonly pod: { readonly spec: object; readonly status: object };
}

/**
 * An API server played back: it keeps objects, versions and watches in memory, and answers with documents that were recorded
 * from a real kube-apiserver 1.35. What a measure uses of the API, and nothing else.
 */
export class ApiServer {
  readonly #objects = new Map<string, Doc>();
  readonly #history: Change[] = [];
  readonly #watchers = new Set<Watcher>();
  readonly #recorded: Recorded;
  #version = 1;
  #forgotten = 0;
  #server: Server | undefined;
  /** `verb resource` that are not allowed. */
  readonly denied = new Set<string>();
  /** Called with `verb resource` before a request is looked at, which waits for it. */
  before: ((request: string) => Promise<unknown> | undefined) | undefined;
  /** Finalizers that an admission controller puts on each new pod. */
  finalizers: string[] = [];
  /** Every request that changes something, as `METHOD path`. */
  readonly writes: string[] = [];

  private constructor(recorded: Recorded) {
    this.#recorded = recorded;
  }

  static async start(): Promise<ApiServer> {
    const file = path.join(repoRoot, 'test/fixtures/kubernetes/recorded.json');
    const server = new ApiServer(JSON.parse(await readFile(file, 'utf8')) as Recorded);
    server.#server = createServer((request, response) => {
      void server.#answer(request, response);
    });
    await new Promise<void>((done) => server.#server?.listen(0, '127.0.0.1', done));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server?.address() as AddressInfo).port}`;
  }

  /** How many watches are open. */
  get watching(): number {
    return this.#watchers.size;
  }

  stop(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  /** Ends every watch, as a server that is restarted does; `forget` also drops what happened until now. */
  breakWatches({ forget = false } = {}): void {
    if (forget) this.#forgotten = this.#version;
    for (const { response } of this.#watchers) response.destroy();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://api');
    const parts = url.pathname.split('/').filter(Boolean);
    const rest = parts.slice(parts[0] === 'api' ? 2 : 3);
    const namespace = rest[0] === 'namespaces' && rest.length > 2 ? rest[1] : undefined;
    const [kind = '', name, sub] = namespace === undefined ? rest : rest.slice(2);
    const method = request.method ?? 'GET';
    const send = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const isWatch = url.searchParams.get('watch') === 'true';
    const verb =
      { POST: 'create', DELETE: 'delete', PATCH: 'patch' }[method] ??
      (name !== undefined ? 'get' : isWatch ? 'watch' : 'list');
    await this.before?.(`${verb} ${kind}`);
    if (kind === 'selfsubjectaccessreviews') {
      const { spec } = (await json(request)) as {
        spec: { resourceAttributes: { verb: string; resource: string } };
      };
      const { verb: asked, resource } = spec.resourceAttributes;
      send(201, {
        ...this.#recorded.review,
        spec,
        status: { allowed: !this.denied.has(`${asked} ${resource}`) },
      });
      return;
    }
    if (this.denied.has(`${verb} ${kind}`)) {
      const message = `${kind} is forbidden: User "poor" cannot ${verb} resource "${kind}" in API group ""`;
      send(403, { ...this.#recorded.forbidden, message });
      return;
    }
    if (method !== 'GET') this.writes.push(`${method} ${url.pathname}`);
    const key = `${kind}/${namespace ?? ''}/${name ?? ''}`;
    const fits = selector(namespace, url.searchParams);
    if (method === 'POST' && sub === 'binding') {
      const { target } = (await json(request)) as { target: { name: string } };
      const pod = this.#objects.get(key);
      if (pod) this.#put(key, { ...pod, spec: { ...(pod['spec'] as object), nodeName: target.name } });
      send(201, { kind: 'Status', status: 'Success' });
    } else if (method === 'POST') {
      const body = (await json(request)) as Doc;
      send(201, this.#create(kind, namespace, body));
    } else if (name !== undefined && !this.#objects.has(key)) {
      send(404, { ...this.#recorded.notFound, message: `${kind} "${name}" not found` });
    } else if (method === 'PATCH') {
      const object = this.#objects.get(key);
      const { status } = (await json(request)) as { status: object };
      if (object) this.#put(key, { ...object, status: { ...(object['status'] as object), ...status } });
      send(200, this.#objects.get(key) ?? {});
    } else if (method === 'DELETE') {
      send(
        200,
        this.#delete(
          kind,
          key,
          ((await json(request).catch(() => ({}))) as { gracePeriodSeconds?: number }).gracePeriodSeconds ??
            Number(url.searchParams.get('gracePeriodSeconds') ?? 30),
        ),
      );
    } else if (name !== undefined) {
      send(200, this.#objects.get(key) ?? {});
    } else if (isWatch) {
      this.#watch(kind, fits, Number(url.searchParams.get('resourceVersion')), response);
    } else {
      const items = [...this.#objects].filter(([one, object]) => one.startsWith(`${kind}/`) && fits(object));
      const metadata = { resourceVersion: String(this.#version) };
      send(200, { kind: 'List', apiVersion: 'v1', metadata, items: items.map(([, object]) => object) });
    }
  }

  #create(kind: string, namespace: string | undefined, body: Doc): Doc {
    const { generateName } = body.metadata;
    const name = body.metadata.name ?? `${generateName ?? ''}${randomUUID().slice(0, 5)}`;
    const { pod } = this.#recorded;
    const object = {
      ...body,
      ...(kind === 'pods' && { spec: { ...pod.spec, ...(body['spec'] as object) }, status: pod.status }),
      metadata: {
        ...body.metadata,
        ...(namespace !== undefined && { namespace }),
        ...{ name, uid: randomUUID(), creationTimestamp: new Date().toISOString() },
        ...(kind === 'pods' && { finalizers: this.finalizers }),
      },
    };
    return this.#put(`${kind}/${namespace ?? ''}/${name}`, object);
  }

  #put(key: string, object: Doc): Doc {
    const type = this.#objects.has(key) ? 'MODIFIED' : 'ADDED';
    const version = ++this.#version;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
    this.#objects.set(key, stored);
    this.#tell({ version, key, type, object: stored });
    return stored;
  }

  /** A pod with a grace period is marked, and goes when its kubelet says so; one with finalizers, when those are gone. */
  #delete(kind: string, key: string, grace: number): Doc {
    const object = this.#objects.get(key);
    if (!object) throw new Error(`${key} was looked up before.`);
    if (kind === 'pods' && (grace > 0 || (object.metadata.finalizers ?? []).length > 0)) {
      const deletionTimestamp = object.metadata.deletionTimestamp ?? new Date().toISOString();
      return this.#put(key, { ...object, metadata: { ...object.metadata, deletionTimestamp } });
    }
    this.#objects.delete(key);
    const version = ++this.#version;
    const last = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
    this.#tell({ version, key, type: 'DELETED', object: last });
    return last;
  }

  #tell(change: Change): void {
    this.#history.push(change);
    for (const { kind, fits, response } of this.#watchers) {
      if (change.key.startsWith(`${kind}/`) && fits(change.object)) response.write(line(change));
    }
  }

  #watch(kind: string, fits: Watcher['fits'], since: number, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    if (since < this.#forgotten) {
      response.end(`${JSON.stringify({ type: 'ERROR', object: this.#recorded.gone })}\n`);
      return;
    }
    for (const change of this.#history) {
      if (change.version > since && change.key.startsWith(`${kind}/`) && fits(change.object))
        response.write(line(change));
    }
    const watcher = { kind, fits, response };
    this.#watchers.add(watcher);
    response.once('close', () => this.#watchers.delete(watcher));
  }
}

function line({ type, object }: Change): string {
  return `${JSON.stringify({ type, object })}\n`;
}

function selector(namespace: string | undefined, query: URLSearchParams): (object: Doc) => boolean {
  const pairs = (text: string | null) =>
    (text ?? '')
      .split(',')
      .filter(Boolean)
      .map((one) => one.split('=') as [string, string]);
  const fields = pairs(query.get('fieldSelector'));
  const labels = pairs(query.get('labelSelector'));
  return (object) =>
    (namespace === undefined || object.metadata.namespace === namespace) &&
    fields.every(([field, value]) => valueAt(object, field) === value) &&
    labels.every(([label, value]) => object.metadata.labels?.[label] === value);
}

function valueAt(object: unknown, field: string): unknown {
  return field
    .split('.')
    .reduce<unknown>(
      (value, step) =>
        typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[step] : undefined,
      object,
    );
}
