import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/**
 * A registry in memory that follows distribution-spec 1.1, for what no registry among Debian's packages has (the Referrers
 * API, paging) and for tests that must run without any package. It is kept apart from the real one: see `registry.ts`.
 */
export interface FakeRegistry {
  readonly host: string;
  readonly blobs: ReadonlyMap<string, Buffer>;
  /** By digest and by tag. */
  readonly manifests: ReadonlyMap<string, { readonly mediaType: string; readonly bytes: Buffer }>;
  /** What another client stores. */
  store(digest: string, manifest: { readonly mediaType: string; readonly bytes: Buffer }): void;
  stop(): Promise<void>;
}

export interface FakeOptions {
  readonly referrers?: boolean;
  /** Entries on a page of tags or referrers. */
  readonly pageSize?: number;
  /** False for one that takes blobs whole only. */
  readonly chunked?: boolean;
  /** The most that it takes in one piece, in bytes. */
  readonly maxPiece?: number;
}

const sha256 = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

export async function startFakeRegistry(options: FakeOptions = {}): Promise<FakeRegistry> {
  const { referrers = true, pageSize = 1000, chunked = true, maxPiece = Infinity } = options;
  const blobs = new Map<string, Buffer>();
  const manifests = new Map<string, { mediaType: string; bytes: Buffer }>();
  const uploads = new Map<string, Buffer>();

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<unknown> => {
    const url = new URL(request.url ?? '/', 'http://fake');
    const send = (
      status: number,
      headers: Record<string, string | number> = {},
      body: Buffer | string = '',
    ) => {
      response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers });
      return response.end(request.method === 'HEAD' ? undefined : body);
    };
    const fail = (status: number, code: string) => {
      const body = JSON.stringify({ errors: [{ code, message: code.toLowerCase().replaceAll('_', ' ') }] });
      return send(status, { 'content-type': 'application/json' }, body);
    };
    const list = (key: string, all: unknown[], headers: Record<string, string>, frame: object) => {
      const from = Number(url.searchParams.get('from') ?? 0);
      const page = all.slice(from, from + pageSize);
      const next = new URL(url);
      next.searchParams.set('from', String(from + pageSize));
      const link =
        from + pageSize < all.length ? { link: `<${next.pathname}${next.search}>; rel="next"` } : {};
      return send(200, { ...headers, ...link }, JSON.stringify({ ...frame, [key]: page }));
    };
    const [, name = '', kind = '', rest = ''] =
      /^\/v2\/(.+?)\/(manifests|blobs|tags|referrers)\/(.*)$/.exec(url.pathname) ?? [];

    if (url.pathname === '/v2/') return send(200);
    if (kind === 'tags') {
      const tags = [...manifests.keys()].filter((key) => !key.startsWith('sha256:')).sort();
      return tags.length === 0 ? fail(404, 'NAME_UNKNOWN') : list('tags', tags, {}, { name });
    }
    if (kind === 'referrers') {
      if (!referrers) return fail(404, 'NOT_FOUND');
      const type = url.searchParams.get('artifactType');
      const found = [...manifests].flatMap(([digest, { mediaType, bytes }]) => {
        const {
          subject,
          config,
          artifactType = config?.mediaType,
        } = JSON.parse(bytes.toString()) as {
          subject?: { digest: string };
          config?: { mediaType: string };
          artifactType?: string;
        };
        const isReferrer = digest.startsWith('sha256:') && subject?.digest === rest;
        return isReferrer && (type === null || type === artifactType)
          ? [{ mediaType, digest, size: bytes.length, artifactType }]
          : [];
      });
      const mediaType = 'application/vnd.oci.image.index.v1+json';
      return list('manifests', found, { 'content-type': mediaType }, { schemaVersion: 2, mediaType });
    }
    if (kind === 'manifests') {
      if (request.method === 'PUT') {
        const bytes = await buffer(request);
        const stored = { mediaType: request.headers['content-type'] ?? '', bytes };
        const digest = sha256(bytes);
        if (rest.startsWith('sha256:') && rest !== digest) return fail(400, 'DIGEST_INVALID');
        manifests.set(digest, stored);
        manifests.set(rest, stored);
        const { subject } = JSON.parse(bytes.toString()) as { subject?: { digest: string } };
        const told = referrers && subject ? { 'oci-subject': subject.digest } : {};
        return send(201, { 'docker-content-digest': digest, ...told });
      }
      const stored = manifests.get(rest);
      if (!stored) return fail(404, 'MANIFEST_UNKNOWN');
      if (request.method === 'DELETE') {
        for (const [key, { bytes }] of [...manifests]) if (sha256(bytes) === rest) manifests.delete(key);
        return send(202);
      }
      const headers = { 'content-type': stored.mediaType, 'docker-content-digest': sha256(stored.bytes) };
      return send(200, headers, stored.bytes);
    }
    if (kind === 'blobs' && rest.startsWith('uploads/')) {
      const id = rest.slice('uploads/'.length);
      if (request.method === 'POST') {
        const mount = url.searchParams.get('mount');
        if (mount !== null && blobs.has(mount)) return send(201, { location: `/v2/${name}/blobs/${mount}` });
        const session = randomUUID();
        uploads.set(session, Buffer.alloc(0));
        return send(202, { location: `/v2/${name}/blobs/uploads/${session}?state=x` });
      }
      const before = uploads.get(id);
      if (!before) return fail(404, 'BLOB_UPLOAD_UNKNOWN');
      if (request.method === 'DELETE') {
        uploads.delete(id);
        return send(204);
      }
      const location = `/v2/${name}/blobs/uploads/${id}?state=x`;
      const range = (size: number) => `0-${Math.max(0, size - 1)}`;
      if (request.method === 'GET') return send(204, { location, range: range(before.length) });
      if (request.method === 'PATCH') {
        if (!chunked) return fail(405, 'UNSUPPORTED');
        const [, from, to] = /^(\d+)-(\d+)$/.exec(request.headers['content-range'] ?? '') ?? [];
        if (Number(request.headers['content-length']) > maxPiece) return fail(413, 'SIZE_INVALID');
        if (Number(from) !== before.length) return send(416, { location, range: range(before.length) });
        let all = before;
        // What came before a connection broke is kept, as real registries do.
        for await (const chunk of request) {
          all = Buffer.concat([all, chunk as Buffer]);
          uploads.set(id, all);
        }
        return all.length === Number(to) + 1
          ? send(202, { location, range: range(all.length) })
          : fail(400, 'SIZE_INVALID');
      }
      if (request.method === 'PUT') {
        const bytes = Buffer.concat([before, await buffer(request)]);
        uploads.delete(id);
        if (sha256(bytes) !== url.searchParams.get('digest')) return fail(400, 'DIGEST_INVALID');
        blobs.set(sha256(bytes), bytes);
        return send(201, { location: `/v2/${name}/blobs/${sha256(bytes)}` });
      }
    }
    if (kind === 'blobs') {
      const blob = blobs.get(rest);
      if (!blob) return fail(404, 'BLOB_UNKNOWN');
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
      if (from === undefined || to === undefined) return send(200, {}, blob);
      const part = blob.subarray(Number(from), Number(to) + 1);
      return send(206, { 'content-range': `bytes ${from}-${to}/${blob.length}` }, part);
    }
    return fail(404, 'NOT_FOUND');
  };

  const server = createServer((request, response) => {
    handle(request, response).catch(() => {
      response.destroy();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    blobs,
    manifests,
    store: (digest, manifest) => manifests.set(digest, manifest),
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
