import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { LensError } from '../../src/errors';
import { openLayout, type OciLayout } from '../../src/image/layout';
import { createLayout } from '../../src/image/layout-writer';
import { sha256 } from '../../src/oci/digest';
import { encodeIndex, encodeManifest } from '../../src/oci/json';
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST } from '../../src/oci/media-types';
import type { Descriptor } from '../../src/oci/types';
import { connectRegistry, type RegistryClient } from '../../src/registry/client';
import { convertLayout } from '../../src/soci/convert';
import { pushLayout } from '../../src/soci/push';
import { registryStore } from '../../src/soci/store';
import { everyByte } from './every-byte';
import { type FaultProxy, type ProxiedRequest, startFaultProxy, type Verdict } from './fault-proxy';
import { temporaryFolder } from './folders';
import { scanHere } from './golden';
import { layerOf } from './images';
import { Random } from './random';

/** Requests that a fault can hit. */
export type Kind =
  | 'HEAD blob'
  | 'POST upload'
  | 'PUT upload'
  | 'HEAD manifest'
  | 'PUT manifest'
  | 'PUT tag'
  | 'GET tag'
  | 'GET manifest'
  | 'GET blob';

const PUSH: readonly Kind[] = [
  'HEAD blob',
  'POST upload',
  'PUT upload',
  'HEAD manifest',
  'PUT manifest',
  'PUT tag',
];
const PULL: readonly Kind[] = ['GET tag', 'GET manifest', 'GET blob'];
/** Where the bytes of a blob go up, where the tag changes, where a blob comes down. */
const CHIEF: readonly Kind[] = ['PUT upload', 'PUT tag', 'GET blob'];
const BODIES: readonly Kind[] = ['PUT upload', 'PUT manifest', 'PUT tag'];

/** What goes wrong at a request: once, and then the work succeeds, or each time, and then it ends with one of these codes. */
interface FaultCase {
  readonly name: string;
  readonly verdict: Verdict;
  readonly at: readonly Kind[];
  readonly codes?: readonly LensError['code'][];
}

const error = (code: string) => JSON.stringify({ errors: [{ code, message: `it says ${code}` }] });
const other = (chunk: Buffer) => Buffer.from(chunk.map((byte) => byte ^ 1));

const PASSING: readonly FaultCase[] = [
  { name: '503 once', verdict: { status: 503 }, at: [...PUSH, ...PULL] },
  ...[429, 500, 502].map((status) => ({ name: `${status} once`, verdict: { status }, at: CHIEF })),
  {
    name: '429 once, with Retry-After',
    verdict: { status: 429, headers: { 'retry-after': '0' } },
    at: CHIEF,
  },
  // Not at the first request, which is refused before it has one.
  {
    name: 'the token ends',
    verdict: { status: 401 },
    at: ['POST upload', 'PUT upload', 'HEAD manifest', 'PUT manifest', 'PUT tag', 'GET manifest', 'GET blob'],
  },
  { name: 'the answer is reset at its first byte', verdict: { cutAnswerAt: 0 }, at: [...PUSH, ...PULL] },
  { name: 'the answer is reset in the middle', verdict: { cutAnswerAt: 300 }, at: PULL },
  { name: 'the answer ends before its length', verdict: { endAnswerAt: 300 }, at: PULL },
  { name: 'the request is reset in the middle', verdict: { cutRequestAt: 200 }, at: BODIES },
  {
    name: 'the blob is shorter than asked for, by its own length',
    verdict: { shortenTo: 300 },
    at: ['GET blob'],
  },
  { name: 'the answer stands still', verdict: { stall: true }, at: PULL },
  { name: 'the answer drips (slow loris)', verdict: { drip: 20 }, at: ['GET blob'] },
  {
    name: 'a manifest comes as plain text',
    verdict: { answerHeaders: { 'content-type': 'text/plain' } },
    at: ['GET tag', 'GET manifest'],
  },
];

