/** A file of a layer that is in a registry: it is read by the spans that hold it, and the layer is not pulled again. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { Actions } from '../../src/editor/actions';
import { LayerFiles, layerFileUri } from '../../src/editor/layer-files';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy';
import { startRegistry, type TestRegistry } from '../support/registry';
import { sample, testServices, type TestServices } from './support';

suite('a file of a layer in a registry', () => {
  let scratch: string;
  let registry: TestRegistry;
  let proxy: FaultProxy;
  let services: TestServices;
  let actions: Actions;

  suiteSetup(async () => {
    scratch = await mkdtemp(path.join(tmpdir(), 'soci-lens-layer-file-'));
    registry = await startRegistry();
    proxy = await startFaultProxy(registry.host);
    services = testServices(scratch);
    actions = new Actions(services);
    const line = await services.line();
    const client = line.connectRegistry(registry.host, 'team/app');
    await line.pushLayout(await line.openLayout(sample.replace('oci:', '')), client, '1.0');
    await client.close();
  });

  suiteTeardown(async () => {
    services.dispose();
    await proxy.stop();
    await registry.stop();
    await rm(scratch, { recursive: true, force: true });
  });

  test('is opened by ranges that are a small part of the layer, with the bytes that the layout has', async () => {
    const reference = `docker://${proxy.host}/team/app:1.0`;
    const { image, layers } = await actions.inspect(reference);
    await actions.open(sample);
    const counts = layers.map((result) => ('scan' in result ? result.scan.entries.length : 0));
    const layer = counts.indexOf(Math.max(...counts));
    const size = image.layers[layer]?.descriptor.size ?? 0;
    const result = layers[layer];
    assert.ok(result && 'scan' in result);
    const { entries } = result.scan;
    const all = Array.from({ length: entries.length }, (_, i) => i);
    const entry = all.findLast((i) => entries.size(i) > 0 && entries.size(i) < size / 100);
    assert.ok(entry !== undefined);

    const ranges: unknown[] = [];
    proxy.judge = ({ method, url, headers }) => {
      if (method === 'GET' && url.includes('/blobs/')) ranges.push(headers.range);
      return {};
    };
    const files = new LayerFiles(services, (name) => actions.open(name));
    const read = (from: string): Promise<Uint8Array> =>
      files.readFile(layerFileUri(from, layer, entry, entries.name(entry)));
    const content = await read(reference);
    assert.equal(content.length, entries.size(entry));
    assert.deepEqual(content, await read(sample));
    const bytes = ranges.map((range) => {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(String(range)) ?? [];
      return Number(last) - Number(first) + 1;
    });
    assert.ok(bytes.length > 0);
    const sum = bytes.reduce((total, count) => total + count, 0);
    assert.ok(sum < size / 2, `${String(ranges)} of ${size} bytes`);
  });
});
