/** Optimized images in a real engine: they start as before, and what the kernel shows of their files is the same. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, test, type TestContext } from 'node:test';
import { extract, pack } from 'tar-stream';
import type { Comparison } from '../../src/optimize/same';
import { OPTIMIZE_WAYS, type OptimizeWay } from '../../src/optimize/types';
import type { Descriptor } from '../../src/oci/types';
import { runProgram } from '../support/cli';
import { areLargeAsked, ensureImage, testEngine } from '../support/engine';
import { temporaryFolder } from '../support/folders';
import { openFolder } from '../support/images';
import { blobFile } from '../support/layouts';
import { repoRoot } from '../support/paths';
import { buildFrom, runUntraced } from '../support/tracing';

/** A service in the manner of fx-py: whiteouts, an opaque folder, links of both kinds, rights of its own, a big file read in parts. */
const SERVICE = 'fx-optimize';
const DOCKERFILE = `FROM tracebase:bookworm
RUN mkdir -p /app/old /app/conf && echo v1 > /app/conf/target && ln -s target /app/conf/link && ln -s conf /app/confdir \\
 && echo hard > /app/a && ln /app/a /app/b && echo gone > /app/deleted && echo inner > /app/old/inner \\
 && head -c 20000000 /dev/urandom > /app/big.bin && touch -d 2001-02-03 /app/a
RUN rm -r /app/deleted /app/old && mkdir /app/old && echo new > /app/old/other && echo v2 > /app/conf/target \\
 && cp /bin/true /app/own && chown 7:8 /app/own && chmod 4755 /app/own
RUN printf '#!/bin/sh\\nset -e\\ncat /app/confdir/link /app/b /app/old/other\\nls /app/old\\nhead -c 5 /app/big.bin | od -c\\ntest ! -e /app/deleted\\nid -u\\n' > /app/run && chmod 755 /app/run
USER 1234:1234
CMD ["/app/run"]
`;

/** Each fixture image; how its start is recorded, and how it ends where it does. */
const IMAGES: readonly {
  readonly name: Parameters<typeof ensureImage>[0] | typeof SERVICE;
  readonly ways: readonly OptimizeWay[];
  /** Where it is a service: it has to become ready. Else it has to say the same, and to end alike. */
  readonly ready?: string;
  readonly command?: readonly string[];
  readonly user?: string;
  /** Too large to look at each byte of a container from outside: the checker of the command has to do. */
  readonly large?: boolean;
}[] = [
  { name: 'fx-scratch', ways: OPTIMIZE_WAYS, ready: 'listen=8080' },
  // A set-uid program says whose rights it has.
  { name: 'fx-edge', ways: ['start-layer'], command: ['/edge/suid'], user: '1234' },
  { name: SERVICE, ways: OPTIMIZE_WAYS, command: ['/app/run'] },
  { name: 'fx-py', ways: OPTIMIZE_WAYS, ready: 'health', large: true },
  { name: 'fx-node', ways: OPTIMIZE_WAYS, ready: 'listen=8080', large: true },
  { name: 'fx-jvm', ways: OPTIMIZE_WAYS, ready: 'listen=8080', large: true },
];

/** Saved once for all tests of the command line (line.test.ts). */
const env = { SOCI_LENS_CACHE: path.join(repoRoot, '.cache/test-images') };

/**
 * Loads the image of a layout into the engine, in the form that `docker save` writes. The engine looks for a layer's archive
 * only where it has no such layer on such layers: those that `like`, an image of its own, begins with alike are left out.
 */
async function load(t: TestContext, folder: string, name: string, like: string): Promise<void> {
  const { docker } = await testEngine();
  const { manifest, config } = await openFolder(folder);
  const known = (await docker.getImage(like).inspect()).RootFS.Layers ?? [];
  const fresh = config.rootfs.diff_ids.findIndex((diffId, layer) => diffId !== known[layer]);
  const archive = pack();
  const nameOf = ({ digest }: Descriptor): string => digest.replace(':', '-');
  const answer = docker.loadImage(Readable.from(archive));
  const list = [
    { Config: nameOf(manifest.config), RepoTags: [`${name}:latest`], Layers: manifest.layers.map(nameOf) },
  ];
  archive.entry({ name: 'manifest.json' }, JSON.stringify(list));
  for (const one of new Map(
    [manifest.config, ...manifest.layers.slice(fresh)].map((blob) => [blob.digest, blob]),
  ).values()) {
    const file = blobFile(folder, one.digest);
    await pipeline(
      createReadStream(file),
      archive.entry({ name: nameOf(one), size: (await stat(file)).size }),
    );
  }
  archive.finalize();
  let said = '';
  for await (const chunk of await answer) said += String(chunk);
  assert.match(said, /Loaded image/);
  t.after(() => docker.getImage(name).remove({ force: true }));
}

