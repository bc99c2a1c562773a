// node scripts/sample-trace.mjs [--small] [FILE]: records the start of the embedded sample image, or of the small one that the
// extension makes, in a Docker engine, as the command line does, into FILE (the committed one if not given). Needs `npm run
// build` before it.
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import tar from 'tar-stream';
import { makeSample, samplePaths } from './sample.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const smallTrace = path.join(root, 'sample/small.soci-trace.jsonl');
const isSmall = process.argv.includes('--small');
const [file] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const NAME = `soci-lens-sample:${isSmall ? 'small' : 'embedded'}`;

/** How the sample says that it is ready. */
const READY = isSmall ? 'exit' : 'log=build finished';

/** The layout as `docker save` would write it; the engine takes compressed layers too. */
async function dockerArchive(layout, name) {
  const blob = ({ digest }) => readFile(path.join(layout, 'blobs/sha256', digest.replace('sha256:', '')));
  const index = JSON.parse(await readFile(path.join(layout, 'index.json'), 'utf8'));
  const manifest = JSON.parse(await blob(index.manifests[0]));
  const file = ({ digest }) => digest.replace('sha256:', '');
  const pack = tar.pack();
  for (const descriptor of [manifest.config, ...manifest.layers]) {
    pack.entry({ name: file(descriptor) }, await blob(descriptor));
  }
  const entry = { Config: file(manifest.config), RepoTags: [name], Layers: manifest.layers.map(file) };
  pack.entry({ name: 'manifest.json' }, JSON.stringify([entry]));
  pack.finalize();
  return pack;
}

const { connectEngine, makeSmallSample } = createRequire(import.meta.url)('../dist/line.js');
const layout = isSmall
  ? await makeSmallSample(path.join(root, '.cache/small-sample'))
  : (await makeSample()).layout;
const { docker } = await connectEngine();
const output = path.resolve(file ?? (isSmall ? smallTrace : samplePaths.trace));
const answer = await docker.loadImage(await dockerArchive(layout, NAME));
await finished(answer.resume());
try {
  const args = [
    'trace',
    `docker-daemon:${NAME}`,
    '--platform',
    'linux/amd64',
    '--ready',
    READY,
    '-o',
    output,
  ];
  const cli = spawn(process.execPath, [path.join(root, 'dist/cli.js'), ...args], { stdio: 'inherit' });
  process.exitCode = await new Promise((resolve) => cli.once('close', resolve));
} finally {
  await docker.getImage(NAME).remove();
}
