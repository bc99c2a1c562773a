// Measurements of the registry room: node registry.js push|pull|list LAYOUT HOST → one line of JSON; `pull` writes the layout. scripts/bench-registry.mjs runs it.
import { connectRegistry } from '../../src/registry/client';
import { openLayout } from '../../src/image/layout';
import { createLayout } from '../../src/image/layout-writer';
import { encodeManifest } from '../../src/oci/json';
import { OCI_CONFIG, OCI_MANIFEST } from '../../src/oci/media-types';
import { sha256 } from '../../src/oci/digest';
import { listIndexes } from '../../src/soci/discover';
import { EMPTY_CONFIG, encodeSociIndex } from '../../src/soci/index';
import { pushLayout } from '../../src/soci/push';
import { registryStore } from '../../src/soci/store';
import { startFakeRegistry } from '../support/fake-registry';

const [measure = '', folder = '', host = ''] = process.argv.slice(2);
const noOne = { credentials: () => Promise.resolve(undefined) };

async function push(): Promise<object> {
  const client = connectRegistry(host, 'bench/own', noOne);
  const { bytes } = await pushLayout(await openLayout(folder), client, 'latest');
  await client.close();
  return { bytes };
}

/** Every blob once into a layout, three at a time as `skopeo copy` has six; digests checked. */
async function pull(): Promise<object> {
  const client = connectRegistry(host, 'bench/own', noOne);
  const store = registryStore(client, 'latest');
  const root = await store.root();
  if (root.kind !== 'manifest') throw new Error('The image to measure with is one manifest.');
  const target = await createLayout(folder);
  const queue = [root.manifest.config, ...root.manifest.layers];
  let bytes = 0;
  const worker = async () => {
    for (let blob = queue.shift(); blob; blob = queue.shift()) {
      await target.takeBlob(await store.blob(blob), blob);
      bytes += blob.size;
    }
  };
  await Promise.all([worker(), worker(), worker()]);
  await target.finish([root.descriptor]);
  await client.close();
  return { bytes };
}

async function list(): Promise<object> {
  const registry = await startFakeRegistry({ pageSize: 100 });
  const client = connectRegistry(registry.host, 'bench/list', noOne);
  const config = { mediaType: OCI_CONFIG, digest: sha256(EMPTY_CONFIG), size: EMPTY_CONFIG.length };
  const image = encodeManifest({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [] });
  const subject = { mediaType: OCI_MANIFEST, digest: sha256(image), size: image.length };
  await client.putManifest('latest', OCI_MANIFEST, image);
  for (let index = 0; index < 1000; index++) {
    const bytes = encodeSociIndex([], subject, `tool ${index}`);
    await client.putManifest(sha256(bytes), OCI_MANIFEST, bytes);
  }
  const started = performance.now();
  const [found] = await listIndexes(registryStore(client, 'latest'));
  const seconds = (performance.now() - started) / 1000;
  await client.close();
  await registry.stop();
  return { seconds, indexes: found?.indexes.length };
}

const started = performance.now();
void ({ push, pull, list }[measure] ?? list)().then((result) => {
  console.log(
    JSON.stringify({
      seconds: (performance.now() - started) / 1000,
      ...result,
      rss: process.resourceUsage().maxRSS * 1024,
    }),
  );
});
