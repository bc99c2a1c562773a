// node scripts/sample.mjs: makes the sample image without any engine, the same bytes on every operating system, and what sample/Dockerfile adds.
// `--update` writes the new digests after the sample was changed on purpose; its trace must then be recorded anew.
// `--output FOLDER` only makes the layout, anew and there, and prints its digests.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pako from 'pako';
import { catalogueLayer, cleanUpLayer, copyLayer, librariesLayer, runtimeLayer } from './sample/layers.mjs';
import { fetchPackages } from './sample/packages.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const sample = path.join(root, 'sample');
const cache = path.join(root, '.cache/sample');
const digestFile = path.join(sample, 'digests.json');
const DATE = '2026-11-01T00:00:00Z';

/** Where things are once `makeSample` has run. */
export const samplePaths = {
  /** The build context and the workspace that VS Code opens. */
  context: sample,
  /** The embedded image, an OCI layout for linux/amd64. */
  layout: path.join(cache, 'oci'),
  /** Its start, as our tracer recorded it. */
  trace: path.join(sample, 'start.soci-trace.jsonl'),
};

/** Makes what is missing. Rejects when the result is not the image that the committed digest and trace belong to. */
export async function makeSample({ log = console.error } = {}) {
  const { manifest } = JSON.parse(await readFile(digestFile, 'utf8'));
  const vendor = ['runtime', 'libraries', 'catalogue'].map((name) =>
    path.join(sample, 'vendor', `${name}.tar`),
  );
  const indexFile = path.join(samplePaths.layout, 'index.json');
  const present = existsSync(indexFile) && JSON.parse(await readFile(indexFile, 'utf8')).manifests[0].digest;
  if (present === manifest && vendor.every(existsSync)) return samplePaths;

  const archives = await makeArchives(log);
  await mkdir(path.join(sample, 'vendor'), { recursive: true });
  const { native, libraries, data } = archives;
  for (const [i, bytes] of [native, libraries, data].entries()) await writeAtomically(vendor[i], bytes);
  const made = await writeLayout(samplePaths.layout, archives);
  if (made.manifest !== manifest) {
    throw new Error(
      `The sample came out as ${made.manifest}, not as ${manifest} of sample/digests.json. ` +
        'If you changed the sample, run `node scripts/sample.mjs --update` and record its trace anew (sample/README.md).',
    );
  }
  return samplePaths;
}

/** What sample/Dockerfile ADDs, and the runtime for linux/amd64, which the embedded image has on every machine. */
async function makeArchives(log) {
  log('Fetching the npm packages that the sample is made of');
  const packages = JSON.parse(await readFile(path.join(sample, 'packages.json'), 'utf8'));
  const tarballs = await fetchPackages(packages, path.join(cache, 'packages'));
  log('Writing the layers of the sample image');
  const embedded = await runtimeLayer(tarballs, 'amd64');
  return {
    embedded,
    native: process.arch === 'arm64' ? await runtimeLayer(tarballs, 'arm64') : embedded,
    libraries: await librariesLayer(tarballs),
    data: await catalogueLayer(),
  };
}

/** The instructions of sample/Dockerfile, one string each. */
async function dockerfile() {
  const text = await readFile(path.join(sample, 'Dockerfile'), 'utf8');
  return text.split('\n').filter((line) => /^[A-Z]+ /.test(line));
}

/** Writes the OCI layout as a whole or not at all, and returns the digests in it. */
async function writeLayout(target, { embedded, libraries, data }) {
  const instructions = await dockerfile();
  const making = instructions.filter((line) => /^(ADD|RUN|COPY) /.test(line));
  const run = making.find((line) => line.startsWith('RUN '));
  const removed = JSON.parse(run.slice('RUN '.length)).slice(1);
  const layers = [
    embedded,
    libraries,
    await cleanUpLayer(removed.map((name) => name.slice(1))),
    data,
    await copyLayer(path.join(sample, 'app'), 'app'),
    await copyLayer(path.join(sample, 'production'), 'app/src'),
  ];
  await mkdir(path.dirname(target), { recursive: true });
  const folder = await mkdtemp(`${target}-`);
  try {
    const blobs = path.join(folder, 'blobs/sha256');
    await mkdir(blobs, { recursive: true });
    const blob = async (mediaType, bytes) => {
      const hex = createHash('sha256').update(bytes).digest('hex');
      await writeFile(path.join(blobs, hex), bytes);
      return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
    };

    const value = (name) => instructions.find((line) => line.startsWith(`${name} `)).slice(name.length + 1);
    const descriptors = [];
    const diffIds = [];
    for (const bytes of layers) {
      diffIds.push(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
      // pako is one program everywhere; the zlib inside Node compresses differently from version to version.
      descriptors.push(await blob('application/vnd.oci.image.layer.v1.tar+gzip', pako.gzip(bytes)));
    }
    const config = {
      created: DATE,
      architecture: 'amd64',
      os: 'linux',
      config: {
        User: value('USER'),
        ExposedPorts: { [`${value('EXPOSE')}/tcp`]: {} },
        Env: ['PATH=/usr/local/bin:/usr/bin'],
        Entrypoint: JSON.parse(value('ENTRYPOINT')),
        Cmd: JSON.parse(value('CMD')),
        WorkingDir: value('WORKDIR'),
      },
      rootfs: { type: 'layers', diff_ids: diffIds },
      history: instructions
        .filter((line) => !line.startsWith('FROM '))
        .map((line) => ({
          created: DATE,
          created_by: line,
          ...(making.includes(line) ? {} : { empty_layer: true }),
        })),
    };
    const manifest = {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: await blob('application/vnd.oci.image.config.v1+json', Buffer.from(JSON.stringify(config))),
      layers: descriptors,
    };
    const descriptor = await blob(manifest.mediaType, Buffer.from(JSON.stringify(manifest)));
    await writeFile(path.join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    await writeFile(
      path.join(folder, 'index.json'),
      JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }),
    );
    await rm(target, { recursive: true, force: true });
    await rename(folder, target);
    return {
      manifest: descriptor.digest,
      config: manifest.config.digest,
      layers: descriptors.map(({ digest }) => digest),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeAtomically(file, bytes) {
  const temporary = `${file}.${process.pid}`;
  try {
    await writeFile(temporary, bytes);
    await rename(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [flag, folder] = process.argv.slice(2);
  if (flag === '--output') {
    console.log(JSON.stringify(await writeLayout(path.resolve(folder), await makeArchives(console.error))));
  } else {
    if (flag === '--update') {
      const digests = await writeLayout(samplePaths.layout, await makeArchives(console.error));
      await writeFile(digestFile, `${JSON.stringify(digests, null, 2)}\n`);
    }
    console.log((await makeSample()).layout);
  }
}
