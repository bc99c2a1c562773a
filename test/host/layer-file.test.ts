/** A file of a layer that is in a registry: it is read by the spans that hold it, and the layer is not pulled again. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { Actions } from '../../src/editor/actions';
import { LayerFiles, layerFileUri, saveLayerFile } from '../../src/editor/layer-files';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy';
import { startRegistry, type TestRegistry } from '../support/registry';
import { isAbort } from '../../src/errors';
import { sample, testServices, until, watchNotifications, type TestServices } from './support';

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

  test('is saved as it comes where it is too large to be opened, and Cancel leaves nothing of it', async () => {
    const opened = await actions.inspect(sample);
    const layer = opened.layers.findIndex((result) => 'scan' in result && result.scan.entries.length > 0);
    const result = opened.layers[layer];
    assert.ok(result && 'scan' in result);
    const { entries } = result.scan;
    const entry = Array.from({ length: entries.length }, (_, i) => i).findIndex(
      (i) => entries.type(i) === 'reg',
    );
    const uri = layerFileUri(sample, layer, entry, entries.name(entry));
    // A file of 2 GiB, as far as its layer tells, of which little comes.
    const large = Object.create(entries, { size: { value: () => 2 ** 31 } }) as typeof entries;
    const layers = opened.layers.with(layer, { ...result, scan: { ...result.scan, entries: large } });
    const open = () => Promise.resolve({ ...opened, layers });
    const line = await services.line();
    const reading: (() => void)[] = [];
    async function* fileContent(_scan: unknown, _blob: unknown, _entry: unknown, signal?: AbortSignal) {
      yield new Uint8Array(1000);
      await new Promise<void>((resolve, reject) => {
        reading.push(resolve);
        signal?.addEventListener('abort', () => {
          reject(signal.reason as Error);
        });
      });
      yield new Uint8Array(500);
    }
    const faked = { ...services, line: () => Promise.resolve({ ...line, fileContent }) };
    await assert.rejects(new LayerFiles(faked, open).readFile(uri), /too large/);

    const folder = await mkdtemp(path.join(scratch, 'saved-'));
    const target = vscode.Uri.file(path.join(folder, 'large'));
    const notifications = watchNotifications();
    try {
      const saving = saveLayerFile(faked, open, uri, target);
      await until('the first piece', () => reading.length === 1);
      const [title = ''] = notifications.titles;
      assert.match(title, /^Saving /);
      notifications.cancel(title);
      await assert.rejects(saving, isAbort);
      assert.deepEqual(await readdir(folder), []);

      const again = saveLayerFile(faked, open, uri, target);
      await until('the first piece', () => reading.length === 2);
      reading[1]?.();
      await again;
      assert.equal((await stat(target.fsPath)).size, 1500);
      assert.deepEqual(await readdir(folder), ['large']);
    } finally {
      notifications.dispose();
    }
  });
});
