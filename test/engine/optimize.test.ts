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
import { OPTIMIZE_WAYS } from '../../src/optimize/types';
import type { Descriptor } from '../../src/oci/types';
import { runProgram } from '../support/cli';
import { ensureImage, testEngine } from '../support/engine';
import { temporaryFolder } from '../support/folders';
import { openFolder } from '../support/images';
import { blobFile } from '../support/layouts';
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

/** What the kernel shows from within, links counted and contents hashed. */
const LOOK = `find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /etc/hosts -o -path /etc/hostname -o -path /etc/resolv.conf -o -path /etc/mtab -o -path /.dockerenv \\) -prune -o ! -type d -printf '%p %y %m %U:%G %n %s %T@ %l\\n' -o -type d ! -path / ! -path /etc -printf '%p %y %m %U:%G %T@\\n' | sort; find / -xdev -type f ! -path '/proc/*' ! -path '/sys/*' -exec sha256sum {} + | sort | grep -v /etc/host`;

/** Loads the image of a layout into the engine, in the form that \`docker save\` writes. */
async function load(t: TestContext, folder: string, name: string): Promise<void> {
  const { docker } = await testEngine();
  const { manifest } = await openFolder(folder);
  const archive = pack();
  const nameOf = ({ digest }: Descriptor): string => digest.replace(':', '-');
  const answer = docker.loadImage(Readable.from(archive));
  const list = [
    { Config: nameOf(manifest.config), RepoTags: [`${name}:latest`], Layers: manifest.layers.map(nameOf) },
  ];
  archive.entry({ name: 'manifest.json' }, JSON.stringify(list));
  for (const one of new Map(
    [manifest.config, ...manifest.layers].map((blob) => [blob.digest, blob]),
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
      const { name, type, mode, uid, gid, mtime, linkname } = entry.header;
      const hash = createHash('sha256');
      for await (const chunk of entry) hash.update(chunk as Buffer);
      // What the engine puts there itself, at the time of the container.
      if (/^(dev|proc|sys|etc\/(hosts|hostname|resolv\.conf|mtab)|\.dockerenv|\/?$)/.test(name)) continue;
      const time = name === 'etc/' ? '' : mtime.toISOString();
      found.set(name, [type, mode.toString(8), uid, gid, time, linkname, hash.digest('hex')].join(' '));
    }
    await feeding;
    return found;
  } finally {
    await container.remove({ force: true });
  }
}

async function cli(...argv: string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram(argv);
  assert.equal(code, 0, `${argv.join(' ')}\n${stdout}\n${stderr}`);
  return stdout;
}

describe('optimized images start as before, from the same files', () => {
  for (const image of ['fx-scratch', SERVICE]) {
    test(image, { timeout: 300_000 }, async (t) => {
      await ensureImage('fx-scratch');
      if (image === SERVICE) {
        await ensureImage('fx-edge');
        await buildFrom(SERVICE, DOCKERFILE);
      }
      const dir = await temporaryFolder(t);
      const trace = path.join(dir, 'start.soci-trace.jsonl');
      await cli(
        'trace',
        `docker-daemon:${image}`,
        '-o',
        trace,
        ...(image === SERVICE ? ['--ready', 'exit'] : []),
      );
      const before = await exported(image);
      assert.ok(before.size > 5);

      for (const way of OPTIMIZE_WAYS) {
        const out = path.join(dir, way);
        const args = ['--trace', trace, '--way', way, '--min-layer-size', '1', '-o', `oci:${out}`];
        await cli('optimize', `docker-daemon:${image}`, ...args);
        assert.match(
          await cli('verify', `oci:${out}`, '--sample', '3', '--source', `docker-daemon:${image}`),
          /It is made of what .* is now\.\n.*The index holds/,
        );
        const name = `${image}-${way}`;
        await load(t, out, name);
        assert.deepEqual(await exported(name), before);
        if (image !== SERVICE) continue;
        assert.deepEqual(await runUntraced(name, ['/app/run']), await runUntraced(image, ['/app/run']));
        const look = await runUntraced(name, ['sh', '-c', LOOK], '0');
        assert.ok(look.output.length > 5000);
        assert.deepEqual(look, await runUntraced(image, ['sh', '-c', LOOK], '0'));
      }
    });
  }

  test('a stale image is called so', { timeout: 60_000 }, async (t) => {
    const dir = await temporaryFolder(t);
    const trace = path.join(dir, 'start.soci-trace.jsonl');
    const out = path.join(dir, 'out');
    await cli('trace', 'docker-daemon:fx-scratch', '-o', trace);
    await cli(
      'optimize',
      'docker-daemon:fx-scratch',
      '--trace',
      trace,
      '--min-layer-size',
      '1',
      '-o',
      `oci:${out}`,
    );
    await buildFrom('fx-scratch-new', 'FROM fx-scratch\nLABEL build=2\n');
    t.after(async () => {
      await (await testEngine()).docker.getImage('fx-scratch-new').remove({ force: true });
    });
    const { code, stdout } = await runProgram([
      'verify',
      `oci:${out}`,
      '--source',
      'docker-daemon:fx-scratch-new',
      '--json',
    ]);
    assert.equal(code, 3);
    const report = JSON.parse(stdout) as { ok: boolean; origins: { state: string }[] };
    assert.deepEqual([report.ok, report.origins.map(({ state }) => state)], [false, ['stale']]);
  });
});