/** Every path of a container as the engine exports it, with all that its header says, and the digest of its content. */
async function exported(image: string): Promise<Map<string, string>> {
  const { docker } = await testEngine();
  const container = await docker.createContainer({ Image: image, Cmd: ['/none'] });
  try {
    const entries = extract();
    const feeding = pipeline(await container.export(), entries);
    const found = new Map<string, string>();
    for await (const entry of entries) {
      const { name, type, mode, uid, gid, mtime, linkname, pax } = entry.header;
      const hash = createHash('sha256');
      for await (const chunk of entry) hash.update(chunk as Buffer);
      // What the engine puts there itself, at the time of the container.
      if (/^(dev|proc|sys|etc\/(hosts|hostname|resolv\.conf|mtab)|\.dockerenv|\/?$)/.test(name)) continue;
      const time = name === 'etc/' ? '' : mtime.toISOString();
      const attributes = Object.entries(pax ?? {}).filter(([key]) => key.startsWith('SCHILY.xattr.'));
      const fields = [type, mode.toString(8), uid, gid, time, linkname, hash.digest('hex'), ...attributes];
      found.set(name, fields.join(' '));
    }
    await feeding;
    return found;
  } finally {
    await container.remove({ force: true });
  }
}

async function cli(...argv: string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram(argv, { env });
  assert.equal(code, 0, `${argv.join(' ')}\n${stdout}\n${stderr}`);
  return stdout;
}

async function json<T>(...argv: string[]): Promise<T> {
  return JSON.parse(await cli(...argv, '--json')) as T;
}

describe('optimized images start as before, from the same files', () => {
  for (const { name, ways, ready = 'exit', command, user, large } of IMAGES) {
    if (large && !areLargeAsked) continue;
    test(name, { timeout: 900_000 }, async (t) => {
      if (name === SERVICE) {
        await ensureImage('fx-edge');
        await buildFrom(SERVICE, DOCKERFILE);
      } else await ensureImage(name);
      const image = `docker-daemon:${name}`;
      const dir = await temporaryFolder(t);
      /** Milliseconds until the service was ready; null for a program that only ends. */
      const start = async (of: string, trace: string): Promise<number | null> => {
        const rest = command ? ['--', ...command] : [];
        const args = [
          `docker-daemon:${of}`,
          '--ready',
          ready,
          '-o',
          path.join(dir, trace),
          '--json',
          ...rest,
        ];
        return (JSON.parse(await cli('trace', ...args)) as { readyMs: number | null }).readyMs;
      };
      const trace = 'start.soci-trace.jsonl';
      await start(name, trace);
      const before = large ? undefined : await exported(name);
      const said = command && (await runUntraced(name, command, user));

      for (const way of ways) {
        const out = path.join(dir, way);
        const args = ['--trace', path.join(dir, trace), '--way', way, '--min-layer-size', '1'];
        const { result } = await json<{ result: { checked: Comparison } }>(
          ...['optimize', image, ...args, '-o', `oci:${out}`],
        );
        assert.ok(result.checked.same && result.checked.compared > 0);
        assert.match(
          await cli('verify', `oci:${out}`, '--sample', '3', '--source', image),
          /It is made of what .* is now\.\n.*The index holds/,
        );
        const optimized = `${name}-${way}`;
        await load(t, out, optimized, name);
        if (before) {
          assert.ok(before.size > 5);
          assert.deepEqual(await exported(optimized), before);
        }
        if (command) assert.deepEqual(await runUntraced(optimized, command, user), said);
        else assert.ok(Number(await start(optimized, `${way}.soci-trace.jsonl`)) > 0);
      }
      if (name !== 'fx-scratch') return;

      await t.test('and the next build makes them stale', async () => {
        await buildFrom('fx-scratch-new', 'FROM fx-scratch\nLABEL build=2\n');
        t.after(async () => {
          await (await testEngine()).docker.getImage('fx-scratch-new').remove({ force: true });
        });
        const { code, stdout } = await runProgram(
          [
            ...['verify', `oci:${path.join(dir, 'start-layer')}`],
            ...['--source', 'docker-daemon:fx-scratch-new', '--json'],
          ],
          { env },
        );
        assert.equal(code, 3);
        const report = JSON.parse(stdout) as { ok: boolean; origins: { state: string }[] };
        assert.deepEqual([report.ok, report.origins.map(({ state }) => state)], [false, ['stale']]);
      });
    });
  }
});
