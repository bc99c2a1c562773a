// npm run bench:registry [-- --layout FOLDER | --image NAME] [--runs N]: push and pull over the loopback against `skopeo copy` in the same
// run, listing an image with a thousand indexes, and 200 small images indexed by 1 to 8 shards (with the program that
// `npm run build` made). Needs Debian's docker-registry and skopeo. --image takes one of the engine at DOCKER_HOST, its layers
// compressed by skopeo; with neither, an image of random bytes. Of the runs the quickest counts.
import { build } from 'esbuild';
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { node, root } from './esbuild.mjs';

const { values } = parseArgs({
  options: {
    layout: { type: 'string' },
    image: { type: 'string' },
    runs: { type: 'string', default: '3' },
  },
});
const out = path.join(root, 'out', 'bench');
await build({
  ...node,
  entryPoints: ['test/bench/registry.ts', 'test/bench/many.ts'],
  outdir: out,
  sourcemap: false,
});
const dir = await mkdtemp(path.join(os.tmpdir(), 'soci-lens-bench-'));

/** A layout of one image with three layers of 100 MB. */
async function ownLayout() {
  const folder = path.join(dir, 'layout');
  const blobs = path.join(folder, 'blobs/sha256');
  await mkdir(blobs, { recursive: true });
  const add = async (bytes, mediaType) => {
    const hex = createHash('sha256').update(bytes).digest('hex');
    await writeFile(path.join(blobs, hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const layers = [];
  for (let i = 0; i < 3; i++)
    layers.push(await add(randomBytes(100e6), 'application/vnd.oci.image.layer.v1.tar+gzip'));
  const config = await add(
    Buffer.from('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'),
    'application/vnd.oci.image.config.v1+json',
  );
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = await add(
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers })),
    mediaType,
  );
  await writeFile(path.join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(
    path.join(folder, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [manifest] }),
  );
  return folder;
}

/** An image of the engine as a layout. */
function layoutOf(image) {
  const folder = path.join(dir, 'layout');
  const host = process.env.DOCKER_HOST ? ['--src-daemon-host', process.env.DOCKER_HOST] : [];
  const name = /:[^/]+$/.test(image) ? image : `${image}:latest`;
  timed('skopeo', ['copy', '-q', ...host, `docker-daemon:${name}`, `oci:${folder}`]);
  return folder;
}

function timed(command, args) {
  const started = process.hrtime.bigint();
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
  return { seconds: Number(process.hrtime.bigint() - started) / 1e9, stdout };
}

const results = {};
const memory = {};
const note = (name, seconds) => (results[name] ??= []).push(seconds);
/** Our own side, which also tells how much memory it took. */
function own(name, ...args) {
  const { seconds, stdout } = timed(process.execPath, [path.join(out, 'registry.js'), name, ...args]);
  note(name, seconds);
  memory[name] = Math.max(memory[name] ?? 0, JSON.parse(stdout).rss);
}

try {
  const layout = values.layout ?? (values.image ? layoutOf(values.image) : await ownLayout());
  for (let run = 0; run < Number(values.runs); run++) {
    // A registry of its own for each run, so that nothing is there already.
    const data = path.join(dir, `registry-${run}`);
    const port = 20000 + Math.floor(Math.random() * 20000);
    const host = `127.0.0.1:${port}`;
    await mkdir(data);
    const config = path.join(data, 'config.yml');
    await writeFile(
      config,
      `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${data}/data}}\nhttp: {addr: "${host}"}\n`,
    );
    const registry = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
    try {
      while (!(await fetch(`http://${host}/v2/`).catch(() => undefined)))
        await new Promise((resolve) => setTimeout(resolve, 50));
      own('push', layout, host);
      const insecure = ['copy', '-q', '--dest-tls-verify=false', '--src-tls-verify=false'];
      note(
        'skopeo push',
        timed('skopeo', [...insecure, `oci:${layout}`, `docker://${host}/bench/skopeo:latest`]).seconds,
      );
      own('pull', path.join(data, 'own'), host);
      note(
        'skopeo pull',
        timed('skopeo', [...insecure, `docker://${host}/bench/skopeo:latest`, `dir:${data}/pulled`]).seconds,
      );
    } finally {
      registry.kill();
    }
    await rm(data, { recursive: true, force: true });
  }
  // The quickest of the rounds is the one that other work on the machine disturbed least.
  const of = (name) => Math.min(...results[name]);
  for (const what of ['push', 'pull']) {
    const ratio = of(`skopeo ${what}`) / of(what);
    console.log(
      `${what}: ${of(what).toFixed(2)} s, skopeo ${of(`skopeo ${what}`).toFixed(2)} s: ${ratio.toFixed(2)} × its throughput, in a process of ${(memory[what] / 1e6).toFixed(0)} MB at most`,
    );
  }
  const listed = JSON.parse(timed(process.execPath, [path.join(out, 'registry.js'), 'list']).stdout);
  console.log(`list of ${listed.indexes} indexes: ${listed.seconds.toFixed(2)} s`);
  for (const line of timed(process.execPath, [path.join(out, 'many.js'), path.join(root, 'dist/cli.js')])
    .stdout.trim()
    .split('\n')) {
    const { shards, indexed, seconds } = JSON.parse(line);
    console.log(`${indexed} images by ${shards} shards: ${seconds.toFixed(1)} s`);
  }
} finally {
  await rm(dir, { recursive: true, force: true });
}
