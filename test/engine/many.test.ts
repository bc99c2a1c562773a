import assert from 'node:assert/strict';
import { execFile as execFileCallback, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { after, before, suite, test } from 'node:test';
import { buildImage } from '../../src/image/build';
import { type Engine } from '../../src/image/engine';
import { connectRegistry } from '../../src/registry/client';
import { listIndexes } from '../../src/soci/discover';
import { registryStore } from '../../src/soci/store';
import { runProgram } from '../support/cli';
import { startFaultProxy } from '../support/fault-proxy';
import { testEngine } from '../support/engine';
import { temporaryFolder } from '../support/folders';
import { pushManyImages } from '../support/many-images';
import { repoRoot } from '../support/paths';
import { startRegistry, type TestRegistry } from '../support/registry';

const execFile = promisify(execFileCallback);

const REPOSITORIES = 20;
const TAGS = 10;
const SHARDS = 4;
const KILL_AFTER = 5;

let registry: TestRegistry;
let names: string[];
before(async () => {
  registry = await startRegistry();
  const dir = await mkdtemp(path.join(tmpdir(), 'soci-lens-many-'));
  names = await pushManyImages(registry.host, dir, { repositories: REPOSITORIES, tags: TAGS });
  await rm(dir, { recursive: true });
});
after(() => registry.stop());

/** An image of Node and the libraries that it loads, as no registry is at hand to pull one from. */
async function nodeImage(dir: string, engine: Engine): Promise<string> {
  const { stdout } = await execFile('ldd', [process.execPath]);
  const files = [process.execPath, ...[...stdout.matchAll(/(\/\S+) \(/g)].map(([, file = '']) => file)];
  for (const file of files) {
    const inside = file === process.execPath ? '/usr/bin/node' : file;
    await mkdir(path.join(dir, path.dirname(inside)), { recursive: true });
    await copyFile(file, path.join(dir, inside));
  }
  await mkdir(path.join(dir, 'tmp'));
  await writeFile(path.join(dir, 'Dockerfile'), 'FROM scratch\nCOPY . /\n');
  const tag = 'soci-lens-node:test';
  await buildImage(engine, { contextDir: dir, dockerfile: 'Dockerfile', tag });
  return tag;
}

interface Run {
  /** Name of the image → what was said of it. */
  readonly said: ReadonlyMap<string, string>;
  readonly code: number | null;
  readonly summary:
    { indexed: number; skipped: number; failed: object[]; images: number; listed: number } | undefined;
}

/**
 * Runs one shard as a pod does. `killAfter` ends it without warning once so many images are done; it is kept slow then, by
 * its rate, so that it has most of its images before it at that moment, however late that comes.
 */
async function shard(dir: string, list: string, index: number, killAfter = Infinity): Promise<Run> {
  const rate = killAfter === Infinity ? '10000' : '200';
  const flags = ['--span-size', '16k', '--min-layer-size', '0', '--rate', rate, '--json'];
  const output = 'docker://{host}/{repository}:{tag}-soci';
  const child = spawn(
    process.execPath,
    ['dist/cli.js', 'index', '--from-list', list, '--output', output, '--shard', String(SHARDS), ...flags],
    {
      cwd: repoRoot,
      env: {
        ...process.env,
        JOB_COMPLETION_INDEX: String(index),
        SOCI_LENS_CACHE: path.join(dir, `cache-${index}`),
      },
    },
  );
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
    if (stderr.split('\n').length > killAfter) child.kill('SIGKILL');
  });
  const [code] = (await once(child, 'close')) as [number | null];
  const said = new Map<string, string>();
  for (const [, name = '', outcome = ''] of stderr.matchAll(/^(\S+) -> \S+: (.*)$/gm))
    said.set(name, outcome);
  return { said, code, summary: code === null ? undefined : (JSON.parse(stdout) as Run['summary']) };
}

