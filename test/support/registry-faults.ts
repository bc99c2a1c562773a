import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { connectRegistry, type OpenBlob, type RegistryOptions } from '../../src/registry/client';
import { sha256 } from '../../src/oci/digest';
import { OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types';
import { type LensError } from '../../src/errors';
import { isLens, lensError } from './errors';
import { type FaultProxy, type Harm, startFaultProxy, type Verdict } from './fault-proxy';
import { Random } from './random';

const retry = { attempts: 4, pause: 5 };
const REPOSITORY = 'team/service';
const EMPTY = Buffer.from('{}');
const MANIFEST = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, digest: sha256(EMPTY), size: EMPTY.length },
    layers: [],
    annotations: { name: 'a' },
  }),
);

/** The table of faults, against whatever registry stands behind: the same for the real one and for the one in memory. */
export function describeFaults(
  name: string,
  start: () => Promise<{ host: string; stop(): Promise<void> }>,
  /** Whether it keeps the part of a piece that came before a break; distribution 2.8 gives such an upload up. */
  keepsParts: boolean,
): void {
  describe(`faults between us and ${name}`, () => {
    let registry: { host: string; stop(): Promise<void> };
    let proxy: FaultProxy;
    before(async () => {
      registry = await start();
      proxy = await startFaultProxy(registry.host);
      // A real registry takes no manifest whose config it does not have.
      await direct().putBlob({ digest: sha256(EMPTY), size: EMPTY.length }, stream(EMPTY));
    });
    after(async () => {
      await proxy.stop();
      await registry.stop();
    });
    beforeEach(() => {
      proxy.judge = () => ({});
      proxy.log.length = 0;
    });

    const connect = (options: RegistryOptions = {}) =>
      connectRegistry(proxy.host, REPOSITORY, {
        retry,
        credentials: () => Promise.resolve(undefined),
        ...options,
      });
    /** Past the proxy: what the registry really holds. */
    const direct = () =>
      connectRegistry(registry.host, REPOSITORY, { credentials: () => Promise.resolve(undefined) });
    let seed = 1;
    const newBlob = (size = 300_000) => {
      // Of a length that no piece or range is a multiple of.
      const bytes = Buffer.alloc(size, new Random(seed++).bytes(997));
      return { bytes, descriptor: { digest: sha256(bytes), size } };
    };
    const stream = (bytes: Uint8Array): OpenBlob =>
      async function* (range = { start: 0, end: bytes.length }) {
        for (let at = range.start; at < range.end; at += 10_000) {
          await Promise.resolve();
          yield bytes.subarray(at, Math.min(at + 10_000, range.end));
        }
      };
    const stored = async (size?: number) => {
      const blob = newBlob(size);
      assert.equal(await direct().putBlob(blob.descriptor, stream(blob.bytes)), 'uploaded');
      return blob;
    };
    const read = async (
      client: ReturnType<typeof connect>,
      blob: { descriptor: { digest: string; size: number } },
      range?: { start: number; end: number },
    ) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of client.getBlob(blob.descriptor, range)) chunks.push(chunk);
      return Buffer.concat(chunks);
    };
    const once = (match: (request: { method: string; url: string }) => boolean, verdict: Verdict) => {
      let done = false;
      proxy.judge = (request) => {
        if (done || !match(request)) return {};
        done = true;
        return verdict;
      };
    };
    const isBlobGet = ({ method, url }: { method: string; url: string }) =>
      method === 'GET' && url.includes('/blobs/');
    const isBlobPut = ({ method, url }: { method: string; url: string }) =>
      method === 'PUT' && url.includes('/blobs/uploads/');

    for (const status of [500, 502, 503, 429, 408]) {
      test(`${status} once: tried again, and it succeeds`, async () => {
        const blob = await stored();
        once(() => true, { status });
        assert.deepEqual(await read(connect(), blob), blob.bytes);
        const other = newBlob();
        once(isBlobPut, { status });
        assert.equal(await connect().putBlob(other.descriptor, stream(other.bytes)), 'uploaded');
        assert.deepEqual(await read(direct(), other), other.bytes);
      });
    }

    test('503 for good: a typed error after the attempts', async () => {
      proxy.judge = () => ({ status: 503 });
      await assert.rejects(
        connect().hasBlob(newBlob().descriptor.digest),
        lensError('registry/unavailable', /503/),
      );
      assert.equal(proxy.log.length, retry.attempts);
      const other = newBlob();
      proxy.judge = (request) => (isBlobPut(request) ? { status: 500 } : {});
      await assert.rejects(
        connect().putBlob(other.descriptor, stream(other.bytes)),
        lensError('registry/unavailable'),
      );
      assert.equal(await direct().hasBlob(other.descriptor.digest), false);
    });

    test('429 with Retry-After is waited for; without end it is an error that says so', async () => {
      const blob = await stored();
      once(() => true, { status: 429, headers: { 'retry-after': '1' } });
      const started = Date.now();
      assert.ok(await connect().hasBlob(blob.descriptor.digest));
      assert.ok(Date.now() - started >= 950);
      proxy.judge = () => ({ status: 429, headers: { 'retry-after': '3600' } });
      await assert.rejects(
        connect().hasBlob(blob.descriptor.digest),
        lensError('registry/too-many-requests', /3600 seconds/),
      );
      proxy.judge = () => ({
        status: 429,
        headers: { 'retry-after': new Date(Date.now() + 1e7).toUTCString() },
      });
      await assert.rejects(
        connect().hasBlob(blob.descriptor.digest),
        lensError('registry/too-many-requests'),
      );
    });

    for (const at of [0, 1, 100_000, 299_999]) {
      test(`reset at byte ${at} of a download: it goes on there`, async () => {
        const blob = await stored();
        once(isBlobGet, { cutAnswerAt: at });
        assert.deepEqual(await read(connect(), blob), blob.bytes);
        once(isBlobGet, { cutAnswerAt: Math.min(at, 999) });
        assert.deepEqual(
          await read(connect(), blob, { start: 1000, end: 2000 }),
          blob.bytes.subarray(1000, 2000),
        );
      });
      test(`reset at byte ${at} of an upload: it begins again`, async () => {
        const blob = newBlob();
        once(isBlobPut, { cutRequestAt: at });
        assert.equal(await connect().putBlob(blob.descriptor, stream(blob.bytes)), 'uploaded');
        assert.deepEqual(await read(direct(), blob), blob.bytes);
      });
    }

    test('every download is reset: progress counts, a standstill ends it', async () => {
      const blob = await stored(100_000);
      proxy.judge = (request) => (isBlobGet(request) ? { cutAnswerAt: 15_000 } : {});
      assert.deepEqual(await read(connect(), blob), blob.bytes);
      proxy.judge = (request) => (isBlobGet(request) ? { cutAnswerAt: 0 } : {});
      await assert.rejects(read(connect(), blob), lensError('registry/unreachable'));
    });

    test('an answer that is too short by its own length is completed', async () => {
      const blob = await stored();
      once(isBlobGet, { shortenTo: 1234 });
      assert.deepEqual(await read(connect(), blob), blob.bytes);
      assert.equal(proxy.log.filter((line) => line.startsWith('GET')).length, 2);
    });

    test('other bytes than asked for are never taken', async () => {
      const blob = await stored();
      const change = (chunk: Buffer) => Buffer.from(chunk.map((byte) => byte ^ 1));
      proxy.judge = (request) => (isBlobGet(request) ? { change } : {});
      await assert.rejects(read(connect(), blob), lensError('registry/wrong-digest'));
      const put = await direct().putManifest('changed', OCI_MANIFEST, MANIFEST);
      proxy.judge = () => ({ change: (chunk) => Buffer.from(chunk.toString().replace('"a"', '"b"')) });
      for (const reference of ['changed', put.digest]) {
        await assert.rejects(connect().getManifest(reference), lensError('registry/wrong-digest'), reference);
      }
    });

    test('a range that is ignored (200 for 206) gives the right bytes all the same', async () => {
      const blob = await stored();
      proxy.judge = (request) => (isBlobGet(request) ? { requestHeaders: { range: undefined } } : {});
      for (const [start, end] of [
        [0, 10],
        [5000, 250_000],
        [299_990, 300_000],
      ] as const) {
        assert.deepEqual(await read(connect(), blob, { start, end }), blob.bytes.subarray(start, end));
      }
    });

    test('a transfer that stands still is given up and made again', async () => {
      const blob = await stored();
      once(isBlobGet, { stall: true });
      assert.deepEqual(await read(connect({ stallTimeout: 200 }), blob), blob.bytes);
      proxy.judge = () => ({ stall: true });
      await direct().putManifest('stall', OCI_MANIFEST, MANIFEST);
      await assert.rejects(
        connect({ stallTimeout: 100 }).getManifest('stall'),
        lensError('registry/unreachable', /stands still/),
      );
    });

    describe('a large blob goes in pieces', () => {
      const pieceSize = 100_000;
      const isPiece = ({ method }: { method: string }) => method === 'PATCH';
      const upload = async (verdict: (pieces: number) => Verdict, options: RegistryOptions = {}) => {
        const blob = newBlob(350_000);
        const ranges: string[] = [];
        proxy.judge = (request) => {
          if (!isPiece(request)) return {};
          ranges.push(String(request.headers['content-range']));
          return verdict(ranges.length);
        };
        const outcome = await connect(options).putBlob(blob.descriptor, stream(blob.bytes), { pieceSize });
        assert.equal(outcome, 'uploaded');
        assert.deepEqual(await read(direct(), blob), blob.bytes);
        const begun = proxy.log.filter((line) => line.startsWith('POST')).length;
        return { ranges, begun };
      };

      test('each once when nothing breaks', async () => {
        assert.deepEqual(await upload(() => ({})), {
          ranges: ['0-99999', '100000-199999', '200000-299999', '300000-349999'],
          begun: 1,
        });
      });

      test('a piece that breaks goes on from what the registry has of it', async () => {
        const { ranges, begun } = await upload((piece) => (piece === 2 ? { cutRequestAt: 50_000 } : {}));
        assert.equal(begun, keepsParts ? 1 : 2);
        const again = Number(ranges[2]?.split('-')[0]);
        if (keepsParts) assert.ok(again > 100_000 && again <= 150_000, ranges.join(' '));
        else assert.equal(again, 0);
      });

      for (const status of [500, 503, 429]) {
        test(`${status} for a piece: it is sent again, no other is`, async () => {
          const { ranges, begun } = await upload((piece) => (piece === 3 ? { status } : {}));
          assert.equal(begun, 1);
          assert.deepEqual(ranges.slice(2), ['200000-299999', '200000-299999', '300000-349999']);
        });
      }

      test('every piece breaks: progress counts, going in circles ends', async () => {
        const everySecond = (piece: number) => (piece % 2 ? { cutRequestAt: 70_000 } : {});
        if (keepsParts) assert.equal((await upload(everySecond)).begun, 1);
        else await assert.rejects(upload(everySecond), lensError('registry/unreachable'));
      });

      test('a session that the registry has lost begins anew', async () => {
        const blob = newBlob(350_000);
        let pieces = 0;
        let lost = false;
        proxy.judge = ({ method, url }) => {
          if (method === 'PATCH' && ++pieces === 3) lost = true;
          if (method === 'POST') lost = false;
          return lost && url.includes('/uploads/') ? { status: 404 } : {};
        };
        await connect().putBlob(blob.descriptor, stream(blob.bytes), { pieceSize });
        assert.deepEqual(await read(direct(), blob), blob.bytes);
        assert.equal(pieces, 3 + 4);
      });

      test('the last request breaks after the registry has done it', async () => {
        const blob = newBlob(350_000);
        once(({ method }) => method === 'PUT', { cutAnswerAt: 0 });
        assert.equal(await connect().putBlob(blob.descriptor, stream(blob.bytes), { pieceSize }), 'uploaded');
        assert.deepEqual(await read(direct(), blob), blob.bytes);
      });

      test('a registry that takes no pieces gets it whole', async () => {
        for (const status of [405, 400, 501]) {
          proxy.log.length = 0;
          const { ranges } = await upload(() => ({ status }));
          assert.equal(ranges.length, 1);
        }
      });

      test('pieces that are too large for it become smaller, and what is too small to shrink is refused', async () => {
        const blob = newBlob(5_000_000);
        const sizes: number[] = [];
        let limit = 3_000_000;
        proxy.judge = (request) => {
          const size = Number(request.headers['content-length']);
          if (isPiece(request)) sizes.push(size);
          return isPiece(request) && size > limit ? { status: 413 } : {};
        };
        const large = { pieceSize: 4_500_000 };
        await connect().putBlob(blob.descriptor, stream(blob.bytes), large);
        assert.deepEqual(await read(direct(), blob), blob.bytes);
        assert.deepEqual(sizes, [4_500_000, 2_097_152, 2_097_152, 805_696]);
        limit = 0;
        const other = newBlob(5_000_000);
        await assert.rejects(
          connect().putBlob(other.descriptor, stream(other.bytes), large),
          lensError('registry/refused', /413/),
        );
        assert.equal(await direct().hasBlob(other.descriptor.digest), false);
      });

      test('a registry that stops reading is given up and asked again', async () => {
        // More than what sockets take in by themselves.
        const blob = newBlob(16_000_000);
        const ranges: string[] = [];
        proxy.judge = (request) => {
          if (!isPiece(request)) return {};
          ranges.push(String(request.headers['content-range']));
          return ranges.length === 1 ? { stopReadingAt: 100_000 } : {};
        };
        const large = { pieceSize: 15_000_000 };
        const client = connect({ stallTimeout: 500 });
        assert.equal(await client.putBlob(blob.descriptor, stream(blob.bytes), large), 'uploaded');
        assert.deepEqual(await read(direct(), blob), blob.bytes);
        assert.ok(ranges.length >= 2, ranges.join(' '));
      });
    });

    test('a registry that gives byte after byte does not hold us for ever', async () => {
      const blob = await stored();
      proxy.judge = (request) => (isBlobGet(request) ? { stall: true } : {});
      await assert.rejects(
        read(connect({ stallTimeout: 50 }), blob),
        lensError('registry/unreachable', /stands still/),
      );
      assert.equal(proxy.log.filter((line) => line.startsWith('GET')).length, retry.attempts);
    });

    test('a manifest whose answer breaks in its middle is asked for again', async () => {
      await direct().putManifest('broken', OCI_MANIFEST, MANIFEST);
      for (const harm of [{ cutAnswerAt: 100 }, { endAnswerAt: 100 }, { stall: true }]) {
        once(({ url }) => url.includes('/manifests/'), harm);
        const { bytes } = await connect({ stallTimeout: 200 }).getManifest('broken');
        assert.deepEqual(Buffer.from(bytes), MANIFEST);
      }
    });

    test('an answer that drips is no answer (slow loris)', async () => {
      const blob = await stored();
      once(isBlobGet, { drip: 20 });
      assert.deepEqual(await read(connect({ stallTimeout: 200 }), blob), blob.bytes);
      await direct().putManifest('drip', OCI_MANIFEST, MANIFEST);
      proxy.judge = () => ({ drip: 20, answerHeaders: { 'content-length': undefined } });
      await assert.rejects(
        connect({ stallTimeout: 150 }).getManifest('drip'),
        lensError('registry/unreachable', /stands still/),
      );
    });

    test('a manifest with a wrong content type is taken by its own, a web page is refused', async () => {
      await direct().putManifest('typed', OCI_MANIFEST, MANIFEST);
      const answerHeaders: Harm['answerHeaders'] = { 'content-type': 'text/plain; charset=utf-8' };
      proxy.judge = () => ({ answerHeaders });
      assert.equal((await connect().getManifest('typed')).descriptor.mediaType, OCI_MANIFEST);
      proxy.judge = () => ({
        status: 200,
        headers: { 'content-type': 'text/html' },
        body: '<html>Sign in</html>',
      });
      await assert.rejects(
        connect().getManifest('typed'),
        lensError('registry/not-a-manifest', /text\/html/),
      );
    });

    test('a manifest over 4 MiB is not taken into memory', async () => {
      const body = ' '.repeat((4 << 20) + 1);
      proxy.judge = () => ({ status: 200, headers: { 'content-type': OCI_MANIFEST }, body });
      await assert.rejects(connect().getManifest('big'), lensError('registry/too-large', /4194304/));
    });

    test('a mount that is refused becomes an upload', async () => {
      for (const status of [401, 403]) {
        const blob = newBlob();
        proxy.judge = ({ url }) => (url.includes('mount=') ? { status } : {});
        assert.equal(
          await connect().putBlob(blob.descriptor, stream(blob.bytes), { mountFrom: 'other/repo' }),
          'uploaded',
        );
        assert.deepEqual(await read(direct(), blob), blob.bytes);
      }
    });

    test('refusals say what the registry said', async () => {
      const refuse = async (status: number, code: string, expected: LensError['code']) => {
        const body = JSON.stringify({ errors: [{ code, message: `because\n\u001b[31m of ${code}` }] });
        proxy.judge = (request) => (request.method === 'PUT' ? { status, body } : {});
        await assert.rejects(
          connect().putManifest('x', OCI_MANIFEST, MANIFEST),
          lensError(expected, new RegExp(`because \\[31m of ${code}`)),
        );
      };
      await refuse(400, 'MANIFEST_INVALID', 'registry/refused');
      await refuse(403, 'DENIED', 'registry/denied');
      await refuse(409, 'TAG_IMMUTABLE', 'registry/immutable-tag');
      await refuse(404, 'NAME_UNKNOWN', 'registry/not-found');
      await refuse(413, 'SIZE_INVALID', 'registry/refused');
    });

    test('what is cancelled ends with the abort, and nothing counts', async () => {
      const blob = newBlob(3_000_000);
      const controller = new AbortController();
      const uploading = connect().putBlob(blob.descriptor, stream(blob.bytes), {
        signal: controller.signal,
        onProgress: (sent) => {
          if (sent > 500_000) controller.abort();
        },
      });
      await assert.rejects(uploading, { name: 'AbortError' });
      assert.equal(await direct().hasBlob(blob.descriptor.digest), false);
      // In the pause between two attempts as well.
      proxy.judge = () => ({ status: 503, headers: { 'retry-after': '60' } });
      const late = new AbortController();
      setTimeout(() => {
        late.abort();
      }, 50);
      await assert.rejects(connect().hasBlob(blob.descriptor.digest, late.signal), { name: 'AbortError' });
    });

    test('a source that fails is not the fault of the registry', async () => {
      const blob = newBlob();
      const broken = async function* () {
        yield blob.bytes.subarray(0, 1000);
        await Promise.resolve();
        throw new RangeError('the disk is gone');
      };
      await assert.rejects(connect().putBlob(blob.descriptor, broken), /the disk is gone/);
      const short = stream(blob.bytes.subarray(0, 1000));
      await assert.rejects(
        connect().putBlob(blob.descriptor, short),
        (error) => !isLens(error, 'registry/wrong-digest'),
      );
      assert.equal(await direct().hasBlob(blob.descriptor.digest), false);
    });

    test('a manifest that is refused while another writer stores it is taken once it is there', async () => {
      const manifest = Buffer.from(MANIFEST.toString().replace('"a"', '"another writer"'));
      const digest = sha256(manifest);
      let looks = 0;
      proxy.judge = ({ method, url }) => {
        if (!url.includes('/manifests/')) return {};
        if (method === 'HEAD') return ++looks === 1 ? { status: 404 } : {};
        return method === 'PUT' ? { status: 400 } : {};
      };
      const put = (reference: string) => connect().putManifest(reference, OCI_MANIFEST, manifest);
      await assert.rejects(put(digest), lensError('registry/refused'));
      assert.equal(looks, 2);
      await direct().putManifest(digest, OCI_MANIFEST, manifest);
      looks = 0;
      assert.equal((await put(digest)).digest, digest);
      assert.equal(looks, 2);
      await assert.rejects(put('by-a-tag'), lensError('registry/refused'));
    });

    test('referrers: without the API, refused, empty, and a fallback tag', async () => {
      const subject = { mediaType: OCI_MANIFEST, digest: sha256(MANIFEST), size: MANIFEST.length };
      proxy.judge = ({ url }) => (url.includes('/referrers/') ? { status: 404, body: 'page not found' } : {});
      assert.deepEqual(await connect().referrers(subject.digest), { api: false, manifests: [] });
      const entry = { mediaType: OCI_MANIFEST, digest: subject.digest, size: 2, artifactType: 'a/b' };
      const index = Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [entry] }),
      );
      await direct().putManifest(subject.digest, OCI_MANIFEST, MANIFEST);
      await direct().putManifest(subject.digest.replace(':', '-'), OCI_INDEX, index);
      assert.deepEqual(await connect().referrers(subject.digest, 'a/b'), { api: false, manifests: [entry] });
      assert.deepEqual(await connect().referrers(subject.digest, 'c/d'), { api: false, manifests: [] });
      proxy.judge = ({ url }) =>
        url.includes('/referrers/')
          ? { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }
          : {};
      assert.equal((await connect().referrers(subject.digest)).manifests.length, 1);
      proxy.judge = ({ url }) => (url.includes('/referrers/') ? { status: 401 } : {});
      await assert.rejects(connect().referrers(subject.digest), lensError('registry/unauthorized'));
      const empty = JSON.stringify({ schemaVersion: 2, manifests: [] });
      proxy.judge = ({ url }) =>
        url.includes('/referrers/')
          ? { status: 200, headers: { 'content-type': OCI_INDEX }, body: empty }
          : {};
      assert.deepEqual(await connect().referrers(subject.digest), { api: true, manifests: [] });
    });
  });
}
