/** An image of the engine whose layers the registry has already, compressed by somebody else. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { Actions } from '../../src/editor/actions';
import { verify } from '../../src/editor/work/indexes';
import type { Image } from '../../src/image/types';
import { startRegistry, type TestRegistry } from '../support/registry';
import { answering, testServices, type TestServices } from './support';

suite('an image that the registry has already', () => {
  let scratch: string;
  let registry: TestRegistry;
  let services: TestServices;
  let actions: Actions;
  let key: string;
  let theirs: readonly string[];

  const set = (name: string, value: unknown) =>
    vscode.workspace.getConfiguration('sociLens').update(name, value, vscode.ConfigurationTarget.Global);
  const digests = ({ layers }: Image) => layers.map(({ descriptor }) => descriptor.digest);

  suiteSetup(async function () {
    const host = process.env['SOCI_LENS_TEST_ENGINE'];
    if (!host) this.skip();
    scratch = await mkdtemp(path.join(tmpdir(), 'soci-lens-pushed-'));
    registry = await startRegistry();
    services = testServices(path.join(scratch, 'cache'));
    actions = new Actions(services);
    await set('engine.host', host);
    await set('index.minLayerSize', 0);

    const context = path.join(scratch, 'pushed');
    await mkdir(context);
    await writeFile(path.join(context, 'Dockerfile'), 'FROM scratch\nCOPY numbers /\nCMD ["/numbers"]\n');
    const numbers = Array.from({ length: 50_000 }, (_, n) => (n * n) % 65_537).join('\n');
    await writeFile(path.join(context, 'numbers'), numbers);
    key = await actions.build(vscode.Uri.file(path.join(context, 'Dockerfile')));

    const line = await services.line();
    const cacheDir = path.join(scratch, 'theirs');
    const name = key.replace('docker-daemon:', '');
    const layout = await line.exportImage(await line.connectEngine({ host }), name, { cacheDir, level: 1 });
    theirs = digests(await line.openImage(`oci:${layout}`, { cacheDir }));
    const client = line.connectRegistry(registry.host, 'team/app');
    await line.pushLayout(await line.openLayout(layout), client, '1.0');
    await client.close();
  });

  suiteTeardown(async function () {
    if (!process.env['SOCI_LENS_TEST_ENGINE']) return;
    await set('engine.host', undefined);
    await set('index.minLayerSize', undefined);
    services.dispose();
    await registry.stop();
    await rm(scratch, { recursive: true, force: true });
  });

  /** Indexes it to a destination. @returns what was said before, the layers there, and how many of them are indexed */
  const index = async (destination: string) => {
    const answers = { createInputBox: destination, showInformationMessage: 'Create and Push' };
    const asked = await answering(answers, () => actions.createIndex(key));
    const { image } = await actions.inspect(destination);
    const { indexes = [] } = services.store.get(destination)?.survey ?? {};
    return { said: JSON.stringify(asked), layers: digests(image), indexed: indexes.map((one) => one.layers) };
  };

  test('is indexed by the blobs of the registry, since only they are pulled', async () => {
    const ours = digests((await actions.open(key)).image);
    assert.notDeepEqual(theirs, ours, 'another level gives other bytes');
    const { said, layers, indexed } = await index(`docker://${registry.host}/team/app:1.0`);
    assert.match(said, /team\/app:1\.0 is this very image: the registry's own blobs are indexed/);
    assert.deepEqual(layers, theirs);
    assert.deepEqual(indexed, [1]);
    const task = { signal: new AbortController().signal, onProgress: () => undefined };
    const { report } = await verify(services, `docker://${registry.host}/team/app:1.0`, task);
    assert.equal(report.ok, true, JSON.stringify(report.problems));
  });

  test('is compressed here for a repository that does not have it', async () => {
    const { said, layers, indexed } = await index(`docker://${registry.host}/team/other:1.0`);
    assert.match(said, /layers compressed here, since the engine keeps plain tars/);
    assert.deepEqual(layers, digests((await actions.open(key)).image));
    assert.deepEqual(indexed, [1]);
  });
});