suite('many images, many machines', { concurrency: false }, () => {
  test('200 images by 4 shards, one killed in the middle: all indexed once, nothing lost', async (t) => {
    const dir = await temporaryFolder(t);
    const list = `docker://${registry.host}/team/*`;

    const runs = await Promise.all(
      [0, 1, 2, 3].map((index) => shard(dir, list, index, index === 2 ? KILL_AFTER : Infinity)),
    );
    assert.deepEqual(
      runs.map(({ code }) => code),
      [0, 0, null, 0],
      JSON.stringify(runs.map(({ summary }) => summary?.failed)),
    );
    const killed = runs[2]!;
    // The last line may have come in half.
    assert.ok(killed.said.size >= KILL_AFTER - 1, `${killed.said.size} were done`);

    const again = await shard(dir, list, 2);
    assert.equal(again.code, 0);
    assert.deepEqual(again.summary?.failed, []);
    // What the killed one had finished is passed over, whether it came to say so or not.
    for (const name of killed.said.keys())
      assert.equal(again.said.get(name), 'skipped', `${name} ${killed.said.get(name)}`);
    const indexed = [...runs, again].flatMap(({ said }) =>
      [...said].filter(([, outcome]) => outcome === 'indexed').map(([name]) => name),
    );
    assert.equal(new Set(indexed).size, indexed.length, 'none was indexed twice');
    const unsaid = [...again.said].filter(
      ([name, outcome]) => outcome === 'skipped' && !killed.said.has(name),
    );
    assert.deepEqual([...indexed, ...unsaid.map(([name]) => name)].sort(), [...names].sort());

    await Promise.all(
      names.map(async (name) => {
        const [, repository = '', tag = ''] = /\/(.*):(\d)$/.exec(name) ?? [];
        const client = connectRegistry(registry.host, repository);
        const [image] = await listIndexes(registryStore(client, `${tag}-soci`));
        await client.close();
        assert.equal(image?.indexes.length, 1, name);
        assert.equal(image.indexes[0]?.manifest.layers.length, 2, name);
      }),
    );
  });

  test('a list of digests is passed over by one HEAD each; a damaged image does not end the others', async (t) => {
    const dir = await temporaryFolder(t);
    const proxy = await startFaultProxy(registry.host);
    t.after(() => proxy.stop());
    const client = connectRegistry(registry.host, 'team/app-0');
    const lines: string[] = [];
    for (let tag = 0; tag < TAGS; tag++) {
      const found = await client.headManifest(String(tag));
      lines.push(`${proxy.host}/team/app-0@${found!.digest}`);
    }
    await client.close();
    const list = path.join(dir, 'images.txt');
    await writeFile(list, [...lines, `${proxy.host}/team/none:1`].join('\n'));
    const run = () =>
      runProgram(
        [
          ...['index', '--from-list', list, '--output', 'docker://{host}/copies/{tag}:x'],
          ...['--min-layer-size', '0', '--json', '--rate', '1000'],
        ],
        { env: { SOCI_LENS_CACHE: path.join(dir, 'cache') } },
      );
    const first = await run();
    assert.equal(first.code, 1, first.stderr);
    const summary = JSON.parse(first.stdout) as { indexed: number; failed: { code: string }[] };
    assert.equal(summary.indexed, TAGS);
    assert.deepEqual(
      summary.failed.map(({ code }) => code),
      ['registry/not-found'],
    );
    proxy.log.length = 0;
    const second = await run();
    assert.equal((JSON.parse(second.stdout) as { skipped: number }).skipped, TAGS);
    const ofImages = proxy.log.filter((line) => !line.includes('/team/none/'));
    assert.equal(ofImages.length, TAGS, ofImages.join('\n'));
    assert.ok(ofImages.every((line) => line.startsWith('HEAD /v2/copies/')));
  });

  test('the container image of the command line does a shard: no root, no shell, nothing writable but /tmp', async (t) => {
    const dir = await temporaryFolder(t);
    const engine = await testEngine();
    const base = await nodeImage(dir, engine);
    const tag = 'soci-lens-cli:test';
    await buildImage(engine, {
      contextDir: repoRoot,
      dockerfile: 'Dockerfile',
      tag,
      buildArgs: { BASE: base },
    });
    t.after(() => engine.docker.getImage(tag).remove({ force: true }));
    const output = 'docker://{host}/{repository}:{tag}-boxed';
    const confined = [
      '--read-only',
      '--tmpfs=/tmp:uid=65532,mode=700',
      '--cap-drop=ALL',
      '--security-opt=no-new-privileges',
    ];
    const { stdout } = await execFile('docker', [
      ...['run', '--rm', '--network=host', ...confined, '--env=JOB_COMPLETION_INDEX=1', tag],
      ...[
        'index',
        '--from-list',
        `docker://${registry.host}/team/app-3:*`,
        '--filter',
        '*/app-3:*',
        '--output',
        output,
      ],
      ...['--shard', '2', '--min-layer-size', '0', '--rate', '10000', '--json'],
    ]);
    const summary = JSON.parse(stdout) as {
      listed: number;
      images: number;
      indexed: number;
      failed: unknown[];
    };
    assert.ok(summary.listed >= TAGS, stdout);
    assert.ok(summary.images > 0 && summary.images < summary.listed, 'a shard has its own part of the list');
    assert.equal(summary.indexed, summary.images);
    assert.deepEqual(summary.failed, []);
  });
});