const LASTING: readonly FaultCase[] = [
  {
    name: '503 for good',
    verdict: { status: 503 },
    at: ['HEAD blob', 'POST upload', ...BODIES, ...PULL],
    codes: ['registry/unavailable'],
  },
  {
    name: '429 for good',
    verdict: { status: 429 },
    at: CHIEF,
    codes: ['registry/too-many-requests'],
  },
  {
    name: '429 for an hour',
    verdict: { status: 429, headers: { 'retry-after': '3600' } },
    at: CHIEF,
    codes: ['registry/too-many-requests'],
  },
  {
    name: 'each answer is reset',
    verdict: { cutAnswerAt: 0 },
    at: PULL,
    codes: ['registry/unreachable'],
  },
  {
    name: 'each request is reset',
    verdict: { cutRequestAt: 200 },
    at: BODIES,
    codes: ['registry/unreachable'],
  },
  {
    name: 'nobody is let in any more',
    verdict: { status: 403, body: error('DENIED') },
    at: ['POST upload', ...BODIES, ...PULL],
    codes: ['registry/denied'],
  },
  {
    name: 'the bytes are changed on their way up',
    verdict: { changeRequest: other },
    at: ['PUT upload', 'PUT manifest'],
    codes: ['registry/refused'],
  },
  {
    name: 'the bytes are changed on their way down',
    verdict: { change: other },
    at: PULL,
    codes: ['registry/wrong-digest', 'layer/digest-mismatch'],
  },
  {
    name: 'the tag is immutable',
    verdict: { status: 409, body: error('TAG_IMMUTABLE') },
    at: ['PUT tag'],
    codes: ['registry/immutable-tag'],
  },
  {
    name: 'the manifest is too large for it',
    verdict: { status: 413, body: error('SIZE_INVALID') },
    at: ['PUT manifest', 'PUT tag'],
    codes: ['registry/refused'],
  },
  {
    name: 'the manifest has more than 4 MiB',
    verdict: { status: 200, headers: { 'content-type': OCI_INDEX }, body: ' '.repeat((4 << 20) + 1) },
    at: ['GET tag', 'GET manifest'],
    codes: ['registry/too-large'],
  },
  {
    name: 'a web page answers',
    verdict: { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Sign in</html>' },
    at: ['GET tag', 'GET manifest'],
    codes: ['registry/not-a-manifest', 'registry/wrong-digest'],
  },
  {
    name: 'each answer stands still',
    verdict: { stall: true },
    at: ['GET blob'],
    codes: ['registry/unreachable'],
  },
];

const PASSWORD = 'password-secret';
const CREDENTIALS = Buffer.from(`someone:${PASSWORD}`).toString('base64');
const REPOSITORY = 'team/service';

/**
 * Each fault at each request that it can hit, under a whole push over an old image and a whole pull over an old layout: the
 * work succeeds or ends with a typed error, what is left is the old state or the new one down to the last byte, the same work
 * succeeds afterwards, and nothing written holds a secret.
 */
export function describeStates(
  name: string,
  start: () => Promise<{ host: string; stop(): Promise<void> }>,
  at: readonly Kind[] = [...PUSH, ...PULL],
): void {
  describe(`what faults leave behind, ${name}`, () => {
    let registry: { host: string; stop(): Promise<void> };
    let proxy: FaultProxy;
    let dir: string;
    let old: OciLayout;
    let count = 0;
    /** Traces, and every error with all that hangs on it. */
    const written: string[] = [];
    const tokens = new Set<string>();
    before(async () => {
      registry = await start();
      proxy = await startFaultProxy(registry.host);
      dir = await mkdtemp(path.join(tmpdir(), 'soci-lens-states-'));
      old = await writeTwoPlatforms(path.join(dir, 'old'), 0);
      await pushLayout(old, direct(), 'old');
      await pushLayout(await writeTwoPlatforms(path.join(dir, 'new'), 1), direct(), 'new');
      await pull(direct(), 'old', path.join(dir, 'pulled'));
    });
    after(async () => {
      await proxy.stop();
      await registry.stop();
      await rm(dir, { recursive: true, force: true });
    });

    const direct = () =>
      connectRegistry(registry.host, REPOSITORY, { credentials: () => Promise.resolve(undefined) });
    const connect = () =>
      connectRegistry(proxy.host, REPOSITORY, {
        retry: { attempts: 3, pause: 1 },
        stallTimeout: 150,
        credentials: () => Promise.resolve({ username: 'someone', password: PASSWORD }),
        onTrace: (line) => written.push(line),
      });

    /** Lets in who shows a token, and has a token service beside; `fault` is asked about who is let in. */
    const guard = (fault: (request: ProxiedRequest) => Verdict | undefined) => {
      const valid = new Set<string>();
      proxy.judge = (request) => {
        const { url, headers } = request;
        if (url.startsWith('/token')) {
          assert.equal(headers.authorization, `Basic ${CREDENTIALS}`);
          const token = `token-secret-${tokens.size}`;
          tokens.add(token);
          valid.add(`Bearer ${token}`);
          return { status: 200, body: JSON.stringify({ token }) };
        }
        const challenge = { 'www-authenticate': `Bearer realm="http://${proxy.host}/token",service="s"` };
        if (!valid.has(headers.authorization ?? '')) return { status: 401, headers: challenge };
        const verdict = fault(request) ?? {};
        if (verdict.status !== 401) return verdict;
        valid.clear();
        return { status: 401, headers: challenge };
      };
    };

    for (const fault of [...PASSING, ...LASTING]) {
      test(fault.name, async (t) => {
        for (const kind of fault.at.filter((one) => at.includes(one))) {
          await t.test(`at ${kind}`, async (run) => {
            let hits = 0;
            guard((request) => {
              if (kindOf(request) !== kind || (!fault.codes && hits > 0)) return undefined;
              hits++;
              return fault.verdict;
            });
            const check = PUSH.includes(kind) ? checkPush : checkPull;
            await check(await temporaryFolder(run), fault.codes);
            assert.ok(hits > 0, 'the fault was met');
          });
        }
      });
    }

    async function checkPush(folder: string, codes: FaultCase['codes']): Promise<void> {
      const tag = `push-${++count}`;
      await pushLayout(old, direct(), tag);
      const before = await everyByte(direct(), tag);
      const layout = await writeTwoPlatforms(folder, 1000 + count);
      const fresh = (await layout.root()).descriptor.digest;
      const push = () => pushLayout(layout, connect(), tag);
      const isDone = await outcome(push(), codes);
      const left = await direct().headManifest(tag);
      assert.equal(left?.digest, isDone ? fresh : (await old.root()).descriptor.digest);
      const there = await everyByte(direct(), tag);
      if (!isDone) assert.deepEqual(there, before);
      guard(() => undefined);
      await push();
      assert.equal((await direct().headManifest(tag))?.digest, fresh);
      await everyByte(direct(), tag);
    }

    async function checkPull(folder: string, codes: FaultCase['codes']): Promise<void> {
      const output = path.join(folder, 'out');
      await cp(path.join(dir, 'pulled'), output, { recursive: true });
      const before = await everyFile(output);
      const isDone = await outcome(pull(connect(), 'new', output), codes);
      if (isDone) assert.notEqual((await everyFile(output)).get('index.json'), before.get('index.json'));
      else assert.deepEqual(await everyFile(output), before);
      guard(() => undefined);
      await pull(connect(), 'new', output);
      const root = await (await openLayout(output)).root();
      assert.equal(root.kind === 'index' && root.index.manifests.length, 4);
      for (const [file, bytes] of await everyFile(output)) {
        const hex = /^blobs\/sha256\/(.*)$/.exec(file)?.[1];
        if (hex === undefined) assert.ok(['index.json', 'oci-layout'].includes(file), file);
        else assert.equal(sha256(Buffer.from(bytes, 'latin1')), `sha256:${hex}`);
      }
    }

    /** True when the work was done; else it ended as it was to end. */
    async function outcome(work: Promise<unknown>, codes: FaultCase['codes']): Promise<boolean> {
      try {
        await work;
        assert.equal(codes, undefined, 'it was to fail');
        return true;
      } catch (failure) {
        if (!(failure instanceof LensError) || !codes) throw failure;
        written.push(inspect(failure, { depth: 10, showHidden: true }), failure.advice);
        assert.ok(codes.includes(failure.code), `${failure.code}: ${failure.message}`);
        assert.match(failure.advice, /\w.*\.$/, 'the advice is a sentence');
        return false;
      }
    }

    test('nothing that was written on all these ways holds a secret', async () => {
      assert.ok(tokens.size > 30 && written.length > 200, 'secrets were in use, and much was written');
      for (const bytes of (await everyFile(dir)).values()) written.push(bytes);
      const all = written.join('\n');
      for (const secret of [PASSWORD, CREDENTIALS, 'token-secret']) assert.ok(!all.includes(secret), secret);
    });
  });
}

function kindOf({ method, url }: ProxiedRequest): string {
  if (url.includes('/blobs/uploads/')) return `${method} upload`;
  if (url.includes('/blobs/')) return `${method} blob`;
  return `${method} ${url.includes('/manifests/sha256:') ? 'manifest' : 'tag'}`;
}

/** An image for two platforms with a layer of its own each, different for each seed. */
async function writeTwoPlatforms(dir: string, seed: number): Promise<OciLayout> {
  const writer = await createLayout(dir);
  const manifests: Descriptor[] = [];
  for (const architecture of ['amd64', 'arm64']) {
    const data = new Random(seed * 2 + manifests.length).bytes(2000);
    const { blob, descriptor, scan } = await layerOf([{ name: 'app', data }]);
    await writer.addBlob(blob.read(), descriptor);
    const rootfs = { type: 'layers', diff_ids: [scan.diffId] };
    const config = await writer.addBlob(Buffer.from(JSON.stringify({ architecture, os: 'linux', rootfs })));
    const manifest = encodeManifest({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, ...config },
      layers: [{ ...descriptor, mediaType: OCI_LAYER_GZIP }],
    });
    const platform = { architecture, os: 'linux' };
    manifests.push({ mediaType: OCI_MANIFEST, ...(await writer.addBlob(manifest)), platform });
  }
  const index = encodeIndex({ schemaVersion: 2, mediaType: OCI_INDEX, manifests });
  await writer.finish([{ mediaType: OCI_INDEX, ...(await writer.addBlob(index)) }]);
  return openLayout(dir);
}

/** As `soci-lens index docker://… --output oci:…`. */
async function pull(client: RegistryClient, tag: string, folder: string): Promise<void> {
  await convertLayout(registryStore(client, tag), await createLayout(folder), {
    spanSize: 65536,
    minLayerSize: 0,
    platforms: 'all',
    scan: scanHere,
  });
}

/** Path to content, one character for each byte. */
async function everyFile(dir: string): Promise<Map<string, string>> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return new Map(
    await Promise.all(
      files.map(async (entry) => {
        const file = path.join(entry.parentPath, entry.name);
        return [path.relative(dir, file), await readFile(file, 'latin1')] as const;
      }),
    ),
  );
}
